"""The log of events is read once, whatever happens to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_scribseg.core.events import Event, Finished, Stepped, Validated, Warned, to_line
from napari_scribseg.runs import summary as run_summary
from napari_scribseg.runs.summary import summary_of


def stepped(step: int) -> Event:
    return Stepped(
        step=step,
        progress=0.5,
        eta_seconds=None,
        loss=1.0,
        terms={},
        learning_rate=0.1,
        slices_per_second=1.0,
    )


def validated(step: int, mean: float | None, *, best: bool = False) -> Event:
    return Validated(step=step, measure="dice", scores={}, mean=mean, best=best)


def ended(step: int, seconds: float) -> Finished:
    return Finished(outcome="stopped", step=step, message="", seconds=seconds)


def add(log: Path, *events: Event) -> None:
    with log.open("ab") as file:
        file.write("".join(to_line(event) + "\n" for event in events).encode())


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every line that is parsed."""
    lines: list[str] = []
    whole = run_summary.from_line

    def counting(line: str) -> Any:
        lines.append(line)
        return whole(line)

    monkeypatch.setattr(run_summary, "from_line", counting)
    return lines


def test_everything_that_is_asked_comes_from_one_pass(tmp_path: Path, parsed: list[str]) -> None:
    log = tmp_path / "events.jsonl"
    assert summary_of(log).last is None
    add(log, stepped(3), validated(3, 0.5), ended(7, 60.0), stepped(5), validated(6, None))
    summary = summary_of(log)
    assert (summary.last_step, summary.seconds) == (7, 60.0)
    assert summary.last == validated(6, None)
    assert summary.end == ended(7, 60.0)
    assert summary.score == validated(3, 0.5)
    for _ in range(3):
        assert summary_of(log) == summary
    assert len(parsed) == 5
    add(log, ended(9, 30.0))
    later = summary_of(log)
    assert (later.last_step, later.end, later.seconds) == (9, ended(9, 30.0), 60.0)
    assert len(parsed) == 6


def test_the_score_is_that_of_the_weights_that_predict(tmp_path: Path) -> None:
    """Early stopping ends some validations after the best one."""
    log = tmp_path / "events.jsonl"
    add(log, validated(1, 0.5, best=True), validated(2, 0.8, best=True), validated(3, 0.6))
    assert summary_of(log).score == validated(2, 0.8, best=True)


def test_half_a_line_waits_and_a_spoilt_one_is_skipped(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    line = to_line(stepped(4)).encode()
    log.write_bytes(line[:20])
    assert summary_of(log).last is None
    with log.open("ab") as file:
        file.write(line[20:] + b"\n" + b'{"kind": "stepp\n')
    add(log, Warned(message="slow"))
    summary = summary_of(log)
    assert (summary.last_step, summary.last) == (4, Warned(message="slow"))


def test_a_shrunk_replaced_or_rewritten_log_is_read_anew(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    add(log, stepped(10), stepped(20))
    assert summary_of(log).last_step == 20
    log.write_text(to_line(stepped(1)) + "\n", encoding="utf-8")  # shorter
    assert summary_of(log).last_step == 1
    other = tmp_path / "other"
    add(other, stepped(2), stepped(3), stepped(4))
    other.replace(log)  # longer, another file
    assert summary_of(log).last_step == 4
    lines = "".join(to_line(stepped(step)) + "\n" for step in range(5, 15))
    log.write_text(lines, encoding="utf-8")  # longer, the same file
    assert summary_of(log).last_step == 14
    log.unlink()
    assert summary_of(log).last is None


def test_no_more_logs_are_remembered_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_summary, "_MOST_LOGS", 3)
    for i in range(6):
        add(tmp_path / str(i), stepped(i))
        assert summary_of(tmp_path / str(i)).last_step == i
    assert len(run_summary._readers) <= 3
    assert summary_of(tmp_path / "0").last_step == 0
