"""Volumes become layers and come back: same voxels, same place, same meaning."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layers, series_layers

CARDIAC = PRESETS["cardiac"]
OBLIQUE = np.array(
    [
        [1.0, 0.6, 0.96, 11.0],
        [-8.0, 0.0, 0.28, -7.0],
        [0.0, 1.2, -0.48, 3.5],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def oblique_grid(shape=(3, 5, 7)) -> Grid:
    """Axes along no patient axis, made perpendicular, with three different spacings."""
    directions, _ = np.linalg.qr(OBLIQUE[:3, :3])
    affine = np.eye(4)
    affine[:3, :3] = directions * (8.0, 1.3, 1.1)
    affine[:3, 3] = OBLIQUE[:3, 3]
    return Grid(shape, affine)


def volume(grid: Grid) -> Volume:
    return Volume(np.random.default_rng(0).normal(size=grid.shape).astype(np.float32), grid)


class TestGeometry:
    def test_an_oblique_volume_comes_back_exactly(self, recwarn):
        one = volume(oblique_grid())
        back = layers.volume_of(layers.layer_of(layers.image_data(one, case=CaseKey("", "one"))))
        assert back.grid == one.grid
        assert back.array is one.array
        assert not [w for w in recwarn if "orthogonal" in str(w.message)]

    def test_all_layers_of_a_case_lie_on_each_other_in_millimetres(self):
        made = [layers.layer_of(d) for d in layers.case_data(two_ball_case(), TWO_BALLS)]
        assert [layers.role_of(layer) for layer in made] == ["image", "reference", "scribbles"]
        for layer in made:
            assert {str(unit) for unit in layer.units} == {"millimeter"}
            assert np.array_equal(layer.extent.world, made[0].extent.world)

    def test_strange_layers_count_pixels_as_millimetres(self):
        layer = Image(np.zeros((2, 3, 4)), scale=(3.0, 1.0, 2.0), translate=(30.0, 20.0, 10.0))
        wanted = Grid.from_spacing((2, 3, 4), (3.0, 1.0, 2.0), origin=(10.0, 20.0, 30.0))
        assert layers.grid_of(layer) == wanted

    def test_strange_layers_in_other_units_are_converted(self):
        layer = Image(np.zeros((2, 3, 4)), scale=(3000, 500, 500), units=("um", "um", "um"))
        assert layers.grid_of(layer).spacing == pytest.approx((3.0, 0.5, 0.5))

    @pytest.mark.parametrize("shape", [(4, 5), (2, 2, 2, 2, 2)])
    def test_what_is_no_volume_is_refused_by_name(self, shape):
        with pytest.raises(InvalidInput, match="'flat'"):
            layers.volume_of(Image(np.zeros(shape), name="flat"))

    def test_a_time_series_gives_the_frame_that_is_asked_for(self):
        grid = oblique_grid()
        frames = [Volume(np.full(grid.shape, n, np.int16), grid) for n in range(4)]
        layer = layers.layer_of(series_layers.series_data(frames, case=CaseKey("", "cine")))
        third = layers.volume_of(layer, frame=2)
        assert (third.array == 2).all()
        assert third.grid == grid
        assert third.frame == 2


class TestRoles:
    def test_layers_are_found_by_role_and_case_whatever_their_name(self):
        made = [layers.layer_of(d) for d in layers.case_data(two_ball_case(), TWO_BALLS)]
        for layer in made:
            layer.name = "renamed"
        assert layers.find(made, "scribbles") is made[2]
        assert layers.find(made, "scribbles", "another case") is None

    def test_an_image_converted_to_labels_may_become_scribbles(self):
        image = layers.layer_of(layers.image_data(volume(oblique_grid()), case=CaseKey("", "one")))
        labels = Labels(np.zeros(image.data.shape, np.uint8), metadata=image.metadata)
        assert layers.usable_as(labels, "scribbles")
        assert not layers.usable_as(image, "scribbles")

    def test_a_segmentation_is_not_offered_as_scribbles(self):
        grid = Grid.from_spacing((2, 4, 4), (1.0, 1.0, 1.0))
        empty = Volume(np.zeros(grid.shape, np.uint8), grid)
        layer = layers.layer_of(layers.segmentation_data(empty, CARDIAC, case=CaseKey("", "one")))
        assert not layers.usable_as(layer, "scribbles")
        assert layer.contour > 0
