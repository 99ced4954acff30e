"""Opening cases: ask for files, bring them into the project, show one case at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, cast

from napari.layers import Layer
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.samples import SampleName, sample_folder
from napari_scribseg.core.wording import counted
from napari_scribseg.data.case import Case, CaseFiles, CaseKey, Dataset
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.found import FoundCase
from napari_scribseg.data.patients import patient_of
from napari_scribseg.gui.autosave import Autosave
from napari_scribseg.gui.canvas import layers, opening
from napari_scribseg.gui.canvas.chosen_layers import kept_as, note_kept
from napari_scribseg.gui.canvas.sequence_layers import case_of_layers, link, sequences_data
from napari_scribseg.gui.case.import_request import ImportRequest
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session
from napari_scribseg.io.series import read_series_frames
from napari_scribseg.project.case_names import file_case_id
from napari_scribseg.project.shown import OpenedCase
from napari_scribseg.project.store import ProjectStore

_TELL_EVERY: Final = 5
"""Cases between two sentences about how many are added."""


class CaseOpener(QObject):
    """Opens cases in a viewer; every case belongs to the project from then on.

    Args:
        session: what the window works on.
        store: the project.
        autosave: saves the case that is left.
    """

    case_opened = Signal(object)
    """An OpenedCase, which is in the viewer now."""
    cases_changed = Signal()
    """The project has other cases now."""

    def __init__(self, session: Session, store: ProjectStore, autosave: Autosave) -> None:
        super().__init__(session)
        self._session = session
        self._viewer = session.viewer
        self._store = store
        self._autosave = autosave
        self._shelf: dict[CaseKey, list[Layer]] = {}
        """Scribbles layers that belong to no project, of the cases that were open before."""

    def ask(self, what: str) -> None:
        """Open "sample:" and its name; or make a case of the selected layers ("layers")."""
        if what == "layers":
            self.open_layers()
            return
        self.open_sample(cast("SampleName", what.removeprefix("sample:")))

    def open_case(self, case_id: str) -> None:
        """Show a case of the project; the one that is left is saved."""
        shown = self._session.selected.scribbles
        if shown is not None and kept_as(shown, self._session.project_folder) == case_id:
            self._session.say(f"{self._session.case or case_id} is open.")
            return
        self._autosave.save(lambda: self._load(case_id))

    def open_strokes(self, case_id: str, name: str | None) -> None:
        """Show a case with the strokes of somebody; what was drawn is saved.

        Args:
            case_id: one of the project.
            name: whose strokes; None = the user's own, or those that all share.
        """

        def load() -> None:
            self._session.run(lambda: self._store.load(case_id, name), self.show_opened)

        self.save_first(load)

    def save_first(self, then: Callable[[], None]) -> None:
        """Do something once the strokes that are shown are saved, if they can be."""
        if self._store.read_only:
            then()
        else:
            self._autosave.save(then)

    def open_files(self, cases: Sequence[CaseFiles], schema: LabelSchema) -> None:
        """Bring cases into the project and show the first one."""
        if len(cases) > 1:
            self._session.say(f"Adding {len(cases)} cases to the project …")
        else:
            self._session.say(f"Opening {cases[0].id} …")
        self._bring_in(cases, schema)

    def add_found(self, request: ImportRequest) -> None:
        """Bring found cases into the open project: the first is shown while the others come."""
        first, others = request.cases[0], request.cases[1:]
        one = f"Opening {first.name} …"
        self._session.say(f"Adding {len(request.cases)} cases …" if others else one)
        store = self._store

        def job() -> OpenedCase | str:
            given, schema = first.given(), request.schema_of(first)
            return store.bring_in(given, schema, request.folder)

        def added(opened: OpenedCase | str) -> None:
            self._added(opened)
            if others:
                self._add_others(request, others)

        def failed(why: str) -> None:
            if not others:
                self._session.refuse(why)
                return
            self._session.say(why, "warning")
            self.add_found(replace(request, cases=others))

        self._session.background.run(job, added, failed)

    def show_series(self, found: FoundCase) -> None:
        """Show a time series as a whole; its frames become cases there."""
        files = found.files
        self._session.say(f"Opening {found.name} …")
        alone = not found.series

        def job() -> list[layers.LayerData]:
            if files.image.is_file():
                return opening.layers_of_path(files.image)
            volumes = read_series_frames(files.image, found.series or None)
            case = CaseKey.of_file(files.image, files.id, files.id)
            return [opening.series_layer(volumes, case, files.image if alone else None)]

        self._session.run(job, self.show)

    def open_sample(self, name: SampleName) -> None:
        """Bring the cases of a sample into the project; show the first that is scribbled."""

        def job() -> Dataset:
            return read_dataset(sample_folder(name))

        def opened(dataset: Dataset) -> None:
            cases = sorted(dataset.cases, key=lambda case: case.scribbles is None)
            self.open_files(cases, dataset.schema)

        self._session.run(job, opened)

    def open_layers(self) -> None:
        """Make the image layers that are selected in napari's list one case of several sequences.

        The image that is shown as the case's, or else the lowest of them, gives the grid.
        """
        picked = [layer for layer in self._viewer.layers if layer in self._viewer.layers.selection]
        first = self._session.selected.image
        picked.sort(key=lambda layer: layer is not first)
        try:
            case = case_of_layers(picked, self._viewer.layers)
        except InvalidInput as refusal:
            self._session.refuse(str(refusal))
            return
        self._session.say(f"Making a case of {', '.join(case.image.sequences)} …")
        for note in case.notes:  # what is stored lies on one grid, and tells of it no more
            show_info(note)
        self._autosave.save(lambda: self._bring_in((case,), self._session.schema))

    def open_frame(self, path: Path, frame: int, then: Callable[[str], None] | None = None) -> None:
        """Make one frame of a time series a case, and show it.

        Args:
            path: the file of the series.
            frame: counted from 0.
            then: is given the id of the case instead of its being shown.
        """
        files = frame_files(path, frame)
        self._bring_in((files,), self._session.schema, then)

    def show_opened(self, opened: OpenedCase) -> None:
        """Put a case of the project into the viewer, in the place of what is there."""
        case_id, kept = opened.case.id, opened.key
        # What has come as a file and is kept in the project now is still the same case.
        key = replace(self._session.identity_of(kept), title=kept.title)
        made = [layers.layer_of(one) for one in layers.case_data(opened.case, opened.schema, key)]
        unsaved = self._autosave.unsaved.get((kept, opened.strokes_of))
        if unsaved is not None and unsaved.array.shape == opened.case.image.shape:
            # It was drawn after the file was read.
            made[-1] = unsaved.layer
        of_image = opened.case.image
        more = [layers.layer_of(one) for one in sequences_data(of_image, case=key)]
        layers.note(made[0], sequence=of_image.sequence)
        made[1:1] = more
        if opened.project is not None:
            for layer in made:
                note_kept(layer, case_id, opened.project, opened.strokes_of)
        layers.note(made[0], file=opened.case.source)
        if opened.entry is not None and opened.entry.frame is not None:
            layers.note(made[0], path=opened.entry.image)
        if opened.entry is not None and not opened.entry.oriented:
            layers.note(made[0], oriented=False)
        self._replace(made)
        link(made[0], self._viewer)
        made[-1].editable = opened.is_own and not opened.read_only
        noticed = _noticed(opened.notes)
        told = f"{key} is open.{_not_drawn_on(opened)}{noticed}"
        self._session.say(told, "warning" if noticed else "info")
        self.case_opened.emit(opened)

    def show(self, data: list[layers.LayerData]) -> None:
        """Put layers that belong to no project into the viewer, in the place of what is there."""
        made = [layers.layer_of(one) for one in data]
        case = layers.identified(made[0])
        kept = [
            layer
            for layer in self._shelf.pop(case, [])
            if layer.data.shape == made[0].data.shape[-3:]
        ]
        if kept:  # what was drawn here is newer than what is in the file
            made = [layer for layer in made if layers.role_of(layer) != "scribbles"] + kept
        drawn = self._replace(made) - {case}
        told = [f"{case} is open."]
        told += [note for note in map(opening.note_of, data) if note]
        if drawn:
            names = ", ".join(sorted(each.name for each in drawn))
            told.append(f"The strokes on {names} are kept until it is opened again.")
        self._session.say(" ".join(told))

    def put_away(self) -> set[CaseKey]:
        """Take the layers of all cases out of the viewer.

        Gives the cases of no project that have strokes; their layers are kept here.
        """
        drawn: set[CaseKey] = set()
        for layer in list(self._viewer.layers):
            role, case = layers.role_of(layer), layers.case_of(layer)
            if role is None or case is None or layer not in self._viewer.layers:
                continue  # the automatic mask, for one, goes by itself with its image
            self._viewer.layers.remove(layer)
            in_project = kept_as(layer, self._session.project_folder) is not None
            if role == "scribbles" and not in_project and layer.data.any():
                self._shelf.setdefault(case, []).append(layer)
                drawn.add(case)
        return drawn

    # Inside

    def _replace(self, made: list[Layer]) -> set[CaseKey]:
        drawn = self.put_away()
        for layer in made:
            self._viewer.add_layer(layer)
        self._viewer.reset_view()
        return drawn

    def _load(self, case_id: str) -> None:
        self._session.say(f"Opening {case_id} …")
        self._session.run(lambda: self._store.load(case_id), self.show_opened)

    def _bring_in(
        self,
        given: Sequence[CaseFiles | Case],
        schema: LabelSchema,
        then: Callable[[str], None] | None = None,
    ) -> None:
        """Add cases, save the one that is shown, and show the first that was added."""
        store, folder = self._store, self._session.project_folder

        def job() -> OpenedCase | str:
            store.ensure_project(folder, schema)
            if store.read_only:
                return _opened_without(store, given[0], schema)
            return next(iter([store.bring_in(one, schema) for one in given]))

        self._session.run(job, lambda first: self._added(first, then))

    def _added(self, first: OpenedCase | str, then: Callable[[str], None] | None = None) -> None:
        """Show a case that the project has now."""
        self.cases_changed.emit()
        if isinstance(first, OpenedCase):
            self.show_opened(first)
        elif then is None:
            self.open_case(first)
        else:
            then(first)

    def _add_others(self, request: ImportRequest, others: Sequence[FoundCase]) -> None:
        """Bring further cases in, one after the other, while the first is worked on."""
        store, folder, background = self._store, request.folder, self._session.background
        n = len(request.cases)

        def tell(done: int) -> None:
            self._session.say(f"Adding cases: {done} of {n} …")
            self.cases_changed.emit()

        def job() -> list[str]:
            problems: list[str] = []
            state = store.state()
            there = set() if state is None else {case.id for case in state.cases}
            for done, case in enumerate(others, start=2):
                if not store.is_at(folder):
                    return [*problems, "another project was opened meanwhile"]
                try:
                    found = store.bring_in(case.given(), request.schema_of(case), folder)
                    if found in there:
                        problems.append(f"{case.name}: the same image as {found}, which is there")
                    there.add(found)
                except (ScribsegError, OSError) as error:
                    problems.append(f"{case.name}: {error}")
                if done % _TELL_EVERY == 0:
                    background.post(partial(tell, done))
            return problems

        def added(problems: list[str]) -> None:
            self.cases_changed.emit()
            text = f"{counted(n - len(problems), 'case')} added."
            if problems:
                text += f" {len(problems)} left out: {'; '.join(problems[:3])}"
                text += " …" if len(problems) > 3 else ""
            self._session.say(text, "warning" if problems else "good")

        self._session.run(job, added)


def _not_drawn_on(opened: OpenedCase) -> str:
    """Why nothing can be drawn on a case, if so."""
    if opened.read_only:
        return " Read-only: nothing can be drawn here."
    if not opened.is_own:
        return (
            " These are not your strokes: a training learns from them, and they can't be changed."
        )
    return ""


def _noticed(notes: Sequence[str]) -> str:
    """The first note on a case for the status line; the Case tab lists all."""
    if not notes:
        return ""
    more = f" ({len(notes) - 1} more in the Case tab)" if len(notes) > 1 else ""
    return f" Note: {notes[0]}{more}"


def frame_files(path: Path, frame: int) -> CaseFiles:
    """The files of the case that is one frame (counted from 0) of a time series."""
    patient = patient_of(file_case_id(path))
    return CaseFiles(id=file_case_id(path, frame), patient=patient, image=path, frame=frame)


def _opened_without(
    store: ProjectStore, given: CaseFiles | Case, schema: LabelSchema
) -> OpenedCase | str:
    """A case in a project that can't be changed: the project's own, or only to be looked at."""
    try:
        return store.bring_in(given, schema)
    except InvalidInput:
        case = given.load(schema) if isinstance(given, CaseFiles) else given
        return OpenedCase(case, schema, None, None, read_only=True, notes=case.notes)
