"""Walks through a whole session with mouse and keys, and makes the pictures of the guide.

    xvfb-run -a -s "-screen 0 1366x768x24" python docs/make_screenshots.py [--minutes 3]
        [--images DIR] [--case DATASET CASE]

Opens a case without strokes, draws on every class with mouse events, trains, looks at the preview
and the Dice, corrects where the advice says, trains more, closes, opens again in a new process, and
checks that everything is still there. It ends with an error when a step does not do what it should.
Pictures go to docs/images; those of other people's data belong elsewhere (--images).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Nobody's own settings, journals and projects; a second process finds what the first has left.
os.environ.setdefault("WALK_HOME", tempfile.mkdtemp(prefix="walk-"))
os.environ["XDG_DATA_HOME"] = os.environ["WALK_HOME"]
os.environ["XDG_STATE_HOME"] = os.environ["XDG_CONFIG_HOME"] = os.environ["WALK_HOME"]
os.environ["NAPARI_CONFIG"] = str(Path(os.environ["WALK_HOME"]) / "settings.yaml")
import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy import ndimage

from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.core.samples import sample_folder
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.case.import_dialog import ImportDialog
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.train.presenter import Phase

HOME = Path(os.environ["WALK_HOME"])
IMAGES = Path(__file__).parent / "images"
SLACK_SECONDS = 300.0
"""For loading torch, preparing the case, predicting: a busy machine may take long."""
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
SETTINGS = {"batch_size": 6, "patch": [128, 128]}
"""The sample is small: larger patches would only be padding."""


class Walk:
    """A window, and hands that use it.

    Args:
        images: folder of the pictures.
    """

    def __init__(self, images: Path) -> None:
        get_settings().application.gui_notification_level = "error"  # no toast in the picture
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1366, 768)
        self.dock = ScribbleDock(self.viewer, HOME / "project")
        self.viewer.window.add_dock_widget(self.dock, name="Scribble segmentation", area="right")
        self.dock.guide.hide()  # the pictures are of what stays
        self._window = self.viewer.window._qt_window  # noqa: SLF001  mouse events go there
        self._canvas = self._window._qt_viewer.canvas.native  # noqa: SLF001
        self._images = images
        images.mkdir(parents=True, exist_ok=True)

    # Hands

    def open_dataset(self, folder: Path, case: str) -> None:
        """Tick a case in the list of what is found in a folder, and wait until it is shown."""
        self.dock.case_tab.importer.open_paths([folder])
        wait(lambda: bool(self._lists()), "the list of cases")
        (found,) = self._lists()
        found.all.click()
        if found.all.isChecked():
            found.all.click()
        for row in range(found.table.rowCount()):
            texts = [found.table.item(row, x) for x in range(found.table.columnCount())]
            if any(case in text.text() for text in texts if text is not None):
                texts[0].setCheckState(Qt.CheckState.Checked)
        QTest.qWait(200)
        found.grab().save(str(self._images / "open.png"))
        found.accept()
        wait(lambda: str(self.dock.session.case) == case, f"case {case}")
        wait(lambda: self.dock.session.selected.scribbles is not None, "a layer to draw on")

    def draw(self, value: int, z: int, points: list[tuple[float, float]]) -> int:
        """Draw a stroke through array positions (y, x) of a slice; gives the voxels drawn."""
        scribbles = self.dock.session.selected.scribbles
        assert scribbles is not None
        self.show_slice(z)
        before = int((np.asarray(scribbles.data) == value).sum())
        self.press(Qt.Key.Key_0 if value == BACKGROUND else Qt.Key.Key_0 + value)
        places = [self._on_canvas(scribbles, (z, *point)) for point in points]
        QTest.mouseMove(self._canvas, places[0])
        QTest.mousePress(self._canvas, LEFT, NO_KEY, places[0])
        for place in places[1:]:
            QTest.mouseMove(self._canvas, place)
            QTest.qWait(8)
        QTest.mouseRelease(self._canvas, LEFT, NO_KEY, places[-1])
        QTest.qWait(60)
        return int((np.asarray(scribbles.data) == value).sum()) - before

    def show_slice(self, z: int) -> None:
        """Go to a slice with the keys of drawing."""
        self._window.activateWindow()
        self._canvas.setFocus()
        for _ in range(100):
            shown = self.dock.results_tab.shown_slice()
            if shown == z or shown is None:
                return
            self.press(Qt.Key.Key_PageDown if shown < z else Qt.Key.Key_PageUp)
        raise SystemExit(f"Slice {z} can't be reached by keys.")

    def press(self, key: Qt.Key) -> None:
        """Press a key on the canvas."""
        QTest.keyClick(self._canvas, key)
        QTest.qWait(30)

    def tab(self, letter: str) -> None:
        """Choose a tab by its letter."""
        tabs = {"A": 0, "B": 1, "T": 2, "R": 3}
        QTest.keyClick(
            self._window, getattr(Qt.Key, f"Key_{letter}"), Qt.KeyboardModifier.AltModifier
        )
        QTest.qWait(200)
        if self.dock.tabs.currentIndex() != tabs[letter]:  # no window manager hands on shortcuts
            self.dock.tabs.setCurrentIndex(tabs[letter])
            QTest.qWait(200)

    def take(self, name: str) -> None:
        """Take a picture of the window."""
        QTest.qWait(600)
        path = str(self._images / f"{name}.png")
        self.viewer.window.screenshot(path, canvas_only=False, flash=False)

    def train(self, minutes: float, *, picture: str | None = None) -> None:
        """Press Train and wait for the end; a picture is taken when the third preview has come."""
        tab = self.dock.train_tab
        wait(lambda: tab.presenter.screen.why_not_train is None, "being able to train")
        tab.training.change_training(minutes=minutes, **SETTINGS)
        QTest.mouseClick(tab.training._train, LEFT)  # noqa: SLF001
        self._watch(minutes, picture)

    def train_more(self, minutes: float) -> None:
        """Press Train more on the card of the chosen run, and wait for the end."""
        tab = self.dock.train_tab
        tab.training.change_training(minutes=minutes, **SETTINGS)
        button = tab.runs._buttons["more"]  # noqa: SLF001
        if not button.isVisible() or not button.isEnabled():
            raise SystemExit("Train more is not offered.")
        QTest.mouseClick(button, LEFT)
        self._watch(minutes, None)

    def _watch(self, minutes: float, picture: str | None) -> None:
        tab, results = self.dock.train_tab, self.dock.results_tab
        wait(lambda: tab.presenter.screen.phase is Phase.TRAINING, "the start of the training")
        if picture is not None:
            case = self.dock.session.case
            find = lambda: layers.find(self.viewer.layers, "preview", case)  # noqa: E731
            wait(
                lambda: find() is not None and np.any(find().data), "a preview", 60 * minutes + 200
            )
            wait(
                lambda: tab.presenter.screen.share is None or tab.presenter.screen.share > 0.5,
                "half of the training",
                60 * minutes + 200,
            )
            self.take(picture)
        wait(lambda: tab.presenter.screen.phase is Phase.IDLE, "the end", 60 * minutes + 300)
        wait(lambda: not results.presenter.screen.predicting, "the prediction")
        QTest.qWait(1000)

    def dice(self) -> float:
        """The mean Dice that the Results tab shows."""
        table = self.dock.results_tab.scores.table
        if table.rowCount() == 0:
            raise SystemExit(f"There are no scores: {self.dock.status.text()}")
        return float(table.item(table.rowCount() - 1, 1).text())

    def _lists(self) -> list[ImportDialog]:
        found = [w for w in QApplication.topLevelWidgets() if isinstance(w, ImportDialog)]
        return [one for one in found if one.isVisible()]

    def _on_canvas(self, layer: object, index: tuple[float, float, float]) -> QPoint:
        """Where an array position is drawn, in pixels of the canvas."""
        world = np.asarray(layer.data_to_world(index))[-2:]  # type: ignore[attr-defined]
        camera = self.viewer.scene.camera if hasattr(self.viewer, "scene") else self.viewer.camera
        offset = (world - np.asarray(camera.center)[-2:]) * camera.zoom
        y, x = np.array([self._canvas.height(), self._canvas.width()]) / 2 + offset
        return QPoint(round(x), round(y))


def strokes(reference: np.ndarray) -> dict[int, list[tuple[float, float]]]:
    """Points of one stroke for each class of a slice and for background, by scribble value."""
    found: dict[int, list[tuple[float, float]]] = {}
    foreground = reference > 0
    middle = np.array(ndimage.center_of_mass(foreground))
    for k in np.unique(reference[foreground]):
        depth = ndimage.distance_transform_edt(reference == k)
        core = np.argwhere(depth >= 0.75 * depth.max())
        found[int(k)] = _around(core, np.array(ndimage.center_of_mass(reference == k)))
    outside = ndimage.distance_transform_edt(~foreground)
    ring = _around(np.argwhere((outside > 9) & (outside < 11)), middle)
    found[BACKGROUND] = [*ring, ring[0]]
    return found


def far_background(shape: tuple[int, int]) -> list[tuple[float, float]]:
    """Points of a second loop near the border of the slice, so that the far field is drawn, too."""
    (y, x), inset = (n - 1.0 for n in shape), 0.06
    corners = [(inset, inset), (inset, 1 - inset), (1 - inset, 1 - inset), (1 - inset, inset)]
    return [(y * a, x * b) for a, b in (*corners, corners[0])]


def _around(points: np.ndarray, centre: np.ndarray) -> list[tuple[float, float]]:
    """Every so many points, in the order of their angle around a centre."""
    angles = np.arctan2(*(points - centre).T)
    ordered = points[np.argsort(angles)]
    chosen = ordered[:: max(1, len(ordered) // 24)]
    return [(float(y), float(x)) for y, x in chosen]


def wait(until: Callable[[], object], what: str, seconds: float = SLACK_SECONDS) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise SystemExit(f"Waited {seconds:.0f} s in vain for {what}.")
        QTest.qWait(20)


def without_strokes(dataset: Path) -> Path:
    """A copy of a dataset's images and references, as somebody has them who begins."""
    target = HOME / "data"
    shutil.copytree(dataset, target)
    shutil.rmtree(target / "scribbles")
    listing = target / "dataset.json"
    if listing.exists():
        known = json.loads(listing.read_text(encoding="utf-8"))
        known["cases"] = [{**case, "scribble": None} for case in known["cases"]]
        listing.write_text(json.dumps(known), encoding="utf-8")
    return target


def first_session(dataset: Path, case: str, minutes: float, images: Path) -> None:
    """Open, draw, train, look, correct, train more."""
    walk = Walk(images)
    walk.open_dataset(dataset, case)
    dock, session = walk.dock, walk.dock.session
    QTest.qWait(500)
    walk.take("case")
    reference = session.selected.reference
    assert reference is not None
    truth = np.asarray(reference.data)
    reference.visible = False
    whole = [z for z, piece in enumerate(truth) if len(np.unique(piece)) == len(np.unique(truth))]
    drawn = [whole[0], whole[len(whole) // 2], whole[-1]]
    walk.tab("B")
    for z in drawn:
        for value, points in strokes(truth[z]).items():
            if walk.draw(value, z, points) == 0:
                raise SystemExit(f"Nothing was drawn with value {value} on slice {z}.")
        walk.draw(BACKGROUND, z, far_background(truth[z].shape))
    wait(lambda: dock.train_tab.presenter.screen.why_not_train is None, "the checklist")
    walk.take("scribble")
    walk.tab("T")
    walk.train(minutes, picture="train")
    walk.tab("R")
    first = walk.dice()
    walk.take("results")
    dock.results_tab.advising.next()
    wait(lambda: dock.results_tab.advice.list.count() > 0, "advice")
    walk.take("advice")
    walk.press(Qt.Key.Key_N)
    z = dock.results_tab.shown_slice()
    assert z is not None
    for value, points in strokes(truth[z]).items() if truth[z].any() else ():
        walk.draw(value, z, points)
    reference.visible = False
    walk.tab("T")
    walk.train_more(minutes / 2)
    second = walk.dice()
    scribbles = session.selected.scribbles
    assert scribbles is not None
    np.save(HOME / "strokes.npy", scribbles.data)
    cards = len(dock.train_tab.runs._cards)  # noqa: SLF001
    facts = {"case": str(session.case), "dice": [first, second], "runs": cards, "slices": drawn}
    (HOME / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    walk.viewer.close()


def second_session(images: Path) -> None:
    """Open again: the project, its strokes and its runs are there."""
    facts = json.loads((HOME / "facts.json").read_text(encoding="utf-8"))
    walk = Walk(images)
    wait(lambda: bool(walk.dock.case_tab.cases.shown_ids()), "the list of cases")
    if walk.dock.session.case is None:
        walk.dock.case_tab.opener.open_case(walk.dock.case_tab.cases.shown_ids()[0])
    wait(lambda: walk.dock.session.selected.scribbles is not None, "the strokes")
    kept = np.asarray(walk.dock.session.selected.scribbles.data)
    if not np.array_equal(kept, np.load(HOME / "strokes.npy")):
        raise SystemExit("The strokes are not what they were.")
    runs = walk.dock.train_tab.runs
    wait(lambda: len(runs._cards) == facts["runs"], "the runs")  # noqa: SLF001
    walk.viewer.close()


def animate(images: Path) -> None:
    """The pictures of the walk, one after the other, as a small film: walk.gif."""
    frames = []
    for name in ("case", "scribble", "train", "results", "advice"):
        frame = Image.open(images / f"{name}.png").convert("RGB")
        frame.thumbnail((900, 900))
        frames.append(frame.quantize(96, dither=Image.Dither.NONE))
    first, *others = frames
    out = images / "walk.gif"
    first.save(out, save_all=True, append_images=others, duration=2500, loop=0, optimize=True)


def main() -> None:
    """The whole walk, the reopening in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0, help="of the first training")
    parser.add_argument("--images", type=Path, default=IMAGES)
    parser.add_argument("--case", nargs=2, metavar=("DATASET", "CASE"))
    parser.add_argument("--reopen", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.reopen:
        second_session(options.images)
        return
    dataset, case = options.case or (sample_folder("cardiac"), "heart01_ED")
    first_session(without_strokes(Path(dataset)), case, options.minutes, options.images)
    command = [sys.executable, __file__, "--reopen", "--images", str(options.images)]
    if subprocess.run(command, check=False).returncode:  # noqa: S603  ourselves
        raise SystemExit("After reopening, not everything was there.")
    animate(options.images)
    facts = json.loads((HOME / "facts.json").read_text(encoding="utf-8"))
    first, second = facts["dice"]
    sys.stdout.write(
        f"{facts['case']}: strokes on slices {facts['slices']}; mean Dice {first:.3f}, after "
        f"correcting and training more {second:.3f}; {facts['runs']} runs and all strokes were "
        "there after reopening.\n"
    )


if __name__ == "__main__":
    main()
