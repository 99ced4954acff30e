"""Random anatomy: what holds for every scene, whatever the seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_scribseg.anatomy.canvas import MOST_REGIONS
from napari_scribseg.anatomy.rendering import render
from napari_scribseg.anatomy.scenes import KINDS, random_scene
from napari_scribseg.anatomy.tissues import Tissue


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_scene_and_image_every_time(kind) -> None:
    scenes = [random_scene((3, 1), kind=kind, slices=2, side=48) for _ in range(2)]
    assert np.array_equal(scenes[0].regions, scenes[1].regions)
    assert np.array_equal(scenes[0].tissues, scenes[1].tissues)
    assert np.array_equal(render(scenes[0], 4), render(scenes[1], 4))
    assert not np.array_equal(render(scenes[0], 4), render(scenes[0], 5))
    assert not np.array_equal(
        scenes[0].regions, random_scene((3, 2), kind=kind, slices=2, side=48).regions
    )


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_in_range_and_images_finite_and_of_about_unit_variance(kind) -> None:
    for seed in range(5):
        scene = random_scene(seed, kind=kind, slices=3, side=48, siblings=seed % 2 == 0)
        image = render(scene, seed)
        assert scene.regions.shape == scene.tissues.shape == image.shape == (3, 48, 48)
        assert scene.regions.max() < MOST_REGIONS
        assert scene.tissues.max() < len(Tissue)
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert 0.5 < image.std() < 2
    if kind == "shapes":
        assert not scene.tissues.any()


def test_a_region_is_of_one_tissue_or_none_where_a_pixel_tells_them_apart() -> None:
    scene = random_scene(0, kind="pelvis", side=96)
    blades = scene.tissues == Tissue.PERIPHERAL_ZONE
    regions = set(np.unique(scene.regions[blades]))
    assert regions.isdisjoint(np.unique(scene.regions[scene.tissues == Tissue.BLADDER]))


def test_the_left_cavity_is_ringed_by_myocardium_and_the_right_one_lies_beside() -> None:
    seen = touching = 0
    for seed in range(40):
        scene = random_scene(seed, kind="heart", side=96)
        left, ring, right = (
            scene.tissues[0] == tissue
            for tissue in (Tissue.LEFT_VENTRICLE, Tissue.MYOCARDIUM, Tissue.RIGHT_VENTRICLE)
        )
        border = np.zeros_like(left)
        border[[0, -1]] = border[:, [0, -1]] = True
        if left.sum() < 30 or (border & (left | ring)).any():
            continue
        seen += 1
        around = ndimage.binary_dilation(left) & ~left
        assert (around & ring).sum() == around.sum(), seed
        assert not (ndimage.binary_dilation(left) & right).any(), seed
        filled = ndimage.binary_fill_holes(ring)
        assert filled[left].all(), seed
        touching += bool((ndimage.binary_dilation(ring, iterations=2) & right).any())
    assert seen >= 10
    assert touching >= 0.6 * seen


def test_neighbours_are_more_alike_than_siblings() -> None:
    def change(siblings: bool) -> float:
        scenes = [
            random_scene(s, kind="heart", slices=6, side=48, siblings=siblings) for s in range(6)
        ]
        return float(np.mean([(s.tissues[1:] != s.tissues[:-1]).mean() for s in scenes]))

    assert change(siblings=False) < 0.6 * change(siblings=True)
