"""Layers saved by napari: nothing is dropped, or a sentence says why not."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.plugins import _initialize_plugins

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui import plugin
from napari_scribseg.gui.canvas import layers, series_layers
from napari_scribseg.io import FrameAxis, read_frames, read_labels, read_volume

GRID = Grid(
    (3, 5, 7),
    np.array([[0, 0, -1.1, 40.0], [0, -1.3, 0, 25.0], [8.0, 0, 0, -12.5], [0, 0, 0, 1.0]]),
)
SERIES = np.random.default_rng(0).integers(0, 900, (4, *GRID.shape)).astype(np.int16)


def save(layer, path):
    """As napari calls a writer."""
    data, settings, kind = layer.as_layer_data_tuple()
    writer = plugin.write_image if kind == "image" else plugin.write_labels
    return writer(str(path), data, settings)


def series() -> Image:
    frames = [Volume(one, GRID) for one in SERIES]
    axis = FrameAxis(0.05, 0.4, "s")
    return layers.layer_of(series_layers.series_data(frames, case=CaseKey("", "cine"), axis=axis))


def image(array=SERIES[0]) -> Image:
    return layers.layer_of(layers.image_data(Volume(array, GRID), case=CaseKey("", "one")))


@pytest.fixture
def told(monkeypatch):
    """The sentences that napari is given to show."""
    sentences: list[str] = []
    monkeypatch.setattr(plugin, "_tell", sentences.extend)
    return sentences


def test_a_series_is_saved_whole_and_opens_as_it_was(tmp_path, told):
    path = tmp_path / "cine.nii.gz"
    save(series(), path)
    ((data, settings, kind),) = plugin.read(str(path))
    assert kind == "image"
    assert np.array_equal(data, SERIES)
    assert settings["scale"][0] == pytest.approx(0.05)
    assert settings["translate"][0] == pytest.approx(0.4)
    assert settings["units"][0] == "s"
    again = tmp_path / "again.nii.gz"
    save(layers.layer_of((data, settings, kind)), again)
    assert again.read_bytes() == path.read_bytes()
    assert told == []


def test_a_series_of_labels_is_saved_whole(tmp_path):
    values = np.where(SERIES > 450, 3, 0)
    layer = layers.layer_of(
        series_layers.labels_series_data(
            [Volume(one, GRID) for one in values], case=CaseKey("", "cine")
        )
    )
    save(layer, tmp_path / "a.nii")
    back = read_frames(tmp_path / "a.nii")
    assert np.array_equal(np.stack([one.array for one in back.volumes]), values)
    assert back.first.array.dtype == np.uint8


def test_a_series_in_a_format_without_time_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="saved as NIfTI only"):
        save(series(), tmp_path / "cine.nrrd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("top", "dtype"), [(255, np.uint8), (600, np.uint16)])
@pytest.mark.parametrize("stored", [np.uint16, np.int64])
def test_labels_keep_numbers_above_255(tmp_path, top, dtype, stored):
    values = np.where(SERIES[0] > 450, top, 0).astype(stored)
    save(Labels(values, metadata=image().metadata), tmp_path / "a.nii.gz")
    back = read_labels(tmp_path / "a.nii.gz")
    assert np.array_equal(back.array, values)
    assert back.array.dtype == dtype


@pytest.mark.parametrize("value", [-1, 70_000])
def test_labels_that_fit_no_file_are_refused(tmp_path, value):
    layer = Labels(np.full((2, 3, 4), value), name="ids")
    with pytest.raises(InvalidInput, match=r"'ids' have values from .* expected 0 to 65535"):
        save(layer, tmp_path / "a.nii.gz")


def test_half_precision_is_widened_and_keeps_its_values(tmp_path):
    array = SERIES[0].astype(np.float16) / 8
    save(image(array), tmp_path / "a.nii.gz")
    back = read_volume(tmp_path / "a.nii.gz")
    assert back.array.dtype == np.float32
    assert np.array_equal(back.array, array)


def test_of_a_pyramid_the_full_resolution_is_saved(tmp_path):
    whole = np.random.default_rng(1).normal(size=(4, 16, 16)).astype(np.float32)
    grid = Grid.from_spacing(whole.shape, (5.0, 1.0, 1.0), (9.0, 8.0, 7.0))
    _, settings, _ = layers.image_data(Volume(whole, grid), case=CaseKey("", "one"))
    pyramid = Image([whole, whole[::2, ::2, ::2]], multiscale=True, **settings)
    save(pyramid, tmp_path / "a.nii.gz")
    back = read_volume(tmp_path / "a.nii.gz")
    assert np.array_equal(back.array, whole)
    assert back.grid.offset_from(grid) < 1e-5


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (Image(np.zeros((4, 5, 3), np.uint8), rgb=True, name="odd"), "in colour"),
        (Image(np.zeros((2, 4, 5, 3), np.uint8), rgb=True, name="odd"), "in colour"),
        (Image(np.zeros((4, 5)), name="odd"), "three axes"),
        (Image(np.zeros((2, 2, 2, 2, 2)), name="odd"), "three axes"),
        (Image(np.zeros((2, 3, 4)), units=("s", "mm", "mm"), name="odd"), "an axis in second"),
        (Image(np.zeros((2, 3, 4)), shear=[0.5, 0, 0], name="odd"), "shown sheared"),
    ],
)
def test_what_a_file_can_not_hold_is_refused_by_name(tmp_path, layer, why):
    with pytest.raises(InvalidInput, match=rf"'odd'.*{why}"):
        save(layer, tmp_path / "a.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_a_strange_layer_is_saved_with_a_sentence_about_its_place(tmp_path, told):
    layer = Image(np.zeros((2, 3, 4)), scale=(3, 1, 2), translate=(30, 20, 10))
    save(layer, tmp_path / "a.nii.gz")
    wanted = [[-2, 0, 0, -10], [0, -1, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]]  # RAS
    header = nibabel.load(tmp_path / "a.nii.gz").header
    assert np.array_equal(header.get_sform(), wanted)
    assert int(header["sform_code"]) == 0, "nobody knows where left is"
    assert len(told) == 1
    assert told[0].startswith("a.nii.gz: Nothing says where this layer lies in the patient")


class TestSeveral:
    def write(self, path, *chosen):
        return plugin.write_layers(str(path), [one.as_layer_data_tuple() for one in chosen])

    def test_all_layers_go_into_a_folder_by_name(self, tmp_path):
        mask = Labels((SERIES[0] > 450).astype(np.uint8), metadata=image().metadata, name="one")
        written = self.write(tmp_path / "case", image(), mask, series())
        names = ["one.nii.gz", "one_2.nii.gz", "cine.nii.gz"]
        assert written == [str(tmp_path / "case" / name) for name in names]
        assert np.array_equal(read_volume(written[0]).array, SERIES[0])
        assert np.array_equal(read_labels(written[1]).array, SERIES[0] > 450)
        assert len(read_frames(written[2]).volumes) == 4

    def test_names_can_not_leave_the_folder(self, tmp_path):
        layer = image()
        layer.name = "../../etc/x: y"
        (written,) = self.write(tmp_path / "case", layer)
        assert written == str(tmp_path / "case" / "etc_x_y.nii.gz")

    def test_one_that_can_not_be_written_keeps_all_from_being_written(self, tmp_path):
        with pytest.raises(InvalidInput, match="'flat'"):
            self.write(tmp_path / "case", image(), Image(np.zeros((4, 5)), name="flat"))
        assert not (tmp_path / "case").exists()

    def test_nothing_that_is_there_is_replaced_unasked(self, tmp_path):
        self.write(tmp_path, image())
        with pytest.raises(InvalidInput, match="is there already"):
            self.write(tmp_path, image())

    def test_napari_finds_the_writer(self, tmp_path):
        _initialize_plugins()
        viewer = ViewerModel()
        viewer.add_layer(image())
        viewer.add_layer(Labels(np.ones(GRID.shape, np.uint8), metadata=image().metadata, name="m"))
        written = viewer.layers.save(str(tmp_path / "case"), plugin="napari-scribseg")
        assert sorted(p.rpartition("/")[2] for p in written) == ["m.nii.gz", "one.nii.gz"]
