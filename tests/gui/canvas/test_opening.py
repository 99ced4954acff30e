"""Which layers a file becomes, and what is said about it."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from segmentations import slicer_file

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.gui import plugin
from napari_scribseg.gui.canvas import layers, opening
from napari_scribseg.io import FrameAxis, write_frames, write_volume

GRID = Grid.from_spacing((3, 12, 14), (8.0, 1.3, 1.1), (5.0, 6.0, 7.0))
BALL = np.zeros(GRID.shape)
BALL[:, 3:9, 4:10] = 1
NOISE = np.random.default_rng(0).normal(100, 20, GRID.shape).round()


def opened(path):
    (data,) = opening.layers_of_path(path)
    return data


def write(path, array):
    write_volume(path, Volume(array, GRID))
    return path


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (BALL * 2, np.uint8),
        (BALL * 2, np.float32),
        (BALL * 2.0, np.float64),
        (BALL * 200 + np.roll(BALL, 1, axis=0) * 400, np.int16),
    ],
)
def test_labels_keep_their_numbers_and_the_other_reading_is_offered(tmp_path, array, dtype):
    data, settings, kind = opened(write(tmp_path / "a.nii.gz", array.astype(dtype)))
    assert kind == "labels"
    assert np.array_equal(data, array)
    assert data.dtype == (np.uint8 if array.max() < 256 else np.uint16)
    assert "choose Convert to Image" in opening.note_of((data, settings, kind))


def test_an_image_of_few_greys_stays_one_and_the_other_reading_is_offered(tmp_path):
    array = (NOISE // 20).astype(np.uint8)
    data = opened(write(tmp_path / "a.nii.gz", array))
    assert data[2] == "image"
    assert "choose Convert to Labels" in opening.note_of(data)


def test_nothing_is_said_about_what_is_plain(tmp_path):
    fine = NOISE + np.random.default_rng(1).random(GRID.shape)
    data = opened(write(tmp_path / "a.nii.gz", fine.astype(np.float32)))
    assert (data[2], opening.note_of(data)) == ("image", "")


def test_the_header_is_believed_when_it_says_labels(tmp_path):
    file = nibabel.Nifti1Image(NOISE.astype(np.int16).T, np.eye(4))
    file.header.set_intent("label")
    nibabel.save(file, tmp_path / "a.nii")
    data = opened(tmp_path / "a.nii")
    assert (data[2], opening.note_of(data)) == ("labels", "")


def test_a_series_of_labels_is_one_layer(tmp_path):
    array = np.stack([np.roll(BALL, n, axis=2) for n in range(3)]).astype(np.uint8)
    write_frames(tmp_path / "a.nii", array, GRID, FrameAxis(0.1, 0.0, "s"))
    data, settings, kind = opened(tmp_path / "a.nii")
    assert kind == "labels"
    assert np.array_equal(data, array)
    assert settings["units"][0] == "s"


def test_frames_without_a_time_are_not_counted_in_seconds(tmp_path):
    array = np.stack([NOISE, NOISE + 1]).astype(np.int16)
    write_frames(tmp_path / "a.nii", array, GRID, FrameAxis())
    _, settings, _ = opened(tmp_path / "a.nii")
    assert (settings["units"][0], settings["scale"][0]) == ("pixel", 1.0)


def test_segments_of_slicer_that_overlap_are_layers_with_names(tmp_path):
    first, second = slicer_file(tmp_path / "heart.seg.nrrd", overlapping=True)
    made = opening.layers_of_path(tmp_path / "heart.seg.nrrd")
    shown = [layers.layer_of(data) for data in made]
    assert [layer.ndim for layer in shown] == [3, 3]
    assert [list(layer.features["name"]) for layer in shown] == [
        ["", "left ventricle"],
        ["", "scar"],
    ]
    assert np.array_equal(shown[0].data, first)
    assert np.array_equal(shown[1].data, second)
    assert "shown as 2 layers" in opening.note_of(made[0])
    assert layers.volume_of(shown[1]).spacing == pytest.approx((8.0, 1.3, 1.1))


def test_segments_of_slicer_beside_one_another_are_one_layer(tmp_path):
    first, second = slicer_file(tmp_path / "heart.seg.nrrd", overlapping=False)
    data = opened(tmp_path / "heart.seg.nrrd")
    assert np.array_equal(data[0], first + second)
    assert list(layers.layer_of(data).features["name"]) == ["", "left ventricle", "scar"]


class TestStack:
    def test_volumes_of_one_grid_become_one_series(self, tmp_path):
        paths = [write(tmp_path / f"{n}.nii.gz", (NOISE + n).astype(np.int16)) for n in range(3)]
        ((data, settings, kind),) = plugin.read([str(path) for path in paths])
        assert kind == "image"
        assert np.array_equal(data, np.stack([NOISE + n for n in range(3)]))
        assert layers.volume_of(layers.layer_of((data, settings, kind)), 1).grid.offset_from(
            GRID
        ) == pytest.approx(0, abs=1e-4)
        assert "3 files are shown as one series" in opening.note_of((data, settings, kind))

    def test_one_file_is_no_stack(self, tmp_path):
        path = write(tmp_path / "a.nii.gz", NOISE.astype(np.int16))
        ((data, _, _),) = plugin.read([str(path)])
        assert data.shape == GRID.shape

    def test_volumes_that_lie_elsewhere_are_refused_by_name(self, tmp_path):
        here = write(tmp_path / "a.nii.gz", NOISE.astype(np.int16))
        moved = Grid.from_spacing(GRID.shape, GRID.spacing, (5.0, 6.0, 9.0))
        write_volume(tmp_path / "b.nii.gz", Volume(NOISE.astype(np.int16), moved))
        with pytest.raises(InvalidInput, match=r"b.nii.gz does not lie on the voxels of a.nii.gz"):
            plugin.read([str(here), str(tmp_path / "b.nii.gz")])

    def test_a_series_in_a_stack_is_refused(self, tmp_path):
        here = write(tmp_path / "a.nii.gz", NOISE.astype(np.int16))
        array = np.stack([NOISE, NOISE]).astype(np.int16)
        write_frames(tmp_path / "b.nii.gz", array, GRID, FrameAxis())
        with pytest.raises(InvalidInput, match="b.nii.gz is a series itself"):
            plugin.read([str(here), str(tmp_path / "b.nii.gz")])
