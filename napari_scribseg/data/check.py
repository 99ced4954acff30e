"""What is wrong with a dataset: every case is read, and everything found is told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, computed_field

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import UNLABELLED, LabelSchema
from napari_scribseg.data.case import Case, CaseFiles, Dataset, load_without_bad_reference
from napari_scribseg.data.orientation import Orientation, StoredAxes
from napari_scribseg.data.patients import patients_sentence
from napari_scribseg.data.sequences import missing_note, sequences_of
from napari_scribseg.data.turned import orientation_notes, storage_note

STROKES_ONLY: Final = (
    "Methods that learn from strokes can train on this case; it can't be scored, and methods that "
    "need a reference can't use it."
)


class CaseReport(BaseModel):
    """What was found in one case; lengths in mm, axes (z, y, x)."""

    model_config = ConfigDict(frozen=True)

    id: str
    patient: str
    split: str | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    told_of_dataset: tuple[str, ...] = Field(default=(), exclude=True)
    """Those of the notes that a note of the dataset tells for all cases together."""
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    strokes_only: bool = False
    """Whether its reference is bad and its scribbles are good."""
    has_scribbles: bool = False
    has_reference: bool = False
    scribbled_voxels: dict[str, int] = {}
    """Number of voxels drawn of every class, background included."""
    labelled_share: float = 0.0
    """Share of all voxels that are drawn on, 0 to 1."""

    @computed_field
    @property
    def ok(self) -> bool:
        """Whether the case can be used."""
        return not self.problems


class DatasetReport(BaseModel):
    """What was found in a dataset; `model_dump(mode="json")` is the JSON document."""

    model_config = ConfigDict(frozen=True)

    title: str
    layout: str
    classes: tuple[str, ...]
    sequences: tuple[str, ...] = ()
    """Of every case; none where nobody named its only one."""
    n_cases: int
    n_patients: int
    patients: str
    """Whose the cases are and how that is known, in a sentence."""
    n_errors: int
    """Cases with a problem plus problems of the dataset as a whole."""
    n_scribbled: int
    n_referenced: int
    splits: dict[str, int]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    never_scribbled: tuple[str, ...]
    """Classes that no case has a scribble of."""
    spacings_mm: tuple[tuple[float, float, float], ...]
    """Every spacing (z, y, x) that occurs, rounded to 0.001 mm."""
    duplicate_ids: tuple[str, ...]
    patients_in_several_splits: dict[str, tuple[str, ...]]
    cases: tuple[CaseReport, ...]


def check_dataset(
    dataset: Dataset, *, progress: Callable[[int, int], None] | None = None
) -> DatasetReport:
    """Reads every case and reports all that was found; a bad case does not stop it.

    Args:
        dataset: of any layout.
        progress: called with the number of cases done and of all cases.
    """
    reports: list[CaseReport] = []
    axes: dict[int, StoredAxes] = {}
    for done, files in enumerate(dataset.cases, start=1):
        report, stored = _check_case(files, dataset.schema)
        reports.append(report)
        if stored is not None:
            axes[done - 1] = stored
        if progress is not None:
            progress(done, len(dataset.cases))
    turned = _note_orientations(reports, axes)
    drawn = Counter(dict.fromkeys(dataset.schema.scribble_values.values(), 0))
    for report in reports:
        drawn.update(report.scribbled_voxels)
    scribbled = sum(r.has_scribbles for r in reports)
    never = tuple(name for name, n in drawn.items() if n == 0) if scribbled else ()
    problems = _problems(dataset)
    spacings = tuple(sorted({_rounded(r.spacing_mm) for r in reports if r.spacing_mm}))
    notes = list(dataset.notes)
    notes += [f"No case has a scribble of: {', '.join(never)}."] if never else []
    notes += [f"There are {len(spacings)} different spacings."] if len(spacings) > 1 else []
    notes += [*turned, *filter(None, [missing_note(dataset)])]
    return DatasetReport(
        title=dataset.title,
        layout=dataset.layout,
        classes=dataset.schema.names,
        sequences=sequences_of(dataset),
        n_cases=len(reports),
        n_patients=len({r.patient for r in reports}),
        patients=patients_sentence(dataset.cases, dataset.patients_from),
        n_errors=sum(not r.ok for r in reports) + len(problems),
        n_scribbled=scribbled,
        n_referenced=sum(r.has_reference for r in reports),
        splits=dataset.splits,
        problems=problems,
        notes=tuple(notes),
        never_scribbled=never,
        spacings_mm=spacings,
        duplicate_ids=dataset.duplicate_ids,
        patients_in_several_splits=dataset.patients_in_several_splits,
        cases=tuple(reports),
    )


def _note_orientations(reports: list[CaseReport], axes: dict[int, StoredAxes]) -> tuple[str, ...]:
    """Notes in the reports of cases that a training on all of them would turn or can't; and of all.

    Args:
        reports: changed in place.
        axes: how the cases are stored that could be read, by their place among the reports.
    """
    orientation = Orientation.of(list(axes.values()))
    views = {i: orientation.view(stored) for i, stored in axes.items()}
    for i, view in views.items():
        doubt = view.doubt if view.is_far else ""  # of unknown sides the reader has told
        notes = tuple(filter(None, (storage_note(axes[i], view), doubt)))
        changes = {"notes": (*reports[i].notes, *notes), "told_of_dataset": notes}
        reports[i] = reports[i].model_copy(update=changes)
    return orientation_notes({reports[i].id: view for i, view in views.items()})


def _check_case(files: CaseFiles, schema: LabelSchema) -> tuple[CaseReport, StoredAxes | None]:
    """What was found in a case, and how it is stored if it could be read."""
    report = CaseReport(id=files.id, patient=files.patient, split=files.split)
    try:
        case, bad_reference = load_without_bad_reference(files, schema)
    except (ScribsegError, OSError, MemoryError) as error:
        problem = str(error) or type(error).__name__
        return report.model_copy(update={"problems": (problem,)}), None
    strokes_only = bool(bad_reference) and case.scribbles is not None
    problem = f"{bad_reference} {STROKES_ONLY}" if strokes_only else bad_reference
    changes: dict[str, Any] = {
        "problems": (problem,) if problem else (),
        "strokes_only": strokes_only,
        "notes": (*case.notes, *_notes(case)),
        "shape": case.image.shape,
        "spacing_mm": case.image.spacing,
        "has_reference": case.reference is not None,
    }
    if case.scribbles is not None:
        drawn = np.bincount(case.scribbles.ravel(), minlength=256)
        values = schema.scribble_values
        changes["has_scribbles"] = bool(drawn[UNLABELLED] < case.scribbles.size)
        changes["scribbled_voxels"] = {name: int(drawn[value]) for value, name in values.items()}
        changes["labelled_share"] = 1 - float(drawn[UNLABELLED]) / case.scribbles.size
    return report.model_copy(update=changes), StoredAxes.of(case.image)


def _notes(case: Case) -> tuple[str, ...]:
    notes: list[str] = []
    if case.scribbles is not None and not case.scribbles.any():
        notes.append("The scribble file is empty: nothing was drawn.")
    if case.scribbles is None and case.reference is None:
        notes.append("There are no scribbles and no reference: good for prediction only.")
    return tuple(notes)


def _problems(dataset: Dataset) -> tuple[str, ...]:
    problems = list(dataset.faults)
    problems += [f"Several cases have the id {i}." for i in dataset.duplicate_ids]
    problems += [
        f"Patient {patient} is in several splits: {', '.join(splits)}."
        for patient, splits in dataset.patients_in_several_splits.items()
    ]
    return tuple(problems) or (("There are no cases.",) if not dataset.cases else ())


def _rounded(spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    z, y, x = (round(s, 3) for s in spacing)
    return z, y, x
