"""Files, folders, samples and cases as layer data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.samples import SampleName, sample_folder
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, CaseKey
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.names import safe_id
from napari_scribseg.gui.canvas import layers
from napari_scribseg.io import frame_count, read_volume
from napari_scribseg.io.volumes import extension_of

_MOST_LABEL_VALUES = 16
"""A file of whole numbers with at most this many different values is taken for labels."""


def layers_of_path(path: Path) -> list[layers.LayerData]:
    """The layer of a volume file or DICOM folder; 4D for a time series.

    Raises:
        InvalidInput: it can't be read.
    """
    name = path.name.removesuffix(extension_of(path) or "")
    case = CaseKey.of_file(path, safe_id(name), name)
    frames = frame_count(path)
    if frames > 1:
        volumes = [read_volume(path, frame=frame) for frame in range(frames)]
        series = layers.series_data(volumes, case=case)
        series[1]["metadata"][layers.METADATA_KEY]["path"] = str(path)
        return [series]
    volume = read_volume(path)
    if _looks_like_labels(volume):
        return [layers.plain_labels_data(volume, case=case)]
    return [layers.image_data(volume, case=case)]


def layers_of_case(files: CaseFiles, schema: LabelSchema) -> list[layers.LayerData]:
    """The layers of one case of a dataset.

    Raises:
        InvalidInput: see `CaseFiles.load`.
    """
    return layers.case_data(files.load(schema), schema)


def layers_of_sample(name: SampleName) -> list[layers.LayerData]:
    """The layers of the first scribbled case of a sample dataset."""
    dataset = read_dataset(sample_folder(name))
    scribbled = [case for case in dataset.cases if case.scribbles is not None]
    if not scribbled:
        raise InvalidInput(f"The sample '{name}' has no case with scribbles.")
    return layers_of_case(scribbled[0], dataset.schema)


def _looks_like_labels(volume: Volume) -> bool:
    array = volume.array
    if array.dtype.kind not in "iu" or int(array.max()) > 255 or int(array.min()) < 0:
        return False
    return len(np.unique(array)) <= _MOST_LABEL_VALUES
