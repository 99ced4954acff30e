"""Canvas: a few slices on which shapes are painted, each over those before it.

Shapes are given in millimetres of the body. Where a slice cuts it, and how it is turned, shifted,
zoomed and warped, lies in the coordinates, so that every shape is a formula of a pixel's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.anatomy.smoothing import Floats, smooth_noise, spline_weights
from napari_scribseg.anatomy.tissues import Tissue

Mask = npt.NDArray[np.bool_]
Number = float | Floats
"""One number, or one for every slice (Z, 1, 1)."""
Point = tuple[Number, Number]
"""x (to the right) and y (downwards) in mm."""

MOST_REGIONS: Final = 64
"""Regions that a canvas tells apart; further ones share the last number."""
_ROUND: Final = 2.0


@dataclass(frozen=True)
class View:
    """How slices show a body.

    Args:
        slices: how many (Z).
        side: pixels of a slice along y and x.
        pixel_mm: size of a pixel.
        siblings: the slices are of as many bodies that are alike, each seen in its own way;
            else they are neighbours in one body.
        turn: largest angle (radians) by which the body is turned.
        shift_mm: largest distance by which it is shifted.
        warp_mm: how far its coordinates are bent, at most.
    """

    slices: int = 1
    side: int = 128
    pixel_mm: float = 1.5
    siblings: bool = False
    turn: float = 0.3
    shift_mm: float = 20.0
    warp_mm: float = 6.0


class Canvas:
    """Slices to paint on.

    Args:
        rng: everything random comes from it.
        view: how the slices show the body.
        levels: lowest and highest place of a slice along the body, in the body's own unit.
    """

    def __init__(
        self, rng: np.random.Generator, view: View, levels: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        self.rng = rng
        self.view = view
        shape = (view.slices, view.side, view.side)
        self.regions = np.zeros(shape, np.uint8)
        """Number of the region of every pixel (Z, Y, X)."""
        self.tissues = np.zeros(shape, np.uint8)
        """`Tissue` of every pixel."""
        self._used = 1
        self._place = np.linspace(-1.0, 1.0, view.slices, dtype=np.float32)[:, None, None]
        self.level = self._levels(*levels)
        """Where each slice cuts the body, (Z, 1, 1)."""
        self.x, self.y = self._coordinates()

    def _levels(self, low: float, high: float) -> Floats:
        rng, n = self.rng, self.view.slices
        if self.view.siblings or n == 1:
            middle, width = rng.uniform(low, high), (high - low) * rng.uniform(0.1, 0.6)
            return _per_slice(np.clip(rng.uniform(middle - width, middle + width, n), low, high))
        step = (high - low) * rng.uniform(0.4, 1.1) / n
        first = rng.uniform(low, max(low, high - step * (n - 1)))
        order = np.arange(n) if rng.random() < 0.5 else np.arange(n)[::-1]
        return _per_slice(first + step * order)

    def _coordinates(self) -> tuple[Floats, Floats]:
        rng, view = self.rng, self.view
        axis = (np.arange(view.side, dtype=np.float32) - (view.side - 1) / 2) * view.pixel_mm
        x, y = axis[None, None, :], axis[None, :, None]
        turn = rng.uniform(-view.turn, view.turn) + self.differing(0.15)
        zoom = np.exp(self.differing(0.08))
        mirrored = -1.0 if rng.random() < 0.5 else 1.0
        right = x - rng.uniform(-1, 1) * view.shift_mm - self.differing(0.15 * view.shift_mm)
        down = y - rng.uniform(-1, 1) * view.shift_mm - self.differing(0.15 * view.shift_mm)
        cos, sin = np.cos(turn) * zoom, np.sin(turn) * zoom
        bent = view.warp_mm * rng.uniform(0.0, 1.0)
        cells = int(rng.integers(3, 8))
        return (
            np.float32(mirrored) * (right * cos + down * sin) + bent * self.noise(cells),
            (down * cos - right * sin) + bent * self.noise(cells),
        )

    def differing(self, amount: float) -> Floats:
        """A number per slice (Z, 1, 1), normal: of its own for siblings, sliding along a body."""
        n = self.view.slices
        if self.view.siblings:
            return _per_slice(amount * self.rng.standard_normal(n))
        a, b = 0.6 * amount * self.rng.standard_normal(2)
        return np.float32(a) + np.float32(b) * self._place

    def about(self, value: Number, share: float = 0.1) -> Floats:
        """A positive value, varied from slice to slice by about this share."""
        return (value * np.exp(self.differing(share))).astype(np.float32)

    def uniform(self, low: float, high: float) -> float:
        """A number between these."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True this often."""
        return bool(self.rng.random() < probability)

    def noise(self, cells: int) -> Floats:
        """Smooth noise (Z, Y, X) of unit variance or a little less.

        Args:
            cells: bumps that fit along a side.
        """
        n, side = self.view.slices, self.view.side
        if self.view.siblings or n == 1:
            return smooth_noise(self.rng, n, side, cells)
        across, along = spline_weights(side, cells), spline_weights(n, max(1, n // 4))
        wide = across.shape[1]
        grid = self.rng.standard_normal((along.shape[1], wide * wide), np.float32)
        grid = (along @ grid).reshape(n, wide, wide)
        return np.float32(2.5) * (across @ grid @ across.T)

    def oval(
        self,
        centre: Point,
        radii: tuple[Number, Number],
        turn: float = 0.0,
        wobble: float = 0.05,
        power: float = _ROUND,
    ) -> Floats:
        """Distance from a centre as a share of an oval's radius: below 1 is inside.

        Args:
            centre: x, y in mm.
            radii: along x and y before turning, in mm.
            turn: radians.
            wobble: how irregular the outline is, as a share of the radius.
            power: 2 = ellipse; larger ones are boxes with round corners.
        """
        x, y = self.x - np.float32(centre[0]), self.y - np.float32(centre[1])
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        across = (x * cos + y * sin) / np.maximum(np.float32(radii[0]), np.float32(0.1))
        along = (y * cos - x * sin) / np.maximum(np.float32(radii[1]), np.float32(0.1))
        if abs(power - _ROUND) < 0.05:
            distance = np.sqrt(across * across + along * along)
        else:
            distance = (np.abs(across) ** power + np.abs(along) ** power) ** np.float32(1 / power)
        if wobble:
            size = float(np.mean(radii[0])) / self.view.pixel_mm
            cells = int(np.clip(self.view.side / max(size, 4.0), 3, 16))
            distance *= 1 + np.float32(0.6 * wobble) * self.noise(cells)
        return distance

    def tube(self, points: list[tuple[float, float]]) -> Floats:
        """Distance in mm from a curve that starts at the first of three points, ends at the last.

        Args:
            points: of a quadratic Bezier curve, x and y in mm.
        """
        (x0, y0), (x1, y1), (x2, y2) = points
        nearest = np.full(self.regions.shape, np.inf, np.float32)
        for t in np.linspace(0, 1, 20):
            x = (1 - t) ** 2 * x0 + 2 * t * (1 - t) * x1 + t * t * x2
            y = (1 - t) ** 2 * y0 + 2 * t * (1 - t) * y1 + t * t * y2
            distance = (self.x - np.float32(x)) ** 2 + (self.y - np.float32(y)) ** 2
            np.minimum(nearest, distance, out=nearest)
        return np.sqrt(nearest)

    def region(self) -> int:
        """The number of a new region."""
        number, self._used = self._used, min(self._used + 1, MOST_REGIONS - 1)
        return number

    def paint(self, where: Mask, tissue: Tissue = Tissue.OTHER, region: int | None = None) -> int:
        """Paint pixels; gives the number of their region.

        Args:
            where: (Z, Y, X).
            tissue: what they are made of.
            region: what looks like it in every image; None = a new one.
        """
        number = self.region() if region is None else region
        self.regions[where] = number
        self.tissues[where] = tissue
        return number


@dataclass(frozen=True, eq=False)
class Scene:
    """Slices of a random body.

    Args:
        kind: heart, pelvis, abdomen or shapes.
        regions: (Z, Y, X) uint8; pixels of one number look alike in an image.
        tissues: (Z, Y, X) uint8, values of `Tissue`.
        blood: regions of cavities and vessels, the largest cavity first.
        dark: regions that most images show dark: air in lungs and bowels.
        wall: the region that surrounds the first of `blood`, 0 = none.
    """

    kind: str
    regions: npt.NDArray[np.uint8]
    tissues: npt.NDArray[np.uint8]
    blood: tuple[int, ...] = ()
    dark: tuple[int, ...] = ()
    wall: int = 0


def _per_slice(values: npt.NDArray[Any]) -> Floats:
    return values.astype(np.float32)[:, None, None]
