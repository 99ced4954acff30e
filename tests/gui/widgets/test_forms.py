"""Forms give back what they show, within the limits of the settings."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QCheckBox, QLabel

from napari_scribseg.core.config import MethodConfig, Positive, PositiveInt, TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui.widgets.field_words import engine_groups, method_groups
from napari_scribseg.gui.widgets.forms import ConfigForm


class Options(MethodConfig):
    """One of every kind of field."""

    depth: PositiveInt = Field(4, description="Levels of the network.")
    rate: Positive = Field(2e-3, description="A rate.")
    sure: bool = True
    kind: Literal["soft", "hard"] = "soft"
    spacing_mm: Positive | None = None
    size: tuple[PositiveInt, PositiveInt] = (224, 160)
    blocks: tuple[int, ...] = (2, 4, 8)
    network: str = Field("unet", pattern="^[a-z]+$")


@pytest.fixture
def form(qtbot) -> ConfigForm:
    form = ConfigForm.of(Options())
    qtbot.addWidget(form)
    return form


def test_a_form_gives_back_what_it_was_given(form):
    assert Options().updated(form.value()) == Options()


@pytest.mark.parametrize(
    "changes",
    [
        {"depth": 6},
        {"rate": 1e-4},
        {"rate": 1.5e-8},
        {"sure": False},
        {"kind": "hard"},
        {"spacing_mm": 1.25},
        {"size": (96, 128)},
        {"blocks": (3,)},
        {"network": "resunet"},
    ],
)
def test_every_kind_of_field_round_trips(form, qtbot, changes):
    wanted = Options().updated(changes)
    with qtbot.waitSignal(form.value_changed):
        form.set_value(wanted.model_dump(mode="json"))
    assert Options().updated(form.value()) == wanted


def test_optional_values_can_be_taken_back(form):
    form.set_value({"spacing_mm": 2.0})
    form.set_value({"spacing_mm": None})
    assert form.value()["spacing_mm"] is None


def test_all_training_settings_round_trip(qtbot):
    config = TrainConfig(minutes=2.5, learning_rate=3e-4, device="cuda:1", patch=(64, 96))
    form = ConfigForm.of(config, ("steps", "device"), {"device": ("auto", "cpu")})
    qtbot.addWidget(form)
    assert TrainConfig().updated(form.value()) == config


def test_limits_are_those_of_the_field(form):
    spin = form.editor("depth").native.findChild(QAbstractSpinBox)
    spin.setValue(-3)
    assert form.value()["depth"] == 1


@pytest.mark.parametrize(
    ("number", "text"), [(2e-3, "0.002"), (1e-4, "0.0001"), (1e-5, "0.00001"), (250.0, "250")]
)
def test_numbers_have_the_decimals_they_need(form, number, text):
    form.set_value({"rate": number})
    spin = form.editor("rate").native.findChild(QAbstractSpinBox)
    assert spin.text() == text
    spin.selectAll()
    QTest.keyClicks(spin, "0.00075")
    assert form.value()["rate"] == 0.00075


def test_what_a_form_can_t_check_the_settings_refuse(form):
    form.set_value({"network": "U-Net"})
    with pytest.raises(InvalidInput, match="network"):
        Options().updated(form.value())


def test_only_important_fields_are_visible_at_first(qtbot):
    form = ConfigForm.of(TrainConfig(), ("steps", "device"))
    qtbot.addWidget(form)
    form.show()
    shown = {n for n in TrainConfig.model_fields if form.editor(n).visible}
    assert shown == {"steps", "device"}


def test_captions_and_tooltips_come_from_the_fields(form):
    captions = {label.text(): label.toolTip() for label in form.findChildren(QLabel)}
    assert "Levels of the network." in captions["Depth"]
    assert "Spacing (mm)" in captions


class Parts(MethodConfig):
    """As EFFDNet's and a method of another package have them."""

    fbsl: bool = Field(True, description="A part.")
    fbsl_weight: float = Field(0.3, description="Its weight.")
    own: int = Field(3, title="Own title")
    norm: Literal["batch", "group"] = "batch"
    supervoxel_mm3: float = 1000.0


def test_names_are_those_of_the_papers_and_a_title_of_its_own_wins(qtbot):
    form = ConfigForm.of(Parts())
    qtbot.addWidget(form)
    names = [form.caption(name) for name in Parts.model_fields]
    assert names == ["FBSL", "δ, weight of FBSL", "Own title", "Norm", "Supervoxel (mm³)"]


def test_what_can_t_act_is_greyed(qtbot):
    form = ConfigForm.of(Parts())
    qtbot.addWidget(form)
    assert form.editor("fbsl_weight").enabled
    form.set_value({"fbsl": False})
    qtbot.waitUntil(lambda: not form.editor("fbsl_weight").enabled)
    assert form.editor("own").enabled
    form.set_value({"fbsl": True})
    qtbot.waitUntil(lambda: form.editor("fbsl_weight").enabled)


def test_parts_come_first_then_the_numbers_then_what_is_for_experts(qtbot):
    fields = Parts.model_json_schema()["properties"]
    groups = method_groups(fields)
    assert groups[""] == ("fbsl",)
    assert groups["Numbers of the paper"] == ("fbsl_weight", "own", "supervoxel_mm3")
    assert groups["For experts"] == ("norm",)
    of_engine = engine_groups(list(TrainConfig.model_fields))
    assert sorted(name for names in of_engine.values() for name in names) == sorted(
        TrainConfig.model_fields
    )
    form = ConfigForm(Parts.model_json_schema(), groups=groups)
    qtbot.addWidget(form)
    form.show()
    assert [n for n in Parts.model_fields if form.editor(n).visible] == ["fbsl"]


def test_what_differs_is_marked_and_the_tooltip_has_both_numbers(qtbot):
    form = ConfigForm.of(Parts(fbsl_weight=0.5))
    qtbot.addWidget(form)
    form.compare_with({"fbsl_weight": 0.4, "own": 3}, {"fbsl_weight": 0.3})
    assert form.caption("fbsl_weight") == "δ, weight of FBSL ● ○"
    assert "the preset has 0.4" in form._labels["fbsl_weight"].toolTip()
    assert "the paper has 0.3" in form._labels["fbsl_weight"].toolTip()
    assert form.caption("own") == "Own title"


def test_one_signal_for_many_changes(form, qtbot):
    seen = []
    form.value_changed.connect(lambda: seen.append(form.value()))
    form.set_value({"depth": 2, "sure": False, "kind": "hard"})
    qtbot.waitUntil(lambda: bool(seen))
    assert len(seen) == 1


def test_showing_values_leaves_the_focus_where_it_is(form, qtbot):
    form.show()
    box = form.findChild(QCheckBox)
    box.setFocus()
    form.set_value(Options(depth=6, size=(32, 32), rate=1e-5).model_dump(mode="json"))
    assert form.focusWidget() is box


def test_the_wheel_scrolls_past_a_field(form, qtbot):
    form.show()
    spin = form.editor("depth").native.findChild(QAbstractSpinBox)
    form.findChild(QCheckBox).setFocus()
    middle = QPointF(spin.rect().center())
    wheel = QWheelEvent(
        middle,
        middle,
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(spin, wheel)
    assert form.value()["depth"] == 4
