"""Planes: the slices of a volume that is drawn on, as they were at one moment.

Whoever follows strokes (journal, checklist, counts, automatic mask) shares these slices instead of
copying the volume: a slice that was not drawn on is the same object as before, so what has changed
is found by looking at identities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_scribseg.core.types import Array


@dataclass(frozen=True, eq=False)
class Planes:
    """Slices of a volume, none of which changes any more.

    Args:
        slices: (y, x) each, not to be written to.
    """

    slices: tuple[Array, ...]

    @classmethod
    def of(cls, array: Array) -> Planes:
        """A volume (z, y, x) as it is now; it is copied."""
        return cls(tuple(_fixed(plane) for plane in array))

    @property
    def shape(self) -> tuple[int, ...]:
        """(z, y, x)."""
        return (len(self.slices), *(self.slices[0].shape if self.slices else (0, 0)))

    def follow(self, array: Array) -> Planes:
        """The same volume as it is now: only slices that differ are copied.

        Args:
            array: (z, y, x) of the same shape; may be drawn on meanwhile, what comes later is seen
                the next time.
        """
        return Planes(
            tuple(
                before if np.array_equal(before, now) else _fixed(now)
                for before, now in zip(self.slices, array, strict=True)
            )
        )

    def changed_since(self, before: Planes | None) -> tuple[int, ...]:
        """Which slices are others than before; all of them without a before of the same shape."""
        if before is None or before.shape != self.shape:
            return tuple(range(len(self.slices)))
        pairs = zip(before.slices, self.slices, strict=True)
        return tuple(z for z, (old, new) in enumerate(pairs) if old is not new)

    def array(self) -> Array:
        """The volume (z, y, x), a copy."""
        return np.stack(self.slices) if self.slices else np.zeros((0, 0, 0), np.uint8)


def _fixed(plane: Array) -> Array:
    copy = plane.copy()
    copy.setflags(write=False)
    return copy
