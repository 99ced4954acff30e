"""Pictures of a case: which slices and which part of them are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_scribseg.core.labels import PRESETS
from napari_scribseg.evaluation.figures import MOST_SLICES, overlay_figure, save_figure

SCHEMA = PRESETS["cardiac"]
SPACING = (8.0, 2.0, 1.0)


@pytest.fixture
def reference() -> np.ndarray:
    labels = np.zeros((12, 80, 100), np.uint8)
    labels[2:10, 30:50, 40:60] = 1
    labels[5, 35:40, 45:50] = 3
    return labels


def panels(figure) -> list:
    return [axes for axes in figure.axes if axes.images]


def test_scribbles_stand_above_the_segmentation(reference: np.ndarray) -> None:
    figure = overlay_figure(
        reference.astype(float),
        SCHEMA,
        SPACING,
        title="A case",
        segmentation=reference,
        scribbles=reference,
        reference=reference,
    )
    assert len(panels(figure)) == 2 * MOST_SLICES
    titles = [axes.get_title() for axes in panels(figure)[:MOST_SLICES]]
    assert (titles[0], titles[-1]) == ("slice 3 of 12", "slice 10 of 12")
    assert {axes.get_aspect() for axes in panels(figure)} == {2.0}


def test_all_panels_show_the_region_of_the_reference(reference: np.ndarray) -> None:
    elsewhere = np.ones_like(reference)  # a poor prediction must not decide what is shown
    figure = overlay_figure(
        np.zeros(reference.shape),
        SCHEMA,
        SPACING,
        title="A case",
        segmentation=elsewhere,
        reference=reference,
    )
    shapes = {axes.images[0].get_array().shape for axes in panels(figure)}
    assert shapes == {(20 + 2 * 12, 20 + 2 * 12)}


def test_the_fill_has_the_colours_of_the_schema(reference: np.ndarray) -> None:
    figure = overlay_figure(
        np.zeros(reference.shape),
        SCHEMA,
        SPACING,
        title="A case",
        segmentation=reference * 0,
        reference=reference,
    )
    painted = np.asarray(panels(figure)[0].images[1].get_array())
    inside = painted[painted[..., 3] > 0]
    assert len(inside) == 20 * 20
    expected = [int(SCHEMA.classes[0].color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    assert np.allclose(inside[0, :3], expected)


def test_a_volume_without_any_structure_can_be_shown(tmp_path: Path) -> None:
    empty = np.zeros((2, 20, 20), np.uint8)
    figure = overlay_figure(
        np.full(empty.shape, np.nan), SCHEMA, SPACING, title="Nothing", segmentation=empty
    )
    save_figure(figure, tmp_path / "empty.png")
    assert (tmp_path / "empty.png").read_bytes().startswith(b"\x89PNG")
    assert len(panels(figure)) == 2
