"""What a stroke costs the window: napari alone, and with checklist, automatic mask and filling on.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/drawing.py [strokes]

Strokes of 20 mouse movements are drawn on a synthetic case of 10 x 256 x 256 voxels, on slice after
slice. A timer of 10 ms notes how late it comes; what the Scribble tab does in the GUI thread is
timed by itself, and so is the time from lifting the pen to the updated mask of the slice.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")  # nobody's own
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp()
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import napari
import numpy as np
from phantoms import TWO_BALLS, two_ball_case
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.slices import show_slice
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.scribble.automatic import AutomaticMask
from napari_scribseg.gui.scribble.drawing import Drawing
from napari_scribseg.gui.scribble.tab import ScribbleTab

SHAPE = (10, 256, 256)
INNER = 96
"""Side in pixels of the part with structures: as large as a heart."""
TICK_MS = 10
PARTS = {
    "the end of a stroke (contours)": (Drawing, "_fill_closed"),
    "counts and checklist": (ScribbleTab, "_show_scan"),
    "the automatic mask of the slice": (AutomaticMask, "_show_slice"),
    "the automatic mask of the volume": (AutomaticMask, "_show_volume"),
}
"""What the Scribble tab does in the GUI thread."""
MOVES = 20
PAUSE_MS = 8
"""Between two movements: a mouse tells of about a hundred a second."""
REST_MS = 500
"""Between two strokes, in which scanning and growing happen."""


def main(strokes: int) -> None:
    """Draw with and without the dock, and print milliseconds."""
    case = padded(two_ball_case((SHAPE[0], INNER, INNER)))
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    made = [layers.layer_of(data) for data in layers.case_data(case, TWO_BALLS)]
    for layer in made:
        viewer.add_layer(layer)
    made[-1].mode = "paint"
    QTest.qWait(1000)
    report("napari alone", stalls(viewer, made[-1], strokes))
    own: dict[str, list[float]] = {part: [] for part in PARTS}
    shown: list[float] = []
    with ExitStack() as watching:
        for part, (owner, name) in PARTS.items():
            watched = stopwatch(getattr(owner, name), own[part])
            watching.enter_context(patch.object(owner, name, watched))
        show = AutomaticMask._show_slice  # noqa: SLF001  nobody else knows when
        noted = noting(show, shown)
        watching.enter_context(patch.object(AutomaticMask, "_show_slice", noted))
        dock = ScribbleDock(viewer, Path(tempfile.mkdtemp()))
        viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
        dock.tabs.setCurrentWidget(dock.scribble_tab)
        dock.scribble_tab.automatic.switch(on=True)
        dock.scribble_tab.drawing.fills_contours = True
        QTest.qWait(5000)
        made[-1].mode = "paint"
        for seconds in own.values():
            seconds.clear()
        ups: list[float] = []
        report("with everything on", stalls(viewer, made[-1], strokes, ups))
        report("  pen up to the mask of the slice", waits(ups, shown))
        for part, seconds in own.items():
            report(f"  {part}", seconds)
        viewer.close()  # Qt still calls the watched methods


def padded(case: Case) -> Case:
    """The case with more field of view around it."""
    around = [(0, 0), *[((SHAPE[1] - INNER) // 2,) * 2] * 2]
    image = np.pad(case.image.array, around, mode="reflect")
    grid = Grid.from_spacing(SHAPE, case.image.spacing)
    strokes, truth = (np.pad(array, around) for array in (case.scribbles, case.reference))
    return replace(case, image=Volume(image, grid), scribbles=strokes, reference=truth)


def noting(call: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    """The same function, that notes when it was done."""

    def watched(*arguments: Any, **named: Any) -> Any:
        result = call(*arguments, **named)
        times.append(time.perf_counter())
        return result

    return watched


def waits(ups: list[float], shown: list[float]) -> list[float]:
    """From every lifting of the pen to the next mask; none where none came before the next one."""
    found: list[float] = []
    for up, following in zip(ups, [*ups[1:], np.inf], strict=True):
        after = [at for at in shown if up < at < following]
        found += [after[0] - up] if after else []
    return found


def stalls(
    viewer: napari.Viewer, layer: Any, strokes: int, ups: list[float] | None = None
) -> list[float]:
    """How late a timer came, again and again, while strokes are drawn; `ups` notes their ends."""
    canvas = viewer.window._qt_window._qt_viewer.canvas.native  # noqa: SLF001  no other way
    gaps: list[float] = []
    last = [time.perf_counter()]

    def tick() -> None:
        now = time.perf_counter()
        gaps.append(max(now - last[0] - TICK_MS / 1000, 0.0))
        last[0] = now

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.start(TICK_MS)
    rng = np.random.default_rng(0)
    button, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for n in range(strokes):
        show_slice(viewer, layer, n % SHAPE[0])
        layer.selected_label = 1 + n % 2
        at = QPoint(*(int(v) for v in rng.integers(150, 400, 2)))
        QTest.mouseMove(canvas, at)
        QTest.mousePress(canvas, button, none, at)
        for _ in range(MOVES):
            at += QPoint(*(int(v) for v in rng.integers(-12, 13, 2)))
            QTest.mouseMove(canvas, at)
            QTest.qWait(PAUSE_MS)
        QTest.mouseRelease(canvas, button, none, at)
        if ups is not None:
            ups.append(time.perf_counter())
        QTest.qWait(REST_MS)
    timer.stop()
    return gaps


def stopwatch(call: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The same function, that notes how long it takes."""

    def watched(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            seconds.append(time.perf_counter() - start)

    return watched


def report(title: str, seconds: list[float]) -> None:
    """Print median, 99th percentile, maximum and number of some durations."""
    if not seconds:
        print(f"{title}: never")
        return
    ms = 1000 * np.asarray(seconds)
    print(
        f"{title}: median {np.median(ms):.1f} ms, p99 {np.percentile(ms, 99):.1f} ms, "
        f"max {ms.max():.0f} ms, n {len(ms)}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
