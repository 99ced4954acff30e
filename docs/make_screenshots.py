"""Makes docs/images/dock.png: the dock after a training on the synthetic heart.

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py [minutes | run folder]

It works the dock as a user would, with a real training of some minutes, or with a run that was
trained on the sample before, so that the picture stays true.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")  # nobody's own
import napari
from napari.settings import get_settings
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_scribseg.engine.run import RunFolder
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.training_presenter import Phase
from napari_scribseg.gui.values import Choice

IMAGES = Path(__file__).parent / "images"
MINUTES = "5"
SLACK_SECONDS = 300.0
"""For loading torch, preparing the case, predicting: a busy machine may take long."""


def main(given: str) -> None:
    """Open the sample, train for some minutes or take a run, predict, take the picture."""
    get_settings().application.gui_notification_level = "error"  # no toast in the picture
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    with tempfile.TemporaryDirectory() as project:
        viewer.open_sample("napari-scribseg", "cardiac")
        dock = ScribbleDock(viewer, Path(project))
        viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
        wait(lambda: dock.train_tab.presenter.screen.why_not_train is None, SLACK_SECONDS)
        if Path(given).is_dir():
            show_run(dock, RunFolder.open(given))
        else:
            train(dock, float(given))
        wait(lambda: dock.train_tab.presenter.screen.phase is Phase.IDLE, SLACK_SECONDS)
        QTest.qWait(1000)
        if dock.results_tab.scores.table.rowCount() == 0:
            raise SystemExit(dock.status.text())
        IMAGES.mkdir(exist_ok=True)
        viewer.window.screenshot(str(IMAGES / "dock.png"), canvas_only=False, flash=False)
        sys.stdout.write(f"{dock.status.text()}\n")
        viewer.close()


def train(dock: ScribbleDock, minutes: float) -> None:
    """Train for some minutes; a prediction follows by itself."""
    # The sample is small: larger patches would only be padding.
    dock.train_tab.training.change_training(minutes=minutes, patch=[128, 128], batch_size=8)
    dock.train_tab.training.train_asked.emit()
    wait(lambda: dock.train_tab.presenter.screen.phase is Phase.TRAINING, SLACK_SECONDS)
    going = (Phase.TRAINING, Phase.STOPPING)
    wait(lambda: dock.train_tab.presenter.screen.phase not in going, 60 * minutes + SLACK_SECONDS)


def show_run(dock: ScribbleDock, run: RunFolder) -> None:
    """Show the settings and the curve of a run, and predict with it."""
    asked = run.record
    dock.train_tab.training.set_value(
        Choice(asked.method, asked.preset, asked.options, asked.training)
    )
    dock.use_run(run.path)
    dock.results_tab.presenter.predict()


def wait(until: Callable[[], bool], seconds: float) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        QApplication.processEvents()
        QTest.qWait(20)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else MINUTES)
