"""The tools that draw, and how wide they are. No Qt, no napari."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["voxels", "mm"]
Tool = Literal["paint", "erase"]


@dataclass(frozen=True)
class Widths:
    """Width of the brush and of the eraser in voxels; each keeps its own."""

    paint: int = 3
    erase: int = 7

    def with_width(self, tool: Tool, voxels: int) -> Widths:
        """The same with another width of one tool."""
        wide = max(voxels, 1)
        return Widths(wide, self.erase) if tool == "paint" else Widths(self.paint, wide)


def voxels_of_width(width: float, unit: Unit, voxel_mm: float) -> int:
    """A width in whole voxels, at least one.

    Args:
        width: in the unit.
        unit: "voxels" or "mm".
        voxel_mm: the smaller side of a voxel in the slice.
    """
    return max(round(width if unit == "voxels" else width / voxel_mm), 1)


def width_of_voxels(voxels: int, unit: Unit, voxel_mm: float) -> float:
    """A width in the unit; the inverse of `voxels_of_width`."""
    return float(voxels) if unit == "voxels" else voxels * voxel_mm
