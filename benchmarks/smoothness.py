"""How long the window's event loop stalls while somebody draws and a training fills the cores.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/smoothness.py [--seconds 60]

A sample heart is opened in a real window and drawn on with mouse events, slice by slice, while a
timer of 5 ms notes when it was called. The gap between two calls is what a user would feel; the
processor time of the window's thread in it is what the window itself is to blame for, the rest is
waiting for a core. First in napari alone, then with the dock, then beside a training that was
started with the Train button.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="smoothness-")  # nobody's own
os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"]
os.environ["NAPARI_CONFIG"] = str(Path(os.environ["XDG_DATA_HOME"]) / "settings.yaml")
import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtCore import QObject, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel

from napari_scribseg.core.labels import PRESETS
from napari_scribseg.core.samples import sample_folder
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.train.presenter import Phase

HOME = Path(os.environ["XDG_DATA_HOME"])
TICK_MS = 5
MOVE_MS = 12
"""A mouse reports its place about so often."""
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Stopwatch(QObject):
    """Notes the gaps between the calls of a timer."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps_ms: list[float] = []
        self.own_ms: list[float] = []
        self._last, self._own = time.perf_counter(), time.thread_time()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin anew."""
        self.gaps_ms, self._last = [], time.perf_counter()
        self.own_ms, self._own = [], time.thread_time()
        self._timer.start()

    def stop(self) -> dict[str, float]:
        """Percentiles of the gaps in ms."""
        self._timer.stop()
        found: dict[str, float] = {"passes": len(self.gaps_ms)}
        for name, values in (("gap", self.gaps_ms), ("own", self.own_ms)):
            for share in (50, 99, 100):
                found[f"{name} p{share}"] = round(float(np.percentile(values, share)), 1)
        return found

    def _tick(self) -> None:
        now, own = time.perf_counter(), time.thread_time()
        self.gaps_ms.append(1000 * (now - self._last))
        self.own_ms.append(1000 * (own - self._own))
        self._last, self._own = now, own


class Hand(QObject):
    """Draws waves over the image with the mouse, one stroke per class, then the next slice.

    Args:
        viewer: with a labels layer that is active and in paint mode.
        digits: whether digits choose the class, as the dock has it.
    """

    def __init__(self, viewer: napari.Viewer, *, digits: bool) -> None:
        super().__init__()
        self._viewer, self._digits = viewer, digits
        self._canvas = viewer.window._qt_window._qt_viewer.canvas.native  # noqa: SLF001  events go there
        self._timer = QTimer(self)
        self._timer.setInterval(MOVE_MS)
        self._timer.timeout.connect(self._move)
        self._at = self.strokes = 0

    def start(self) -> None:
        """Begin a stroke."""
        self._timer.start()

    def stop(self) -> None:
        """Lift the pen."""
        self._timer.stop()
        QTest.mouseRelease(self._canvas, LEFT, NO_KEY, self._place())
        self._at = 0

    def _place(self) -> QPoint:
        wide, tall = self._canvas.width(), self._canvas.height()
        wave = np.sin(self._at / 7 + self.strokes) * tall / 8
        return QPoint(wide // 3 + (3 * self._at) % (wide // 3), int(tall / 2 + wave))

    def _move(self) -> None:
        if self._at == 0:
            keys = (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_3, Qt.Key.Key_0)
            if self._digits:
                QTest.keyClick(self._canvas, keys[self.strokes % 4])
            QTest.mousePress(self._canvas, LEFT, NO_KEY, self._place())
        QTest.mouseMove(self._canvas, self._place())
        self._at += 1
        if self._at == 60:
            QTest.mouseRelease(self._canvas, LEFT, NO_KEY, self._place())
            self._at, self.strokes = 0, self.strokes + 1
            if self.strokes % 4 == 0:
                dims = self._viewer.dims
                last = int(dims.range[0].stop)
                dims.set_current_step(0, (dims.current_step[0] + 1) % (last + 1))


def main() -> None:
    """Open, draw, train and draw, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each part")
    seconds = parser.parse_args().seconds
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    watch, saved = Stopwatch(), set[int]()
    found = {"napari alone": alone(viewer, watch, seconds)}
    tell(found)
    dock = ScribbleDock(viewer, HOME / "project")
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    dock.case_tab.opener.open_sample("cardiac")
    tab = dock.train_tab
    wait(lambda: tab.presenter.screen.why_not_train is None, 300)
    dock.tabs.setCurrentWidget(tab)
    dock.session.choose_value(1)
    QTest.qWait(5000)  # estimate and other late-comers
    hand = Hand(viewer, digits=True)
    found["drawing"] = measured(hand, watch, seconds, saved)
    tell(found)
    tab.training.change_training(minutes=(seconds + 120) / 60)
    tab.training.train_asked.emit()
    wait(lambda: len(tab.runs.losses.points("total loss")) > 2, 1200)  # it computes when idle
    found["drawing and training"] = measured(hand, watch, seconds, saved)
    steps = tab.runs.losses.points("total loss")[-1][0]
    tell({**found, "strokes": hand.strokes, "saves": len(saved), "training steps": steps})
    tab.jobs.stop(keep_going_to_best=False)
    wait(lambda: tab.presenter.screen.phase is Phase.IDLE, 120)
    viewer.close()


def tell(found: dict[str, Any]) -> None:
    """Write what was found so far: on a busy machine the rest may take long."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    sys.stdout.write(json.dumps({**found, "load": round(load, 1)}, indent=2) + "\n")
    sys.stdout.flush()


def alone(viewer: napari.Viewer, watch: Stopwatch, seconds: float) -> dict[str, float]:
    """The stalls while somebody draws on a labels layer of napari's own."""
    files = next(c for c in read_dataset(sample_folder("cardiac")).cases if c.scribbles)
    case = files.load(PRESETS["cardiac"])
    viewer.add_image(case.image.array)
    labels = viewer.add_labels(np.zeros(case.image.shape, np.uint8))
    labels.mode, labels.brush_size = "paint", 3
    viewer.window.add_dock_widget(QLabel(), name="placeholder", area="right").setMinimumWidth(400)
    hand = Hand(viewer, digits=False)
    found = measured(hand, watch, seconds, set())
    viewer.layers.clear()
    viewer.window.remove_dock_widget("all")
    return found


def measured(hand: Hand, watch: Stopwatch, seconds: float, saved: set[int]) -> dict[str, float]:
    """The stalls while the hand draws."""
    hand.start()
    QTest.qWait(1000)  # the first stroke compiles and loads this and that
    watch.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QTest.qWait(500)
        files = (HOME / "project" / "cases").glob("*/scribbles.nii.gz")
        saved |= {file.stat().st_mtime_ns for file in files}
    hand.stop()
    return watch.stop()


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        QTest.qWait(20)


if __name__ == "__main__":
    main()
