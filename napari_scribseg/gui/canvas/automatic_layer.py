"""The layer of the automatic mask: outlines, bright where they are sure, faint dashes elsewhere."""

from __future__ import annotations

from typing import Final

from napari.utils import DirectLabelColormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_scribseg.core.labels import UNLABELLED, LabelSchema
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.label_look import TRANSPARENT
from napari_scribseg.propagate.outline import UNSURE

_UNSURE_ALPHA: Final = 0.6
_OPACITY: Final = 0.75


def automatic_data(volume: Volume, schema: LabelSchema, *, case: CaseKey) -> layers.LayerData:
    """The layer of the outlines that `propagate.outline` makes."""
    array, settings, kind = layers.preview_data(volume, schema, case=case)
    settings["metadata"][layers.METADATA_KEY]["role"] = "automatic"
    sure = {value: transform_color(c)[0] for value, c in schema.segmentation_colors.items()}
    unsure = {value + UNSURE: (*color[:3], _UNSURE_ALPHA) for value, color in sure.items()}
    names = [schema.names[value] for value in sure]
    nothing = TRANSPARENT
    settings |= {
        "name": "automatic mask",
        "colormap": DirectLabelColormap(
            color_dict={None: nothing, UNLABELLED: nothing, **sure, **unsure}
        ),
        "features": {
            "index": [UNLABELLED, *sure, *unsure],
            "name": ["", *names, *(f"{name}, unsure" for name in names)],
        },
        "opacity": _OPACITY,
    }
    return array, settings, kind
