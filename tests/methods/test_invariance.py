"""A mirrored case is a mirrored case: what is prepared, and what an E-step makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import two_ball_case

from napari_scribseg.batches.slices import image_slices, resample_in_plane
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Method, Shown
from napari_scribseg.methods.registry import all_methods

PREPARING = [m for m in all_methods() if m.prepare.__func__ is not Method.prepare.__func__]
RELABELLING = [m for m in all_methods() if m.relabel is not Method.relabel]

AGREEMENT = {"pseudo_labels": 0.95}
"""Share of voxels that must be the same; SLIC starts from a grid that is not symmetric."""


def _mirrored(case: Case, axis: int) -> Case:
    """The case with its arrays turned round, on the grid that it had."""
    arrays = (case.image.array, case.scribbles, case.reference)
    image, scribbles, reference = (np.flip(a, axis).copy() for a in arrays)
    volume = Volume(image, case.image.grid)
    return replace(case, image=volume, scribbles=scribbles, reference=reference)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", PREPARING, ids=lambda m: m.spec.name)
def test_a_mirrored_case_is_prepared_mirrored(kind, axis) -> None:
    case = two_ball_case(shape=(4, 32, 32))
    options = kind.spec.presets["quick"].options
    plain, mirrored = (kind.prepare(c, options) for c in (case, _mirrored(case, axis)))
    assert set(plain) == set(mirrored)
    for name, array in plain.items():
        back = np.flip(mirrored[name], axis)
        if array.dtype.kind == "f":
            np.testing.assert_allclose(back, array, atol=1e-4)
        else:
            assert (back == array).mean() >= AGREEMENT.get(name, 0.999), name


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("kind", RELABELLING, ids=lambda m: m.spec.name)
def test_a_mirrored_case_is_relabelled_mirrored(kind, axis) -> None:
    """By a network that only looks at brightness, shown pixels of another size."""
    case = two_ball_case(shape=(3, 32, 32))
    options = kind.spec.presets["quick"].options
    method = kind(3, options).eval()
    method.forward = lambda image: torch.cat([-image, image, image * 0], 1)
    maps = kind.prepare(case, options)
    for array in maps.values():
        if array.dtype.kind == "i":
            array[:, 3:9, 5:20] = IGNORE
    plain = _relabelled(method, case, maps)
    mirrored_maps = {n: np.flip(a, axis).copy() for n, a in maps.items()}
    mirrored = _relabelled(method, _mirrored(case, axis), mirrored_maps)
    assert set(plain) == set(mirrored)
    assert any((plain[n] != maps[n]).any() for n in plain)
    for name, array in plain.items():
        np.testing.assert_allclose(np.flip(mirrored[name], axis), array, atol=1e-5)


@torch.no_grad()
def _relabelled(method: Method, case: Case, maps) -> dict[str, np.ndarray]:
    image = image_slices(case.image.array, case.image.spacing, 2.0)

    def to_grid(pixels: torch.Tensor) -> np.ndarray:
        back = resample_in_plane(pixels.float(), case.image.shape[1:])
        return back.movedim(1, 0).contiguous().numpy()

    return method.relabel(case, maps, Shown(image, to_grid))
