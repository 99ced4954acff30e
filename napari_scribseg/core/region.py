"""Region: the part of a volume outside which everything is background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_scribseg.core.errors import InvalidInput

Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]
"""First index, and the one after the last."""

_FORM: Final = "z0:z1,y0:y1,x0:x1, such as 2:9,40:180,30:200 (from 0, the end not included)"


class Region(BaseModel):
    """A box of voxels of one volume. It may reach beyond the volume, and means its part in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    z: Range
    y: Range
    x: Range

    @classmethod
    def parse(cls, text: str) -> Region:
        """The region that a text such as 2:9,40:180,30:200 means.

        Raises:
            InvalidInput: it means none.
        """
        try:
            z, y, x = ([int(n) for n in part.split(":")] for part in text.split(","))
            return cls(z=(z[0], z[1]), y=(y[0], y[1]), x=(x[0], x[1]))
        except (ValueError, IndexError) as error:
            raise InvalidInput(f"'{text}' is no region; expected {_FORM}.") from error

    @classmethod
    def around(cls, mask: npt.NDArray[np.bool_], margin: Sequence[int]) -> Region | None:
        """The smallest region around a mask (z, y, x) and a margin in voxels; None = no mask."""
        if not mask.any():
            return None
        ranges: list[tuple[int, int]] = []
        for axis, wide in enumerate(margin):
            others = tuple(a for a in range(3) if a != axis)
            places = np.flatnonzero(mask.any(axis=others))
            low, high = int(places[0]) - wide, int(places[-1]) + 1 + wide
            ranges.append((max(low, 0), min(high, mask.shape[axis])))
        return cls(z=ranges[0], y=ranges[1], x=ranges[2])

    def __str__(self) -> str:
        return ",".join(f"{start}:{stop}" for start, stop in (self.z, self.y, self.x))

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """It as an index."""
        return slice(*self.z), slice(*self.y), slice(*self.x)

    def outside(self, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Where a volume of this shape (z, y, x) lies outside."""
        found = np.ones(shape, dtype=bool)
        found[self.slices] = False
        return found

    def turned(
        self, axes: Sequence[int], reversed_: Sequence[bool], shape: Sequence[int]
    ) -> Region:
        """The same part of a volume whose axes were permuted, and then reversed.

        Args:
            axes: the old axis of each new one.
            reversed_: whether each new axis runs the other way.
            shape: of the volume before.
        """
        old = (self.z, self.y, self.x)
        ranges: list[tuple[int, int]] = []
        for axis, is_reversed in zip(axes, reversed_, strict=True):
            n = shape[axis]
            start, stop = min(old[axis][0], n - 1), min(old[axis][1], n)
            ranges.append((n - stop, n - start) if is_reversed else (start, stop))
        return Region(z=ranges[0], y=ranges[1], x=ranges[2])

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if any(start >= stop for start, stop in (self.z, self.y, self.x)):
            raise ValueError("a region ends behind its beginning along every axis")
        return self
