"""What a run learns from: its cases as they are read, checked, and parted from what validates."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from napari_scribseg.annotation.held_out_strokes import hold_out_strokes
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Event, Warned
from napari_scribseg.core.labels import (
    BACKGROUND,
    UNKNOWN,
    UNLABELLED,
    LabelSchema,
    targets_of,
)
from napari_scribseg.core.notes import Notes
from napari_scribseg.data.case import Case, load_without_bad_reference
from napari_scribseg.methods.base import Task
from napari_scribseg.methods.registry import spec_named
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.learnt_before import run_before
from napari_scribseg.training.checkpoint import load_checkpoint

_KNOWN: Final = (
    " The weights that it begins with may have learnt from them, so that agreement flatters."
)


def training_cases(run: RunFolder) -> list[Case]:
    """The cases to learn from, as they are stored.

    Cases with a reference and no strokes get some, if the settings say so. A reference that can't
    be used only refuses a method that learns from references; for the others
    it is left out, with a note on the case.
    """
    if spec_named(run.record.method).uses_references:
        return [files.load(run.schema) for files in run.files("train")]
    cases, config = list[Case](), run.record.training
    for files in run.files("train"):
        case, problem = load_without_bad_reference(files, run.schema)
        left_out = (f"The reference can't be used and is left out: {problem}",) if problem else ()
        case = replace(case, notes=(*case.notes, *left_out))
        cases.append(with_drawn_reference(case, config.reference_share, config.random_seed))
    return cases


def with_drawn_reference(case: Case, share: float, random_seed: int) -> Case:
    """A case with some voxels of its reference as strokes, where it has a reference and no strokes.

    The share is the weight: a loss is a mean over drawn pixels, and those of a dense reference
    would outnumber all strokes. Which voxels it is follows from the seed and the case's id.

    Args:
        case: a training case.
        share: of the voxels that the reference labels; 0 = none, 1 = all.
        random_seed: of the training.
    """
    drawn = case.scribbles is not None and bool(case.scribbles.any())
    if not share or drawn or case.reference is None:
        return case
    rng = np.random.default_rng([random_seed, zlib.crc32(case.id.encode())])
    chosen = (rng.random(case.reference.shape) < share) & (case.reference != UNKNOWN)
    values = np.where(case.reference == 0, BACKGROUND, case.reference)
    note = f"It has a reference and no strokes: {share:.3g} of its voxels are learnt from as drawn."
    scribbles = np.where(chosen, values, UNLABELLED).astype(np.uint8)
    return replace(case, scribbles=scribbles, notes=(*case.notes, note))


def refuse_other_data(run: RunFolder) -> None:
    """Raises InvalidInput when the training cases are not those that the checkpoint learnt from.

    Args:
        run: with the places where its files are now; one without a checkpoint can't be compared.
    """
    if not run.checkpoint("last").exists():
        return
    _, info = load_checkpoint(run.checkpoint("last"))
    cases = training_cases(run)
    if sha256_of(cases) != info.data_sha256:
        raise InvalidInput(
            f"The cases found are not those that {run.path.name} was trained on: voxels, geometry, "
            "scribbles or references differ. Give the folder with the very same files, or train a "
            "new run on these, from its weights, with --continue-from."
        )


def held_out(run: RunFolder, cases: list[Case]) -> tuple[list[Case], list[Case], str]:
    """The cases without the strokes that the run holds out, and those with nothing else.

    Args:
        run: says which share, and whether cases validate instead.
        cases: its training cases, as the network sees them.

    Returns:
        Both, and a sentence on what is held out, "" = nothing shall be.
    """
    config, spec = run.record.training, spec_named(run.record.method)
    if not config.held_out_strokes or run.files("validate"):
        return cases, [], ""
    if spec.uses_references:
        return (
            cases,
            [],
            f"{spec.title} learns from references, so that held-out strokes tell nothing: hold "
            "cases out to validate it.",
        )
    parted = hold_out_strokes(cases, config.held_out_strokes, run.schema, config.random_seed)
    known = _KNOWN if parted.held and not _was_held_out_before(run) else ""
    return list(parted.learnt), list(parted.held), parted.sentence + known


def _was_held_out_before(run: RunFolder) -> bool:
    """Whether the weights to begin with, if they are a run's, know nothing of these strokes."""
    if run.start_weights is None:
        return True
    before = run_before(run)
    if before is None or before.files("validate"):
        return False
    now, then = run.record.training, before.record.training
    same = ("held_out_strokes", "random_seed")
    return all(getattr(now, name) == getattr(then, name) for name in same)


def noticed(cases: list[Case]) -> Iterator[Event]:
    """What was noticed while the cases were read, every kind of it once."""
    notes = Notes()
    for case in cases:
        notes.add(case.id, case.notes)
    for note in notes:
        yield Warned(message=note)


def task_of(cases: list[Case], schema: LabelSchema) -> Task:
    """What these cases ask of a method."""
    drawn: set[int] = set()
    scribbled = 0
    for case in cases:
        if case.scribbles is not None and case.scribbles.any():
            scribbled += 1
            drawn |= {int(v) for v in np.unique(targets_of(case.scribbles)) if v >= 0}
    return Task(
        n_classes=schema.n_classes,
        scribbled_classes=frozenset(drawn),
        n_scribbled=scribbled,
        n_references=sum(case.reference is not None for case in cases),
        class_names=schema.names,
        slices=tuple(case.image.shape[0] for case in cases),
    )


def sha256_of(cases: list[Case]) -> str:
    """A hash over everything in the cases."""
    return hashlib.sha256("".join(case.content_hash for case in cases).encode()).hexdigest()
