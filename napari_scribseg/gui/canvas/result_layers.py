"""What is found about a segmentation, as napari layers: doubt, mistakes, probabilities, lessons.

The segmentation itself, like all that is drawn or trained with, is in `layers`.
"""

from __future__ import annotations

import numpy as np
from napari.utils import DirectLabelColormap

from napari_scribseg.core.labels import UNLABELLED, LabelSchema
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.slice_metrics import COMPARISON_NAMES, EXTRA, MISSED, WRONG_CLASS
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.label_look import TRANSPARENT, label_look

DIFFERENCE_COLORS = {MISSED: "#0072b2", EXTRA: "#d55e00", WRONG_CLASS: "#cc79a7"}
"""Blue, vermilion and purple of Okabe & Ito, 2008: apart for every kind of colour vision."""


def uncertainty_data(volume: Volume, *, case: CaseKey) -> layers.LayerData:
    """The hidden image layer of an uncertainty between 0 and 1."""
    more = {
        "colormap": "inferno",
        "contrast_limits": (0.0, 1.0),
        "blending": "additive",
        "visible": False,
    }
    return layers.made(volume, "image", "uncertainty", case, "uncertainty", more)


def difference_data(volume: Volume, *, case: CaseKey) -> layers.LayerData:
    """The layer of what a segmentation missed, has too much, or took for another class."""
    values = [UNLABELLED, *DIFFERENCE_COLORS]
    more = {
        "colormap": DirectLabelColormap(
            color_dict={
                None: TRANSPARENT,
                UNLABELLED: TRANSPARENT,
                **DIFFERENCE_COLORS,
            }
        ),
        "features": {"index": values, "name": ["", *(COMPARISON_NAMES[v] for v in values[1:])]},
        "opacity": 0.75,
    }
    return layers.made(volume, "labels", "difference", case, "missed, extra", more)


def doubt_data(volume: Volume, *, case: CaseKey, name: str) -> layers.LayerData:
    """The image layer of a disagreement or uncertainty between 0 and 1."""
    more = {"colormap": "inferno", "contrast_limits": (0.0, 1.0), "blending": "additive"}
    return layers.made(volume, "image", "doubt", case, name, more)


def probability_data(volume: Volume, *, case: CaseKey, name: str, run: str) -> layers.LayerData:
    """The hidden image layer of the probability of one class."""
    more = {
        "colormap": "viridis",
        "contrast_limits": (0.0, 1.0),
        "blending": "additive",
        "visible": False,
    }
    array, settings, kind = layers.made(
        volume, "image", "probabilities", case, f"probability of {name}", more
    )
    settings["metadata"][layers.METADATA_KEY]["run"] = run
    return array, settings, kind


def learnt_data(
    volume: Volume, schema: LabelSchema, *, case: CaseKey, name: str
) -> layers.LayerData:
    """The layer of labels that a run learns from, or of another map that it has made."""
    drawn = volume.array.dtype == np.uint8
    look = label_look(schema, schema.scribble_colors) if drawn else {"colormap": "inferno"}
    kind = "labels" if drawn else "image"
    array, settings, _ = layers.made(volume, kind, "learnt", case, name, {**look, "opacity": 0.5})
    settings["metadata"][layers.METADATA_KEY]["run"] = name
    return array, settings, kind
