"""The manifest and what it points at: files, samples, and how little is loaded for them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui import plugin
from napari_scribseg.gui.canvas import layers
from napari_scribseg.io import read_labels, read_volume, write_volume

GRID = Grid(
    (3, 5, 7),
    np.array([[0, 0, -1.1, 40.0], [0, -1.3, 0, 25.0], [8.0, 0, 0, -12.5], [0, 0, 0, 1.0]]),
)


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("napari-scribseg")


def test_every_command_of_the_manifest_exists(manifest):
    for command in manifest.contributions.commands:
        assert callable(import_python_name(command.python_name)), command.id


def test_no_command_loads_torch_into_napari(manifest):
    modules = {command.python_name.split(":")[0] for command in manifest.contributions.commands}
    code = f"import sys, {', '.join(sorted(modules))}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_contribution_points_nowhere(manifest):
    known = {command.id for command in manifest.contributions.commands}
    parts = manifest.contributions
    used = [*parts.readers, *parts.writers, *parts.sample_data, *parts.widgets]
    assert {part.command for part in used} <= known


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_an_image_keeps_voxels_and_place_through_file_and_layer(tmp_path, extension):
    first, second = (tmp_path / f"{name}{extension}" for name in ("first", "second"))
    image = np.random.default_rng(0).integers(0, 900, GRID.shape).astype(np.int16)
    write_volume(first, Volume(image, GRID))
    reader = plugin.get_reader(str(first))
    ((data, settings, kind),) = reader(str(first))
    assert kind == "image"
    assert plugin.write_image(str(second), data, settings) == [str(second)]
    back = read_volume(second)
    assert np.array_equal(back.array, image)
    assert back.grid.offset_from(GRID) < 1e-4


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_labels_keep_voxels_and_place(tmp_path, extension):
    path = tmp_path / f"labels{extension}"
    values = np.arange(np.prod(GRID.shape)).reshape(GRID.shape).astype(np.int64) % 4
    schema = PRESETS["cardiac"]
    made = layers.layer_of(
        layers.segmentation_data(Volume(values, GRID), schema, case=CaseKey("", "one"))
    )
    data, settings, kind = made.as_layer_data_tuple()
    assert kind == "labels"
    plugin.write_labels(str(path), data, settings)
    back = read_labels(path)
    assert back.array.dtype == np.uint8
    assert np.array_equal(back.array, values)
    assert back.grid.offset_from(GRID) < 1e-4


def test_labels_that_fit_no_file_are_refused_and_not_cut(tmp_path):
    path = tmp_path / "labels.nii.gz"
    made = layers.layer_of((np.full((2, 3, 3), 70_000, np.int32), {"name": "ids"}, "labels"))
    data, settings, _ = made.as_layer_data_tuple()
    with pytest.raises(InvalidInput, match="expected 0 to 65535"):
        plugin.write_labels(str(path), data, settings)
    assert not path.exists()


def test_files_of_few_whole_numbers_open_as_labels(tmp_path):
    path = tmp_path / "reference.nii.gz"
    write_volume(path, Volume(np.eye(7, dtype=np.uint8)[None, :5].repeat(3, 0), GRID))
    ((_, settings, kind),) = plugin.read(str(path))
    assert kind == "labels"
    assert settings["name"] == "reference"


def test_folders_without_dicom_are_left_to_others(tmp_path):
    (tmp_path / "notes.txt").write_text("no volume")
    assert plugin.get_reader(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("open_sample", "schema"),
    [(plugin.open_cardiac_sample, "cardiac"), (plugin.open_prostate_sample, "prostate")],
)
def test_samples_open_with_scribbles_of_every_class_and_a_reference(open_sample, schema):
    made = {layers.role_of(layer): layer for layer in map(layers.layer_of, open_sample())}
    assert set(made) == {"image", "scribbles", "reference"}
    drawn = set(np.unique(made["scribbles"].data)) - {0}
    assert drawn == set(PRESETS[schema].scribble_values)
    PRESETS[schema].check_segmentation(made["reference"].data)
    assert layers.schema_of(made["scribbles"]) == PRESETS[schema]
