"""Compares three methods on the synthetic hearts, and makes the pictures batch.png and report.png.

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_experiment_pictures.py [--out DIR]
        [--steps 120] [--images DIR]

The experiment in --out is continued if it is there; a finished one is only looked at. The picture
of the report needs Chromium, and is left out without it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Nobody's own settings and projects.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="pictures-")
os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"]
os.environ["NAPARI_CONFIG"] = str(Path(os.environ["XDG_DATA_HOME"]) / "settings.yaml")
import napari
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribseg.core.samples import sample_folder
from napari_scribseg.gui.batch.widget import BatchEvaluation

HOME = Path(os.environ["XDG_DATA_HOME"])
IMAGES = Path(__file__).parent / "images"
TITLE = "Three methods on synthetic hearts"
METHODS = ("random_walker", "partial_ce", "partial_ce_dice")
REPORT_SIZE = (1120, 2800)


def compute(out: Path, steps: int) -> None:
    """Run the experiment, or what of it is missing."""
    command = [sys.executable, "-m", "napari_scribseg", "experiment"]
    if (out / "recipe.json").is_file():
        command += [str(out)]
    else:
        command += [str(sample_folder("cardiac")), "--out", str(out), "--title", TITLE]
        command += [f"--method={name}" for name in METHODS]
        command += ["--folds=2", f"--steps={steps}", "--set", "patch=128,128"]
        command += ["--set", "batch_size=6", "--device=cpu", "--threads=1"]
    subprocess.run(command, check=True)  # noqa: S603  ourselves


def picture_of_window(out: Path, path: Path) -> None:
    """The batch evaluation with the experiment, and one of its worst slices in the viewer."""
    get_settings().application.gui_notification_level = "error"  # no toast in the picture
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    batch = BatchEvaluation(viewer)
    viewer.window.add_dock_widget(batch, name="Batch evaluation", area="right")
    QTest.qWait(2000)
    batch.presenter.open_experiment(out)
    table = batch.results.worst
    wait(lambda: table.rowCount() > 0, "the worst slices")
    row = next(r for r in range(table.rowCount()) if float(table.item(r, 0).text()) > 0.2)
    table.scrollToItem(table.item(row, 0))
    batch._tab.ensureWidgetVisible(table)  # noqa: SLF001
    QTest.qWait(300)
    place = table.visualItemRect(table.item(row, 1)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    wait(lambda: len(viewer.layers) > 0, "the slice")
    QTest.qWait(1500)
    bar = batch._tab.verticalScrollBar()  # noqa: SLF001
    bar.setValue(bar.maximum())
    QTest.qWait(500)
    viewer.window.screenshot(str(path), canvas_only=False, flash=False)
    viewer.close()


def picture_of_report(out: Path, path: Path) -> None:
    """The upper part of report.html, as a browser shows it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.stderr.write("There is no Chromium: report.png stays as it is.\n")
        return
    size = "{},{}".format(*REPORT_SIZE)
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={size}"]
    page = (out / "report.html").absolute().as_uri()
    shot = HOME / "report.png"
    subprocess.run([browser, *options, f"--screenshot={shot}", page], check=True)  # noqa: S603
    with Image.open(shot) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def wait(until: Callable[[], object], what: str, seconds: float = 300.0) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit(f"Waited {seconds:.0f} s in vain for {what}.")
        QTest.qWait(20)


def main() -> None:
    """Compute, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=HOME / "experiment", help="the experiment")
    parser.add_argument("--steps", type=int, default=120, help="of every training")
    parser.add_argument("--images", type=Path, default=IMAGES)
    options = parser.parse_args()
    compute(options.out, options.steps)
    options.images.mkdir(parents=True, exist_ok=True)
    picture_of_window(options.out, options.images / "batch.png")
    picture_of_report(options.out, options.images / "report.png")


if __name__ == "__main__":
    main()
