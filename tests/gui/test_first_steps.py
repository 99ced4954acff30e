"""The first steps: which is next, what ticks one, and who sees them."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import TWO_BALLS, two_ball_case
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.evaluation.disagreement import Suggestion
from napari_scribseg.gui import catalogue, first_steps, recent
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.first_steps import (
    ALL_DONE,
    STEPS,
    FirstSteps,
    FirstStepsPresenter,
    keep_steps,
    steps_at_start,
)
from napari_scribseg.gui.first_steps_panel import FirstStepsPanel
from napari_scribseg.gui.values import Inputs

NAMES = tuple(step.name for step in STEPS)
SAMPLE = Inputs("mr", "scribbles", "reference", TWO_BALLS)


class View:
    """Notes what it is to show."""

    shown: FirstSteps | None = None

    def show_steps(self, steps: FirstSteps) -> None:
        self.shown = steps


class TestPresenter:
    @pytest.fixture
    def kept(self) -> list[FirstSteps]:
        return []

    @pytest.fixture
    def guide(self, kept) -> FirstStepsPresenter:
        return FirstStepsPresenter(View(), FirstSteps(), kept.append)

    def test_the_steps_come_one_after_the_other(self, guide, kept):
        assert guide.steps.current.name == "open"
        guide.inputs_changed(SAMPLE)
        for name, following in zip(NAMES[1:], (*NAMES[2:], None), strict=True):
            assert guide.steps.current.name == name
            guide.happened(name)
            current = guide._view.shown.current
            assert following == (None if current is None else current.name)
        assert [len(steps.done) for steps in kept] == [1, 2, 3, 4, 5]

    def test_an_own_case_counts_as_the_sample_does(self, guide):
        guide.inputs_changed(Inputs("mr", None, None, TWO_BALLS))
        guide.inputs_changed(Inputs("mr", "s", "r", TWO_BALLS, problem="They don't fit."))
        assert guide.steps.done == ()
        guide.inputs_changed(Inputs("mr", "scribbles", None, TWO_BALLS))
        assert guide.steps.current.name == "draw"

    def test_what_happens_early_is_ticked_and_not_asked_again(self, guide):
        guide.happened("draw")
        assert guide.steps.current.name == "open"
        guide.inputs_changed(SAMPLE)
        assert guide.steps.current.name == "train"
        assert guide.steps.number == 3

    def test_a_case_that_came_with_strokes_needs_none_once_it_is_trained(self, guide):
        guide.inputs_changed(SAMPLE)
        guide.happened("train")
        assert guide.steps.done == ("open", "draw", "train")
        assert guide.steps.current.name == "look"

    def test_every_movement_of_the_pen_is_not_written_to_the_disk(self, guide, kept):
        for _ in range(3):
            guide.happened("draw")
        assert len(kept) == 1

    def test_put_away_nothing_is_counted_until_they_are_asked_for(self, guide, kept):
        guide.happened("draw")
        guide.hide()
        guide.happened("train")
        assert kept[-1] == FirstSteps(done=("draw",), hidden=True)
        guide.show(SAMPLE)
        assert set(guide.steps.done) == {"draw", "open"}
        assert not guide._view.shown.hidden

    def test_after_the_last_step_the_next_stroke_puts_them_away(self, guide):
        for name in NAMES:
            guide.happened(name)
        assert not guide.steps.hidden
        guide.happened("draw")
        assert guide.steps.hidden
        guide.show(Inputs(None, None, None, TWO_BALLS))
        assert guide.steps == FirstSteps(starts=1), "once through, they begin anew"


class TestWhoSeesThem:
    def test_somebody_new_does(self, tmp_path):
        assert not steps_at_start(tmp_path).hidden

    @pytest.mark.parametrize("known", ["project", "recent"])
    def test_somebody_with_a_project_does_not(self, tmp_path, known):
        if known == "project":
            (tmp_path / "project.json").write_text("{}", encoding="utf-8")
        else:
            recent.remember(tmp_path / "other", None)
        assert steps_at_start(tmp_path).hidden

    def test_they_go_on_where_they_were_left(self, tmp_path):
        keep_steps(FirstSteps(done=("open", "draw")))
        recent.remember(tmp_path, None)
        assert steps_at_start(tmp_path).current.name == "train"

    def test_they_don_t_stay_for_ever(self, tmp_path):
        for _ in range(3):
            steps = steps_at_start(tmp_path)
            assert not steps.hidden
            FirstStepsPresenter(View(), steps, keep_steps)
        assert steps_at_start(tmp_path).hidden
        guide = FirstStepsPresenter(View(), steps_at_start(tmp_path), keep_steps)
        guide.show(Inputs(None, None, None, TWO_BALLS))
        assert not steps_at_start(tmp_path).hidden, "who asks for them has them again"

    def test_a_first_training_suits_the_size_of_the_slices(self):
        assert first_steps.one_minute((96, 128))["patch"] == [128, 128]
        assert first_steps.one_minute((512, 512)) == {"minutes": 1.0}

    def test_finished_or_damaged_they_stay_away(self, tmp_path):
        keep_steps(FirstSteps(done=NAMES))
        assert steps_at_start(tmp_path).hidden
        first_steps.document_path().write_text("{", encoding="utf-8")
        assert steps_at_start(tmp_path).hidden


def test_the_panel_shows_one_step_in_a_narrow_dock(qtbot):
    panel = FirstStepsPanel()
    qtbot.addWidget(panel)
    asked = []
    panel.step_asked.connect(asked.append)
    for steps in (FirstSteps(), FirstSteps(done=("open",))):
        panel.show_steps(steps)
        panel.action.setFocus()
        QTest.keyClick(panel.action, Qt.Key.Key_Space)
    assert asked == ["open", "draw"]
    assert panel.count.text() == "First steps: 2 of 5"
    assert [dot.toolTip().rsplit("(")[1] for dot in panel.dots[:3]] == ["done)", "next)", "to do)"]
    assert panel.minimumSizeHint().width() <= 340
    for n in range(len(STEPS) + 1):
        panel.show_steps(FirstSteps(done=NAMES[:n]))
        assert panel.layout().totalHeightForWidth(380) <= 90, "room is left on a small screen"
    assert panel.title.text() == ALL_DONE
    assert panel.action.isHidden()
    panel.show_steps(FirstSteps(hidden=True))
    assert panel.isHidden()


def test_the_dock_leads_through_the_steps(make_napari_viewer, tmp_path, qtbot, monkeypatch):
    quick = catalogue.PresetEntry(name="quick", note="", options={}, training=TrainConfig(steps=4))
    entry = catalogue.MethodEntry(
        name="partial_ce",
        title="Partial cross-entropy",
        summary="Learns from the strokes alone.",
        source="Somebody.",
        options_schema={"properties": {}},
        presets=(quick,),
    )
    monkeypatch.setattr(catalogue, "methods", lambda: (entry,))
    viewer = make_napari_viewer()
    dock = ScribbleDock(viewer, tmp_path)
    viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
    guide, panel = dock.guide, dock.first_steps
    qtbot.waitUntil(lambda: dock.train_tab.presenter.methods_ready)

    def press() -> None:
        qtbot.mouseClick(panel.action, Qt.MouseButton.LeftButton)

    opened = []
    monkeypatch.setattr(dock.case_tab.opener, "open_sample", opened.append)
    press()
    assert opened == ["cardiac"]
    assert guide.steps.current.name == "open", "it has not really happened"
    for data in layers.case_data(two_ball_case(), TWO_BALLS):
        viewer.add_layer(layers.layer_of(data))
    assert guide.steps.current.name == "draw"

    press()
    assert dock.tabs.currentWidget() is dock.scribble_tab
    scribbles = dock.session.selected.scribbles
    assert scribbles.mode == "paint"
    scribbles.paint((1, 5, 5), 1)
    assert guide.steps.current.name == "train"

    press()
    assert dock.tabs.currentWidget() is dock.train_tab
    wanted = dock.train_tab.training.value().training
    assert (wanted.minutes, wanted.batch_size, wanted.patch) == (1, 6, (128, 128))
    guide.happened("train")
    guide.happened("look")

    press()
    assert dock.tabs.currentWidget() is dock.results_tab
    assert guide.steps.current.name == "correct", "nothing is known to be unsure"
    dock.results_tab.advising.go_to(Suggestion(2, 0.5, (4, 4), "It is unsure."))
    assert panel.title.text() == ALL_DONE

    qtbot.mouseClick(panel.hide_button, Qt.MouseButton.LeftButton)
    assert panel.isHidden()
    assert steps_at_start(tmp_path).hidden
    assert "Open > First steps" in dock.status.text()
    dock.case_tab.open.asked.emit("first-steps")
    assert not panel.isHidden()
    assert guide.steps.current.name == "draw", "the case is open already"
    assert np.asarray(scribbles.data)[1, 5, 5]
