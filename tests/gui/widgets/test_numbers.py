"""How numbers are worded in the dock."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.wording import counted
from napari_scribseg.evaluation.metrics import score_case
from napari_scribseg.gui.widgets.numbers import duration, score_rows, volume_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (99.0, "99 s"),
        (100.0, "2 min"),
        (3600.0, "60 min"),
        (6060.0, "1 h 41 min"),
        (7500.0, "2 h 05 min"),
        (float("nan"), "unknown time"),
        (float("inf"), "unknown time"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_things_are_counted_in_words():
    assert [counted(n, "slice") for n in (0, 1, 2)] == ["0 slices", "1 slice", "2 slices"]


def test_volumes_have_a_decimal_where_it_means_something():
    assert [volume_text(v) for v in (0.04, 999.94, 999.96, 1523.4)] == [
        "0.0",
        "999.9",
        "1000",
        "1523",
    ]


def test_the_mean_has_every_measure_under_its_heading():
    reference = np.zeros((1, 8, 8), np.uint8)
    reference[0, 1:5, 1:5] = 1
    reference[0, 6, 6] = 2
    found = reference.copy()
    found[0, 6, 6] = 0  # the second structure is missed altogether
    rows = score_rows(
        score_case(found, reference, (1, 1, 1), LabelSchema.of("a", "b")), LabelSchema.of("a", "b")
    )
    mean = rows[-1]
    assert (mean.name, mean.dice, mean.hd95_mm, mean.assd_mm) == (
        "mean",
        "0.500",
        "0.0 +1∞",
        "0.0 +1∞",
    )
    assert (mean.recall, mean.volume_ml) == ("0.50", "")
