"""The ledger: who drew when; appended, whole after a crash, and never counted twice."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.project import strokes_ledger
from napari_scribseg.project.strokes_ledger import Stroke, append, found_strokes, read, stroke_of


def stroke(at: str, by: str = "Ana", **more) -> Stroke:
    return Stroke(by=by, at=at, **more)


def test_a_stroke_tells_what_changed():
    before = {2: np.array([[0, 1, 1], [0, 0, 2]], np.uint8)}
    after = {2: np.array([[255, 1, 0], [3, 3, 0]], np.uint8)}
    found = stroke_of(before, after, by="Ana", seconds=1.234)
    assert (found.by, found.seconds, found.slices) == ("Ana", 1.23, (2,))
    assert (found.drawn, found.erased, found.voxels) == ({3: 2, 255: 1}, 2, 3)
    assert found.end > 0


def test_strokes_come_back_in_the_order_of_time(tmp_path):
    late, early = stroke("2026-01-02T10:00:00+00:00"), stroke("2026-01-02T10:30:00+01:00", "Ben")
    append(tmp_path / "s.jsonl", [late])
    append(tmp_path / "s.jsonl", [early])
    assert read(tmp_path / "s.jsonl") == (early, late)
    assert read(tmp_path / "none.jsonl") == ()


def test_a_cut_line_is_left_out_and_the_next_ones_are_whole(tmp_path):
    path = tmp_path / "s.jsonl"
    one, two = stroke("2026-01-02T10:00:00+00:00"), stroke("2026-01-02T10:00:05+00:00")
    append(path, [one])
    path.write_bytes(path.read_bytes() + b'{"by":"Ana","at":"2026-')
    append(path, [two])
    assert read(path) == (one, two)


def test_what_was_written_twice_counts_once(tmp_path):
    one = stroke("2026-01-02T10:00:00+00:00", drawn={1: 5})
    append(tmp_path / "s.jsonl", [one])
    append(tmp_path / "s.jsonl", [one])
    assert read(tmp_path / "s.jsonl") == (one,)


@pytest.mark.parametrize("line", ["[]", "x", '{"by":"A","at":"yesterday"}', '{"by":"A"}', ""])
def test_strange_lines_are_no_strokes(tmp_path, line):
    path = tmp_path / "s.jsonl"
    path.write_text(f'{line}\n{{"by":"A","at":"2026-01-02","newer":1}}\n')
    assert [one.by for one in read(path)] == ["A"]


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "other").write_text("")
    (tmp_path / "s.jsonl").symlink_to(tmp_path / "other")
    with pytest.raises(InvalidInput, match="Who drew what could not be noted"):
        append(tmp_path / "s.jsonl", [stroke("2026-01-02T10:00:00+00:00")])
    assert (tmp_path / "other").read_text() == ""


def test_what_was_found_is_a_stroke_of_nobody_known():
    scribbles = np.zeros((4, 3, 3), np.uint8)
    scribbles[1, 0] = 2
    scribbles[3, 0, 0] = 255
    found = found_strokes(scribbles, 0.0)
    assert (found.by, found.end, found.slices) == ("unknown", 0.0, (1, 3))
    assert found.drawn == {2: 3, 255: 1}
    assert strokes_ledger.LEDGER == "strokes.jsonl"
