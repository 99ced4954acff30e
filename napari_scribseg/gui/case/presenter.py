"""What the list of found cases decides: which are taken, with which classes, where to. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, UNSURE, LabelSchema
from napari_scribseg.core.wording import counted
from napari_scribseg.data.found import Found, FoundCase, read_as
from napari_scribseg.data.label_values import LabelKind, LabelValues, convention_of, proposed
from napari_scribseg.data.pseudonyms import safe_title
from napari_scribseg.gui.case.class_choices import (
    OWN,
    ClassChoice,
    choices_for,
    same_names,
    schema_of_text,
)
from napari_scribseg.gui.case.import_request import (
    ImportRequest,
    OpenProject,
    Target,
    free_folder,
)

KINDS: Final[tuple[LabelKind, ...]] = ("scribbles", "reference")


@dataclass(frozen=True)
class ValueRow:
    """One value of the label files.

    Args:
        kind: of which files.
        value: as stored.
        share: of the voxels of these files.
        meaning: in our scribble world; None = to be said.
    """

    kind: LabelKind
    value: int
    share: float
    meaning: int | None


@dataclass(frozen=True)
class ImportScreen:
    """Everything that the list of found cases shows.

    Args:
        heading: what was found, in a sentence.
        cases: one row each.
        ticked: whether each is taken.
        left_out: what is no case, in sentences.
        notes: what was noticed, in sentences.
        targets: the projects that can be chosen.
        target: index of the chosen one.
        name: of a new project.
        place: the folder of the chosen project.
        classes: the classes that can be chosen.
        chosen: index of the chosen ones.
        own_names: what the user has written as classes.
        values: what the label files hold, where it has to be looked at.
        is_odd: whether the values are other than they are by themselves.
        meanings: what a value can mean, with its words.
        asks_frame: whether a frame of time series is to be chosen.
        n_frames: of the longest of them.
        frame: the chosen one, counted from 0.
        action: what the button says.
        why_not: why it can't be pressed; "" = it can.
    """

    heading: str
    cases: tuple[FoundCase, ...]
    ticked: tuple[bool, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    targets: tuple[str, ...]
    target: int
    name: str
    place: str
    classes: tuple[str, ...]
    chosen: int
    own_names: str
    values: tuple[ValueRow, ...]
    is_odd: bool
    meanings: tuple[tuple[int, str], ...]
    asks_frame: bool
    n_frames: int
    frame: int
    action: str
    why_not: str


class ImportView(Protocol):
    """What the presenter asks of the dialog."""

    def show_screen(self, screen: ImportScreen) -> None:
        """Show this."""
        ...


@dataclass
class _Choice:
    """What the user has chosen so far."""

    ticked: list[bool]
    target: int = 0
    name: str = ""
    classes: int = 0
    own_names: str = ""
    frame: int = 0
    said: dict[tuple[LabelKind, int], int] = field(default_factory=dict)


class ImportPresenter:
    """Which of the found cases are taken, with which classes, into which project.

    Args:
        found: what was found.
        project: the one of the window.
        home: the folder in which new projects are made.
    """

    def __init__(self, found: Found, project: OpenProject, home: Path) -> None:
        self._found = found
        self._project = project
        self._home = home
        self._view: ImportView | None = None
        ticked = [case.is_ticked for case in found.cases]
        self._choice = _Choice(ticked if any(ticked) else [True] * len(ticked))
        self._choice.name = safe_title(found.title.partition(".")[0]) or "project"
        self._choice.target = self._likely_target()

    def attach(self, view: ImportView) -> None:
        """Show everything in a view from now on."""
        self._view = view
        self._show()

    # What is chosen

    @property
    def needs_no_question(self) -> bool:
        """Whether one case can be taken as it is: its project is there, and its labels are plain.

        Whoever opens one image more wants to see it, not a list of one line.
        """
        target = self._targets()[self._choice.target]
        return (
            len(self._found.cases) == 1
            and not self._found.cases[0].remark
            and not target.is_new
            and not self._is_odd()
            and self.screen().why_not == ""
        )

    def tick(self, index: int, *, is_on: bool) -> None:
        """Take a case, or leave it."""
        self._choice.ticked[index] = is_on
        self._show()

    def tick_only(self, indices: set[int]) -> None:
        """Take these cases and no others."""
        self._choice.ticked = [index in indices for index in range(len(self._found.cases))]
        self._show()

    def choose_target(self, index: int) -> None:
        """Choose the project."""
        self._choice.target = index
        self._choice.classes = 0
        self._show()

    def set_name(self, name: str) -> None:
        """Call a new project like this."""
        self._choice.name = name
        self._show()

    def set_home(self, home: Path) -> None:
        """Make a new project in this folder."""
        self._home = home
        self._show()

    def choose_classes(self, index: int) -> None:
        """Choose the classes."""
        self._choice.classes = index
        self._choice.said.clear()
        self._show()

    def set_own_names(self, text: str) -> None:
        """Write the names of own classes."""
        self._choice.own_names = text
        self._choice.said.clear()
        self._show()

    def say_meaning(self, kind: LabelKind, value: int, meaning: int) -> None:
        """Say what a value of the label files means."""
        self._choice.said[kind, value] = meaning
        self._show()

    def set_frame(self, frame: int) -> None:
        """Take this frame, counted from 0, of time series."""
        self._choice.frame = frame
        self._show()

    # What comes of it

    def request(self) -> ImportRequest:
        """What is to be done.

        Raises:
            InvalidInput: something is still to be said.
        """
        schema = self._schema()
        target = self._targets()[self._choice.target]
        taken = [c for c, on in zip(self._found.cases, self._choice.ticked, strict=True) if on]
        if not taken:
            raise InvalidInput("Tick the cases that are to be added.")
        if target.is_new and not self._choice.name.strip():
            raise InvalidInput("Give the new project a name.")
        conventions: dict[LabelKind, ScribbleConvention | None] = {
            kind: convention_of(self._meaning(values, schema), schema, kind)
            for kind, values in self._values().items()
        }
        # One time series alone is shown as a whole, and the frame is chosen on it.
        cases = taken if len(taken) == 1 else [case.at_frame(self._frame(case)) for case in taken]
        first = sorted(cases, key=lambda case: case.files.scribbles is None)
        source = self._classes()[self._choice.classes].source
        return ImportRequest(
            read_as(first, conventions, schema.n_classes - 1),
            schema,
            target.folder,
            target.title,
            renames=source in {"preset", "own"},
        )

    def screen(self) -> ImportScreen:
        """Everything that is to be shown now."""
        found, choice = self._found, self._choice
        targets = self._targets()
        classes = self._classes()
        series = self._series()
        try:
            schema: LabelSchema | None = self._schema()
        except InvalidInput:
            schema = None
        n = sum(choice.ticked)
        return ImportScreen(
            heading=found.summary(),
            cases=found.cases,
            ticked=tuple(choice.ticked),
            left_out=found.left_out_sentences(),
            notes=found.notes,
            targets=tuple("New project" if t.is_new else t.title for t in targets),
            target=choice.target,
            name=choice.name,
            place=str(targets[choice.target].folder),
            classes=tuple(one.title for one in classes),
            chosen=choice.classes,
            own_names=choice.own_names if classes[choice.classes] is OWN else "",
            values=() if schema is None else self._rows(schema),
            is_odd=schema is not None and self._is_odd(),
            meanings=() if schema is None else meanings_in(schema),
            asks_frame=len(series) > 0 and n > 1,
            n_frames=max((case.n_frames for case in series), default=1),
            frame=choice.frame,
            action=f"Add {counted(n, 'case')}" if n else "Add",
            why_not=self._why_not(),
        )

    # Inside

    def _show(self) -> None:
        if self._view is not None:
            self._view.show_screen(self.screen())

    def _why_not(self) -> str:
        try:
            self.request()
        except InvalidInput as error:
            return str(error)
        return ""

    def _targets(self) -> tuple[Target, ...]:
        project = self._project
        new = Target(self._choice.name.strip(), free_folder(self._home, self._choice.name))
        if project.read_only:
            return (new,)
        if project.schema is None and not project.is_own:
            return (new,)
        if project.schema is None:
            return (Target(project.title, project.folder), new)
        return (Target(project.title, project.folder, project.schema), new)

    def _likely_target(self) -> int:
        project, targets = self._project, self._targets()
        if len(targets) == 1 or project.schema is None:
            return 0
        named = [case.schema for case in self._found.cases if case.schema is not None]
        other = any(not same_names(schema, project.schema) for schema in named)
        return 1 if other or not project.is_own else 0

    def _classes(self) -> tuple[ClassChoice, ...]:
        target = self._targets()[self._choice.target]
        if target.schema is None:
            return choices_for(self._found)
        title = f"Those of the project: {', '.join(target.schema.names[1:])}"
        return (ClassChoice(title, "project", target.schema),)

    def _schema(self) -> LabelSchema:
        choice = self._classes()[self._choice.classes]
        return schema_of_text(self._choice.own_names) if choice.schema is None else choice.schema

    def _values(self) -> dict[LabelKind, LabelValues]:
        found: dict[LabelKind, LabelValues] = {}
        for kind in KINDS:
            values = self._found.values_of(kind)
            if values is not None:
                found[kind] = values
        return found

    def _meaning(self, values: LabelValues, schema: LabelSchema) -> dict[int, int | None]:
        meaning = proposed(values, schema)
        said = {v: m for (kind, v), m in self._choice.said.items() if kind == values.kind}
        return meaning | said

    def _rows(self, schema: LabelSchema) -> tuple[ValueRow, ...]:
        rows: list[ValueRow] = []
        for kind, values in self._values().items():
            total = sum(values.counts.values())
            meaning = self._meaning(values, schema)
            rows += [ValueRow(kind, v, values.counts[v] / total, meaning[v]) for v in values.values]
        return tuple(rows)

    def _is_odd(self) -> bool:
        """Whether somebody should look at what the values are taken for."""
        try:
            schema = self._schema()
            return any(
                convention_of(self._meaning(values, schema), schema, kind) is not None
                for kind, values in self._values().items()
            )
        except InvalidInput:
            return True

    def _series(self) -> list[FoundCase]:
        pairs = zip(self._found.cases, self._choice.ticked, strict=True)
        return [case for case, is_on in pairs if is_on and case.is_series]

    def _frame(self, case: FoundCase) -> int:
        return min(self._choice.frame, case.n_frames - 1)


def meanings_in(schema: LabelSchema) -> tuple[tuple[int, str], ...]:
    """What a stored value can mean, with its words."""
    classes = tuple(enumerate(schema.names[1:], start=1))
    others = ((BACKGROUND, "background"), (UNLABELLED, "not labelled"), (UNSURE, "unsure"))
    return (*others, *classes)
