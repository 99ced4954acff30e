"""The strokes of others, and where two people agree, as napari layers."""

from __future__ import annotations

from typing import Final

from napari.utils import DirectLabelColormap

from napari_scribseg.core.labels import UNLABELLED, LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.agreement import AGREED, AGREEMENT_NAMES, CONFLICT
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.label_look import TRANSPARENT

AGREEMENT_COLORS: Final = {AGREED: "#ffffff", CONFLICT: "#d55e00"}
"""White, which no structure has, and vermilion: apart for every kind of colour vision."""


def others_data(
    grid: Grid, schema: LabelSchema, *, case: CaseKey, array: Array, name: str
) -> layers.LayerData:
    """The layer of somebody's strokes (z, y, x), as outlines: to be looked at, not drawn on."""
    data, settings, kind = layers.proposal_data(grid, schema, case=case, array=array)
    settings["metadata"][layers.METADATA_KEY] |= {"role": "others", "contour": 1}
    settings["name"] = f"{name}: strokes"
    return data, settings, kind


def agreement_data(grid: Grid, *, case: CaseKey, array: Array) -> layers.LayerData:
    """The layer of where two people agree and where not, as `agreement_map` gives it (z, y, x)."""
    nothing = TRANSPARENT
    values = [UNLABELLED, *AGREEMENT_COLORS]
    more = {
        "colormap": DirectLabelColormap(
            color_dict={None: nothing, UNLABELLED: nothing, **AGREEMENT_COLORS}
        ),
        "features": {"index": values, "name": ["", *(AGREEMENT_NAMES[v] for v in values[1:])]},
        "opacity": 0.8,
    }
    return layers.made(Volume(array, grid), "labels", "agreement", case, "agreed, conflict", more)
