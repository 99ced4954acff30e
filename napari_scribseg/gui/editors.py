"""Editors: one small widget per kind of setting, chosen by the setting's JSON schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import (
    QEvent,
    QLocale,
    QObject,
    Qt,
    Signal,  # pyright: ignore[reportAttributeAccessIssue]  qtpy adds it at run time
)
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_scribseg.gui.style import GAP

Schema = Mapping[str, Any]

_LARGEST_INT = 2**31 - 1
_LARGEST_FLOAT = 1e9
_DECIMALS = 12


class Editor(QWidget):
    """A widget that edits one value."""

    value_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GAP)

    def value(self) -> Any:
        """What is entered, as a JSON value."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show this value."""
        raise NotImplementedError


class BoolEditor(Editor):
    """A check box."""

    def __init__(self) -> None:
        super().__init__()
        self._box = QCheckBox()
        self._box.toggled.connect(self.value_changed)
        self._row.addWidget(self._box)
        self._row.addStretch()

    def value(self) -> bool:
        """Whether it is checked."""
        return self._box.isChecked()

    def set_value(self, value: Any) -> None:
        """Check it or not."""
        self._box.setChecked(bool(value))


class IntEditor(Editor):
    """A spin box of whole numbers."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._spin = QSpinBox()
        low, high = _limits(schema, 1, _LARGEST_INT)
        self._spin.setRange(int(low), int(high))
        self._spin.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
        self._spin.setValue(1)
        tame(self._spin)
        self._spin.valueChanged.connect(self.value_changed)
        self._row.addWidget(self._spin)

    def value(self) -> int:
        """The number."""
        return self._spin.value()

    def set_value(self, value: Any) -> None:
        """Show this number."""
        self._spin.setValue(int(value))


class FloatEditor(Editor):
    """A spin box of numbers from 1e-12 on, that shows as many digits as there are."""

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._spin = _PlainDoubleSpinBox()
        smallest = 10.0**-_DECIMALS
        self._spin.setRange(*_limits(schema, smallest, _LARGEST_FLOAT))
        self._spin.setValue(1)
        tame(self._spin)
        self._spin.valueChanged.connect(self.value_changed)
        self._row.addWidget(self._spin)

    def value(self) -> float:
        """The number."""
        return float(f"{self._spin.value():.10g}")

    def set_value(self, value: Any) -> None:
        """Show this number."""
        self._spin.setValue(float(value))


class ChoiceEditor(Editor):
    """A list of choices; an open one also takes other texts."""

    def __init__(self, choices: Sequence[Any], *, is_open: bool = False) -> None:
        super().__init__()
        self._choices = list(choices)
        self._box = QComboBox()
        self._box.setEditable(is_open)
        self._box.addItems([str(choice) for choice in choices])
        tame(self._box)
        self._box.currentTextChanged.connect(self.value_changed)
        self._row.addWidget(self._box)

    def value(self) -> Any:
        """The chosen one."""
        text = self._box.currentText()
        return next((choice for choice in self._choices if str(choice) == text), text)

    def set_value(self, value: Any) -> None:
        """Choose this one."""
        if self._box.isEditable():
            self._box.setEditText(str(value))
        else:
            self._box.setCurrentText(str(value))


class TextEditor(Editor):
    """A line of text."""

    def __init__(self) -> None:
        super().__init__()
        self._line = QLineEdit()
        self._line.textChanged.connect(self.value_changed)
        self._row.addWidget(self._line)

    def value(self) -> str:
        """The text without blanks around it."""
        return self._line.text().strip()

    def set_value(self, value: Any) -> None:
        """Show this text."""
        self._line.setText(str(value))


class OptionalEditor(Editor):
    """A check box in front of another editor; unchecked = no value."""

    def __init__(self, inner: Editor) -> None:
        super().__init__()
        self._inner = inner
        self._box = QCheckBox()
        self._box.setToolTip("Set a value")
        self._box.toggled.connect(inner.setEnabled)
        self._box.toggled.connect(self.value_changed)
        inner.value_changed.connect(self.value_changed)
        inner.setEnabled(False)
        self._row.addWidget(self._box)
        self._row.addWidget(inner, 1)

    def value(self) -> Any:
        """The inner value, or None."""
        return self._inner.value() if self._box.isChecked() else None

    def set_value(self, value: Any) -> None:
        """Show this value, or none."""
        if value is not None:
            self._inner.set_value(value)
        self._box.setChecked(value is not None)


class TupleEditor(Editor):
    """Several editors in a row, of a value with a fixed number of parts."""

    def __init__(self, parts: Sequence[Editor]) -> None:
        super().__init__()
        self._parts = list(parts)
        for part in self._parts:
            part.value_changed.connect(self.value_changed)
            self._row.addWidget(part, 1)

    def value(self) -> list[Any]:
        """The parts."""
        return [part.value() for part in self._parts]

    def set_value(self, value: Any) -> None:
        """Show these parts."""
        for part, item in zip(self._parts, value, strict=True):
            part.set_value(item)


class ListEditor(Editor):
    """Numbers or words separated by commas, of a value with any number of parts."""

    def __init__(self, item: Schema) -> None:
        super().__init__()
        self._read = {"integer": int, "number": float}.get(item.get("type", ""), str)
        self._line = QLineEdit()
        self._line.textChanged.connect(self.value_changed)
        self._row.addWidget(self._line)

    def value(self) -> list[Any]:
        """The parts; one that can't be read stays text and is refused by the settings."""
        words = [w.strip() for w in self._line.text().split(",") if w.strip()]
        try:
            return [self._read(word) for word in words]
        except ValueError:
            return words

    def set_value(self, value: Any) -> None:
        """Show these parts."""
        self._line.setText(", ".join(str(item) for item in value))


def editor_for(field: Schema, suggestions: Sequence[str]) -> Editor:
    """The editor of a field.

    Args:
        field: its JSON schema, references resolved.
        suggestions: for a text, values to choose from.
    """
    branches = [b for b in field.get("anyOf", ()) if b.get("type") != "null"]
    if branches:
        return OptionalEditor(editor_for(branches[0], suggestions))
    if "enum" in field or "const" in field:
        return ChoiceEditor(field.get("enum") or [field["const"]])
    match field.get("type"):
        case "boolean":
            return BoolEditor()
        case "integer":
            return IntEditor(field)
        case "number":
            return FloatEditor(field)
        case "array" if "prefixItems" in field:
            return TupleEditor([editor_for(part, ()) for part in field["prefixItems"]])
        case "array":
            return ListEditor(field.get("items", {}))
        case _ if suggestions:
            return ChoiceEditor(suggestions, is_open=True)
        case _:
            return TextEditor()


class _PlainDoubleSpinBox(QDoubleSpinBox):
    """Shows 0.002 as 0.002 and not as 0.00200000."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(_DECIMALS)
        self.setLocale(QLocale.c())
        self.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, v: float) -> str:  # noqa: N802  Qt's name
        """The shortest text of a number."""
        return f"{v:.10g}" if v == 0 or abs(v) >= 1e-4 else f"{v:.{_DECIMALS}f}".rstrip("0")


class _WheelGuard(QObject):
    """Keeps the wheel from changing values while somebody scrolls past them."""

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Leave the wheel to the scroll area unless the widget has the focus."""
        if a1 is None or a1.type() != QEvent.Type.Wheel:
            return False
        if not isinstance(a0, QWidget) or a0.hasFocus():
            return False
        a1.ignore()
        return True


def tame(widget: QWidget) -> None:
    """Narrow enough for the dock, and deaf to a passing wheel."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.setMinimumWidth(70)
    widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    widget.installEventFilter(_WheelGuard(widget))


def _limits(schema: Schema, smallest: float, largest: float) -> tuple[float, float]:
    """The range a field allows; an excluded limit is left by the smallest step."""
    low = schema.get("minimum", -largest)
    high = schema.get("maximum", largest)
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + smallest
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - smallest
    return low, high
