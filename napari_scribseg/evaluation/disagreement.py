"""Where runs disagree or a run is unsure, and on which slice the next strokes help most.

A voxel's doubt is a number from 0 to 1. Of several segmentations it is the share that differs from
the majority; of several probability maps, what they disagree about beyond their own uncertainty;
of one run, its uncertainty. Slices are ranked by the doubt of the voxels nobody drew on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNLABELLED, LabelSchema
from napari_scribseg.core.types import Array

Doubt = npt.NDArray[np.float32]
Kind = Literal["disagreement", "uncertainty"]

DOUBTFUL: Final = 0.3
"""From this doubt on a voxel is counted in a reason; two runs that differ have 0.5."""
EARLY: Final = 0.25
"""With more than this share of a volume in doubt, one slice says no more than another: even an
organ that fills the image is surrounded by far fewer doubtful voxels once it has been learnt."""


def vote_disagreement(segmentations: Sequence[Array]) -> Doubt:
    """Share of the segmentations that differ from the majority at each voxel.

    Args:
        segmentations: two or more (z, y, x), class indices.

    Returns:
        (z, y, x) float32; 0 = all agree, 1/2 = two segmentations differ.

    Raises:
        InvalidInput: fewer than two are given, or their shapes differ.
    """
    _check(segmentations)
    return 1 - _votes(segmentations).max(axis=0)


def probability_disagreement(probabilities: Sequence[Array]) -> Doubt:
    """What runs disagree about, beyond how unsure each of them is by itself.

    The Jensen-Shannon divergence: the entropy of the mean minus the mean of the entropies, over
    its largest possible value. Two runs that are both unsure agree; two that are sure of
    different things don't.

    Args:
        probabilities: two or more (K, z, y, x) that sum to 1 along the first axis.

    Returns:
        (z, y, x) float32, 0 to 1.

    Raises:
        InvalidInput: fewer than two are given, or their shapes differ.
    """
    _check(probabilities)
    mean = np.mean(np.stack(probabilities), axis=0)
    own = np.mean([_entropy(p) for p in probabilities], axis=0)
    highest = np.log(min(len(probabilities), len(probabilities[0])))
    return np.clip((_entropy(mean) - own) / highest, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Suggestion:
    """A slice worth drawing on.

    Args:
        z: index of the slice.
        doubt: how many of its unlabelled voxels are in doubt; what the reason says.
        position: (y, x) of the voxel in the middle of the largest doubt.
        reason: why, in a sentence.
    """

    z: int
    doubt: float
    position: tuple[int, int]
    reason: str


def too_early(doubt: Doubt, scribbles: Array | None, *, kind: Kind) -> str:
    """Why slices can't be ranked yet, in a sentence; "" where they can.

    Args:
        doubt: (z, y, x), 0 to 1.
        scribbles: (z, y, x) in the scribble world, or None; what was drawn on does not count.
        kind: what the doubt is, for the words.
    """
    free = np.ones(doubt.shape, bool) if scribbles is None else scribbles == UNLABELLED
    n = int(free.sum())
    share = float((doubt[free] >= DOUBTFUL).sum()) / n if n else 0.0
    if share <= EARLY:
        return ""
    if kind == "disagreement":
        return (
            f"Too early to say where: the runs disagree on {share:.0%} of the volume. Train them "
            "longer, or tick runs that are further."
        )
    return (
        f"Too early to say where: the run is unsure of {share:.0%} of the volume. Train longer, or "
        "draw on the slices without strokes first."
    )


def draw_here_next(
    doubt: Doubt,
    segmentation: Array,
    scribbles: Array | None,
    schema: LabelSchema,
    *,
    kind: Kind,
) -> tuple[Suggestion, ...]:
    """Slices with doubt, those with the most doubtful voxels first; the others are left out.

    What was drawn on is settled: voxels with a scribble don't count, and a slice that is
    scribbled all over never comes up.

    Args:
        doubt: (z, y, x), 0 to 1.
        segmentation: (z, y, x) class indices of the shown run, for the words of the reason.
        scribbles: (z, y, x) in the scribble world, or None.
        schema: the classes.
        kind: what the doubt is, for the words of the reason.

    Raises:
        InvalidInput: the shapes differ.
    """
    _check([doubt, segmentation, *([] if scribbles is None else [scribbles])])
    open_doubt = doubt if scribbles is None else np.where(scribbles == UNLABELLED, doubt, 0)
    # Small doubt everywhere must not outrank a structure in question.
    weighed = np.where(open_doubt >= DOUBTFUL, open_doubt, 0)
    flat = weighed.reshape(len(weighed), -1)
    counts = (flat > 0).sum(axis=1)
    # By the number that is read in the reason; the sum of the doubt only between equal ones.
    order = [int(z) for z in np.lexsort((-flat.sum(axis=1), -counts)) if counts[z] > 0]
    drawn = [False] * len(doubt)
    if scribbles is not None:
        drawn = [bool((plane != UNLABELLED).any()) for plane in scribbles]
    return tuple(
        Suggestion(
            z,
            float(counts[z]),
            _middle(weighed[z]),
            _reason(weighed[z], segmentation[z], schema, kind, drawn=drawn[z]),
        )
        for z in order
    )


def _reason(
    plane: Array, segmentation: Array, schema: LabelSchema, kind: Kind, *, drawn: bool
) -> str:
    doubtful = plane > 0
    n = int(doubtful.sum())
    counts = np.bincount(segmentation[doubtful].astype(np.int64), minlength=schema.n_classes)
    counts[0] = 0
    where = f", mostly at {schema.names[int(counts.argmax())]}" if counts.any() else ""
    what = "The runs disagree on" if kind == "disagreement" else "The run is unsure of"
    strokes = "" if drawn else " Nothing is drawn here yet."
    return f"{what} {n} voxel{'s' if n != 1 else ''}{where}.{strokes}"


def _middle(plane: Array) -> tuple[int, int]:
    """The doubtful voxel nearest to the middle of all doubt of a slice."""
    points = np.argwhere(plane > 0)
    weights = plane[plane > 0]
    centre = (points * weights[:, None]).sum(axis=0) / weights.sum()
    y, x = points[((points - centre) ** 2).sum(axis=1).argmin()]
    return int(y), int(x)


def _votes(segmentations: Sequence[Array]) -> npt.NDArray[np.float32]:
    """(K, z, y, x) share of the segmentations for each class index."""
    highest = max(int(s.max(initial=0)) for s in segmentations)
    votes = np.zeros((highest + 1, *segmentations[0].shape), np.float32)
    for index in range(highest + 1):
        for segmentation in segmentations:
            votes[index] += segmentation == index
    return votes / np.float32(len(segmentations))


def _entropy(probabilities: Array) -> Doubt:
    """Entropy in nats along the first axis."""
    safe = np.where(probabilities > 0, probabilities, 1)
    return -(probabilities * np.log(safe)).sum(axis=0).astype(np.float32)


def _check(arrays: Sequence[Array]) -> None:
    shapes = {array.shape for array in arrays}
    if len(arrays) < 2:
        raise InvalidInput(
            f"Disagreement is between two segmentations or more, got {len(arrays)}: "
            "predict with another run, too."
        )
    if len(shapes) > 1:
        raise InvalidInput(
            "Only arrays of one grid can be compared, got the shapes "
            f"{', '.join(str(s) for s in sorted(shapes))}."
        )
