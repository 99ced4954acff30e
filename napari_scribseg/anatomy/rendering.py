"""Images of scenes: random grey levels, texture, blur, bias field, noise and resolution."""

from __future__ import annotations

import math

import numpy as np

from napari_scribseg.anatomy.canvas import MOST_REGIONS, Scene
from napari_scribseg.anatomy.smoothing import Floats, blurred, coarsened, smooth_noise


def render(scene: Scene, seed: int | tuple[int, ...]) -> Floats:
    """One random acquisition of a scene: (Z, Y, X) float32, z-scored as a volume is.

    Regions have the same grey levels in all slices, as in one patient or in one protocol.

    Args:
        scene: what is there.
        seed: whatever is random follows from it.
    """
    rng = np.random.default_rng(seed)
    n, side, _ = scene.regions.shape
    levels, rough = _contrast(scene, rng)
    image = levels[scene.regions]
    image += rough[scene.regions] * _texture(rng, n, side)
    image = blurred(image, 0.3 + 1.1 * rng.random() ** 1.5)
    if rng.random() < 0.35:
        image = coarsened(image, 1 + 1.3 * rng.random())
    bias = smooth_noise(rng, n, side, int(rng.integers(1, 4)))
    image = np.maximum(image, 0) * np.exp(np.float32(0.4 * rng.random()) * bias)
    image = _noisy(image, 0.01 + 0.06 * rng.random() ** 2, rng)
    return _normalised(image, rng)


def _contrast(scene: Scene, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Grey level and roughness of every region."""
    levels = rng.random(MOST_REGIONS)
    shared = rng.random(MOST_REGIONS) < 0.15
    levels = np.where(shared, levels[rng.permutation(MOST_REGIONS)], levels)
    if rng.random() < 0.6:
        levels[0] *= 0.1
    for region in scene.dark:
        if rng.random() < 0.7:
            levels[region] = 0.15 * rng.random()
    if scene.wall and rng.random() < 0.75:
        blood = rng.uniform(0.6, 1.0)
        for region in scene.blood:
            levels[region] = blood * rng.uniform(0.75, 1.1)
        levels[scene.blood[0]] = blood
        if rng.random() < 0.7:
            levels[scene.blood[1]] = blood * rng.uniform(0.9, 1.05)
        levels[scene.wall] = rng.uniform(0.08, 0.6) * blood
    if scene.kind == "abdomen" and rng.random() < 0.6:  # as computed tomography shows it
        levels[1:] = 0.45 + 0.3 * levels[1:]
        levels[[1, 3]] = rng.uniform(0.2, 0.4)
        for region in scene.dark:
            levels[region] = 0.05 * rng.random()
    rough = 0.1 * rng.random(MOST_REGIONS) ** 2
    return levels.astype(np.float32), rough.astype(np.float32)


def _texture(rng: np.random.Generator, n: int, side: int) -> Floats:
    """Grain of a pixel, of a few pixels and of many, together about unit variance each."""
    grain = rng.standard_normal((n, side, side), np.float32)
    width = rng.uniform(0.8, 2.2)
    coarse = blurred(grain, width) * np.float32(2 * math.sqrt(math.pi) * width)
    return np.float32(0.4) * grain + coarse + smooth_noise(rng, n, side, 9)


def _noisy(image: Floats, amount: float, rng: np.random.Generator) -> Floats:
    """Noise of a magnitude image (Rice)."""
    real, imaginary = rng.standard_normal((2, *image.shape), np.float32) * np.float32(amount)
    return np.sqrt((image + real) ** 2 + imaginary**2)


def _normalised(image: Floats, rng: np.random.Generator) -> Floats:
    """A random gamma, then mean 0 and deviation 1, and not quite."""
    low, high = image.min(), image.max()
    image = ((image - low) / max(float(high - low), 1e-6)) ** np.float32(
        math.exp(rng.uniform(-0.5, 0.5))
    )
    image = (image - image.mean()) / max(float(image.std()), 1e-3)
    scaled = np.clip(image, -4, 4) * np.float32(math.exp(rng.uniform(-0.3, 0.3)))
    return (scaled + np.float32(rng.uniform(-0.4, 0.4))).astype(np.float32)
