"""The parts of the dock one by one, without a viewer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import Qt

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui.canvas.chosen_layers import Selected
from napari_scribseg.gui.case.inputs_panel import InputsPanel
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry
from napari_scribseg.gui.results.scores_table import ScoresTable
from napari_scribseg.gui.train.method_list import MethodBox
from napari_scribseg.gui.train.methods_dialog import MethodsDialog
from napari_scribseg.gui.train.panel import TrainingPanel
from napari_scribseg.gui.train.progress_card import ProgressCard
from napari_scribseg.gui.train.screen import Phase, TrainingScreen
from napari_scribseg.gui.values import Choice
from napari_scribseg.gui.widgets.numbers import Row

OPTIONS = {"properties": {"tau": {"type": "number", "default": 0.9, "minimum": 0}}}


def entry(name: str) -> MethodEntry:
    quick = PresetEntry(
        name="quick", note="Fast.", options={"tau": 0.9}, training=TrainConfig(steps=20)
    )
    paper = PresetEntry(
        name="paper", note="Slow.", options={"tau": 0.5}, training=TrainConfig(steps=9000)
    )
    return MethodEntry(
        name=name,
        title=name.title(),
        summary=f"What {name} does.",
        source="Somebody.",
        options_schema=OPTIONS,
        presets=(paper, quick),
    )


class TestTrainingPanel:
    @pytest.fixture
    def panel(self, qtbot) -> TrainingPanel:
        panel = TrainingPanel()
        qtbot.addWidget(panel)
        panel.form.set_methods([entry("first"), entry("second")])
        panel.form.held_out.setChecked(False)
        return panel

    def test_there_is_nothing_to_train_before_the_methods_are_there(self, qtbot):
        panel = TrainingPanel()
        qtbot.addWidget(panel)
        assert panel.value() is None

    def test_the_first_method_and_its_quick_preset_are_proposed(self, panel):
        assert panel.value() == Choice("first", "quick", {"tau": 0.9}, TrainConfig(steps=20))

    def test_a_choice_round_trips(self, panel):
        choice = Choice("second", "paper", {"tau": 0.25}, TrainConfig(steps=7, device="cpu"))
        panel.form.set_value(choice)
        assert panel.value() == choice

    def test_a_changed_preset_says_so(self, panel, qtbot):
        form = panel.form
        assert form._note.text() == "Fast."
        assert form._options.caption("tau") == "τ ○", "the paper has another number"
        form._options.set_value({"tau": 0.1})
        qtbot.waitUntil(lambda: form._note.text() == "Fast (changed: ●).")
        assert form._options.caption("tau") == "τ ● ○"
        form._options.set_value({"tau": 0.5})
        qtbot.waitUntil(lambda: form._options.caption("tau") == "τ ●")

    def test_a_setting_that_is_no_setting_is_refused(self, panel):
        panel.form._training.set_value({"device": "abacus"})
        with pytest.raises(InvalidInput, match="device"):
            panel.value()

    def test_buttons_follow_the_screen(self, panel):
        panel.show_screen(TrainingScreen(why_not_train="Draw first.", warnings=("slow",)))
        assert not panel._train.isEnabled()
        assert panel._wanted.text() == "Draw first."
        assert panel._warnings.text() == "slow"
        assert panel._train.toolTip() == "Draw first."

    def test_the_form_folds_while_something_is_trained(self, panel):
        training = TrainingScreen(phase=Phase.TRAINING, can_stop=True)
        panel.show_screen(training)
        assert panel.form.isHidden()
        panel._unfold.setChecked(True)
        assert not panel.form.isHidden()
        panel.show_screen(training)
        assert not panel.form.isHidden(), "who opens it may read it"
        panel.show_screen(TrainingScreen())
        assert not panel.form.isHidden()

    def test_another_method_keeps_the_minutes_and_the_device(self, panel):
        panel.change_training(minutes=7.0, device="cpu")
        panel.form.method.choose("second")
        training = panel.value().training
        assert (training.minutes, training.device) == (7.0, "cpu")
        assert training.steps == 20, "of its preset"

    def test_a_budget_is_proposed_until_one_is_chosen(self, panel):
        assert panel.form.propose_budget({"minutes": 2.0})
        assert panel.value().training.minutes == 2.0
        panel.change_training(minutes=9.0)
        assert not panel.form.propose_budget({"minutes": 2.0})
        assert panel.value().training.minutes == 9.0

    def test_a_fifth_is_held_back_unless_that_is_switched_off(self, qtbot):
        panel = TrainingPanel()
        qtbot.addWidget(panel)
        panel.form.set_methods([entry("first")])
        assert panel.value().training.held_out_strokes == 0.2
        panel.form.held_out.setChecked(False)
        assert panel.value().training.held_out_strokes == 0.0
        panel.change_training(held_out_strokes=0.3)
        assert panel.value().training.held_out_strokes == 0.3

    def test_what_waits_is_shown_and_can_go_on_or_go_away(self, panel, qtbot):
        assert panel._queue.isHidden()
        panel.show_screen(TrainingScreen(waiting=16))
        assert panel._waiting.text() == "16 runs wait, never trained."
        with qtbot.waitSignal(panel.go_on_asked):
            panel._go_on.click()
        panel.show_screen(TrainingScreen(phase=Phase.TRAINING, waiting=1, queue_on=True))
        assert panel._waiting.text() == "Then 1 run more."
        assert panel._go_on.isHidden()


class TestMethodBox:
    ENTRIES = (
        entry("walker"),
        replace(entry("ours"), group="paper"),
        entry("plain"),
        replace(entry("bound"), group="full", uses_references=True),
    )

    @pytest.fixture
    def box(self, qtbot) -> MethodBox:
        box = MethodBox()
        qtbot.addWidget(box)
        box.set_methods(self.ENTRIES)
        return box

    def test_methods_stand_in_groups_and_a_heading_is_no_method(self, box):
        assert [box.itemText(i) for i in range(box.count())] == [
            *("Proposed", "Walker", "Methods of the four papers", "Ours"),
            *("Baselines", "Plain", "Need a dense reference", "Bound"),
        ]
        assert box.name == "walker"
        assert not box.model().item(2).isEnabled()
        assert box.choose("bound")
        assert box.currentText() == "Bound"
        assert not box.choose("heading")

    def test_only_ticked_methods_are_trained_and_the_total_is_said(self, qtbot):
        training = TrainConfig(minutes=2)
        dialog = MethodsDialog(self.ENTRIES, training, "ours", has_reference=False)
        qtbot.addWidget(dialog)
        assert dialog.chosen() == ["ours"]
        dialog.tick("plain")
        assert dialog.chosen() == ["ours", "plain"]
        assert dialog.total().startswith("2 methods, 2 min each: 4 min in all")
        dialog.tick("ours")
        row = [dialog._list.item(i) for i in range(dialog._list.count())][-1]
        assert not row.flags() & Qt.ItemFlag.ItemIsEnabled
        assert "dense reference" in row.toolTip()


class TestProgressCard:
    @pytest.fixture
    def card(self, qtbot) -> ProgressCard:
        card = ProgressCard()
        qtbot.addWidget(card)
        return card

    def test_is_away_when_nothing_is_trained(self, card):
        assert card.isHidden()

    def test_shows_method_and_how_far_it_is_and_can_pause_finish_abort(self, card, qtbot):
        going = TrainingScreen(
            phase=Phase.TRAINING,
            title="EFFDNet",
            share=0.25,
            progress_text="Step 5 of 20 · 40 s left",
            can_stop=True,
            waiting=2,
            queue_on=True,
        )
        card.show_screen(going)
        assert not card.isHidden()
        assert card.title.text() == "EFFDNet · then 2 more"
        assert card.text.text() == "Step 5 of 20 · 40 s left"
        assert card.bar.value() == card.bar.maximum() / 4
        assert card.buttons() == {"Pause": True, "Finish now": True, "Abort": True}
        with qtbot.waitSignal(card.pause_asked) as asked:
            card.press("Pause")
        assert asked.args == [True]
        card.show_screen(replace(going, paused=True))
        with qtbot.waitSignal(card.pause_asked) as asked:
            card.press("Continue")
        assert asked.args == [False]
        with qtbot.waitSignal(card.finish_asked):
            card.press("Finish now")

    def test_says_how_it_ended_until_it_is_put_away(self, card, qtbot):
        done = TrainingScreen(title="EFFDNet", result="EFFDNet: trained 20 steps in 9 s.")
        card.show_screen(done)
        assert card.buttons() == {"Show result": True, "Close": True}
        with qtbot.waitSignal(card.result_asked):
            card.press("Show result")
        card.show_screen(replace(done, estimate="other news"))
        assert card.isHidden(), "whoever has looked needs it no more"
        card.show_screen(replace(done, result="Another one."))
        assert not card.isHidden()
        card.press("Close")
        assert card.isHidden()


class TestInputsPanel:
    @pytest.fixture
    def panel(self, qtbot) -> InputsPanel:
        panel = InputsPanel()
        qtbot.addWidget(panel)
        return panel

    def test_the_chosen_layer_stays_chosen_when_others_come_and_go(self, panel, qtbot):
        first, second = (Labels(np.zeros((1, 2, 2), np.uint8), name="same") for _ in range(2))
        panel.set_choices("scribbles", [first])
        panel.set_value(Selected(scribbles=first))
        with qtbot.assertNotEmitted(panel.value_changed):
            panel.set_choices("scribbles", [second, first])
        assert panel.value().scribbles is first

    def test_a_layer_that_goes_is_no_longer_chosen(self, panel, qtbot):
        image = Image(np.zeros((1, 2, 2)))
        panel.set_choices("image", [image])
        panel.set_value(Selected(image=image))
        with qtbot.waitSignal(panel.value_changed):
            panel.set_choices("image", [])
        assert panel.value().image is None


def test_scores_are_shown_as_they_are_worded_and_nothing_is_cut_off(qtbot):
    table = ScoresTable()
    qtbot.addWidget(table)
    table.resize(360, 200)
    rv = Row("RV", "#e69f00", "0.913", "4.2", "101.0", "1.1", "0.90", "0.92")
    table.set_rows([rv, Row("mean", "", "0.9", "104.2 +1∞", "", "3.1", "0.9", "0.9")])
    cells = [table.item(0, column).text() for column in range(7)]
    assert cells == ["RV", "0.913", "4.2", "1.1", "0.90", "0.92", "101.0"]
    assert [table.columnSpan(1, x) for x in range(7)] == [1] * 7, "each mean under its heading"
    long = table.fontMetrics().horizontalAdvance("104.2 +1∞")
    assert table.columnWidth(2) > long
    assert not table.isHidden()
    table.set_rows([])
    assert table.isHidden()
