"""Held-out strokes: a share of what was drawn is kept from learning, to validate on.

A stroke is a connected piece of one class on one slice, and is held out as a whole: the neighbours
of a pixel that was learnt tell nothing new. The lines that mark a slice as background are none.
Which ones follows from the random seed and from where they lie, so that most of them stay held out
when more is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy import ndimage

from napari_scribseg.annotation.outer_background import is_empty_slice
from napari_scribseg.core.labels import UNLABELLED, LabelSchema, without_unsure
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case

_NEIGHBOURS = np.ones((3, 3), dtype=bool)
"""Pixels of a stroke touch at an edge or at a corner."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Cases parted by their strokes.

    Args:
        learnt: all cases, without the strokes that are held out.
        held: the cases with strokes that are held out, with nothing but those, and no reference.
        strokes: how many are held out.
        too_few: names of the drawn classes that have too few strokes to hold one out; then none of
            the others is held out either.
    """

    learnt: tuple[Case, ...]
    held: tuple[Case, ...]
    strokes: int
    too_few: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What is held out, for whoever watches the training."""
        if self.too_few:
            return (
                f"No stroke is held out to validate on: too few of {', '.join(self.too_few)}. Draw "
                "on more slices, or compare with a reference."
            )
        return f"{self.strokes} strokes are held out to validate on."


@dataclass(frozen=True)
class _Stroke:
    """A connected piece of one class on a slice."""

    case: int
    z: int
    number: int
    """In the labelled pieces of that slice and class."""
    value: int
    order: str


def hold_out_strokes(
    cases: Sequence[Case], share: float, schema: LabelSchema, random_seed: int
) -> HeldOut:
    """Part the strokes of some cases into those to learn from and those to validate on.

    Of every class the share of its strokes, rounded, over all cases together. With a fifth, a class
    of one or two strokes has none to spare. Then nothing is held out: agreement on the others would
    choose weights that know nothing of this class, and little is drawn as it is.

    Args:
        cases: are not modified.
        share: 0 to below 1.
        schema: names the classes.
        random_seed: which strokes.
    """
    pieces: dict[tuple[int, int, int], Array] = {}
    strokes: dict[int, list[_Stroke]] = {}
    for i, case in enumerate(cases):
        if case.scribbles is None:
            continue
        for z, drawn in enumerate(case.scribbles):
            if is_empty_slice(drawn):
                continue
            for value in (int(v) for v in np.unique(without_unsure(drawn)) if v != UNLABELLED):
                labelled, count = cast(
                    "tuple[Array, int]", ndimage.label(drawn == value, _NEIGHBOURS)
                )
                pieces[i, z, value] = labelled
                found = [
                    _Stroke(i, z, n, value, _order(case.id, z, value, labelled == n, random_seed))
                    for n in range(1, count + 1)
                ]
                strokes.setdefault(value, []).extend(found)
    held: list[_Stroke] = []
    too_few: list[str] = []
    for value, ours in sorted(strokes.items()):
        count = min(int(share * len(ours) + 0.5), len(ours) - 1)
        held += sorted(ours, key=lambda stroke: stroke.order)[:count]
        if not count:
            too_few.append(schema.scribble_values[value])
    if too_few:
        held = []
    learnt, validating = _parted(cases, held, pieces)
    return HeldOut(learnt, validating, len(held), tuple(too_few))


def _parted(
    cases: Sequence[Case], held: Sequence[_Stroke], pieces: dict[tuple[int, int, int], Array]
) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """The cases without the held-out strokes, and with nothing else."""
    learnt, validating = list(cases), list[Case]()
    for i, case in enumerate(cases):
        ours = [stroke for stroke in held if stroke.case == i]
        if case.scribbles is None or not ours:
            continue
        out = np.zeros(case.scribbles.shape, dtype=bool)
        for stroke in ours:
            out[stroke.z] |= pieces[i, stroke.z, stroke.value] == stroke.number
        learnt[i] = replace(case, scribbles=np.where(out, UNLABELLED, case.scribbles))
        only = np.where(out, case.scribbles, UNLABELLED)
        validating.append(replace(case, scribbles=only, reference=None, notes=()))
    return tuple(learnt), tuple(validating)


def _order(case_id: str, z: int, value: int, where: Array, random_seed: int) -> str:
    """By which strokes are sorted before the first ones are held out."""
    first = int(np.flatnonzero(where)[0])
    return hashlib.sha256(f"{random_seed} {case_id} {z} {value} {first}".encode()).hexdigest()
