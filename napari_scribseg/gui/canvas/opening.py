"""Files, folders, samples and cases as layer data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.samples import SampleName, sample_folder
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, CaseKey
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.series_layers import labels_series_data, segments_data, series_data
from napari_scribseg.io import FrameAxis, Frames, read_frames
from napari_scribseg.io.label_rule import has_label_values, looks_like_labels
from napari_scribseg.io.volumes import extension_of

_SAME_GRID: Final = 0.05
"""Largest distance in voxels between volumes that are stacked."""
_FEW_VALUES: Final = 32
"""An image of whole numbers with no more values than this might be meant as labels."""


def layers_of_path(path: Path) -> list[layers.LayerData]:
    """The layers of a volume file or DICOM folder; 4D for a time series.

    Of a segmentation by 3D Slicer one layer for each of its layers. What had to be assumed stands
    in what is noted about the layer, see `note_of`.

    Raises:
        InvalidInput: it can't be read.
    """
    frames = read_frames(path)
    case = _case_of(path)
    if frames.segments:
        return _slicer_layers(frames, case)
    data, is_sure = _data_of(frames, case)
    if frames.is_series:
        data[1]["metadata"][layers.METADATA_KEY]["path"] = str(path)
    _note(data, _reading(frames, data[2], is_sure=is_sure))
    return [data]


def layers_of_stack(paths: Sequence[Path]) -> list[layers.LayerData]:
    """One 4D layer of several volumes of one grid, in the order given.

    Raises:
        InvalidInput: one can't be read, is a series itself, or lies on another grid.
    """
    if len(paths) == 1:
        return layers_of_path(paths[0])
    read = [read_frames(path) for path in paths]
    for path, frames in zip(paths, read, strict=True):
        if frames.is_series:
            raise InvalidInput(f"{path.name} is a series itself; open it without stacking.")
        offset = frames.first.grid.offset_from(read[0].first.grid)
        if not offset <= _SAME_GRID:
            raise InvalidInput(
                f"{path.name} does not lie on the voxels of {paths[0].name}, so they can't be "
                "stacked; open them without stacking."
            )
    volumes = tuple(frames.first for frames in read)
    says_labels = all(frames.says_labels for frames in read)
    stacked = Frames(volumes, FrameAxis(), says_labels)
    data, is_sure = _data_of(stacked, _case_of(paths[0]))
    note = f"{len(paths)} files are shown as one series, in the order given."
    _note(data, f"{note} {_reading(stacked, data[2], is_sure=is_sure)}".strip())
    return [data]


def note_of(data: layers.LayerData) -> str:
    """What had to be assumed when a layer was made; empty when nothing was."""
    return data[1]["metadata"][layers.METADATA_KEY].get("note", "")


def series_layer(volumes: Sequence[Volume], case: CaseKey, path: Path | None) -> layers.LayerData:
    """The layer of the frames of a time series.

    Args:
        volumes: the frames.
        case: what they belong to.
        path: of which a frame can be read again as `CaseFiles`; None when the path alone doesn't
            tell the series.
    """
    series = series_data(volumes, case=case)
    if path is not None:
        series[1]["metadata"][layers.METADATA_KEY]["path"] = str(path)
    return series


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


def _data_of(frames: Frames, case: CaseKey) -> tuple[layers.LayerData, bool]:
    """Layer data of frames, and whether the file itself says that they are labels."""
    volumes = frames.volumes
    array = np.stack([one.array for one in volumes]) if frames.is_series else frames.first.array
    says_labels = frames.says_labels and has_label_values(array)
    if says_labels or looks_like_labels(array):
        if frames.is_series:
            return labels_series_data(volumes, case=case, axis=frames.axis), says_labels
        return layers.plain_labels_data(frames.first, case=case), says_labels
    if frames.is_series:
        return series_data(volumes, case=case, axis=frames.axis), False
    return layers.image_data(frames.first, case=case), False


def _slicer_layers(frames: Frames, case: CaseKey) -> list[layers.LayerData]:
    """One labels layer for each layer of a segmentation; structures may overlap between them."""
    made: list[layers.LayerData] = []
    for number, volume in enumerate(frames.volumes):
        segments = [one for one in frames.segments if one.layer == number]
        title = case.name if not frames.is_series else f"{case.name} {number + 1}"
        if not has_label_values(volume.array):
            raise InvalidInput(f"{case.name} names segments, but its values are no label numbers.")
        made.append(segments_data(volume, segments, case=replace(case, title=title)))
    if len(made) > 1:
        _note(
            made[0],
            f"{case.name} holds structures that overlap; they are shown as {len(made)} layers.",
        )
    return made


def _reading(frames: Frames, kind: str, *, is_sure: bool) -> str:
    """What a file was taken for, and how to get the other reading; empty when that is plain."""
    if is_sure:
        return ""
    if kind == "labels":
        return (
            "Opened as labels: whole numbers in areas of one value. If it is an image, right-click "
            "the layer and choose Convert to Image."
        )
    first = frames.first.array
    if has_label_values(first) and len(np.unique(first)) <= _FEW_VALUES:
        return (
            "Opened as an image: its few values are mixed like shades. If these are labels, "
            "right-click the layer and choose Convert to Labels."
        )
    return ""


def _note(data: layers.LayerData, text: str) -> None:
    data[1]["metadata"][layers.METADATA_KEY]["note"] = text


def _case_of(path: Path) -> CaseKey:
    name = path.name.removesuffix(extension_of(path) or "")
    return CaseKey.of_file(path, safe_id(name), name)
