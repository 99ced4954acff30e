"""Consensus: one set of strokes, or one segmentation, made of those of several people.

What only one person drew is taken as it is. Where several drew, a voxel gets the class of

- majority: most of them; where two classes have equally many, it stays unlabelled;
- STAPLE: the likeliest class, each person weighted by how reliable the others make them look
  (multi-label STAPLE, Rohlfing et al., MICCAI 2003; SimpleITK's filter). It is estimated apart for
  each group of people who drew the same voxels, since a person says nothing of voxels not drawn.
  Two people alone don't tell who is right: let a third draw, or look at the conflicts together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, LabelSchema, without_unsure
from napari_scribseg.core.types import Array

How = Literal["majority", "staple"]
HOWS: Final[tuple[How, ...]] = get_args(How)
TITLES: Final[dict[How, str]] = {"majority": "majority vote", "staple": "STAPLE"}
_MOST_PEOPLE: Final = 16
_ITERATIONS: Final = 100


@dataclass(frozen=True, eq=False)
class Consensus:
    """What several people's strokes come to.

    Args:
        scribbles: (z, y, x) uint8.
        alone: voxels that one person drew.
        several: voxels that several drew.
        conflicts: those of them that they drew differently.
        undecided: those that stay unlabelled.
        library: what computed it, with its version; "" = this package.
    """

    scribbles: npt.NDArray[np.uint8]
    alone: int
    several: int
    conflicts: int
    undecided: int
    library: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """The numbers by name."""
        names = ("alone", "several", "conflicts", "undecided")
        return {name: getattr(self, name) for name in names}


def consensus(strokes: Sequence[Array], schema: LabelSchema, how: How) -> Consensus:
    """One set of strokes out of those of several people.

    Args:
        strokes: (z, y, x) scribbles of each of them; segmentations as strokes drawn everywhere.
        schema: the classes.
        how: see the module.

    Raises:
        InvalidInput: there are fewer than two people or more than 16, the shapes differ, or a value
            is not in the schema.
    """
    _check(strokes, schema, how)
    strokes = [without_unsure(one) for one in strokes]
    drew = [one != UNLABELLED for one in strokes]
    counts = np.sum(drew, axis=0, dtype=np.uint8)
    made = np.zeros(strokes[0].shape, np.uint8)
    for one, where in zip(strokes, drew, strict=True):
        made[where & (counts == 1)] = one[where & (counts == 1)]
    several = counts > 1
    votes = np.stack([one[several] for one in strokes])
    decide = _by_majority if how == "majority" else _by_staple
    made[several] = decide(votes, schema)
    return Consensus(
        scribbles=made,
        alone=int(np.count_nonzero(counts == 1)),
        several=int(np.count_nonzero(several)),
        conflicts=int(np.count_nonzero(_differ(votes))),
        undecided=int(np.count_nonzero(several & (made == UNLABELLED))),
        library=_library() if how == "staple" else "",
    )


def _by_majority(votes: Array, schema: LabelSchema) -> npt.NDArray[np.uint8]:
    """The winners of votes (people, voxels); UNLABELLED where a vote is tied."""
    values = np.array([*schema.scribble_values], np.uint8)
    counts = np.stack([np.count_nonzero(votes == value, axis=0) for value in values])
    best = counts.max(axis=0, initial=0)
    winner = values[counts.argmax(axis=0)]
    return np.where(np.count_nonzero(counts == best, axis=0) == 1, winner, UNLABELLED).astype(
        np.uint8
    )


def _by_staple(votes: Array, schema: LabelSchema) -> npt.NDArray[np.uint8]:
    """The likeliest classes of votes (people, voxels), for each group of people by itself."""
    drew = votes != UNLABELLED
    groups = (drew * (1 << np.arange(len(votes)))[:, None]).sum(axis=0)
    found = np.zeros(votes.shape[1], np.uint8)
    for group in np.unique(groups):
        where = groups == group
        people = [i for i in range(len(votes)) if int(group) >> i & 1]
        found[where] = _staple(votes[people][:, where], schema)
    return found


def _staple(votes: Array, schema: LabelSchema) -> npt.NDArray[np.uint8]:
    """Multi-label STAPLE of votes (people, voxels), all of them drawn."""
    import SimpleITK

    if not _differ(votes).any():  # SimpleITK divides by nothing where all agree on one class
        return votes[0].astype(np.uint8)
    undecided = schema.n_classes
    labels = np.where(votes == BACKGROUND, 0, votes).astype(np.uint8)
    images = [SimpleITK.GetImageFromArray(one[None, :]) for one in labels]
    rater = SimpleITK.MultiLabelSTAPLEImageFilter()
    rater.SetLabelForUndecidedPixels(undecided)
    rater.SetMaximumNumberOfIterations(_ITERATIONS)
    likeliest = SimpleITK.GetArrayFromImage(rater.Execute(images))[0]
    scribbles = np.where(likeliest == 0, BACKGROUND, likeliest)
    return np.where(likeliest == undecided, UNLABELLED, scribbles).astype(np.uint8)


def _differ(votes: Array) -> npt.NDArray[np.bool_]:
    """Where votes (people, voxels) are not all the same, those who did not draw left out."""
    drew = votes != UNLABELLED
    low = np.where(drew, votes, np.iinfo(np.uint8).max).min(axis=0)
    return np.where(drew, votes, 0).max(axis=0) != low


def _library() -> str:
    import SimpleITK

    return f"SimpleITK {SimpleITK.Version_VersionString()}"


def _check(strokes: Sequence[Array], schema: LabelSchema, how: str) -> None:
    if how not in HOWS:
        raise InvalidInput(f"A consensus is made by {' or '.join(HOWS)}, got '{how}'.")
    if not 2 <= len(strokes) <= _MOST_PEOPLE:
        raise InvalidInput(
            f"A consensus is made of the strokes of 2 to {_MOST_PEOPLE} people, got {len(strokes)}."
        )
    shapes = {one.shape for one in strokes}
    if len(shapes) > 1:
        raise InvalidInput(
            "Strokes that a consensus is made of must have one shape, got "
            f"{', '.join(str(shape) for shape in sorted(shapes))}."
        )
    for one in strokes:
        schema.check_scribbles(one)
