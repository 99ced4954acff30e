"""Drawing on a labels layer: colours, names, the value that stays selected, news of strokes."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_scribseg.core.labels import BACKGROUND, PRESETS, UNLABELLED
from napari_scribseg.core.volume import Grid
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layers, painting

CARDIAC = PRESETS["cardiac"]


@pytest.fixture
def scribbles() -> Labels:
    grid = Grid.from_spacing((2, 8, 8), (5.0, 1.0, 1.0))
    layer = layers.layer_of(layers.scribbles_data(grid, CARDIAC, case=CaseKey("", "one")))
    painting.dress(layer, CARDIAC)
    return layer


def test_every_class_has_the_colour_of_the_schema(scribbles):
    for value, color in CARDIAC.scribble_colors.items():
        shown = (np.array(scribbles.get_color(value))[:3] * 255).round().astype(int)
        assert "#{:02x}{:02x}{:02x}".format(*shown) == color
    assert scribbles.get_color(UNLABELLED) is None or scribbles.get_color(UNLABELLED)[3] == 0


def test_the_status_bar_can_name_the_classes(scribbles):
    table = scribbles.features.set_index("index")
    assert table.loc[2, "name"] == "MYO"
    assert table.loc[BACKGROUND, "name"] == "background"
    assert table.loc[BACKGROUND, "key"] == "0"


@pytest.mark.parametrize(("wanted", "kept"), [(4, 3), (77, 3), (BACKGROUND, BACKGROUND), (0, 0)])
def test_values_outside_the_schema_can_t_stay_selected(scribbles, wanted, kept):
    scribbles.selected_label = 3
    scribbles.selected_label = wanted
    assert scribbles.selected_label == kept


def test_another_schema_can_be_put_on(scribbles):
    prostate = PRESETS["prostate"]
    scribbles.selected_label = 3
    painting.dress(scribbles, prostate)
    assert layers.schema_of(scribbles) == prostate
    assert scribbles.selected_label in prostate.scribble_values


def test_painting_is_noticed_until_watching_ends(scribbles):
    seen = []
    end = painting.watch_drawing(scribbles, drawn=lambda: seen.append(1), selected=lambda: None)
    scribbles.paint((0, 2, 2), 1)
    assert seen
    end()
    seen.clear()
    scribbles.paint((0, 4, 4), 1)
    assert not seen
