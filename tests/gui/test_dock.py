"""The whole dock in a real viewer: choose, draw with mouse and keys, train, predict, compare.

Only the training and the prediction are replaced, by what they would tell and write.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari._qt._qapp_model.qactions._file import Q_FILE_ACTIONS
from napari.layers import Layer
from phantoms import TWO_BALLS, two_ball_case
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLabel, QWidget

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Finished, Saved, Started, Stepped
from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.canvas import layers, series_layers
from napari_scribseg.gui.canvas.chosen_layers import Selected
from napari_scribseg.gui.closing import CloseQuestion
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.dock_place import dock_of
from napari_scribseg.gui.results import predictions
from napari_scribseg.gui.scribble.stroke_scan import StrokeScan
from napari_scribseg.gui.train import jobs as training_jobs
from napari_scribseg.gui.train.presenter import Phase
from napari_scribseg.gui.values import Prediction

CASE = two_ball_case()
NO_BUTTON, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


@pytest.fixture
def methods(monkeypatch):
    quick = catalogue.PresetEntry(
        name="quick", note="Fast.", options={}, training=TrainConfig(steps=4)
    )
    entry = catalogue.MethodEntry(
        name="partial_ce",
        title="Partial cross-entropy",
        summary="Learns from the strokes alone.",
        source="Somebody.",
        options_schema={"properties": {}},
        presets=(quick,),
    )
    monkeypatch.setattr(catalogue, "methods", lambda: (entry,))


@pytest.fixture
def viewer(make_napari_viewer, methods):
    return make_napari_viewer(show=True)


def open_case(viewer, **changes) -> list:
    made = [layers.layer_of(data) for data in layers.case_data(CASE, TWO_BALLS)]
    for layer in made:
        viewer.add_layer(layer)
    return made


def open_dock(viewer, tmp_path, qtbot) -> ScribbleDock:
    dock = ScribbleDock(viewer, tmp_path)
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    qtbot.waitUntil(lambda: dock.train_tab.presenter.methods_ready)
    return dock


class _FakeTraining:
    """Tells a training of four steps, as `engine.process` would."""

    def __init__(self, run, **settings) -> None:
        self.run = run
        self.is_alive = True

    def events(self):
        yield Started(
            method="partial_ce",
            device="cpu",
            precision="float32",
            cases=1,
            slices=4,
            first_step=1,
            steps=4,
            minutes=None,
        )
        for step in range(1, 5):
            yield Stepped(
                step=step,
                progress=step / 4,
                eta_seconds=4.0 - step,
                loss=1.0 / step,
                terms={},
                learning_rate=0.1,
                slices_per_second=9.0,
            )
        yield Saved(step=4, path="checkpoints/best.safetensors")
        self.is_alive = False
        yield Finished(outcome="completed", step=4, message="Done.", seconds=4.0)


def predict_the_reference(run, snapshot, children, *, probabilities=False, z=None) -> Prediction:
    segmentation = Volume(snapshot.reference, snapshot.image.grid)
    uncertainty = Volume(np.zeros(snapshot.image.shape, np.float32), snapshot.image.grid)
    return Prediction(snapshot.case, segmentation, uncertainty, snapshot.schema, run)


def test_from_layers_to_the_table_of_scores(viewer, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(training_jobs, "start", _FakeTraining)
    monkeypatch.setattr(predictions, "predict", predict_the_reference)
    image, reference, scribbles = open_case(viewer)
    dock = open_dock(viewer, tmp_path, qtbot)
    chosen = dock.case_tab.inputs.value()
    assert (chosen.image, chosen.scribbles, chosen.reference) == (image, scribbles, reference)
    assert dock.scribble_tab.classes.schema() == TWO_BALLS
    qtbot.waitUntil(lambda: dock.train_tab.presenter.screen.why_not_train is None)

    qtbot.mouseClick(dock.train_tab.training._train, LEFT)
    qtbot.waitUntil(lambda: dock.results_tab.scores.table.rowCount() == 3)
    assert dock.train_tab.presenter.screen.phase is Phase.IDLE
    assert dock.tabs.currentWidget() is dock.case_tab, "no tab jumps under the mouse"
    dock.train_tab.card.press("Show result")
    assert dock.tabs.currentWidget() is dock.results_tab
    assert [step for step, _ in dock.train_tab.runs.losses.points("total loss")] == [1, 2, 3, 4]
    assert dock.results_tab.scores.table.item(0, 1).text() == "1.000"
    assert "Mean Dice 1.000" in dock.status.text()
    names = [layers.role_of(layer) for layer in viewer.layers]
    roles = ["image", "reference", "preview", "segmentation", "uncertainty", "scribbles"]
    assert names == roles
    assert not layers.find(viewer.layers, "preview").visible, "the segmentation takes its place"
    segmentation = layers.find(viewer.layers, "segmentation")
    assert np.array_equal(segmentation.data, CASE.reference)
    assert viewer.layers.selection.active is scribbles
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "data" / "image.mha").exists()

    dock.results_tab.scores._outline.setChecked(False)
    assert segmentation.contour == 0
    qtbot.mouseClick(dock.results_tab.predict.predict, LEFT)
    qtbot.waitUntil(lambda: not dock.results_tab.presenter.screen.predicting)
    assert len(viewer.layers) == 6, "a newer segmentation replaces the older one"


def test_drawing_with_mouse_and_keys(viewer, tmp_path, qtbot):
    open_case(viewer)
    dock = open_dock(viewer, tmp_path, qtbot)
    dock.session.new_scribbles()
    scribbles = dock.case_tab.inputs.value().scribbles
    assert scribbles is viewer.layers.selection.active
    assert not scribbles.data.any()
    assert "bright, dim and background" in dock.train_tab.presenter.screen.why_not_train or (
        dock.train_tab.presenter.screen.why_not_train == "The strokes are being counted."
    )
    canvas = viewer.window._qt_window._qt_viewer.canvas.native
    viewer.window._qt_window.activateWindow()
    canvas.setFocus()
    centre = QPoint(canvas.width() // 2, canvas.height() // 2)
    for key, value in ((Qt.Key.Key_2, 2), (Qt.Key.Key_0, BACKGROUND), (Qt.Key.Key_1, 1)):
        QTest.keyClick(canvas, key)
        assert scribbles.selected_label == value
        assert scribbles.mode == "paint"
        assert dock.scribble_tab.classes.value() == value
        QTest.mouseMove(canvas, centre)
        QTest.mousePress(canvas, LEFT, NO_BUTTON, centre)
        for step in range(1, 4):
            QTest.mouseMove(canvas, centre + QPoint(0, 8 * step))
            qtbot.wait(10)
        QTest.mouseRelease(canvas, LEFT, NO_BUTTON, centre + QPoint(0, 24))
        assert (scribbles.data == value).any()
        centre += QPoint(40, 0)
    QTest.keyClick(canvas, Qt.Key.Key_7)
    assert scribbles.selected_label == 1, "a digit without a class does nothing"
    assert scribbles.mode == "paint", "and does not fall through to napari's tools"
    qtbot.waitUntil(lambda: dock.train_tab.presenter.screen.why_not_train is None)


def test_a_time_series_gives_one_of_its_frames(viewer, tmp_path, qtbot):
    frames = [Volume(np.full(CASE.image.shape, n, np.int16), CASE.grid) for n in range(3)]
    viewer.add_layer(layers.layer_of(series_layers.series_data(frames, case=CaseKey("", "cine"))))
    dock = open_dock(viewer, tmp_path, qtbot)
    dock.session.new_scribbles()
    assert dock.case_tab.inputs.value().scribbles is None, "strokes belong to one frame"
    assert "press Work on this frame" in dock.status.text()
    assert "time series" in dock.train_tab.presenter.screen.why_not_train
    with pytest.raises(InvalidInput, match="time series"):
        dock.session.snapshot()
    viewer.dims.set_current_step(0, 2)
    dock.session.use_frame()
    image = dock.case_tab.inputs.value().image
    assert (layers.volume_of(image).array == 2).all()
    assert layers.volume_of(image).frame == 2
    dock.session.new_scribbles()
    assert dock.case_tab.inputs.value().scribbles.data.shape == CASE.image.shape


def test_no_frame_of_a_series_is_used_unasked(viewer, tmp_path, qtbot):
    frames = [Volume(np.full(CASE.image.shape, n, np.int16), CASE.grid) for n in range(3)]
    series = layers.layer_of(series_layers.series_data(frames, case=CaseKey("", "cine")))
    viewer.add_layer(series)
    strokes = layers.layer_of(layers.scribbles_data(CASE.grid, TWO_BALLS, case=CaseKey("", "cine")))
    strokes.data[1, 2:4, 2] = 1
    viewer.add_layer(strokes)
    dock = open_dock(viewer, tmp_path, qtbot)
    dock.session.set_selected(Selected(image=series, scribbles=strokes))
    scan = dock.scribble_tab.scan
    qtbot.waitUntil(lambda: len(scan.facts) == CASE.image.shape[0], timeout=60_000)
    dock.scribble_tab.automatic.switch(on=True)
    dock.session.touch_strokes()
    qtbot.wait(500)
    assert dock.scribble_tab.automatic.layer is None
    dock.scribble_tab.automatic.switch(on=False)
    strokes_of_time = viewer.add_labels(np.zeros(series.data.shape, np.uint8), name="4D strokes")
    dock.session.use_frame()
    image = dock.session.selected.image
    dock.session.set_selected(Selected(image=image, scribbles=strokes_of_time))
    assert "'4D strokes' is a time series" in dock.session.inputs().problem


def test_strokes_come_back_with_their_case(viewer, tmp_path, qtbot):
    open_case(viewer)
    dock = open_dock(viewer, tmp_path, qtbot)
    drawn = dock.case_tab.inputs.value().scribbles
    drawn.data[0, :2, :2] = 1
    other = two_ball_case(seed=1)
    dock.case_tab.opener.show(layers.case_data(other, TWO_BALLS))
    assert {layers.case_of(layer) for layer in viewer.layers} == {other.key}
    assert dock.case_tab.inputs.value().scribbles is not drawn
    assert CASE.id in dock.status.text()
    dock.case_tab.opener.show(layers.case_data(CASE, TWO_BALLS))
    assert dock.case_tab.inputs.value().scribbles is drawn
    assert (drawn.data[0, :2, :2] == 1).all()
    assert len(viewer.layers) == 3


def test_layers_that_do_not_fit_are_explained(viewer, tmp_path, qtbot):
    image, _, scribbles = open_case(viewer)
    dock = open_dock(viewer, tmp_path, qtbot)
    small = viewer.add_labels(np.zeros((2, 5, 5), np.uint8), name="small")
    dock.case_tab.inputs.set_value(Selected(image=image, scribbles=small))
    assert "'small' does not lie on the voxels" in dock.train_tab.presenter.screen.why_not_train
    dock.case_tab.inputs.set_value(Selected(image=image, scribbles=scribbles))
    qtbot.waitUntil(lambda: dock.train_tab.presenter.screen.why_not_train is None)
    viewer.layers.remove(image)
    assert "Choose an image" in dock.train_tab.presenter.screen.why_not_train


def test_opening_is_quick_and_narrow(viewer, tmp_path, qtbot):
    started = time.monotonic()
    dock = ScribbleDock(viewer, tmp_path)
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    assert time.monotonic() - started < 2
    content = dock.findChild(QWidget, "content")
    assert content.minimumSizeHint().width() <= 380
    assert dock.minimumSizeHint().height() <= 600


def test_a_closed_dock_ends_its_training(viewer, tmp_path, qtbot, monkeypatch):
    ended = []
    dock = open_dock(viewer, tmp_path, qtbot)
    dock.train_tab.jobs._process = SimpleNamespace(is_alive=True, close=lambda: ended.append(True))
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: bool(ended))
    viewer.add_image(np.zeros((2, 3, 4)))  # nobody listens any more
    dock.deleteLater()


def test_the_x_of_a_dock_asks_before_it_ends_a_training(viewer, tmp_path, qtbot, monkeypatch):
    ended, let_go, asked = [], [], []
    dock = open_dock(viewer, tmp_path, qtbot)
    dock.train_tab.jobs._process = SimpleNamespace(
        is_alive=True, close=lambda: ended.append(True), let_go=lambda: let_go.append(True)
    )
    answers = iter([0, 1])
    monkeypatch.setattr(
        CloseQuestion, "exec_", lambda one: asked.append(one) or next(answers), raising=False
    )
    place = dock_of(dock)
    button = place.titleBarWidget().close_button
    qtbot.mouseClick(button, LEFT)
    assert place.isVisible()
    assert not ended
    qtbot.mouseClick(button, LEFT)
    assert len(asked) == 2
    assert let_go == [True], "to go on is what is proposed"
    dock.deleteLater()


@pytest.mark.slow
def test_a_real_training_and_prediction(viewer, tmp_path, qtbot):
    """The same with child processes that really learn, for a few steps."""
    open_case(viewer)
    dock = open_dock(viewer, tmp_path, qtbot)
    dock.train_tab.training.change_training(steps=6, device="cpu", patch=[64, 64])
    qtbot.waitUntil(lambda: dock.train_tab.presenter.screen.why_not_train is None)
    qtbot.mouseClick(dock.train_tab.training._train, LEFT)
    qtbot.waitUntil(lambda: dock.results_tab.scores.table.rowCount() == 3, timeout=120_000)
    assert layers.find(viewer.layers, "segmentation").data.shape == CASE.image.shape
    assert layers.find(viewer.layers, "uncertainty") is not None


def test_the_letters_of_the_tabs_are_not_keys_of_napari(viewer, tmp_path, qtbot) -> None:
    """Qt does nothing at a key that two things want; Alt+S and Alt+C are napari's screenshots."""
    dock = open_dock(viewer, tmp_path, qtbot)
    bar = dock.tabs.tabBar()
    texts = [bar.tabText(i) for i in range(bar.count())]
    ours = {f"Alt+{text[text.index('&') + 1].upper()}" for text in texts}
    rules = [rule for action in Q_FILE_ACTIONS for rule in action.keybindings or ()]
    theirs = {str(KeyBinding.validate(rule.primary)) for rule in rules if rule.primary}
    assert "Alt+S" in theirs
    assert len(ours) == 4
    assert not ours & theirs


def test_the_checklist_does_not_ask_for_a_layer_that_is_there(
    viewer, tmp_path, qtbot, monkeypatch
) -> None:
    """Strokes are looked at in the background: until then the panel says so."""
    monkeypatch.setattr(StrokeScan, "facts", property(lambda _self: ()))
    dock = open_dock(viewer, tmp_path, qtbot)
    words = lambda: [label.text() for label in dock.scribble_tab.checklist.findChildren(QLabel)]  # noqa: E731
    assert "Choose or make a scribbles layer in the Case tab." in words()
    open_case(viewer)
    qtbot.waitUntil(lambda: "Looking at the strokes …" in words())
    assert "Choose or make a scribbles layer in the Case tab." not in words()


def test_a_case_stays_open_when_a_duplicate_of_its_image_is_deleted(
    viewer, tmp_path, qtbot
) -> None:
    """napari's Duplicate copies what we noted on the layer, too."""
    dock = open_dock(viewer, tmp_path, qtbot)
    image, scribbles = open_case(viewer)[0], viewer.layers[-1]
    case = dock.session.case
    double = Layer.create(*image.as_layer_data_tuple())
    viewer.add_layer(double)
    viewer.layers.remove(double)
    assert dock.session.selected.image is image
    assert dock.session.selected.scribbles is scribbles
    assert dock.session.case == case
    viewer.layers.remove(image)
    assert dock.session.selected.image is None


def test_a_dock_of_the_plugins_menu_has_napari_itself_and_one_title(viewer, qtbot) -> None:
    """napari gives plugins a proxy of its viewer, which finds other layers at every look."""
    place, dock = viewer.window.add_plugin_dock_widget("napari-scribseg", "Scribble segmentation")
    assert isinstance(dock, ScribbleDock)
    assert dock.session.viewer is viewer
    qtbot.waitUntil(dock.isVisible)
    titles = [label.text() for label in place.titleBarWidget().findChildren(QLabel)]
    assert "Scribble segmentation" in titles
    assert not any("(" in title for title in titles)


def test_no_panel_is_wider_than_the_dock(viewer, tmp_path, qtbot) -> None:
    dock = open_dock(viewer, tmp_path, qtbot)
    for tab in range(dock.tabs.count()):
        dock.tabs.setCurrentIndex(tab)
        qtbot.wait(50)
        page = dock.tabs.currentWidget()
        assert page.widget().width() <= page.viewport().width(), dock.tabs.tabText(tab)
