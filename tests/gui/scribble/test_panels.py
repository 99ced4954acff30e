"""The parts of the Scribble tab one by one, without a viewer."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from napari_scribseg.annotation.checklist import Item
from napari_scribseg.core.labels import (
    BACKGROUND,
    PALETTE,
    PRESETS,
    UNSURE,
    LabelClass,
    LabelSchema,
)
from napari_scribseg.gui.canvas.tools import Widths
from napari_scribseg.gui.scribble import keys
from napari_scribseg.gui.scribble.brush_panel import BrushPanel
from napari_scribseg.gui.scribble.checklist_panel import ChecklistPanel
from napari_scribseg.gui.scribble.class_chip import ClassChip
from napari_scribseg.gui.scribble.classes_panel import ClassesPanel
from napari_scribseg.gui.scribble.presenter import ChipCounts
from napari_scribseg.gui.scribble.schema_dialog import SchemaDialog
from napari_scribseg.gui.scribble.strokes_panel import StrokesPanel

LEFT = Qt.MouseButton.LeftButton
HEART = PRESETS["cardiac"]


class TestClassesPanel:
    @pytest.fixture
    def panel(self, qtbot) -> ClassesPanel:
        panel = ClassesPanel()
        qtbot.addWidget(panel)
        return panel

    def chips(self, panel) -> dict[int, ClassChip]:
        return {chip.value: chip for chip in panel._chips}

    def test_there_is_a_chip_for_every_value_that_may_be_drawn(self, panel):
        assert set(self.chips(panel)) == {*HEART.scribble_values, UNSURE}

    def test_clicking_a_chip_asks_for_its_value(self, panel, qtbot):
        with qtbot.waitSignal(panel.value_chosen) as asked:
            qtbot.mouseClick(self.chips(panel)[BACKGROUND], LEFT)
        assert asked.args == [BACKGROUND]
        assert panel.value() == BACKGROUND

    def test_a_chip_is_chosen_by_the_keyboard(self, panel, qtbot):
        with qtbot.waitSignal(panel.value_chosen) as asked:
            qtbot.keyClick(self.chips(panel)[2], Qt.Key.Key_Space)
        assert asked.args == [2]

    def test_setting_the_value_asks_for_nothing(self, panel, qtbot):
        with qtbot.assertNotEmitted(panel.value_chosen):
            panel.set_value(2)
        assert panel.value() == 2
        panel.set_value(0)
        assert panel.value() is None

    @pytest.mark.parametrize(
        ("names", "rows"),
        [
            (("LV",), [["LV", "background", "unsure"]]),
            (("PZ", "CG"), [["PZ", "CG"], ["background", "unsure"]]),
            (("RV", "MYO", "LV"), [["RV", "MYO"], ["LV", "background", "unsure"]]),
        ],
    )
    def test_no_chip_takes_a_row_of_its_own_and_short_names_are_whole(self, panel, names, rows):
        classes = tuple(
            LabelClass(name=name, color=color) for name, color in zip(names, PALETTE, strict=False)
        )
        panel.set_schema(LabelSchema(title="some", classes=classes))
        panel.resize(376, 300)
        panel.show()
        chips = self.chips(panel).values()
        found = {}
        for chip in chips:
            found.setdefault(chip.y(), []).append(chip.text())
            assert chip.width() >= chip.sizeHint().width(), "its name is not cut"
        assert list(found.values()) == rows

    def test_counts_are_told_in_few_words_where_there_is_little_room(self, panel):
        panel.set_counts({UNSURE: ChipCounts(592, 2318)})
        chip = self.chips(panel)[UNSURE]
        metrics = chip.fontMetrics()
        assert chip._numbers(metrics, 900) == "592 here · 2318 in all"
        narrow = metrics.horizontalAdvance("592 of 2318")
        assert chip._numbers(metrics, narrow) == "592 of 2318"

    def test_tooltips_tell_key_and_amounts(self, panel):
        panel.set_counts({2: ChipCounts(7, 41)})
        told = self.chips(panel)[2].toolTip()
        assert "key 2" in told
        assert "7 voxels drawn on this slice, 41" in told
        panel.grab()  # paints

    def test_a_preset_is_asked_for_and_shown_once_it_is_set(self, panel, qtbot):
        index = list(PRESETS.values()).index(PRESETS["prostate"])
        with qtbot.waitSignal(panel.schema_asked) as asked:
            panel._presets.activated.emit(index)
        assert asked.args == [PRESETS["prostate"]]
        assert panel.schema() == HEART, "it may be refused"
        panel.set_schema(PRESETS["prostate"])
        assert panel._presets.currentIndex() == index

    def test_a_schema_from_elsewhere_is_offered(self, panel):
        schema = LabelSchema.of("liver", "a very long name indeed", "spleen")
        panel.set_schema(schema)
        assert panel.schema() == schema
        assert panel._presets.currentText() == schema.title
        assert len(self.chips(panel)) == 5


class TestSchemaDialog:
    @pytest.fixture
    def dialog(self, qtbot) -> SchemaDialog:
        dialog = SchemaDialog(None, HEART, {1: 40, BACKGROUND: 9})
        qtbot.addWidget(dialog)
        return dialog

    def removers(self, dialog) -> list[QPushButton]:
        cells = [dialog._grid.itemAtPosition(r + 1, 6) for r in range(len(dialog._names))]
        return [cell.widget() for cell in cells]

    def test_it_begins_with_the_schema(self, dialog):
        assert dialog.value() == HEART

    def test_names_change_and_colours_stay(self, dialog, qtbot):
        dialog._names[0].clear()
        qtbot.keyClicks(dialog._names[0], "right ventricle")
        assert dialog.value().names[1] == "right ventricle"
        assert dialog.value().classes[0].color == HEART.classes[0].color

    def test_a_new_class_comes_last_with_a_free_colour(self, dialog, qtbot):
        dialog._add()
        assert dialog.value() is None, "it has no name yet"
        assert not dialog._problem.isHidden()
        qtbot.keyClicks(dialog._names[-1], "aorta")
        assert dialog.value().names == ("background", "RV", "MYO", "LV", "aorta")
        assert dialog.value().classes[-1].color == PALETTE[3]

    def test_what_is_drawn_can_not_be_removed_and_says_why(self, dialog, qtbot):
        drawn, free = self.removers(dialog)[0], self.removers(dialog)[1]
        assert not drawn.isEnabled()
        assert "40 voxels" in drawn.toolTip()
        qtbot.mouseClick(free, LEFT)
        assert dialog.value().names == ("background", "RV", "LV")

    def test_two_equal_names_are_no_schema(self, dialog, qtbot):
        dialog._names[0].clear()
        qtbot.keyClicks(dialog._names[0], "lv")
        assert dialog.value() is None


class TestBrushPanel:
    @pytest.fixture
    def panel(self, qtbot) -> BrushPanel:
        panel = BrushPanel("C", "T")
        qtbot.addWidget(panel)
        return panel

    def test_widths_round_trip_without_a_signal(self, panel, qtbot):
        with qtbot.assertNotEmitted(panel.widths_changed):
            panel.set_value(Widths(4, 9))
        assert panel.value() == Widths(4, 9)

    def test_millimetres_follow_the_voxel(self, panel, qtbot):
        panel.set_voxel(1.5)
        panel.set_value(Widths(2, 4))
        panel._unit.setCurrentIndex(1)
        assert panel._spins["paint"].value() == 3.0
        with qtbot.waitSignal(panel.widths_changed) as changed:
            panel._spins["erase"].setValue(9.1)
        assert changed.args == [Widths(2, 6)]
        assert panel._spins["erase"].value() == 9.0, "what it really is"

    def test_it_shows_the_tool(self, panel, qtbot):
        with qtbot.assertNotEmitted(panel.protect_changed):
            panel.show_tool("erase", protects=True)
        assert panel._tools["erase"].isChecked()
        assert not panel._tools["paint"].isChecked()
        assert panel._protect.isChecked()

    def test_it_is_narrow(self, panel):
        assert panel.minimumSizeHint().width() <= 320


def test_proposals_can_be_answered_only_while_there_are_some(qtbot):
    panel = StrokesPanel(keys.DEFAULTS)
    qtbot.addWidget(panel)
    panel.set_state("Draw first.", None, has_proposal=False, busy=False)
    assert not panel._interpolate.isEnabled()
    assert panel._interpolate.toolTip() == "Draw first."
    assert panel._bar.isHidden()
    panel.set_state(None, "No reference.", has_proposal=True, busy=False)
    assert "key I" in panel._interpolate.toolTip()
    assert not panel._bar.isHidden()
    assert not panel._simulate.isEnabled()


def test_the_checklist_leads_to_the_slice(qtbot):
    panel = ChecklistPanel()
    qtbot.addWidget(panel)
    panel.set_value([Item("a", "done", "All is well.", 1), Item("b", "advice", "Look here.", 4)])
    assert panel._score.text() == "1 of 2"
    (go,) = panel.findChildren(QPushButton)
    with qtbot.waitSignal(panel.slice_asked) as asked:
        qtbot.keyClick(go, Qt.Key.Key_Space)
    assert asked.args == [4]
    panel.set_value([])
    assert panel._score.text() == ""


class TestKeys:
    def test_defaults_are_letters_that_differ(self):
        assert all(keys.usable(key) for key in keys.DEFAULTS.values())
        assert len(set(keys.DEFAULTS.values())) == len(keys.DEFAULTS)

    @pytest.mark.parametrize("key", ["", "a", "Space", "Ctrl+A", "F0", "F13", "Ä", "1"])
    def test_other_keys_are_not_taken(self, key):
        assert not keys.usable(key)

    def test_preferences_count_unless_two_deeds_would_share_a_key(self, monkeypatch):
        monkeypatch.setattr(keys, "_stored", lambda: {"grow": "H", "accept": "A", "drop": "x"})
        chosen = keys.chosen_keys()
        assert chosen == {**keys.DEFAULTS, "grow": "H"}

    def test_the_manifest_offers_the_same_keys(self):
        from pathlib import Path

        from npe2 import PluginManifest

        import napari_scribseg

        manifest = PluginManifest.from_file(Path(napari_scribseg.__file__).with_name("napari.yaml"))
        offered = manifest.contributions.configurations["drawing_keys"].properties
        assert {action: one.default for action, one in offered.items()} == keys.DEFAULTS
