"""The batch evaluation in a real viewer: plan, check, run, stop, continue, look at what came out.

Small programs stand in for the trainings, except in the one test that is marked slow.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from experiments import stub_program
from phantoms import TWO_BALLS, phantom_dataset
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices

from napari_scribseg.cli import main
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.experiment import process as experiment_process
from napari_scribseg.experiment.experiment import load_experiment
from napari_scribseg.experiment.recipe import PublishedFolds, load_recipe
from napari_scribseg.experiment.worst_slices import PickedSlice, prediction_path
from napari_scribseg.gui import catalogue, closing
from napari_scribseg.gui.batch import widget as batch
from napari_scribseg.gui.batch.results import BatchResults, load_slice
from napari_scribseg.gui.batch.screen import Phase
from napari_scribseg.gui.batch.widget import BatchEvaluation
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.slices import shown_slice
from napari_scribseg.gui.closing import CloseQuestion
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.own_presets import OwnPreset, keep_preset
from napari_scribseg.io import read_labels, write_volume
from napari_scribseg.project.open_document import is_project

LEFT = Qt.MouseButton.LeftButton
RESULTS = ("scores.csv", "summary.csv", "comparisons.csv")
_WAIT_MS = 240_000
"""Upper limit: on a busy machine every process takes seconds to start."""
pytestmark = pytest.mark.timeout(600)
_TRAINING_MS = 900_000


def method(name: str) -> catalogue.MethodEntry:
    quick = catalogue.PresetEntry(
        name="quick", note="Fast.", options={"tau": 0.9}, training=TrainConfig(steps=3)
    )
    return catalogue.MethodEntry(
        name=name,
        title=name.capitalize(),
        summary="Learns.",
        source="Somebody.",
        options_schema={"properties": {"tau": {"type": "number", "default": 0.9}}},
        presets=(quick, replace(quick, name="paper")),
    )


@pytest.fixture
def stubbed(monkeypatch):
    monkeypatch.setattr(catalogue, "methods", lambda: tuple(map(method, ("good", "plain"))))
    monkeypatch.setattr(experiment_process, "PROGRAM", stub_program())


@pytest.fixture
def data(tmp_path) -> Path:
    return phantom_dataset(tmp_path / "data", 4, shape=(2, 32, 32))


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


def opened(viewer, qtbot) -> BatchEvaluation:
    widget = BatchEvaluation(viewer)
    viewer.window.add_dock_widget(widget, name="Batch evaluation", area="right")
    qtbot.waitUntil(lambda: widget.presenter.methods_ready, timeout=_WAIT_MS)
    return widget


@pytest.fixture
def widget(viewer, qtbot, stubbed, data, tmp_path) -> BatchEvaluation:
    widget = opened(viewer, qtbot)
    widget.plan.dataset.setText(str(data))
    widget.plan.out.setText(str(tmp_path / "out"))
    widget.plan.split.folds.setValue(2)
    return widget


def click(qtbot, button) -> None:
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, LEFT)


def idle(widget: BatchEvaluation, qtbot, wait_ms: int = _WAIT_MS) -> None:
    qtbot.waitUntil(lambda: widget.presenter.screen.phase is Phase.IDLE, timeout=wait_ms)


def test_the_project_that_is_open_is_proposed(viewer, qtbot, stubbed, data, tmp_path):
    dock = ScribbleDock(viewer, tmp_path / "project")
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    assert opened(viewer, qtbot).plan.dataset.text() == "", "there is no project yet"
    dock.case_tab.opener.open_files(read_dataset(data).cases, TWO_BALLS)
    qtbot.waitUntil(lambda: is_project(tmp_path / "project"))
    plan = opened(viewer, qtbot).plan
    assert plan.dataset.text() == str(tmp_path / "project")
    assert "project" in plan.out.text()


def check(widget: BatchEvaluation, qtbot, wait_ms: int = _WAIT_MS) -> None:
    click(qtbot, widget.plan._check)
    idle(widget, qtbot, wait_ms)


def run(widget: BatchEvaluation, qtbot, wait_ms: int = _WAIT_MS) -> None:
    check(widget, qtbot, wait_ms)
    click(qtbot, widget.plan._run)
    idle(widget, qtbot, wait_ms)


def test_from_the_plan_to_the_comparison(widget, qtbot, tmp_path, monkeypatch):
    assert not widget.plan._run.isEnabled()
    check(widget, qtbot)
    assert widget.trials.table.texts(0) == ["good", "plain"] * 2
    assert set(widget.trials.table.texts(4)) == {"waiting"}
    assert "on the disk" in widget.check.estimate.text()
    assert not (tmp_path / "out").exists()

    click(qtbot, widget.plan._run)
    assert not widget.plan._check.isEnabled()
    idle(widget, qtbot)
    assert widget.status.text() == "All 4 trials are finished."
    assert widget.trials.table.texts(4) == ["finished"] * 4
    dice = widget.trials.table.texts(5)
    widget.trials.table.sortByColumn(5, Qt.SortOrder.AscendingOrder)
    assert widget.trials.table.texts(5) == sorted(dice, key=float)
    assert "patients" in widget.results.comparisons.text()
    shown: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()))
    click(qtbot, widget.results.folder)
    assert Path(shown[0]) == tmp_path / "out"


def test_obstacles_are_told_and_nothing_can_be_started(widget, qtbot, tmp_path):
    widget.plan.split.folds.setValue(9)
    check(widget, qtbot)
    assert "9 folds need at least 9 patients" in widget.check.obstacles.text()
    assert not widget.plan._run.isEnabled()
    widget.plan.split.folds.setValue(2)
    assert widget.plan._run.toolTip() == "The plan was changed: press Check again."


def test_stop_continue_and_open_again(widget, viewer, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(experiment_process, "PROGRAM", stub_program(30.0))
    check(widget, qtbot)
    click(qtbot, widget.plan._run)
    qtbot.waitUntil((tmp_path / "out" / "trained.txt").exists, timeout=_WAIT_MS)
    click(qtbot, widget.trials.stop)
    idle(widget, qtbot)
    assert widget.status.text().startswith("Stopped with 0 of 4")
    assert "interrupted" in widget.trials.table.texts(4)

    widget.presenter.checked_plan = None
    widget.plan.dataset.setText("elsewhere")
    monkeypatch.setattr(experiment_process, "PROGRAM", stub_program())
    widget.presenter.open_experiment(tmp_path / "out")
    qtbot.waitUntil(lambda: widget.status.text() == "0 of 4 trials finished.", timeout=_WAIT_MS)
    assert widget.plan.dataset.text() == str(tmp_path / "data"), "the form shows its plan"
    click(qtbot, widget.trials.go_on)
    idle(widget, qtbot)
    assert widget.trials.table.texts(4) == ["finished"] * 4


def test_a_crash_is_told_with_the_end_of_the_log(widget, qtbot, monkeypatch):
    check(widget, qtbot)
    code = "import os, sys; print('Out of luck.', file=sys.stderr); os._exit(9)"
    monkeypatch.setattr(experiment_process, "PROGRAM", (experiment_process.PROGRAM[0], "-c", code))
    click(qtbot, widget.plan._run)
    idle(widget, qtbot)
    assert "code 9" in widget.status.text()
    assert "Out of luck." in widget.status.text()


def test_failed_trials_say_why_and_are_repeated(widget, qtbot, monkeypatch):
    widget.plan.methods.rows[1].label.setText("bad")
    run(widget, qtbot)
    assert widget.status.text() == "2 of 4 trials finished, 2 failed: see the table."
    widget.trials.table.sortByColumn(4, Qt.SortOrder.AscendingOrder)
    widget.trials.table.selectRow(0)
    assert "not finite" in widget.trials.reason.text()
    click(qtbot, widget.trials.repeat)
    qtbot.waitUntil(lambda: widget.presenter.screen.phase is Phase.RUNNING)
    idle(widget, qtbot)


def test_a_recipe_holds_everything_and_fills_the_form(widget, qtbot, tmp_path):
    keep_preset(
        OwnPreset(
            method="plain",
            name="mine",
            options={"tau": 0.5},
            training=TrainConfig(steps=9, batch_size=2, device="cpu"),
        )
    )
    plan, path = widget.plan, tmp_path / "recipe.json"
    rows = plan.methods.rows
    rows[0].settings.setText("tau=0.95 patch=64,64")
    rows[0].preset.setCurrentText("paper")
    rows[1]._method_changed()
    rows[1].preset.setCurrentText("mine (own)")
    click(qtbot, plan.methods.add)
    plan.budget.setCurrentText("minutes")
    plan.amount.setValue(2.125)
    plan.split.set_value(PublishedFolds(name="maag"))
    plan.more.seeds.setText("0, 4")
    plan.more.shares.setText("0.25, 1")
    plan.more.locked.setText("patient01, patient02")
    plan.more.title.setText("All of it")
    plan.more.patient_pattern.setText(r"^(patient\d+)")
    widget.presenter.save_recipe(path)
    qtbot.waitUntil(path.exists)
    recipe = load_recipe(path)
    first, second, third = recipe.methods
    assert (first.preset, first.settings) == ("paper", {"tau": 0.95, "patch": [64, 64]})
    assert second.settings == {"tau": 0.5, "batch_size": 2}, "budget and device are common"
    assert third.label == "good_quick"
    assert (recipe.minutes, recipe.shares, recipe.random_seeds) == (2.125, (0.25, 1.0), (0, 4))

    other = batch.BatchPlanPanel()
    qtbot.addWidget(other)
    other.set_value(recipe, tmp_path / "out")
    other.set_methods([method("good"), method("plain")])
    assert other.value().recipe == recipe


def test_a_run_of_a_trial_is_shown_in_the_main_dock_and_can_t_be_deleted(
    widget, viewer, qtbot, npe2pm
):
    run(widget, qtbot)
    with npe2pm.tmp_plugin(package="napari-scribseg"):
        widget.trials.table.selectRow(0)
        click(qtbot, widget.trials.open_run)
        _, dock = viewer.window.add_plugin_dock_widget("napari-scribseg", "Scribble segmentation")
    assert isinstance(dock, ScribbleDock)
    assert dock.tabs.currentWidget() is dock.train_tab
    runs = dock.train_tab.runs
    qtbot.waitUntil(lambda: runs.list.count() == 1, timeout=_WAIT_MS)
    assert "good-fold1-seed0-100" in runs.list.item(0).text()
    assert runs.offered() == ["log"]
    dock.train_tab.presenter.jobs.list_runs()
    qtbot.wait(200)
    assert runs.list.count() == 1, "it stays after the list is read again"


def test_a_worst_slice_is_shown_over_image_and_reference(widget, viewer, qtbot, tmp_path):
    run(widget, qtbot)
    folder, name = tmp_path / "out", "good-fold1-seed0-100"
    experiment = load_experiment(folder)
    case = next(c for c in experiment.cases if c.files.id in experiment.folds[0].test)
    picked = PickedSlice(name, "good", 1.0, case.files.id, 1, 0.25, "worst")
    reference = read_labels(case.files.reference)
    for label in ("good", "plain"):
        path = prediction_path(folder, f"{label}-fold1-seed0-100", case.files.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, reference)
    widget.presenter._update(results=BatchResults(worst=(picked,)))
    viewer.add_image(np.zeros((2, 4, 4)), name="somebody's")
    widget.results.worst.selectRow(0)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=_WAIT_MS)
    image, shown_reference, segmentation = list(viewer.layers)[1:]
    assert [layers.role_of(one) for one in viewer.layers[1:]] == ["comparison"] * 3, "only shown"
    assert np.array_equal(shown_reference.data, segmentation.data)
    assert not viewer.layers["somebody's"].visible
    assert shown_slice(viewer, image) == 1

    other = PickedSlice("plain-fold1-seed0-100", "plain", 1.0, picked.case, 0, 0.3, "worst")
    widget.presenter.slice_loaded(load_slice(folder, experiment, other))
    assert len(viewer.layers) == 4, "the segmentation of the other method takes its place"
    assert viewer.layers[-1].name == "plain"
    assert shown_slice(viewer, image) == 0
    y, x = (d * s for d, s in zip(image.data.shape[1:], image.scale[1:], strict=True))
    wide = min(viewer.canvas.size[0] / abs(y), viewer.canvas.size[1] / abs(x))
    assert viewer.scene.camera.zoom == pytest.approx(0.95 * wide, rel=0.05), "it fills the canvas"
    widget.results.back.click()
    assert [one.name for one in viewer.layers] == ["somebody's"]
    assert viewer.layers[0].visible


@pytest.mark.parametrize("let_go", [True, False])
def test_the_window_asks_before_it_closes(widget, qtbot, monkeypatch, tmp_path, let_go):
    monkeypatch.setattr(experiment_process, "PROGRAM", stub_program(30.0))
    assert widget._leaving.ask(), "nothing runs, nothing is asked"
    check(widget, qtbot)
    click(qtbot, widget.plan._run)
    qtbot.waitUntil((tmp_path / "out" / "trained.txt").exists, timeout=_WAIT_MS)
    asked: list[str] = []

    def answer(question: CloseQuestion) -> bool:
        asked.extend(question.choices[0])
        question.choices[0]["detach" if let_go else "stop"].setChecked(True)
        return True

    monkeypatch.setattr(closing.CloseQuestion, "exec_", answer)
    process = widget.jobs._process
    assert widget._leaving.ask()
    assert asked == ["detach", "stop"]
    widget.end()
    if let_go:
        assert process.is_alive
        process.stop()
    qtbot.waitUntil(lambda: not process.is_alive, timeout=_WAIT_MS)
    assert list((tmp_path / "out" / "clients").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(2 * _TRAINING_MS // 1000)
def test_the_window_and_the_command_line_give_the_same_files(viewer, qtbot, tmp_path, capsys, data):
    widget = opened(viewer, qtbot)
    plan, ours, typed = widget.plan, tmp_path / "ours", tmp_path / "typed"
    names = [entry.name for entry in plan.methods._entries]
    for row, name in zip(plan.methods.rows, ("random_walker", "partial_ce"), strict=True):
        row.method.setCurrentIndex(names.index(name))
        row.settings.setText("patch=32,32 batch_size=2")
    plan.dataset.setText(str(data))
    plan.out.setText(str(ours))
    plan.split.folds.setValue(2)
    plan.split.seed.setValue(3)
    plan.budget.setCurrentText("steps")
    plan.amount.setValue(2)
    plan.more.device.setEditText("cpu")
    recipe = tmp_path / "recipe.json"
    widget.presenter.save_recipe(recipe)
    run(widget, qtbot, _TRAINING_MS)
    assert widget.status.text() == "All 4 trials are finished."

    words = ["experiment", data, "--method", "random_walker", "--method", "partial_ce"]
    words += ["--set", "patch=32,32", "--set", "batch_size=2", "--folds", "2", "--fold-seed", "3"]
    words += ["--steps", "2", "--device", "cpu"]
    assert main([*map(str, words), "--out", str(typed), "--json"]) == 0
    for name in RESULTS:
        assert (ours / name).read_bytes() == (typed / name).read_bytes(), name
    written = tmp_path / "written.json"
    assert main([*map(str, words), "--save-recipe", str(written)]) == 0
    assert load_recipe(written) == load_recipe(recipe)

    assert widget.results.worst.rowCount() > 0
    widget.results.worst.selectRow(0)
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=_WAIT_MS)
