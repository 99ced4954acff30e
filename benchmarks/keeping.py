"""Cost of keeping strokes: the journal by itself, and what a stroke costs the thread that draws.

    python benchmarks/keeping.py [--strokes 200] [--window]

With --window (needs a display) the Case tab keeps strokes that are painted in a viewer, and what
its part of the GUI thread took is reported.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.project import journals
from napari_scribseg.project.journal import Journal
from napari_scribseg.project.journal_records import JournalHeader

SHAPES = ((10, 256, 256), (100, 512, 512))
LABELS = LabelSchema.of("one", "two", "three")
HEAD = "| what | shape | strokes | median ms | p99 ms | longest ms |\n|---|---|---|---|---|---|"


def draw(scribbles: np.ndarray, rng: np.random.Generator) -> None:
    """Paint a wavy line of some 100 steps, 3 voxels wide, on one slice."""
    z = int(rng.integers(scribbles.shape[0]))
    y, x = (int(rng.integers(8, n - 130)) for n in scribbles.shape[1:])
    value = int(rng.choice([1, 2, 3, 255]))
    for step in range(100):
        row = y + int(20 + 15 * np.sin(step / 9))
        scribbles[z, row : row + 3, x + step : x + step + 3] = value


def row(what: str, shape: tuple[int, ...], seconds: list[float]) -> str:
    """A row of the table, in Markdown."""
    milliseconds = 1000 * np.array(seconds)
    numbers = (np.median(milliseconds), np.percentile(milliseconds, 99), milliseconds.max())
    cells = " | ".join(f"{number:.1f}" for number in numbers)
    return f"| {what} | {' x '.join(map(str, shape))} | {len(seconds)} | {cells} |"


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def journal_rows(shape: tuple[int, int, int], strokes: int) -> list[str]:
    """What recording a stroke and restoring all of them takes."""
    rng = np.random.default_rng(0)
    scribbles = np.zeros(shape, np.uint8)
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        header = JournalHeader.begin(Path(folder), "case", shape, LABELS)
        one = Journal(Path(folder), header, scribbles)
        seconds: list[float] = []
        for _ in range(strokes):
            draw(scribbles, rng)
            seconds.append(timed(lambda: one.record(scribbles)))
        idle = [timed(lambda: one.record(scribbles)) for _ in range(20)]
        path = one.path
        assert path is not None
        restoring = [timed(lambda: journals.read(path)) for _ in range(5)]
        assert np.array_equal(journals.read(path).scribbles, scribbles)
        size = path.stat().st_size
    return [
        row(f"record a stroke (file of {size / 1024:.0f} KB)", shape, seconds),
        row("find that nothing changed", shape, idle),
        row("restore", shape, restoring),
    ]


def window_row(shape: tuple[int, int, int], strokes: int) -> str:
    """What the Case tab does in the GUI thread for every stroke."""
    import napari
    from qtpy.QtTest import QTest

    from napari_scribseg.core.volume import Grid, Volume
    from napari_scribseg.gui import autosave
    from napari_scribseg.gui.canvas import layers
    from napari_scribseg.gui.case.tab import CaseTab
    from napari_scribseg.gui.session import Session

    seconds: list[float] = []

    def watched(call: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: object) -> None:
            spent[0] += timed(lambda: call(*arguments))

        return run

    spent = [0.0]
    for name in ("_drew", "keep", "_kept"):
        setattr(autosave.Autosave, name, watched(getattr(autosave.Autosave, name)))
    viewer = napari.Viewer(show=True)
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        session = Session(viewer, Path(folder) / "project")
        tab = CaseTab(session)
        grid = Grid.from_spacing(shape, (8.0, 1.0, 1.0))
        image = Volume(np.random.default_rng(0).integers(0, 99, shape, np.int16), grid)
        viewer.add_layer(layers.layer_of(layers.image_data(image, case="case")))
        session.new_scribbles()
        labels = session.selected.scribbles
        rng = np.random.default_rng(1)
        for _ in range(strokes):
            spent[0] = 0.0
            y, x = (int(rng.integers(20, n - 20)) for n in shape[1:])
            for step in range(10):
                labels.paint((shape[0] // 2, y, x + step), 1)
            QTest.qWait(800)
            seconds.append(spent[0])
        assert tab.autosave.state.unsaved
        tab.end()
        session.end()
        viewer.close()
    return row("GUI thread, for a stroke of 10 movements", shape, seconds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=200)
    parser.add_argument("--window", action="store_true")
    arguments = parser.parse_args()
    print(HEAD)
    for shape in SHAPES:
        if arguments.window:
            with tempfile.TemporaryDirectory(dir=Path.home()) as state:
                os.environ["XDG_STATE_HOME"] = state
                print(window_row(shape, min(arguments.strokes, 30)))
        else:
            print("\n".join(journal_rows(shape, arguments.strokes)))


if __name__ == "__main__":
    main()
