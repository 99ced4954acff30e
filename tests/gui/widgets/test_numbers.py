"""How numbers are worded in the dock."""

from __future__ import annotations

import pytest

from napari_scribseg.gui.widgets.numbers import duration


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
