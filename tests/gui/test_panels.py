"""The parts of the dock one by one, without a viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.gui.canvas.chosen_layers import Selected
from napari_scribseg.gui.case.chooser import CaseChooser
from napari_scribseg.gui.case.inputs_panel import InputsPanel
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry
from napari_scribseg.gui.results.scores_table import ScoresTable
from napari_scribseg.gui.train.panel import TrainingPanel
from napari_scribseg.gui.train.presenter import Phase, TrainingScreen
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
        panel.set_methods([entry("first"), entry("second")])
        return panel

    def test_there_is_nothing_to_train_before_the_methods_are_there(self, qtbot):
        panel = TrainingPanel()
        qtbot.addWidget(panel)
        assert panel.value() is None

    def test_the_first_method_and_its_quick_preset_are_proposed(self, panel):
        assert panel.value() == Choice("first", "quick", {"tau": 0.9}, TrainConfig(steps=20))

    def test_a_choice_round_trips(self, panel):
        choice = Choice("second", "paper", {"tau": 0.25}, TrainConfig(steps=7, device="cpu"))
        panel.set_value(choice)
        assert panel.value() == choice

    def test_a_changed_preset_says_so(self, panel, qtbot):
        assert panel._note.text() == "Fast."
        panel._options.set_value({"tau": 0.1})
        qtbot.waitUntil(lambda: panel._note.text() == "Fast (changed).")

    def test_a_setting_that_is_no_setting_is_refused(self, panel):
        panel._training.set_value({"device": "abacus"})
        with pytest.raises(InvalidInput, match="device"):
            panel.value()

    def test_buttons_follow_the_screen(self, panel):
        panel.show_screen(TrainingScreen(why_not_train="Draw first.", warnings=("slow",)))
        assert not panel._train.isEnabled()
        assert panel._wanted.text() == "Draw first."
        assert panel._warnings.text() == "slow"
        assert panel._train.toolTip() == "Draw first."
        panel.show_screen(TrainingScreen(phase=Phase.TRAINING, can_stop=True, share=0.25))
        assert panel._progress.value() == 0.25 * panel._progress.maximum()


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


def test_cases_are_found_by_a_part_of_their_name(qtbot):
    cases = tuple(
        CaseFiles(id=f"p{n}_ED", patient=f"p{n}", image=Path("x.nii"), split="train")
        for n in range(12)
    )
    dataset = Dataset("Hearts", "plain", Path(), PRESETS["cardiac"], cases)
    chooser = CaseChooser(dataset)
    qtbot.addWidget(chooser)
    assert chooser.chosen is cases[0]
    chooser._filter.setText("P11")
    assert chooser.chosen is cases[11]
    assert sum(not chooser.list.item(row).isHidden() for row in range(12)) == 1
