"""ConfigForm: a form made from the fields of frozen settings.

It is made from the JSON schema of the settings rather than from the class, so that a method's
form needs no torch. Labels, limits, choices and tooltips all come from the fields; whatever a
form gives back is checked again by the settings themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.editors import Editor, Schema, editor_for
from napari_scribseg.gui.widgets.style import GAP, Fold

_UNITS = {"mm": "mm", "degrees": "°"}


class ConfigForm(QWidget):
    """A form of settings: the important ones visible, the others under "More settings".

    Args:
        schema: JSON schema of the settings.
        important: names of fields to show at once, in this order; None = all of them.
        suggestions: for text fields, values to choose from.
    """

    value_changed = Signal()

    def __init__(
        self,
        schema: Schema,
        important: Sequence[str] | None = None,
        suggestions: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        fields: Schema = schema.get("properties", {})
        shown = list(fields) if important is None else [f for f in important if f in fields]
        self._editors = {
            name: _editor(name, _resolved(fields[name], schema), (suggestions or {}).get(name, ()))
            for name in (*shown, *(name for name in fields if name not in shown))
        }
        # A preset changes every field; one signal for all of them is enough.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self.value_changed)
        editors = list(self._editors.values())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        if shown:
            layout.addWidget(self._rows(editors[: len(shown)], indent=0))
        if len(editors) > len(shown):
            layout.addWidget(Fold("More settings", self._rows(editors[len(shown) :], indent=12)))

    @classmethod
    def of(
        cls,
        config: BaseModel,
        important: Sequence[str] | None = None,
        suggestions: Mapping[str, Sequence[str]] | None = None,
    ) -> ConfigForm:
        """The form of frozen settings, showing their values."""
        form = cls(type(config).model_json_schema(), important, suggestions)
        form.set_value(config.model_dump(mode="json"))
        return form

    def value(self) -> dict[str, Any]:
        """Every field by name, as JSON values."""
        values = ((name, editor.value) for name, editor in self._editors.items())
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values}

    def set_value(self, value: Mapping[str, Any]) -> None:
        """Show these fields; others stay as they are."""
        for name, item in value.items():
            self._editors[name].value = item

    def editor(self, name: str) -> Editor:
        """The editor of one field."""
        return self._editors[name]

    def _rows(self, editors: Sequence[Editor], indent: int) -> QWidget:
        # Not a magicgui Container: that measures its labels in another font than napari's theme
        # has, so that its columns are ragged.
        rows = QWidget()
        form = QFormLayout(rows)
        form.setContentsMargins(indent, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(GAP)
        # The same on every platform; a long name gets a line of its own.
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for editor in editors:
            label = QLabel(editor.label)
            label.setToolTip(editor.tooltip or "")
            form.addRow(label, editor.native)
            editor.changed.connect(self._timer.start, max_args=0)
        return rows


def _editor(name: str, field: Schema, suggestions: Sequence[str]) -> Editor:
    """The editor of a field, with its name, help text and default."""
    editor = editor_for(field, suggestions)
    editor.name, editor.label = name, _caption(name)
    editor.tooltip = f"<p>{field.get('description', '')}</p>"
    if field.get("default") is not None:
        editor.value = field["default"]
    return editor


def _resolved(field: Schema, schema: Schema) -> Schema:
    """The field with a reference to the schema's definitions filled in."""
    reference = field.get("$ref")
    if not isinstance(reference, str):
        return field
    found = cast("Schema", schema["$defs"][reference.rsplit("/", 1)[-1]])
    return {**found, **{k: v for k, v in field.items() if k != "$ref"}}


def _caption(name: str) -> str:
    """The name of a field as a person would write it; a unit at its end goes in brackets."""
    *words, last = name.split("_")
    if words and last in _UNITS:
        return f"{' '.join(words)} ({_UNITS[last]})".capitalize()
    return name.replace("_", " ").capitalize()
