"""Effort: minutes with the pen without the pauses, voxels, slices, strokes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from napari_scribseg.project.effort import HEADING, effort_of, effort_sentence, pen_minutes
from napari_scribseg.project.strokes_ledger import Stroke


def stroke(at: float, seconds: float = 0.0, by: str = "Ana", **more) -> Stroke:
    return Stroke(by=by, at=datetime.fromtimestamp(at, UTC).isoformat(), seconds=seconds, **more)


@pytest.mark.parametrize(
    ("strokes", "seconds"),
    [
        ([], 0),
        ([stroke(100)], 0),
        ([stroke(100, 6)], 6),
        ([stroke(100, 6), stroke(120, 4)], 26),  # 6 + a pause of 16 + 4
        ([stroke(100, 6), stroke(134, 4)], 40),  # a pause of 30, the longest that counts
        ([stroke(100, 6), stroke(134.1, 4)], 10),  # a longer one does not
        ([stroke(120, 4), stroke(100, 6)], 26),
        ([stroke(100, 6), stroke(102, 6)], 8),  # two at once count once
        ([stroke(100, 50), stroke(90, 5)], 50),
    ],
)
def test_minutes_with_the_pen(strokes, seconds):
    assert pen_minutes(strokes) == pytest.approx(seconds / 60)


def test_the_longest_pause_can_be_chosen():
    strokes = [stroke(0), stroke(50)]
    assert pen_minutes(strokes) == 0
    assert pen_minutes(strokes, longest_pause_s=60) == pytest.approx(50 / 60)


def test_each_annotator_has_an_own_entry():
    strokes = [
        stroke(0, 2, slices=(1,), drawn={1: 5, 255: 2}),
        stroke(5, 1, by="Ben", slices=(3,), drawn={1: 9}),
        stroke(10, 2, slices=(1, 2), drawn={1: 5}, erased=4),
    ]
    ana, ben = effort_of("p1", strokes)
    assert (ana.by, ana.strokes, ana.slices, ana.voxels, ana.erased) == (
        "Ana",
        2,
        2,
        {1: 10, 255: 2},
        4,
    )
    assert ana.minutes == pytest.approx(12 / 60), "not cut by what somebody else did meanwhile"
    assert (ben.by, ben.strokes, ben.minutes) == ("Ben", 1, pytest.approx(1 / 60))
    assert dict(zip(HEADING, ana.row, strict=True))["voxels"] == 12


def test_the_line_of_a_run_names_nobody():
    ana = stroke(0, 60, slices=(1, 2), drawn={1: 7, 255: 5})
    ben = stroke(5, 60, by="Ben", slices=(2,), drawn={1: 8})
    unknown = stroke(0, by="unknown", slices=(1,), drawn={2: 1})
    assert effort_sentence({"p1": [ana]}) == (
        "strokes: 1.0 min of pen, 1 annotator, 2 slices, 12 voxels"
    )
    both = effort_sentence({"p1": [ana, ben], "p2": [unknown]})
    assert both == (
        "strokes: 2.0 min of pen, 2 annotators, 3 slices, 21 voxels, some of unknown authors"
    )
    assert effort_sentence({"p1": [unknown]}) == "strokes: 1 slice, 1 voxel, of unknown authors"
    assert effort_sentence({}) == effort_sentence({"p1": []}) == ""
