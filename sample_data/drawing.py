"""Shapes, tissue and the scanner: what both phantoms are drawn with.

A phantom is painted on a plane that is finer than the image (`FINER` times) at `LAYERS` levels
within the slice thickness; `acquire` averages it, which is where partial volume comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FINER = 2
LAYERS = 3


@dataclass
class Plane:
    """One level of the phantom: positions in mm from the centre, signal 0..1, class indices.

    Args:
        pixels: image pixels per side.
        spacing_mm: image pixel size.
    """

    pixels: int
    spacing_mm: float
    x: Image = field(init=False)
    y: Image = field(init=False)
    signal: Image = field(init=False)
    labels: npt.NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        n = self.pixels * FINER
        line = (np.arange(n) - (n - 1) / 2) * self.spacing_mm / FINER
        self.y, self.x = np.meshgrid(line, line, indexing="ij")
        self.signal = np.zeros((n, n))
        self.labels = np.zeros((n, n), np.uint8)

    def paint(self, where: Mask, signal: float | Image) -> None:
        """Fill a region with a signal."""
        self.signal[where] = signal if np.isscalar(signal) else np.asarray(signal)[where]

    def blob(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        *,
        turn: float = 0.0,
        wobble: float = 0.0,
        phase: float = 0.0,
        power: float = 2.0,
    ) -> Image:
        """0 at the centre (x, y mm), 1 on the outline of a wobbly (super)ellipse.

        Args:
            centre: x, y in mm.
            radii: x, y in mm.
            turn: rotation in radians.
            wobble: depth of the dents in the outline, as a share of the radius.
            phase: where the dents are, in radians.
            power: 2 is an ellipse, more is boxier.
        """
        x, y = self.x - centre[0], self.y - centre[1]
        along = (x * np.cos(turn) + y * np.sin(turn)) / max(radii[0], 1e-6)
        across = (-x * np.sin(turn) + y * np.cos(turn)) / max(radii[1], 1e-6)
        angle = np.arctan2(across, along)
        outline = 1 + wobble * (np.sin(2 * angle + phase) + 0.7 * np.sin(3 * angle + 2.1 * phase))
        distance = (np.abs(along) ** power + np.abs(across) ** power) ** (1 / power)
        return distance / outline


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Image:
    """Noise of unit variance whose grains are `sigma` samples wide."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return noise / noise.std()


def acquire(
    layers: list[list[Plane]], rng: np.random.Generator, *, noise: float, bias: float, blur: float
) -> tuple[Image, npt.NDArray[np.uint8]]:
    """Image (z, y, x; blood or fluid near 1) and class indices as a scanner would give them.

    Args:
        layers: for each slice its planes through the slice thickness.
        rng: makes bias field and noise.
        noise: standard deviation of real and imaginary part (the magnitude is Rician).
        bias: standard deviation of the logarithm of the coil sensitivity.
        blur: in-plane point spread in image pixels.
    """
    signal = np.stack([np.mean([plane.signal for plane in planes], axis=0) for planes in layers])
    signal = ndimage.gaussian_filter(signal, (0, blur * FINER, blur * FINER))
    z, y, x = signal.shape
    signal = signal.reshape(z, y // FINER, FINER, x // FINER, FINER).mean((2, 4))
    field_shape = (z, y // FINER, x // FINER)
    signal = signal * np.exp(bias * smooth_noise(rng, field_shape, field_shape[1] / 3.5))
    real = signal + rng.normal(0, noise, field_shape)
    image = np.hypot(real, rng.normal(0, noise, field_shape))
    middle = np.stack([planes[len(planes) // 2].labels for planes in layers])
    return image, middle[:, ::FINER, ::FINER]
