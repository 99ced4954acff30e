"""Cases and project of a run: the other scribbled cases to train on; whose a run is. No Qt."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import Case, CaseFiles, CaseKey
from napari_scribseg.gui.values import Snapshot
from napari_scribseg.io import read_labels
from napari_scribseg.project import journals
from napari_scribseg.project.annotator import annotator_name
from napari_scribseg.project.folder import Project
from napari_scribseg.project.teamwork import Place, effort_text, hides_others, place_in_project
from napari_scribseg.project.versions import chosen_version, names_of
from napari_scribseg.runs.documents import RunCase


def other_cases(project: Path, shown: Snapshot, data: Path) -> dict[Path, RunCase]:
    """The cases with strokes, other than the shown one, of the same structures.

    Their scribbles are to be copied, so that drawing on does not change what a run was trained
    on; their images stay where they are.

    Args:
        project: a project folder; one without a document has no cases.
        shown: its case is left out, its structures are asked for.
        data: where the copies will be.

    Returns:
        The cases with the copied scribbles, by the files that are to be copied.

    Raises:
        InvalidInput: an image was replaced since it was added, or a file can't be read.
    """
    if not (project / "project.json").is_file():
        return {}
    found: dict[Path, RunCase] = {}
    with Project.open(project, read_only=True) as opened:
        known = shown.strokes_of in names_of(opened.folder, opened.case_ids)
        for files in opened.dataset(shown.strokes_of if known else None).cases:
            drawn = files.scribbles
            same = opened.schema_of(files.id).names == shown.schema.names
            if (
                drawn is None
                or not same
                or _is_shown(files, CaseKey.in_project(project, files.id), shown)
            ):
                continue
            if not read_labels(drawn).array.any():
                continue
            copy = data / f"{files.id}_{drawn.name}"
            taken = files.model_copy(update={"scribbles": copy, "reference": None})
            found[drawn] = RunCase(files=taken, role="train")
    return found


def patient_of(project: Path, shown: Snapshot) -> str:
    """Whose the shown case is, as a project knows it; the id of the case where it does not.

    A project that does not have the case may have another frame or sequence of the same file.

    Args:
        project: a project folder; one without a document has no cases.
        shown: the case.

    Raises:
        InvalidInput: the project can't be read.
    """
    patients = [shown.stored.id_among(project)]
    if (project / "project.json").is_file():
        with Project.open(project, read_only=True) as opened:
            for entry in opened.cases:
                if CaseKey.in_project(project, entry.id) == shown.stored:
                    return entry.patient
                images = (opened.folder / one.image for one in (entry, *entry.further))
                if shown.file is not None and str(shown.file) in map(os.path.realpath, images):
                    patients.append(entry.patient)
    return patients[-1]


def drawn_before(project: Path, kept: CaseKey | None, schema: LabelSchema) -> tuple[str, ...]:
    """Ids of the other drawn cases of a patient with the same structures; reads no image.

    Args:
        project: a project folder; one without a document has no cases.
        kept: the case whose patient is meant; None = it is in no project.
        schema: its structures.

    Raises:
        InvalidInput: the project can't be read.
    """
    if kept is None or not (project / "project.json").is_file():
        return ()
    with Project.open(project, read_only=True) as opened:
        patient = opened.case(kept.id).patient
        return tuple(
            case.id
            for case in opened.cases
            if case.patient == patient
            and case.id != kept.id
            and case.progress != "untouched"
            and opened.schema_of(case.id).names == schema.names
        )


def case_of(project: Path, case_id: str, strokes_of: str) -> Case:
    """A case of a project with the strokes that a training would learn from.

    Args:
        project: a project folder.
        case_id: of the case.
        strokes_of: whose strokes are shown now, see `Snapshot.strokes_of`.

    Raises:
        InvalidInput: its image was replaced, or a file can't be read.
    """
    with Project.open(project, read_only=True) as opened:
        version = chosen_version(project, case_id, annotator_name(), strokes_of or None)
        return opened.load_case(case_id, "" if version is None else version.of)


def is_blind(project: Path, stored: CaseKey | None) -> bool:
    """Whether the user draws on a case without seeing what others drew, nor what learnt from it.

    Args:
        project: a project folder.
        stored: the shown case, whatever strokes are chosen on it; None = there is none.

    Raises:
        InvalidInput: a document is damaged.
    """
    if stored is None or not stored.is_in(project):
        return False
    return hides_others(project, stored.id, annotator_name())


def effort_behind(shown: Snapshot, others: Iterable[Path]) -> str:
    """What drawing the strokes took that a run learns from, in a line; "" = it is not known.

    Args:
        shown: the shown case.
        others: files of scribbles of the others.

    Raises:
        InvalidInput: a ledger can't be read.
    """
    places = [place for place in map(place_in_project, others) if place is not None]
    kept, of = shown.kept, shown.strokes_of
    if kept is None:
        return effort_text(places)
    here = Place(Path(kept.source), kept.id, of)
    unsaved = journals.unsaved_strokes(here.project, here.case, of)
    return effort_text([here, *places], {here: unsaved})


def _is_shown(files: CaseFiles, case: CaseKey, shown: Snapshot) -> bool:
    """Whether a case of the project is the shown one, or has the very image that is shown."""
    same_file = shown.file is not None and os.path.realpath(files.image) == str(shown.file)
    return case == shown.stored or (same_file and files.frame == shown.image.frame)


def project_of(run: Path) -> Path:
    """The project that a run belongs to, if it belongs to one."""
    return run.absolute().parent.parent
