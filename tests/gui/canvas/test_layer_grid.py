"""Layers that were moved, cropped, binned or turned: where their voxels lie, in mm, or why not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image, Labels, _layer_actions
from napari.plugins import _initialize_plugins

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layer_grid, layers, series_layers
from napari_scribseg.io import FrameAxis, read_volume

SHAPE = (6, 9, 11)
START = np.array([2, 3, 4])


def all_orders() -> list[Grid]:
    """A grid in every one of the 48 orders and directions of its axes, none of them exact."""
    turn = np.linalg.qr(np.array([[1.0, 0.2, -0.1], [-0.15, 1.0, 0.3], [0.1, -0.25, 1.0]]))[0]
    made = []
    for order, flips in itertools.product(
        itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)
    ):
        affine = np.eye(4)
        affine[:3, :3] = turn[:, order] * flips * (5.0, 1.3, 1.1)
        affine[:3, 3] = (31.0, -12.0, 57.0)
        made.append(Grid(SHAPE, affine))
    return made


OBLIQUE = all_orders()[5]
SAGITTAL = Grid(
    SHAPE, np.array([[3.0, 0, 0, -20], [0, 0, 1.1, 8], [0, -1.2, 0, 40], [0, 0, 0, 1.0]])
)


def shown(grid: Grid) -> Image:
    array = np.random.default_rng(0).integers(0, 900, grid.shape).astype(np.int16)
    return layers.layer_of(layers.image_data(Volume(array, grid), case=CaseKey("", "one")))


def changed(layer: Image, data=None, **settings) -> Image:
    """What another plugin gives back: the layer's settings with some of them changed."""
    voxels, known, _ = layer.as_layer_data_tuple()
    return Image(voxels if data is None else data, **{**known, **settings})


def place(layer) -> Grid:
    return layer_grid.locate(layer, layers.notes(layer)).grid


def farthest(one: Grid, positions) -> float:
    """Largest distance in mm between a grid's voxels and positions ((z, y, x), 3)."""
    index = np.stack(np.meshgrid(*map(range, one.shape), indexing="ij"), axis=-1)
    return float(np.linalg.norm(one.position(index) - positions, axis=-1).max())


def positions(grid: Grid, *, start=(0, 0, 0), step=(1, 1, 1), shape=SHAPE):
    """Where voxels of a part of a grid lie: every step-th one from start (half steps allowed)."""
    index = np.stack(np.meshgrid(*map(range, shape), indexing="ij"), axis=-1)
    return grid.position(index * np.array(step) + np.array(start))


@pytest.mark.parametrize("grid", [*all_orders(), SAGITTAL])
def test_a_crop_keeps_every_voxel_where_it_was_in_the_patient(grid):
    layer = shown(grid)
    crop = layer.data[2:5, 3:9, 4:10]
    corner = layer.data_to_world(START)
    cropped = changed(layer, crop, translate=corner)
    assert farthest(place(cropped), positions(grid, start=START, shape=crop.shape)) < 1e-9
    assert np.allclose(place(cropped).directions, grid.directions)


@pytest.mark.parametrize("grid", [OBLIQUE, SAGITTAL])
def test_binning_makes_larger_voxels_in_the_same_place(grid):
    layer = shown(grid)
    scale = np.array(layer.scale)
    binned = changed(
        layer,
        layer.data[::2, ::3, :],
        scale=scale * (2, 3, 1),
        translate=np.array(layer.translate) + scale * (0.5, 1.0, 0.0),
    )
    wanted = positions(grid, start=(0.5, 1, 0), step=(2, 3, 1), shape=(3, 3, 11))
    assert farthest(place(binned), wanted) < 1e-9
    assert place(binned).spacing == pytest.approx(np.array(grid.spacing) * (2, 3, 1))


def test_a_shift_on_the_screen_is_a_shift_along_the_axes_of_the_image():
    """Down on the screen goes the way of the y axis as it is shown, here by 7 mm."""
    layer = shown(OBLIQUE)
    down = np.sign(layer.scale[1]) * OBLIQUE.directions[:, 1]
    layer.translate = np.array(layer.translate) + (0.0, 7.0, 0.0)
    assert farthest(place(layer), positions(OBLIQUE) + 7.0 * down) < 1e-9


def test_a_turn_on_the_screen_turns_the_volume_in_the_patient():
    """In an axial volume at its own place, 90 degrees about the slider's axis (z)."""
    grid = Grid.from_spacing(SHAPE, (5.0, 1.0, 1.0))
    layer = shown(grid)
    layer.rotate = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    index = np.array([1, 2, 3])
    assert place(layer).position(index) == pytest.approx([2.0, -3.0, 5.0])  # was 3, 2, 5


def test_an_affine_given_on_top_counts_too():
    layer = shown(SAGITTAL)
    before = layer.scale.copy()
    layer.affine = np.diag([2.0, 1.0, 1.0, 1.0])  # stretches the world's z
    assert np.array_equal(layer.scale, before)
    assert place(layer).spacing == pytest.approx((6.0, 1.2, 1.1))


@pytest.mark.parametrize(
    "settings",
    [
        {"shear": [0.0, 0.0, 0.3]},
        {"shear": [0.2, 0.0, 0.0]},
        {"affine": np.array([[1, 0, 0, 0], [0, 1, 0.5, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])},
    ],
)
def test_what_no_grid_can_tell_is_refused_by_name(settings):
    with pytest.raises(InvalidInput, match="'one' is shown sheared"):
        place(changed(shown(OBLIQUE), **settings))


def test_an_untouched_layer_has_the_very_same_grid():
    for grid in all_orders():
        assert place(shown(grid)) == grid


def test_a_layer_that_lost_its_place_is_taken_back_or_refused():
    """Plugins that copy our notes but not the scale: spacing and place would be invented."""
    layer = shown(OBLIQUE)
    filtered = Image(layer.data * 2, metadata=layer.metadata)
    found = layer_grid.locate(filtered, layers.notes(filtered))
    assert found.grid == OBLIQUE
    assert found.notes == (layer_grid.TAKEN_PLACE,)
    halved = Image(layer.data[:, ::2], name="halved", metadata=layer.metadata)
    with pytest.raises(InvalidInput, match=r"'halved' has lost its place, and has 6 x 5 x 11"):
        place(halved)


def test_a_layer_that_got_shorter_without_moving_is_told():
    layer = shown(OBLIQUE)
    layer.data = layer.data[:4]
    found = layer_grid.locate(layer, layers.notes(layer))
    assert found.notes == (layer_grid.CUT_SHORT,)
    assert farthest(found.grid, positions(OBLIQUE, shape=(4, 9, 11))) < 1e-9


def test_of_strange_layers_it_is_told_what_was_assumed():
    found = layer_grid.locate(Image(np.zeros((2, 3, 4))), {})
    assert not found.grid.oriented
    assert "one pixel of its world as 1 mm" in found.notes[0]
    micrometres = Image(np.zeros((2, 3, 4)), scale=(3000, 500, 500), units=("um", "um", "um"))
    found = layer_grid.locate(micrometres, {})
    assert found.grid.spacing == pytest.approx((3.0, 0.5, 0.5))
    assert "as they are" in found.notes[0]


def test_a_tiff_has_the_size_that_its_layer_is_given(tmp_path):
    """napari's reader drops the size that the file tells, so it is said, and can be set."""
    path = tmp_path / "heart.ome.tif"
    voxels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    size = {f"PhysicalSize{axis}": mm for axis, mm in zip("ZYX", (8.0, 0.7, 0.7), strict=True)}
    units = {f"PhysicalSize{axis}Unit": "mm" for axis in "ZYX"}
    tifffile.imwrite(
        path, voxels, ome=True, photometric="minisblack", metadata={"axes": "ZYX", **size, **units}
    )
    _initialize_plugins()
    (layer,) = ViewerModel().open(str(path), plugin="napari")
    np.testing.assert_array_equal(np.asarray(layer.data), voxels)
    found = layer_grid.locate(layer, {})
    assert found.grid.spacing == (1.0, 1.0, 1.0)
    assert "one pixel of its world as 1 mm" in found.notes[0]
    layer.scale, layer.units = (8.0, 0.7, 0.7), ("mm", "mm", "mm")
    found = layer_grid.locate(layer, {})
    assert found.grid.spacing == pytest.approx((8.0, 0.7, 0.7))
    assert "as they are" in found.notes[0]


def test_of_ome_zarr_scale_and_unit_are_kept_and_the_finest_resolution_is_taken(tmp_path):
    """Layers such as napari-ome-zarr gives; labels are refused, and what is advised works."""
    settings = {"scale": (0.8, 0.07, 0.07), "units": ("centimeter",) * 3, "name": "heart"}
    fine = np.arange(4 * 8 * 8, dtype=np.float32).reshape(4, 8, 8)
    found = layer_grid.locate(Image(fine, **settings), {})
    assert found.grid.spacing == pytest.approx((8.0, 0.7, 0.7))
    pyramid = Image([fine, fine[:, ::2, ::2]], multiscale=True, **settings)
    assert layer_grid.locate(pyramid, {}).grid.spacing == pytest.approx((8.0, 0.7, 0.7))
    np.testing.assert_array_equal(layer_grid.voxels_of(pyramid), fine)
    whole = fine.astype(np.uint8)
    labels = Labels([whole, whole[:, ::2, ::2]], multiscale=True, **settings)
    with pytest.raises(InvalidInput, match="several resolutions .* Save Selected Layers"):
        layer_grid.locate(labels, {})
    _initialize_plugins()
    viewer = ViewerModel()
    viewer.add_layer(pyramid)
    (written,) = viewer.layers.save(str(tmp_path / "heart.nii.gz"), plugin="napari-scribseg")
    saved = read_volume(written)
    np.testing.assert_array_equal(np.sort(saved.array, axis=None), np.sort(fine, axis=None))
    assert saved.shape == fine.shape
    assert saved.spacing == pytest.approx((8.0, 0.7, 0.7), rel=1e-5)


class Counting:
    """Voxels that are read when they are looked at, as dask's and zarr's; counts how many were."""

    def __init__(self, voxels):
        self.voxels, self.read = voxels, 0
        self.shape, self.dtype, self.ndim = voxels.shape, voxels.dtype, voxels.ndim

    def __len__(self):
        return len(self.voxels)

    def __getitem__(self, index):
        part = self.voxels[index]
        self.read += part.size
        return part

    def __array__(self, dtype=None, copy=None):
        self.read += self.voxels.size
        return np.asarray(self.voxels, dtype)


def test_an_image_that_is_read_when_looked_at_is_read_once():
    fine = np.arange(4 * 8 * 8, dtype=np.float32).reshape(4, 8, 8)
    lazy = Counting(fine)
    layer = Image(lazy, contrast_limits=(0, 1))
    lazy.read = 0
    layer_grid.locate(layer, {})
    assert lazy.read == 0, "where it lies is no question of its voxels"
    first = layers.volume_of(layer).array
    np.testing.assert_array_equal(first, fine)
    assert layers.volume_of(layer).array is first
    assert lazy.read == fine.size
    layer.data = Counting(fine + 1)
    np.testing.assert_array_equal(layer_grid.voxels_of(layer), fine + 1)


def test_of_a_series_that_is_read_when_looked_at_only_the_frame_is_read():
    series = Counting(np.arange(3 * 4 * 8 * 8, dtype=np.float32).reshape(3, 4, 8, 8))
    layer = Image(series, contrast_limits=(0, 1))
    series.read = 0
    for frame in (1, 1, 2):
        np.testing.assert_array_equal(layer_grid.frame_of(layer, frame), series.voxels[frame])
    assert series.read == 2 * 4 * 8 * 8


@pytest.mark.parametrize("grid", [OBLIQUE, SAGITTAL, all_orders()[30]])
def test_labels_drawn_in_napari_lie_where_the_image_under_them_lies(grid):
    """napari's new layer of labels has positive steps, so it runs the other way round here."""
    viewer = ViewerModel()
    image = viewer.add_layer(shown(grid))
    viewer._new_labels()
    labels = viewer.layers[1]
    assert not labels.metadata
    world = layer_grid.world_of((one, layers.notes(one)) for one in viewer.layers)
    found = layer_grid.locate(labels, {}, world)
    spot = image.data_to_world((1, 2, 3))
    there = found.grid.position(labels.world_to_data(spot))
    assert there == pytest.approx(grid.position((1, 2, 3)))
    assert found.grid.oriented
    assert "shown over 'one'" in found.notes[0]


def test_over_volumes_of_different_directions_nothing_is_known():
    both = [shown(OBLIQUE), shown(SAGITTAL)]
    assert layer_grid.world_of((one, layers.notes(one)) for one in both) is None
    assert layer_grid.world_of([]) is None


def test_axes_that_are_no_lengths_are_not_taken_for_space():
    with pytest.raises(InvalidInput, match="an axis in second"):
        place(Image(np.zeros((2, 3, 4)), units=("s", "mm", "mm")))


def test_unknown_sides_stay_unknown_in_a_crop():
    grid = replace(Grid.from_spacing(SHAPE, (5.0, 1.0, 1.0)), oriented=False)
    volume = Volume(np.zeros(SHAPE), grid)
    layer = layers.layer_of(layers.image_data(volume, case=CaseKey("", "one")))
    layer.translate = np.array(layer.translate) + 5
    assert not layer_grid.locate(layer, layers.notes(layer)).grid.oriented


class TestSeries:
    AXIS = FrameAxis(0.05, 0.4, "s")

    def series(self, axis=AXIS) -> Image:
        frames = [Volume(np.full(SHAPE, n, np.int16), OBLIQUE) for n in range(4)]
        return layers.layer_of(
            series_layers.series_data(frames, case=CaseKey("", "cine"), axis=axis)
        )

    def axis(self, layer) -> FrameAxis:
        return layer_grid.frame_axis_of(layer, layers.notes(layer))

    @pytest.mark.parametrize("axis", [AXIS, FrameAxis(), FrameAxis(2.5), FrameAxis(4.0, 0, "ppm")])
    def test_the_time_between_frames_comes_back(self, axis):
        layer = self.series(axis)
        assert self.axis(layer) == axis
        assert str(layer.units[0]) == ("second" if axis.unit == "s" else "pixel")
        assert place(layer) == OBLIQUE

    def test_every_second_frame_from_the_third_one(self):
        layer = self.series()
        thinned = changed(
            layer,
            layer.data[2::2],
            scale=[0.1, *layer.scale[1:]],
            translate=[0.5, *layer.translate[1:]],
        )
        found = self.axis(thinned)
        assert (found.step, found.start, found.unit) == pytest.approx((0.1, 0.5, "s"))

    def test_milliseconds_are_converted(self):
        layer = Image(np.zeros((2, 3, 4, 5)), scale=(50, 2, 1, 1), units=("ms", "mm", "mm", "mm"))
        assert layer_grid.frame_axis_of(layer, {}) == FrameAxis(pytest.approx(0.05), 0.0, "s")

    def test_no_frame_is_taken_unasked(self):
        with pytest.raises(InvalidInput, match=r"series of 4 frames.*press Work on this frame"):
            layers.volume_of(self.series())
        with pytest.raises(InvalidInput, match="no frame 5; it has 4"):
            layers.volume_of(self.series(), 4)

    def test_time_mixed_with_space_is_refused(self):
        affine = np.eye(5)
        affine[0, 1] = 0.5
        with pytest.raises(InvalidInput, match="time and space of the layer 'cine' are mixed"):
            place(changed(self.series(), affine=affine))

    def test_frames_split_off_keep_the_place(self):
        viewer = ViewerModel()
        viewer.add_layer(self.series())
        _layer_actions._split_stack(viewer.layers, axis=0)
        assert len(viewer.layers) == 4
        assert all(place(layer) == OBLIQUE for layer in viewer.layers)

    def test_slices_split_off_are_not_taken_for_volumes(self):
        """What is left of (t, z, y, x) is (t, y, x)."""
        viewer = ViewerModel()
        viewer.add_layer(self.series())
        _layer_actions._split_stack(viewer.layers, axis=1)
        with pytest.raises(InvalidInput, match="came out of a time series"):
            place(viewer.layers[0])

    def test_a_mean_over_time_keeps_the_place_and_one_over_slices_is_refused(self):
        viewer = ViewerModel()
        layer = viewer.add_layer(self.series())
        _layer_actions._project(viewer.layers, axis=0, mode="mean")
        assert place(viewer.layers[-1]) == OBLIQUE
        viewer.layers.selection.active = layer
        _layer_actions._project(viewer.layers, axis=1, mode="max")
        with pytest.raises(InvalidInput):
            place(viewer.layers[-1])

    def test_volumes_merged_by_napari_are_a_series_in_the_same_place(self):
        viewer = ViewerModel()
        for _ in range(3):
            viewer.add_layer(shown(SAGITTAL))
        viewer.layers.selection = set(viewer.layers)
        _layer_actions._merge_stack(viewer.layers)
        assert viewer.layers[0].data.shape == (3, *SHAPE)
        assert place(viewer.layers[0]) == SAGITTAL
        assert self.axis(viewer.layers[0]) == FrameAxis()


def test_an_image_converted_to_labels_keeps_its_place():
    viewer = ViewerModel()
    viewer.add_layer(shown(OBLIQUE))
    viewer.layers.selection = set(viewer.layers)
    _layer_actions._convert_to_labels(viewer.layers)
    assert isinstance(viewer.layers[0], Labels)
    assert place(viewer.layers[0]) == OBLIQUE
