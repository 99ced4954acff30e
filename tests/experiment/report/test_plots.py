"""Plots: valid SVG, the same bytes for the same numbers, whatever is missing in them."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from napari_scribseg.experiment.report.plots import (
    COLORS,
    EffortPoint,
    Pairs,
    agreement_plot,
    color_of,
    effort_plot,
    loss_plot,
    score_plot,
)

SVG = "{http://www.w3.org/2000/svg}"
HOLES = {"RV": {"a": [0.1, math.nan, 0.9], "b": []}, "LV": {"a": [math.inf], "b": [0.4, 0.5]}}


def size(picture: bytes) -> tuple[float, float]:
    root = ET.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    return float(root.attrib["width"].removesuffix("pt")), float(
        root.attrib["height"].removesuffix("pt")
    )


def points(picture: bytes) -> int:
    """Markers in a picture."""
    return sum(1 for element in ET.fromstring(picture).iter(f"{SVG}use"))


def test_scores_that_do_not_exist_have_no_point():
    few = score_plot(HOLES, title="Dice", limits=(0, 1))
    more = score_plot(
        {**HOLES, "RV": {"a": [0.1, 0.5, 0.9], "b": [0.2]}}, title="Dice", limits=(0, 1)
    )
    # One point each for the two new numbers, and the median of the row that was empty.
    assert points(more) == points(few) + 3


def test_more_methods_make_a_higher_picture():
    def of(n: int) -> bytes:
        return score_plot({"RV": {f"m{i}": [0.5] for i in range(n)}}, title="Dice", limits=(0, 1))

    assert size(of(17))[0] == size(of(2))[0]
    assert size(of(17))[1] > 2 * size(of(2))[1]


def test_many_points_become_one_picture():
    many = {"RV": {"a": [i / 4000 for i in range(4000)]}}
    picture = score_plot(many, title="Dice", limits=(0, 1))
    assert b"data:image/png" in picture
    assert len(picture) < 200_000


def test_the_same_numbers_give_the_same_bytes():
    assert score_plot(HOLES, title="x", limits=None) == score_plot(HOLES, title="x", limits=None)


def test_agreement_without_pairs_says_so_and_draws_the_rest():
    pairs = {"a": {"LV volume": Pairs([1.0, 2.0], [1.5, math.nan])}, "b": {}}
    picture = agreement_plot(pairs, {"LV volume": "mL"})
    assert size(picture)[1] > 0


@pytest.mark.parametrize("n", [1, 3, 9])
def test_losses_and_effort_of_any_number_of_methods(n):
    curves = {f"m{i}": [([1.0, 2.0], [3.0, 2.0])] for i in range(n)}
    assert size(loss_plot(curves))[0] > 0
    effort = {f"m{i}": [EffortPoint(100, [0.4]), EffortPoint(50, [0.2, 0.3])] for i in range(n)}
    assert size(effort_plot(effort))[0] > 0


def test_colours_repeat_instead_of_running_out():
    labels = [f"m{i}" for i in range(len(COLORS) + 1)]
    assert color_of(labels, labels[-1]) == COLORS[0]
    assert len(set(COLORS)) == len(COLORS)
