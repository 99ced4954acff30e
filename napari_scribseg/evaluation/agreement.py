"""Agreement between two people's strokes, or segmentations, of one case.

Strokes say nothing of the voxels that nobody drew, so everything is counted where both drew: a
conflict is a voxel that both drew as different classes. Segmentations are strokes that were drawn
everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNLABELLED, LabelSchema, without_unsure
from napari_scribseg.core.types import Array
from napari_scribseg.core.wording import counted
from napari_scribseg.evaluation.metrics import NAN, dice

AGREED: Final = 1
"""Value of `agreement_map` where both drew the same class."""
CONFLICT: Final = 2
"""Value of `agreement_map` where both drew, but not the same class."""
AGREEMENT_NAMES: Final = {AGREED: "agreed", CONFLICT: "conflict"}
HEADING: Final = (
    *("class", "voxels_first", "voxels_second", "both_drew_it", "conflicts"),
    "dice_where_both_drew",
)
"""Of `Agreement.rows`."""


@dataclass(frozen=True)
class ClassAgreement:
    """How two people agree on one class.

    Args:
        name: of the class.
        value: its scribble value.
        first: voxels that the first drew as this class, anywhere.
        second: the same of the second.
        both: voxels that both drew as this class.
        conflicts: voxels that both drew, one as this class and one as another.
        dice: overlap among the voxels that both drew; NaN where neither drew the class there.
    """

    name: str
    value: int
    first: int
    second: int
    both: int
    conflicts: int
    dice: float


@dataclass(frozen=True)
class Agreement:
    """How two people agree on a case.

    Args:
        both: voxels that both drew.
        agreed: voxels that both drew as one class.
        only_first: voxels that only the first drew.
        only_second: voxels that only the second drew.
        classes: the same class by class, background last.
        conflict_slices: number of conflicts by index of the slice, the worst first.
    """

    both: int
    agreed: int
    only_first: int
    only_second: int
    classes: tuple[ClassAgreement, ...]
    conflict_slices: dict[int, int]

    @property
    def conflicts(self) -> int:
        """Voxels that both drew as different classes."""
        return self.both - self.agreed

    @property
    def share(self) -> float:
        """Share of the voxels both drew on which they agree; NaN where there are none."""
        return self.agreed / self.both if self.both else NAN

    @property
    def rows(self) -> list[tuple[str | int | float, ...]]:
        """A table: the heading, then a row for each class."""
        return [
            HEADING,
            *((c.name, c.first, c.second, c.both, c.conflicts, c.dice) for c in self.classes),
        ]

    def sentence(self, first: str, second: str) -> str:
        """The result in words, for people."""
        if not self.both:
            return f"{first} and {second} drew no voxel in common, so there is nothing to compare."
        slices = counted(len(self.conflict_slices), "slice")
        return (
            f"{first} and {second} both drew {self.both} voxels and agree on {self.share:.0%} of "
            f"them: {counted(self.conflicts, 'conflict')} on {slices}."
        )


def agreement(first: Array, second: Array, schema: LabelSchema) -> Agreement:
    """How two people's strokes agree.

    Args:
        first: (z, y, x) scribbles.
        second: the same of somebody else.
        schema: the classes.

    Raises:
        InvalidInput: the shapes differ or a value is not in the schema.
    """
    _check(first, second, schema)
    first, second = without_unsure(first), without_unsure(second)
    drew_first, drew_second = first != UNLABELLED, second != UNLABELLED
    both = drew_first & drew_second
    conflicts = both & (first != second)
    per_slice = np.count_nonzero(conflicts, axis=(1, 2))
    worst = sorted(np.flatnonzero(per_slice), key=lambda z: (-per_slice[z], z))
    n_both = int(np.count_nonzero(both))
    return Agreement(
        both=n_both,
        agreed=n_both - int(np.count_nonzero(conflicts)),
        only_first=int(np.count_nonzero(drew_first)) - n_both,
        only_second=int(np.count_nonzero(drew_second)) - n_both,
        classes=tuple(
            _of_class(name, value, first, second, both)
            for value, name in schema.scribble_values.items()
        ),
        conflict_slices={int(z): int(per_slice[z]) for z in worst},
    )


def agreement_map(first: Array, second: Array) -> npt.NDArray[np.uint8]:
    """Where two people agree and where not: `AGREED`, `CONFLICT`, else 0; shape (z, y, x).

    Raises:
        InvalidInput: the shapes differ.
    """
    _check_shapes(first, second)
    first, second = without_unsure(first), without_unsure(second)
    both = (first != UNLABELLED) & (second != UNLABELLED)
    found = np.zeros(first.shape, np.uint8)
    found[both] = CONFLICT
    found[both & (first == second)] = AGREED
    return found


def _of_class(name: str, value: int, first: Array, second: Array, both: Array) -> ClassAgreement:
    ours, theirs = first == value, second == value
    shared = int(np.count_nonzero(ours & theirs))
    either = int(np.count_nonzero(both & (ours | theirs)))
    return ClassAgreement(
        name=name,
        value=value,
        first=int(np.count_nonzero(ours)),
        second=int(np.count_nonzero(theirs)),
        both=shared,
        conflicts=either - shared,
        dice=dice(ours & both, theirs & both),
    )


def _check(first: Array, second: Array, schema: LabelSchema) -> None:
    schema.check_scribbles(first, "The first strokes")
    schema.check_scribbles(second, "The second strokes")
    _check_shapes(first, second)


def _check_shapes(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise InvalidInput(
            f"Strokes that are compared must have one shape, got {first.shape} and {second.shape}."
        )
