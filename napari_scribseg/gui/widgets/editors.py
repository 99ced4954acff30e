"""Editors: the magicgui widget of a setting, chosen by the setting's JSON schema.

Numbers have a widget of our own: magicgui's FloatSpinBox shows and keeps a fixed number of
decimals (a learning rate of 0.0001 becomes 0.00), and its SpinBox grabs the keyboard focus
whenever a preset sets its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, create_widget
from magicgui.widgets.bases import BaseValueWidget, ValuedContainerWidget
from qtpy.QtCore import QLocale
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox

from napari_scribseg.gui.widgets.style import GAP, tame

Schema = Mapping[str, Any]
Editor = BaseValueWidget[Any]

_LARGEST = {"integer": 2**31 - 1, "number": 1e9}
_DECIMALS = 12
_TYPES = {"boolean": bool, "integer": int, "number": float, "string": str}


class NumberEdit(ValuedContainerWidget[float]):
    """A whole or real number, with as many decimals as it has.

    Args:
        annotation: int or float.
        min: smallest number.
        max: largest number.
        options: what every magicgui widget takes.
    """

    def __init__(self, *, annotation: Any, min: float, max: float, **options: Any) -> None:  # noqa: A002  magicgui's names
        self._spin = PlainSpinBox(0 if annotation is int else _DECIMALS)
        self._spin.setRange(min, max)
        self._spin.setValue(1)
        tame(self._spin)
        super().__init__(annotation=annotation, layout="horizontal", labels=False, **options)
        self.margins = (0, 0, 0, 0)
        self.native.layout().addWidget(self._spin)
        self._spin.valueChanged.connect(self.changed.emit)

    def get_value(self) -> float:
        """The number, as it is shown."""
        shown = self._spin.textFromValue(self._spin.value())
        return int(shown) if self.annotation is int else float(shown)

    def set_value(self, value: float) -> None:
        """Show this number, or the nearest one that is allowed."""
        self._spin.setValue(value)


class OptionalEdit(ValuedContainerWidget[Any]):
    """A check box in front of another editor; unchecked = no value."""

    def __init__(self, inner: Editor) -> None:
        self._inner, self._box = inner, CheckBox(text="", tooltip="Set a value")
        super().__init__(widgets=[self._box, inner], layout="horizontal", labels=False)
        self.margins = (0, 0, 0, 0)
        self.native.layout().setSpacing(GAP)
        inner.enabled = False
        self._box.changed.connect(self._toggled)
        inner.changed.connect(self.changed.emit)

    def get_value(self) -> Any:
        """The inner value, or None."""
        return self._inner.value if self._box.value else None

    def set_value(self, value: Any) -> None:
        """Show this value, or none."""
        if value is not None:
            self._inner.value = value
        self._box.value = value is not None

    def _toggled(self, is_set: bool) -> None:
        self._inner.enabled = is_set
        self.changed.emit(self.value)


class SuggestionEdit(ComboBox):
    """A list of texts that also takes others, which magicgui's own refuses."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(choices=choices)
        self.native.setEditable(True)
        self.native.currentTextChanged.connect(self.changed.emit)

    @property
    def value(self) -> str:
        """The text."""
        return self.native.currentText().strip()

    @value.setter
    def value(self, value: str) -> None:
        self.native.setEditText(value)


def editor_for(field: Schema, suggestions: Sequence[str] = ()) -> Editor:
    """The editor of a field.

    Args:
        field: its JSON schema, references resolved.
        suggestions: for a text, values to choose from.
    """
    branches = [b for b in field.get("anyOf", ()) if b.get("type") != "null"]
    if branches:
        return OptionalEdit(editor_for(branches[0], suggestions))
    choices = field.get("enum") or ([field["const"]] if "const" in field else suggestions)
    if choices:
        box = SuggestionEdit(choices) if choices is suggestions else ComboBox(choices=choices)
        tame(box.native)
        return box
    if field.get("type") != "array":
        return _created(_TYPES[field["type"]], _limits(field))
    parts: Sequence[Schema] = field.get("prefixItems") or [field["items"]]
    types = tuple(_TYPES[part["type"]] for part in parts)
    options = {"options": _limits(parts[0])}  # magicgui has one set of limits for all parts
    if "prefixItems" in field:
        return _created(tuple[types], options)
    return _created(list[types], {**options, "layout": "vertical"})


def _created(annotation: Any, options: dict[str, Any]) -> Editor:
    return cast("Editor", create_widget(annotation=annotation, options=options))


def _limits(schema: Schema) -> dict[str, Any]:
    """For a number, the options of its widget; an excluded limit is left by the smallest step."""
    largest = _LARGEST.get(schema["type"])
    if largest is None:
        return {}
    smallest = 1 if schema["type"] == "integer" else 10.0**-_DECIMALS
    low, high = schema.get("minimum", -largest), schema.get("maximum", largest)
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + smallest
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - smallest
    return {"widget_type": NumberEdit, "min": low, "max": high}


class PlainSpinBox(QDoubleSpinBox):
    """Shows 0.002 as 0.002 and not as 0.002000000000, the same in every country.

    Args:
        decimals: most of them; 0 = whole numbers.
    """

    def __init__(self, decimals: int) -> None:
        super().__init__()
        self.setDecimals(decimals)
        self.setLocale(QLocale.c())
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, v: float) -> str:  # noqa: N802  Qt's name
        """The shortest text of a number."""
        return np.format_float_positional(v, precision=_DECIMALS, trim="-")
