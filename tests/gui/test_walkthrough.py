"""A whole session with real mouse and key events, reopened in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "make_screenshots.py"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_open_draw_train_look_correct_train_more_and_find_it_all_again(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--minutes", "0.5", "--images", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "all strokes were there after reopening" in done.stdout
    names = {"case", "scribble", "train", "results", "advice"}
    assert names <= {path.stem for path in tmp_path.glob("*.png")}
