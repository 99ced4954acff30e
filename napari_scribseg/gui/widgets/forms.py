"""ConfigForm: a form made from the fields of frozen settings.

It is made from the JSON schema of the settings rather than from the class, so that a method's
form needs no torch. Labels, limits, choices and tooltips all come from the fields; whatever a
form gives back is checked again by the settings themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_scribseg.gui.qt import Signal, single_shot
from napari_scribseg.gui.widgets.editors import Editor, Schema, editor_for
from napari_scribseg.gui.widgets.field_words import BASIC, acts, caption_of
from napari_scribseg.gui.widgets.style import GAP, Fold


class ConfigForm(QWidget):
    """A form of settings: the important ones visible, the others in folds.

    A field whose value is not that of the preset is marked with a dot, one that is not the
    paper's with a circle; the tooltip has both values. A field that can't act is greyed.

    Args:
        schema: JSON schema of the settings.
        important: names of fields to show at once, in this order, the others under "More
            settings"; None = all of them.
        suggestions: for text fields, values to choose from.
        groups: names of fields by the title of their group, instead of `important`.
    """

    value_changed = Signal()

    def __init__(
        self,
        schema: Schema,
        important: Sequence[str] | None = None,
        suggestions: Mapping[str, Sequence[str]] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        fields: Schema = schema.get("properties", {})
        shown = list(fields) if important is None else [f for f in important if f in fields]
        folds = {"More settings": [name for name in fields if name not in shown]}
        if groups is not None:
            shown = list(groups.get(BASIC, ()))
            folds = {title: list(names) for title, names in groups.items() if title != BASIC}
        self._editors = {
            name: _editor(name, _resolved(fields[name], schema), (suggestions or {}).get(name, ()))
            for name in (*shown, *(name for names in folds.values() for name in names))
        }
        self._labels: dict[str, QLabel] = {}
        self._preset: Mapping[str, Any] = {}
        self._paper: Mapping[str, Any] = {}
        # A preset changes every field; one signal for all of them is enough.
        self._timer = single_shot(self, 0, self._changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        if shown:
            layout.addWidget(self._rows(shown, indent=0))
        for title, names in folds.items():
            if names:
                layout.addWidget(Fold(title, self._rows(names, indent=12)))
        self._mark()

    @classmethod
    def of(
        cls,
        config: BaseModel,
        important: Sequence[str] | None = None,
        suggestions: Mapping[str, Sequence[str]] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> ConfigForm:
        """The form of frozen settings, showing their values."""
        form = cls(type(config).model_json_schema(), important, suggestions, groups)
        values = config.model_dump(mode="json")
        form.set_value({name: value for name, value in values.items() if name in form.value()})
        return form

    def value(self) -> dict[str, Any]:
        """Every field by name, as JSON values."""
        values = ((name, editor.value) for name, editor in self._editors.items())
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values}

    def set_value(self, value: Mapping[str, Any]) -> None:
        """Show these fields; others stay as they are."""
        for name, item in value.items():
            self._editors[name].value = item

    def compare_with(self, preset: Mapping[str, Any], paper: Mapping[str, Any]) -> None:
        """Mark the fields that differ from these values; a field that is in neither is not.

        Args:
            preset: of the chosen preset.
            paper: of the preset "paper", empty where the method has none.
        """
        self._preset, self._paper = preset, paper
        self._mark()

    def caption(self, name: str) -> str:
        """What is written in front of a field now."""
        return self._labels[name].text()

    def editor(self, name: str) -> Editor:
        """The editor of one field."""
        return self._editors[name]

    def _changed(self) -> None:
        self._mark()
        self.value_changed.emit()

    def _mark(self) -> None:
        """Mark what differs, and grey what can't act."""
        values = self.value()
        for name, editor in self._editors.items():
            value, label = values[name], self._labels[name]
            differs = name in self._preset and self._preset[name] != value
            departs = name in self._paper and self._paper[name] != value
            mark = f"{' ●' if differs else ''}{' ○' if departs else ''}"
            label.setText(f"{editor.label}{mark}")
            label.setToolTip((editor.tooltip or "") + self._differences(name, differs, departs))
            is_acting = acts(name, values)
            label.setEnabled(is_acting)
            if name != "steps":  # the budget in minutes rules it
                editor.enabled = is_acting

    def _differences(self, name: str, differs: bool, departs: bool) -> str:
        preset = f"<p>● the preset has {self._preset[name]}</p>" if differs else ""
        return preset + (f"<p>○ the paper has {self._paper[name]}</p>" if departs else "")

    def _rows(self, names: Sequence[str], indent: int) -> QWidget:
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
        for name in names:
            editor = self._editors[name]
            label = self._labels[name] = QLabel(editor.label)
            form.addRow(label, editor.native)
            editor.changed.connect(self._timer.start, max_args=0)
        return rows


def _editor(name: str, field: Schema, suggestions: Sequence[str]) -> Editor:
    """The editor of a field, with its name, help text and default."""
    editor = editor_for(field, suggestions)
    editor.name, editor.label = name, caption_of(name, field)
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
