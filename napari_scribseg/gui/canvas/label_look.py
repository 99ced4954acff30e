"""How values look on a labels layer: their colours, names and keys."""

from __future__ import annotations

from typing import Any

from napari.utils import DirectLabelColormap

from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, LabelSchema

TRANSPARENT = (0.0, 0.0, 0.0, 0.0)


def key_of(value: int) -> str:
    """The digit that chooses a scribble value, "" for the tenth class and later ones."""
    if value == BACKGROUND:
        return "0"
    return str(value) if value <= 9 else ""


def label_look(schema: LabelSchema, colors: dict[int, str]) -> dict[str, Any]:
    """The settings of a labels layer that shows these values in these colours, with their names."""
    names = {**dict(enumerate(schema.names)), **schema.drawn_values}
    values = [UNLABELLED, *colors]
    return {
        "colormap": DirectLabelColormap(
            color_dict={None: TRANSPARENT, UNLABELLED: TRANSPARENT, **colors}
        ),
        "features": {
            "index": values,
            "name": ["" if v == UNLABELLED else names[v] for v in values],
            "key": ["" if v == UNLABELLED else key_of(v) for v in values],
        },
    }
