"""The Results tab in a real viewer: several runs, slices, advice, acceptance, numbers.

Only the prediction is replaced, by the reference moved aside.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case, CaseKey
from napari_scribseg.evaluation.disagreement import Suggestion
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.correction import Correction
from napari_scribseg.gui.results import correction, jobs, measurements_form, predictions
from napari_scribseg.gui.results.accept_panel import AcceptForm
from napari_scribseg.gui.results.advice import Advice
from napari_scribseg.gui.results.advice_panel import AdvicePanel
from napari_scribseg.gui.results.comparison import compare
from napari_scribseg.gui.results.measurements_form import MeasurementsForm
from napari_scribseg.gui.results.phases import PhaseCase
from napari_scribseg.gui.results.predict_panel import PredictPanel
from napari_scribseg.gui.results.run_list import RunEntry
from napari_scribseg.gui.results.saved_predictions import corrected_file, keep_corrected
from napari_scribseg.gui.results.screen import ResultsScreen
from napari_scribseg.gui.results.tab import ResultsTab
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train import new_run
from napari_scribseg.gui.values import Choice, Prediction, Snapshot
from napari_scribseg.gui.widgets.plot import nice_ticks, tick_text
from napari_scribseg.gui.widgets.slice_plot import SliceLine, SlicePlot
from napari_scribseg.io import read_labels, write_volume

HEART = PRESETS["cardiac"]
GRID = Grid.from_spacing((4, 24, 24), (8.0, 1.5, 1.5))
ONE, TWO = Path("runs/one"), Path("runs/two")
LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def heart(case_id: str, radius: float) -> Case:
    """An LV in a myocardium, and one stroke of each."""
    z, y, x = np.indices(GRID.shape)
    distance = np.hypot(y - 12, x - 12) + 0 * z
    reference = np.where(distance < radius, 3, np.where(distance < 9, 2, 0)).astype(np.uint8)
    scribbles = np.zeros_like(reference)
    scribbles[1, 12, 11:13] = 3
    image = Volume(reference.astype(np.float32) * 100, GRID)
    return Case(case_id, "p", image, scribbles, reference)


def moved(run, snapshot, children, *, probabilities=False, z=None) -> Prediction:
    """The reference, by run "two" moved aside on slice 2."""
    segmentation = snapshot.reference.copy()
    if run == TWO:
        segmentation[2] = np.roll(segmentation[2], 3, axis=1)
    unsure = Volume(np.zeros(GRID.shape, np.float32), GRID)
    known = None
    if probabilities:
        known = np.stack([segmentation == k for k in range(HEART.n_classes)]).astype(np.float32)
    volume = Volume(segmentation, GRID)
    return Prediction(snapshot.case, volume, unsure, HEART, run, known, z)


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def tab(viewer, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(predictions, "predict", moved)
    listed = (RunEntry(ONE, "one"), RunEntry(TWO, "two"))
    monkeypatch.setattr(jobs, "runs_with_weights", lambda _project: listed)
    session = Session(viewer, tmp_path)
    made = ResultsTab(session)
    qtbot.addWidget(made)
    made.presenter.runs_listed(listed)
    show(session, heart("p_ED", 7))
    made.presenter.tick((ONE, TWO))
    yield made
    made.end()
    session.end()


def soon(qtbot, until) -> None:
    """A busy machine may take its time."""
    qtbot.waitUntil(until, timeout=60_000)


def show(session: Session, case: Case) -> None:
    session.viewer.layers.clear()
    for data in layers.case_data(case, HEART):
        session.viewer.add_layer(layers.layer_of(data))


def predict(tab: ResultsTab, qtbot) -> None:
    tab.presenter.predict()
    soon(qtbot, lambda: not tab.presenter.screen.predicting)


def of_role(viewer, role: str) -> list:
    return [layer for layer in viewer.layers if layers.role_of(layer) == role]


def test_two_runs_are_compared_and_the_doubtful_slice_is_one_key_away(tab, viewer, qtbot, tmp_path):
    predict(tab, qtbot)
    segmentations = of_role(viewer, "segmentation")
    assert [layer.visible for layer in segmentations] == [True, False]
    assert tab.scores.table.item(0, 1).text() == "\N{EN DASH}", "no RV anywhere"
    assert tab.scores.table.item(1, 1).text() == "1.000"

    tab.scores.difference or tab.scores._difference.setChecked(True)
    assert not of_role(viewer, "difference")[0].data.any(), "run one is right"
    tab.presenter.choose_shown(TWO)
    assert of_role(viewer, "difference")[0].data[2].any()
    assert not of_role(viewer, "difference")[0].data[[0, 1, 3]].any()

    scribbles = tab._session.selected.scribbles
    scribbles.mode = "pan_zoom"
    canvas = viewer.window._qt_window._qt_viewer.canvas.native
    viewer.window._qt_window.activateWindow()
    canvas.setFocus()
    QTest.keyClick(canvas, Qt.Key.Key_N)
    soon(qtbot, lambda: tab.advice.list.count() == 1)
    QTest.keyClick(canvas, Qt.Key.Key_N)
    assert tab.shown_slice() == 2
    assert viewer.layers.selection.active is scribbles
    assert scribbles.mode == "paint"
    tab.advice._map.setChecked(True)
    assert of_role(viewer, "doubt")[0].data[2].max() == 0.5

    before = [(layer, layer.visible) for layer in viewer.layers]
    tab.scores._side_by_side.setChecked(True)
    assert viewer.canvas.grid.enabled
    shown = [layer for layer in viewer.layers if layer.visible]
    assert [layers.role_of(layer) for layer in shown] == ["comparison"] * 6
    fields = [tuple(c) for _, c in viewer.canvas.grid.iter_viewboxes(viewer.layers) if c]
    assert [c[:2] for c in fields[:3]] == [(0, 1), (2, 3), (4, 5)], "image and labels together"
    assert tab._session.selected.image is before[0][0], "the copies are nobody's image"
    tab.scores._side_by_side.setChecked(False)
    assert not viewer.canvas.grid.enabled
    assert [(layer, layer.visible) for layer in viewer.layers] == before

    tab.exporting.save_table(tmp_path / "t.csv")
    soon(qtbot, (tmp_path / "t.csv").exists)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert {row["run"] for row in csv.DictReader(file)} == {"one", "two"}


def test_a_case_that_is_opened_again_shows_its_newest_segmentation_and_scores(
    tab, viewer, qtbot, tmp_path
):
    """As after a restart: the window knows nothing but the files."""
    case = heart("p_ES", 5)
    choice = Choice("partial_ce", "quick", {}, TrainConfig(steps=1))
    snapshot = Snapshot(case.key, case.image, case.scribbles, case.reference, HEART)
    run = new_run.write_run(tmp_path, snapshot, choice).path
    unsure = Volume(np.zeros(GRID.shape, np.float32), GRID)
    made = Prediction(case.key, Volume(case.reference, GRID), unsure, HEART, run, corrected=True)
    keep_corrected(made, snapshot, corrected_file(run))
    show(tab._session, case)
    soon(qtbot, lambda: tab.presenter.shown is not None)
    assert tab.scores.table.item(2, 1).text() == "1.000"
    assert "corrected by hand" in tab.presenter.screen.shown.caption
    (segmentation,) = (x for x in of_role(viewer, "segmentation") if x.visible)
    assert np.array_equal(segmentation.data, case.reference)
    show(tab._session, heart("p_ED", 7))
    assert tab.presenter.shown is None, "of another case nothing was kept"


def test_a_preview_that_comes_meanwhile_takes_no_field(tab, viewer, qtbot):
    predict(tab, qtbot)
    tab.scores._side_by_side.setChecked(True)
    case = tab._session.case
    data = layers.preview_data(Volume(np.zeros(GRID.shape, np.uint8), GRID), HEART, case=case)
    preview = tab._session.put(data, "preview", case)
    preview.visible = True  # as every new preview of a training does
    assert [layers.role_of(one) for one in viewer.layers if one.visible] == ["comparison"] * 6
    tab.scores._side_by_side.setChecked(False)
    assert preview.visible


def test_a_reference_that_is_chosen_or_drawn_on_is_scored_at_once(tab, viewer, qtbot):
    predict(tab, qtbot)
    reference = tab._session.selected.reference
    row = tab.scores.reference
    assert row.box.currentText() == reference.name
    row.box.setCurrentIndex(0)
    row.box.activated.emit(0)
    soon(qtbot, lambda: tab.presenter.shown.scores is None)
    assert tab.scores.table.rowCount() == 0
    row.box.setCurrentIndex(1)
    row.box.activated.emit(1)
    soon(qtbot, lambda: tab.scores.table.rowCount() == 4)
    assert tab.scores.table.item(2, 1).text() == "1.000"
    reference.data_setitem((np.array([1]), np.array([12]), np.array([12])), np.array([0], np.uint8))
    soon(qtbot, lambda: tab.scores.table.item(2, 1).text() == "0.999")


def test_another_case_beside_it_is_not_what_the_first_one_is_judged_by(
    tab, viewer, qtbot, monkeypatch
):
    """Two cases of one shape are in the viewer, and the images are chosen in turn."""
    tab.presenter.tick((ONE,))
    predict(tab, qtbot)
    session, first = tab._session, tab._session.selected.image
    own, case = session.selected.reference.data, session.case
    asked: list[bool] = []

    def judge(prediction, reference, _cleaning):
        asked.append(prediction.case == case and np.array_equal(reference, own))

    monkeypatch.setattr(tab.presenter.jobs, "compare_with_reference", judge)
    for data in layers.case_data(heart("q_ED", 5), HEART):
        viewer.add_layer(layers.layer_of(data))
    assert session.case.id == "q_ED"
    assert asked == []
    session.choose(image=first)
    assert asked == [True]
    session.choose(image=next(one for one in of_role(viewer, "image") if one is not first))
    assert asked == [True]


def test_a_reference_is_loaded_from_a_file_and_scored_at_once(tab, viewer, qtbot, tmp_path):
    predict(tab, qtbot)
    tab._session.choose(reference=None)
    kept = []
    tab._session.reference_loaded.connect(kept.append)
    values = np.array([0, 0, 200, 500], np.uint16)[heart("x", 7).reference]
    values[0, 0, 0] = 90  # a third structure, as another program numbers them
    write_volume(tmp_path / "truth.nii.gz", Volume(values, GRID))
    tab.reference.load(tmp_path / "truth.nii.gz")
    soon(qtbot, lambda: bool(kept))
    assert sorted(np.unique(kept[0])) == [0, 1, 2, 3], "in their order, and it is said"
    soon(qtbot, lambda: tab.scores.table.rowCount() == 4)
    assert tab.scores.table.item(2, 1).text() == "1.000"
    far = Grid.from_spacing((5, 24, 24), (8.0, 1.5, 1.5))
    write_volume(tmp_path / "far.nii.gz", Volume(np.zeros((5, 24, 24), np.uint8), far))
    said = []
    tab._session.said.connect(lambda text, level: said.append((text, level)))
    tab.reference.load(tmp_path / "far.nii.gz")
    soon(qtbot, lambda: any(level == "error" for _, level in said))
    assert "far.nii.gz" in said[-1][0]


class TestCorrecting:
    def test_what_is_painted_is_scored_and_learnt_from_and_comes_back(
        self, tab, viewer, qtbot, monkeypatch
    ):
        kept = []
        monkeypatch.setattr(correction, "corrected_file", lambda run: run / "predictions" / "x")
        monkeypatch.setattr(correction, "keep_corrected", lambda p, *_: kept.append(p))
        tab.presenter.tick((TWO,))
        predict(tab, qtbot)
        scribbles = tab._session.selected.scribbles
        before = scribbles.data.copy()
        tab.scores.correct.setChecked(True)
        (layer,) = of_role(viewer, "segmentation")
        assert viewer.layers.selection.active is layer
        truth = heart("p", 7).reference[2]
        wrong = np.argwhere(layer.data[2] != truth)
        layer.data_setitem(
            (np.full(len(wrong), 2), wrong[:, 0], wrong[:, 1]), truth[tuple(wrong.T)]
        )
        layer.events.paint(value=[])  # as napari tells at the end of a stroke
        soon(qtbot, lambda: "corrected by hand" in tab.presenter.screen.shown.caption)
        assert tab.scores.table.item(2, 1).text() == "1.000"
        drawn = scribbles.data[2][tuple(wrong.T)]
        assert (drawn == np.where(truth[tuple(wrong.T)] == 0, 255, truth[tuple(wrong.T)])).all()
        assert of_role(viewer, "segmentation") == [layer], "the layer stays, with its history"
        tab.scores.correct.setChecked(False)
        soon(qtbot, lambda: bool(kept))
        assert np.array_equal(kept[0].segmentation.array[2], truth)
        assert viewer.layers.selection.active is scribbles
        assert (scribbles.data != before).any()

    def test_scores_that_come_late_take_nothing_from_who_still_paints(
        self, tab, viewer, qtbot, monkeypatch
    ):
        monkeypatch.setattr(correction, "corrected_file", lambda run: run / "predictions" / "x")
        monkeypatch.setattr(correction, "keep_corrected", lambda *_: None)
        tab.presenter.tick((TWO,))
        predict(tab, qtbot)
        tab.scores.correct.setChecked(True)
        (layer,) = of_role(viewer, "segmentation")
        layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), np.array([1], np.uint8))
        tab.presenter.compared(tab.presenter.shown)  # of what it was before this stroke
        assert of_role(viewer, "segmentation") == [layer]
        assert tab.correcting.is_on
        assert layer.data[0, 0, 0] == 1
        layer.events.paint(value=[])
        tab.scores._anatomy.setChecked(False)
        assert not tab.correcting.is_on, "what is cleaned up otherwise may be shown now"
        soon(qtbot, lambda: "corrected by hand" in tab.presenter.screen.shown.caption)
        assert of_role(viewer, "segmentation")[0].data[0, 0, 0] == 1

    def test_undo_takes_the_strokes_back(self, viewer):
        case = heart("p", 7)
        (_, reference, strokes) = (layers.layer_of(d) for d in layers.case_data(case, HEART))
        viewer.add_layer(reference)
        viewer.add_layer(strokes)
        before = strokes.data.copy()
        told = []
        one = Correction(reference, strokes, HEART, lambda: told.append(True))
        one.choose(0)
        assert reference.mode == "erase"
        one.choose(1)
        assert (reference.mode, reference.selected_label) == ("paint", 1)
        place = (np.array([1, 1]), np.array([12, 3]), np.array([12, 3]))
        reference.data_setitem(place, np.array([0, 1], np.uint8))
        reference.events.paint(value=[])
        assert (strokes.data[1, 12, 12], strokes.data[1, 3, 3]) == (255, 1)
        one._undo()
        assert np.array_equal(strokes.data, before), "what was drawn there before, too"
        one._redo()
        assert (strokes.data[1, 12, 12], strokes.data[1, 3, 3]) == (255, 1)
        assert len(told) == 3
        reference.selected_label = 9
        assert reference.selected_label == 1, "there is no ninth structure"
        one.end()
        assert reference.mode == "pan_zoom"


def test_a_segmentation_is_exported_as_it_is_shown(tab, viewer, qtbot, tmp_path):
    tab.presenter.tick((ONE,))
    predict(tab, qtbot)
    tab.exporting.export_segmentation(tmp_path / "seg", "nifti")
    soon(qtbot, (tmp_path / "seg.nii.gz").exists)
    assert np.array_equal(read_labels(tmp_path / "seg.nii.gz").array, heart("p", 7).reference)
    said = []
    tab._session.said.connect(lambda text, level: said.append((text, level)))
    tab.exporting.export_segmentation(tmp_path / "seg", "dicom-seg", tmp_path / "none")
    # The word of the first export may come after it: its file is seen a moment before.
    soon(qtbot, lambda: any(level == "error" for _, level in said))


def test_accepting_is_one_step_and_never_overwrites(tab, viewer, qtbot):
    predict(tab, qtbot)
    scribbles = tab._session.selected.scribbles
    viewer.dims.set_point(0, float(scribbles.data_to_world((1, 0, 0))[0]))
    before = scribbles.data.copy()
    before[1, 12, 12] = scribbles.data[1, 12, 12] = 1
    tab.accepting.accept()
    soon(qtbot, lambda: bool((scribbles.data != before).any()))
    assert (scribbles.data[before > 0] == before[before > 0]).all()
    assert (scribbles.data[[0, 2, 3]] == before[[0, 2, 3]]).all(), "the shown slice only"
    assert (scribbles.data[1] == 2).any()
    scribbles.undo()
    assert (scribbles.data == before).all()


def test_a_prediction_without_any_structure_is_not_accepted_as_background(tab, viewer, qtbot):
    predict(tab, qtbot)
    scribbles, before = tab._session.selected.scribbles, tab._session.selected.scribbles.data.copy()
    tab.presenter.shown.shown.array[:] = 0
    tab.accept.where.setCurrentIndex(1)
    tab.accepting.accept()
    qtbot.wait(300)
    assert (scribbles.data == before).all()


def test_two_phases_give_an_ejection_fraction(tab, viewer, qtbot):
    predict(tab, qtbot)
    show(tab._session, heart("p_ES", 5))
    assert tab.scores.table.rowCount() == 0, "the other case is not predicted yet"
    predict(tab, qtbot)
    form = tab.measurements
    assert (form.diastole.currentText(), form.systole.currentText()) == ("p_ED", "p_ES")
    tab.measuring.measure_function()
    soon(qtbot, lambda: form.table.rowCount() == 6)
    found = {form.table.item(y, 0).text(): form.table.item(y, 1).text() for y in range(6)}
    voxel = 8 * 1.5 * 1.5 / 1000
    edv, esv = (int((heart("x", r).reference == 3).sum()) * voxel for r in (7, 5))
    assert found["LV EDV"] == f"{edv:.1f} mL"
    assert found["RV EDV"] == "\N{EN DASH}", "there is none"
    assert found["LV EF"] == f"{100 * (edv - esv) / edv:.1f} %"
    assert "label 3" in form.table.item(0, 0).toolTip()
    form.diastole.setCurrentText("p_ES")
    form.systole.setCurrentText("p_ED")
    said = []
    tab._session.said.connect(lambda text, level: said.append((text, level)))
    tab.measuring.measure_function()
    soon(qtbot, lambda: any("swapped" in text for text, _ in said))


def test_a_phase_that_was_not_opened_is_read_from_the_run(tab, viewer, qtbot, monkeypatch):
    shown, other = tab.presenter.case, CaseKey("", "frame12")
    phases = (PhaseCase(shown, "ann", "ED"), PhaseCase(other, "ann", "ES"))
    monkeypatch.setattr(measurements_form, "predicted_cases", lambda _project, _run: phases)

    def read(case, run, cleaning):
        array = heart("x", 5).reference
        made = Prediction(case.key, Volume(array, GRID), None, HEART, run)
        return compare(made, None, cleaning)

    monkeypatch.setattr(measurements_form, "read_segmentation", read)
    predict(tab, qtbot)
    form, controller = tab.measurements, tab.measuring
    soon(qtbot, lambda: form.systole.currentText() == "frame12  (ES)")
    assert form.diastole.currentText() == "p_ED  (ED)"
    controller.measure_function()
    soon(qtbot, lambda: form.table.rowCount() == 6)
    assert [one.prediction.case for one in controller.measured.of] == [shown, other]
    tab.presenter.kept.forgotten += 1
    controller.follow()
    assert form.table.rowCount() == 0, "the run has predicted anew"
    monkeypatch.setattr(PhaseCase, "whose", property(lambda case: case.key.id))
    said = []
    tab._session.said.connect(lambda text, level: said.append((text, level)))
    controller.measure_function()
    soon(qtbot, lambda: any("seem to be of two patients" in text for text, _ in said))
    assert said[-1][1] == "warning"


def test_numbers_go_with_the_segmentation_that_they_were_measured_on(tab, viewer, qtbot, tmp_path):
    predict(tab, qtbot)
    form = tab.measurements

    def rows() -> list[tuple[str, str]]:
        tab.exporting.save_table(tmp_path / "t.csv")
        soon(qtbot, (tmp_path / "t.csv").exists)
        with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
            read = [row for row in csv.DictReader(file) if row["scope"] == "measurement"]
        (tmp_path / "t.csv").unlink()
        return [(row["case"], row["run"]) for row in read]

    def measure() -> None:
        tab.measuring.measure_volumes()
        soon(qtbot, lambda: form.table.rowCount() == 3)

    measure()
    assert rows() == [("p_ED", "one")] * 3
    tab.presenter.choose_shown(TWO)
    assert (form.table.rowCount(), rows()) == (0, [])
    measure()
    tab.presenter.set_cleaning(PostProcessing(largest_component=True))
    soon(qtbot, lambda: form.table.rowCount() == 0)
    measure()
    show(tab._session, heart("p_ES", 5))
    assert (form.table.rowCount(), rows()) == (0, [])
    predict(tab, qtbot)
    tab.measuring.measure_volumes()
    show(tab._session, heart("p_ED", 7))
    qtbot.wait(300)
    assert form.table.rowCount() == 0, "an answer that comes late is of the other case"
    show(tab._session, heart("p_ES", 5))
    tab.measuring.measure_function()
    soon(qtbot, lambda: form.table.rowCount() == 6)
    assert rows() == [("p_ED and p_ES", "two")] * 6, "the newest one is shown"


def test_probabilities_come_when_asked(tab, viewer, qtbot):
    tab.predict.probabilities.setChecked(True)
    tab.presenter.tick((ONE,))
    predict(tab, qtbot)
    names = [layer.name for layer in of_role(viewer, "probabilities")]
    assert names == [f"probability of {name}" for name in HEART.names]


class TestThePlot:
    @pytest.fixture
    def plot(self, qtbot):
        plot = SlicePlot()
        qtbot.addWidget(plot)
        plot.resize(300, 120)
        plot.set_lines([SliceLine("a", "#e69f00", {0: 0.5, 2: 1.0, 3: float("inf")})], 5, "Dice")
        plot.show()
        return plot

    @pytest.mark.parametrize("z", range(5))
    def test_a_click_asks_for_the_slice_under_it(self, plot, qtbot, z):
        with qtbot.waitSignal(plot.slice_asked) as asked:
            qtbot.mouseClick(plot, LEFT, NO_KEY, QPoint(round(plot.x_of(z)), 50))
        assert asked.args == [z]

    def test_arrows_step_and_stay_inside(self, plot, qtbot):
        asked = []
        plot.slice_asked.connect(asked.append)
        plot.set_shown(3)
        for key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            qtbot.keyClick(plot, key)
        plot.set_shown(4)
        qtbot.keyClick(plot, Qt.Key.Key_Right)
        assert asked == [2, 4, 4]

    def test_it_paints_gaps_and_infinity(self, plot):
        assert not plot.grab().isNull()
        low, high = plot.value_range()
        assert (low, high) == (0.0, 1.25), "room above the largest finite value"
        assert plot.y_of(float("inf")) < plot.y_of(1.0)

    def test_whoever_points_to_a_slice_is_told_its_numbers(self, plot):
        assert plot.told_at(plot.x_of(2)) == "slice 2\na 1.00"
        assert plot.told_at(plot.x_of(3)) == "slice 3\na ∞"

    def test_long_numbers_have_room(self, plot):
        before = plot.box().left()
        plot.set_lines([SliceLine("a", "#e69f00", {0: 21000.0})], 5, "Area (mm²)")
        wide = plot.fontMetrics().horizontalAdvance("20000")
        assert plot.box().left() >= max(wide, before)

    @pytest.mark.parametrize(
        ("ends", "words"),
        [
            ((0.0, 1.0), ["0.0", "0.5", "1.0"]),
            ((0.0, 2239.0), ["0", "1000", "2000"]),
            ((0.0, 0.02), ["0.00", "0.01", "0.02"]),
            ((0.0, 3.8), ["0", "2"]),
        ],
    )
    def test_numbers_of_the_axis_are_round(self, ends, words):
        ticks = nice_ticks(*ends)
        assert [tick_text(t, ticks) for t in ticks] == words


def test_ticking_tells_the_runs_in_their_order(qtbot):
    panel = PredictPanel()
    qtbot.addWidget(panel)
    panel.set_runs((RunEntry(ONE, "one"), RunEntry(TWO, "two")), (TWO,))
    assert panel.ticked() == (TWO,)
    with qtbot.waitSignal(panel.ticked_changed) as told:
        panel.runs.item(0).setCheckState(Qt.CheckState.Checked)
    assert told.args == [(ONE, TWO)]
    panel.show_screen(ResultsScreen(predicting=True, why_not_predict="Busy.", progress="one …"))
    assert not panel.predict.isEnabled()
    assert panel.predict.toolTip() == "Busy."


def test_suggestions_go_round(qtbot):
    panel = AdvicePanel()
    qtbot.addWidget(panel)
    assert panel.take_next() is None
    two = (Suggestion(3, 9.0, (1, 1), "Much."), Suggestion(1, 2.0, (1, 1), "Some."))
    panel.set_value(Advice(CaseKey("", "p"), np.zeros((4, 2, 2), np.float32), "disagreement", two))
    assert [panel.take_next().z for _ in range(3)] == [3, 1, 3]


def test_the_form_of_acceptance(qtbot):
    form = AcceptForm()
    qtbot.addWidget(form)
    assert form.value(4).z == 4
    form.where.setCurrentIndex(1)
    form.sure.setValue(1.0)
    assert form.value(4).z is None
    assert form.value(4).most_uncertainty is None


def test_phases_are_for_hearts(qtbot):
    form = MeasurementsForm()
    qtbot.addWidget(form)
    form.set_phases([PhaseCase(CaseKey("", "p"))], is_heart=False)
    assert form.function.isHidden()
    cases = [PhaseCase(CaseKey("", name)) for name in ("x_ES", "x_ED")]
    form.set_phases(cases, is_heart=True)
    assert (form.diastole.currentText(), form.systole.currentText()) == ("x_ED", "x_ES")


def test_whoever_draws_blind_is_shown_no_saved_segmentation_unasked(tab, monkeypatch, qtbot):
    looked: list[str] = []
    blind = [True]

    def newest(_project, _snapshot):
        looked.append("looked")

    asked: list[CaseKey] = []

    def is_blind(_project, stored):
        asked.append(stored)
        return blind[0]

    monkeypatch.setattr(jobs, "is_blind", is_blind)
    monkeypatch.setattr(jobs.saved_predictions, "newest_of_case", newest)
    restored: list[object] = []
    monkeypatch.setattr(tab.presenter, "restored", restored.append)
    tab.presenter.restore()
    soon(qtbot, lambda: restored == [None])
    assert looked == []
    assert None not in asked, "also with strokes that no project keeps"
    blind[0] = False
    tab.presenter.restore()
    soon(qtbot, lambda: looked == ["looked"])


def test_what_came_from_a_dicom_series_is_proposed_as_dicom_seg(tab, tmp_path, qtbot, monkeypatch):
    """And what was written before is not replaced without a question."""
    predict(tab, qtbot)
    asked: list[tuple[str, int]] = []

    def where(_parent, title, _start, _kinds, first=0):
        asked.append((title, first))

    monkeypatch.setattr("napari_scribseg.gui.results.export_panel.ask_where_to_save", where)
    tab.exporting.ask_for_segmentation()
    image = tab._session.selected.image
    layers.note(image, file=str(tmp_path))  # the folder of a series
    tab.exporting.ask_for_segmentation()
    assert asked == [("Export the segmentation", 0), ("Export the segmentation", 1)]


def test_a_model_file_is_loaded_and_a_run_s_model_exported(tab, tmp_path, qtbot, monkeypatch):
    """What the dialogs give goes to the functions that do it, and is told afterwards."""
    taken = tmp_path / "project" / "runs" / "heart"
    asked: list[object] = []

    def take(project, path):
        asked.append(path)
        return taken

    def export(run, path, children):
        asked.append((run, path))
        return path

    monkeypatch.setattr("napari_scribseg.gui.results.runs_controller.take_model", take)
    monkeypatch.setattr("napari_scribseg.gui.results.model_work.export_model", export)
    monkeypatch.setattr(
        "napari_scribseg.gui.results.runs_controller.entry_of",
        lambda folder: RunEntry(folder, "model heart"),
    )
    given = str(tmp_path / "heart.scribseg")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (given, ""))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (given, ""))
    tab.predict.model_asked.emit()
    soon(qtbot, lambda: tab.presenter.choice.ticked == (taken,))
    assert asked == [Path(given)]
    tab.exporting.ask_for_model()
    soon(qtbot, lambda: len(asked) == 2)
    assert asked[1] == (taken, Path(given))
