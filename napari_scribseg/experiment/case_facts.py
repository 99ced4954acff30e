"""Survey: every case of an experiment read once, for what is in it and what is wrong with it.

A case that can't be used is left out, with its reason, and does not stop the others. One whose
reference can't be used may still be learnt from; it is listed, and is in no mean.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, StringConstraints

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import UNKNOWN, UNLABELLED, LabelSchema, without_unsure
from napari_scribseg.core.notes import Notes
from napari_scribseg.data.case import Case, CaseFiles, load_without_bad_reference
from napari_scribseg.data.names import few
from napari_scribseg.data.orientation import Orientation, StoredAxes
from napari_scribseg.data.pseudonyms import without_paths
from napari_scribseg.data.turned import orientation_notes
from napari_scribseg.evaluation.tables import invented_note
from napari_scribseg.project.document import sha256_of
from napari_scribseg.project.teamwork import minutes_behind

Sha256 = Annotated[str, StringConstraints(pattern=r"^(|[0-9a-f]{64})$")]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CaseFacts(_Fact):
    """A case that can be used: its files, their check sums, and what is in them."""

    files: CaseFiles
    """With absolute paths."""
    image_sha256: Sha256
    further_sha256: tuple[Sha256, ...] = ()
    """Of the further sequences, in their order."""
    scribbles_sha256: Sha256 = ""
    """"" = there is no such file."""
    reference_sha256: Sha256 = ""
    shape: tuple[int, int, int]
    """Voxels along (z, y, x)."""
    spacing_mm: tuple[float, float, float]
    """Along (z, y, x)."""
    scribbled_voxels: dict[str, int] = {}
    """Of every class, background included."""
    scribbled_slices: int = 0
    pen_minutes: float | None = None
    """With the pen, for these strokes; None = not known, as outside of a project."""
    reference_voxels: dict[str, int] = {}
    """Of every foreground class; empty without a reference."""
    reference_share: float = 1.0
    """Share of the voxels that the reference labels; below 1 it is partial."""
    reference_problem: str = ""
    """Why its reference can't be used; such a case is tested and has no score."""

    @property
    def voxels(self) -> int:
        """Number of voxels of the image."""
        z, y, x = self.shape
        return z * y * x


class LeftOut(_Fact):
    """A case that can't be used, and why."""

    case: str
    patient: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """What is in the cases.

    Args:
        cases: those that can be used, in the order given.
        left_out: those that can't.
        obstacles: why nothing can be started, in sentences.
        notes: what else was noticed, in sentences.
    """

    cases: tuple[CaseFacts, ...]
    left_out: tuple[LeftOut, ...]
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]


def survey(
    cases: Sequence[CaseFiles],
    schema: LabelSchema,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Reads every case and tells what is in it.

    Args:
        cases: of one dataset.
        schema: its structures.
        folder: of the dataset; taken out of the sentences.
        progress: called with the number of cases done and of all cases.
    """
    found: list[CaseFacts] = []
    axes: dict[str, StoredAxes] = {}
    left_out: list[LeftOut] = []
    noticed = Notes()
    for done, files in enumerate(cases, start=1):
        try:
            facts, axes[files.id], seen = _facts(files, schema, folder)
            found.append(facts)
            seen = [without_paths(note, paths_of([files])) for note in seen]
            noticed.add(files.id, (without_folder(note, folder) for note in seen))
        except (ScribsegError, OSError, MemoryError) as error:
            reason = without_paths(str(error) or type(error).__name__, paths_of([files]))
            reason = without_folder(reason, folder)
            left_out.append(LeftOut(case=files.id, patient=files.patient, reason=reason))
        if progress is not None:
            progress(done, len(cases))
    orientation = Orientation.of(list(axes.values()))
    turned = orientation_notes({case: orientation.view(stored) for case, stored in axes.items()})
    notes = (*_notes(found, schema), *turned, *noticed)
    return Survey(tuple(found), tuple(left_out), _obstacles(found), notes)


def paths_of(cases: Sequence[CaseFiles]) -> dict[str, list[Path | None]]:
    """The files of cases by id, for `without_paths`."""
    return {case.id: list(case.paths) for case in cases}


def without_folder(sentence: str, folder: Path) -> str:
    """The sentence without a folder's name, which is nobody's business in a result."""
    for path in (folder, folder.resolve()):
        sentence = sentence.replace(f"{path}/", "").replace(f"{path}\\", "")
    return sentence


def _facts(
    files: CaseFiles, schema: LabelSchema, folder: Path
) -> tuple[CaseFacts, StoredAxes, tuple[str, ...]]:
    """What is in a case, how its image is stored, and what was noticed."""
    files = files.absolute()
    case, problem = load_without_bad_reference(files, schema)
    if problem:
        files = files.model_copy(update={"reference": None})
    share = 1.0 if case.reference is None else float((case.reference != UNKNOWN).mean())
    facts = CaseFacts(
        files=files,
        image_sha256=sha256_of(files.image),
        further_sha256=tuple(sha256_of(one.path) for one in files.further),
        scribbles_sha256=sha256_of(files.scribbles) if files.scribbles else "",
        reference_sha256=sha256_of(files.reference) if files.reference else "",
        shape=case.image.shape,
        spacing_mm=case.image.spacing,
        scribbled_voxels=_scribbled_voxels(case, schema),
        scribbled_slices=_scribbled_slices(case),
        pen_minutes=minutes_behind(files.scribbles) if files.scribbles else None,
        reference_voxels=_reference_voxels(case, schema),
        reference_share=share,
        reference_problem=without_folder(problem, folder),
    )
    return facts, StoredAxes.of(case.image), case.notes


def _scribbled_voxels(case: Case, schema: LabelSchema) -> dict[str, int]:
    if case.scribbles is None:
        return {}
    drawn = np.bincount(case.scribbles.ravel(), minlength=256)
    return {name: int(drawn[value]) for value, name in schema.scribble_values.items()}


def _scribbled_slices(case: Case) -> int:
    if case.scribbles is None:
        return 0
    return int((without_unsure(case.scribbles) != UNLABELLED).any(axis=(1, 2)).sum())


def _reference_voxels(case: Case, schema: LabelSchema) -> dict[str, int]:
    if case.reference is None:
        return {}
    there = np.bincount(case.reference.ravel(), minlength=schema.n_classes)
    return {name: int(there[k]) for k, name in enumerate(schema.names) if k > 0}


def _obstacles(cases: Sequence[CaseFacts]) -> tuple[str, ...]:
    """One image under the names of two patients would be on both sides of a split."""
    patients: dict[tuple[str, int | None], set[str]] = defaultdict(set)
    for case in cases:
        patients[case.image_sha256, case.files.frame].add(case.files.patient)
    return tuple(
        f"{few(same)} have the same image, so they are one patient under several names: remove "
        "the duplicate or name the same patient for both."
        for same in patients.values()
        if len(same) > 1
    )


def _notes(cases: Sequence[CaseFacts], schema: LabelSchema) -> tuple[str, ...]:
    notes: list[str] = []
    spacings = sorted({tuple(round(s, 3) for s in case.spacing_mm) for case in cases})
    if len(spacings) > 1:
        shown = "; ".join(" x ".join(f"{s:g}" for s in spacing) for spacing in spacings[:5])
        more = f"; and {len(spacings) - 5} more" if len(spacings) > 5 else ""
        notes.append(
            f"There are {len(spacings)} different spacings (mm z, y, x: {shown}{more}); every run "
            "brings its slices to one pixel size."
        )
    never_drawn = _never_in([case.scribbled_voxels for case in cases], (*schema.names,))
    if never_drawn:
        notes.append(f"No case has a scribble of {', '.join(never_drawn)}.")
    absent = _never_in([case.reference_voxels for case in cases], schema.names[1:])
    if absent and any(case.reference_voxels for case in cases):
        notes.append(invented_note(absent))
    partial = [case.files.id for case in cases if case.reference_share < 1]
    if partial:
        notes.append(
            f"{len(partial)} case(s) have a partial reference and are scored only on the voxels "
            f"that it labels: {few(partial)}."
        )
    without = [
        case.files.id for case in cases if not case.reference_voxels and not case.reference_problem
    ]
    if without:
        notes.append(
            f"{len(without)} case(s) have no reference and can't be scored: {few(without)}."
        )
    undrawn = [case.files.id for case in cases if not any(case.scribbled_voxels.values())]
    if undrawn:
        notes.append(f"{len(undrawn)} case(s) have no scribbles: {few(undrawn)}.")
    return tuple(notes)


def _never_in(counts: Sequence[dict[str, int]], names: Sequence[str]) -> list[str]:
    """The names that occur nowhere."""
    return [name for name in names if not any(count.get(name) for count in counts)]
