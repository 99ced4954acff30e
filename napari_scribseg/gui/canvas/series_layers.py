"""Layers of files that hold more than one volume: time series, and segmentations in layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from napari.utils import DirectLabelColormap

from napari_scribseg.core.labels import UNLABELLED
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.label_look import TRANSPARENT
from napari_scribseg.io import FrameAxis
from napari_scribseg.io.decoded import Segment


def series_data(
    frames: Sequence[Volume], *, case: CaseKey, axis: FrameAxis | None = None
) -> layers.LayerData:
    """The 4D image layer (t, z, y, x) of a time series; all frames have one grid.

    Args:
        frames: in their order.
        case: what they belong to.
        axis: what lies between them; without a step in seconds, t counts frames.
    """
    array, settings, kind = _in_time(frames, layers.image_data(frames[0], case=case), axis)
    settings["metadata"][layers.METADATA_KEY]["role"] = "series"
    return array, settings, kind


def labels_series_data(
    frames: Sequence[Volume], *, case: CaseKey, axis: FrameAxis | None = None
) -> layers.LayerData:
    """The 4D labels layer (t, z, y, x) of a series of label maps; see `series_data`."""
    array, settings, kind = _in_time(frames, layers.plain_labels_data(frames[0], case=case), axis)
    return layers.as_labels(array), settings, kind


def segments_data(
    volume: Volume, segments: Sequence[Segment], *, case: CaseKey
) -> layers.LayerData:
    """A labels layer of structures that have names and maybe colours (of 3D Slicer)."""
    array, settings, kind = layers.plain_labels_data(volume, case=case)
    settings["features"] = {
        "index": [UNLABELLED, *(one.value for one in segments)],
        "name": ["", *(one.name for one in segments)],
    }
    colors = {one.value: one.color for one in segments}
    if all(colors.values()):
        clear = {None: TRANSPARENT, UNLABELLED: TRANSPARENT}
        settings["colormap"] = DirectLabelColormap(color_dict={**clear, **colors})
    return array, settings, kind


def _in_time(
    frames: Sequence[Volume], first: layers.LayerData, axis: FrameAxis | None
) -> layers.LayerData:
    """Layer data of a series out of that of its first frame."""
    axis = axis or FrameAxis()
    _, settings, kind = first
    in_seconds = axis.unit == "s" and axis.step > 0
    settings["metadata"][layers.METADATA_KEY]["frames"] = asdict(axis)
    settings["metadata"][layers.METADATA_KEY]["frame"] = None
    settings["scale"] = (axis.step or 1.0, *settings["scale"])
    settings["translate"] = (axis.start, *settings["translate"])
    settings["units"] = ("s" if in_seconds else "pixel", *settings["units"])
    settings["axis_labels"] = ("t", *settings["axis_labels"])
    return np.stack([frame.array for frame in frames]), settings, kind
