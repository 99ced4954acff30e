"""Which method learns, with which settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry
from napari_scribseg.gui.own_presets import OwnPreset, own_presets
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.train import budget
from napari_scribseg.gui.train.method_list import MethodBox
from napari_scribseg.gui.values import Choice
from napari_scribseg.gui.widgets.field_words import engine_groups, method_groups
from napari_scribseg.gui.widgets.forms import ConfigForm
from napari_scribseg.gui.widgets.style import GAP, Fold, button, note_label, tame
from napari_scribseg.training.new_run import VALIDATION_SHARE

_DEVICES: Final = ("auto", "cpu", "cuda", "mps")
_KEPT: Final = ("steps", "minutes", "clock", "device", "threads", "random_seed", "patience")
"""What stays when another method is chosen: it is about the user's time and machine."""
_HELD: Final = "held_out_strokes"


class MethodForm(QWidget):
    """Edits a `Choice`."""

    value_changed = Signal()
    keep_asked = Signal()
    """The shown settings shall become a preset of the user's own."""
    forget_asked = Signal(str)
    """The user's preset of this name shall be removed."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: tuple[MethodEntry, ...] = ()
        self._presets: tuple[PresetEntry, ...] = ()
        self._share = VALIDATION_SHARE
        self.method, self._preset = MethodBox(), QComboBox()
        tame(self._preset)
        self._preset.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.method.currentIndexChanged.connect(self._method_changed)
        self._preset.currentIndexChanged.connect(self._preset_changed)
        self._summary, self._note = note_label("Loading the methods …"), note_label()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GAP)
        self._column.addLayout(self._choices())
        fields = [name for name in TrainConfig.model_fields if name != _HELD]
        self._training = ConfigForm.of(
            TrainConfig(), suggestions={"device": _DEVICES}, groups=engine_groups(fields)
        )
        self._training.value_changed.connect(self._edited)
        self._column.addWidget(self._training)
        self._options_place = QVBoxLayout()
        self._options: ConfigForm | None = None
        self._column.addLayout(self._options_place)
        self._add_boxes()

    def set_methods(self, entries: Sequence[MethodEntry]) -> None:
        """Offer these methods; the first one is chosen."""
        self._entries = tuple(entries)
        self.method.set_methods(entries)

    def value(self) -> Choice | None:
        """What to train; None as long as the methods are loading.

        Raises:
            InvalidInput: a setting is out of its range.
        """
        if not self._entries or self._options is None:
            return None
        return Choice(
            method=self.entry.name,
            preset=self._shown_preset.name,
            options=self._options.value(),
            training=TrainConfig().updated({**self._training.value(), _HELD: self._held_out}),
            all_cases=self.all_cases.isChecked(),
            uses_references=self.entry.uses_references,
        )

    def set_value(self, value: Choice) -> None:
        """Show this choice, as far as its method, preset and options are offered."""
        if not self.method.choose(value.method):
            return
        presets = [preset.name for preset in self._presets]
        if value.preset in presets:
            self._preset.setCurrentIndex(presets.index(value.preset))
        self.change_training(value.training.model_dump(mode="json"))
        self.all_cases.setChecked(value.all_cases)
        if self._options is not None:
            known = self._options.value()
            self._options.set_value({n: v for n, v in value.options.items() if n in known})

    def change_training(self, settings: Mapping[str, Any]) -> None:
        """Show these settings of the engine; the others stay as they are."""
        if _HELD in settings:
            self._share = settings[_HELD] or VALIDATION_SHARE
            self.held_out.setChecked(bool(settings[_HELD]))
        self._training.set_value({n: v for n, v in settings.items() if n != _HELD})

    def propose_budget(self, settings: Mapping[str, Any]) -> bool:
        """Show a budget unless one was chosen; tells whether it is shown."""
        shown = TrainConfig().updated(self._training.value())
        if not budget.is_preset_budget(shown, self._shown_preset.training):
            return False
        self._training.set_value(settings)
        return True

    def choices(self, names: Sequence[str]) -> tuple[Choice, ...]:
        """These methods with their quick presets, with the shown budget, machine and validation.

        Raises:
            InvalidInput: a setting is out of its range.
        """
        shown = self.value()
        if shown is None:
            return ()
        same = {name: getattr(shown.training, name) for name in (*_KEPT, _HELD)}
        made: list[Choice] = []
        for entry in self._entries:
            if entry.name not in names:
                continue
            if entry.name == shown.method:
                made.append(shown)
                continue
            quick = entry.preset("quick")
            made.append(
                Choice(
                    method=entry.name,
                    preset=quick.name,
                    options=quick.options,
                    training=quick.training.updated(same),
                    all_cases=shown.all_cases,
                    uses_references=entry.uses_references,
                )
            )
        return tuple(made)

    def own_presets_changed(self, name: str | None) -> None:
        """Offer the user's presets anew, and show one of them."""
        self._offer_presets()
        names = [preset.name for preset in self._presets]
        if name in names:
            self._preset.setCurrentIndex(names.index(name))
        self._preset_changed()

    @property
    def entries(self) -> tuple[MethodEntry, ...]:
        """The methods that are offered."""
        return self._entries

    @property
    def entry(self) -> MethodEntry:
        """The chosen method."""
        return next((e for e in self._entries if e.name == self.method.name), self._entries[0])

    @property
    def _shown_preset(self) -> PresetEntry:
        return self._presets[max(0, self._preset.currentIndex())]

    @property
    def _held_out(self) -> float:
        return self._share if self.held_out.isChecked() else 0.0

    def _choices(self) -> QFormLayout:
        """The rows of method and preset."""
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(GAP)
        form.addRow("Method", self.method)
        form.addRow(self._summary)
        own = QHBoxLayout()
        own.setSpacing(GAP)
        own.addWidget(self._preset, 1)
        keep = button("Keep …", "Keep the settings below as a preset of your own")
        keep.clicked.connect(self.keep_asked)
        self._forget = button("Forget", "Remove this preset of your own")
        self._forget.clicked.connect(lambda: self.forget_asked.emit(self._shown_preset.name))
        own.addWidget(keep)
        own.addWidget(self._forget)
        form.addRow("Preset", own)
        form.addRow(self._note)
        return form

    def _add_boxes(self) -> None:
        self.held_out = QCheckBox("Hold a fifth back to validate")
        self.held_out.setToolTip(
            "<p>Patients where there are five or more others, else strokes are not learnt from but "
            "compared with: that gives a validation curve, and the best weights are kept. The "
            "reference is never used for it.</p>"
        )
        self.held_out.setChecked(True)
        self.held_out.toggled.connect(self._edited)
        self.all_cases = QCheckBox("Also the project's other scribbled cases")
        self.all_cases.setToolTip(
            "Learn from them, too: their strokes are copied into the run as they are saved now"
        )
        self.all_cases.toggled.connect(self._edited)
        self._column.addWidget(self.held_out)
        self._column.addWidget(self.all_cases)

    def _method_changed(self) -> None:
        if not self._entries or not self.method.name:
            return
        entry, kept = self.entry, self._kept_budget()
        self._summary.setText(entry.summary)
        self.method.setToolTip(f"<p>{entry.source}</p>")
        self._show_options(entry)
        self._offer_presets()
        self._preset_changed()
        self._training.set_value(kept)

    def _kept_budget(self) -> dict[str, Any]:
        """The settings that outlive a change of method; none that nobody has chosen."""
        if self._options is None:
            return {}
        shown = TrainConfig().updated(self._training.value())
        if budget.is_preset_budget(shown, self._shown_preset.training):
            names = [name for name in _KEPT if name not in ("steps", "minutes", "clock")]
        else:
            names = list(_KEPT)
        return {name: getattr(shown, name) for name in names}

    def _offer_presets(self) -> None:
        """The method's presets and behind them the user's own."""
        entry = self.entry
        own = [_entry_of(preset, entry) for preset in own_presets(entry.name)]
        self._presets = (*entry.presets, *own)
        names = [preset.name for preset in self._presets]
        self._preset.blockSignals(True)
        self._preset.clear()
        self._preset.addItems([*names[: len(entry.presets)], *(f"{p.name} (own)" for p in own)])
        self._preset.setCurrentIndex(names.index("quick") if "quick" in names else 0)
        self._preset.blockSignals(False)

    def _show_options(self, entry: MethodEntry) -> None:
        while (item := self._options_place.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.deleteLater()
        fields = entry.options_schema.get("properties", {})
        self._options = ConfigForm(entry.options_schema, groups=method_groups(fields))
        self._options.value_changed.connect(self._edited)
        if not fields:
            return
        fold = QWidget()
        inside = QVBoxLayout(fold)
        inside.setContentsMargins(12, 0, 0, 0)
        inside.addWidget(self._options)
        self._options_place.addWidget(Fold(f"Settings of {entry.title}", fold))

    def _preset_changed(self) -> None:
        if not self._entries or self._options is None:
            return
        preset, paper = self._shown_preset, self.entry.paper
        self._forget.setVisible(self._preset.currentIndex() >= len(self.entry.presets))
        training = preset.training.model_dump(mode="json")
        self._training.set_value({n: v for n, v in training.items() if n != _HELD})
        self._options.set_value(preset.options)
        of_paper = {} if paper is None else paper.training.model_dump(mode="json")
        self._training.compare_with(training, of_paper)
        self._options.compare_with(preset.options, {} if paper is None else paper.options)
        self._edited()

    def _edited(self) -> None:
        by_steps = self._training.value()["minutes"] is None
        self._training.editor("steps").enabled = by_steps
        self._note.setText(self._note_text())
        self.value_changed.emit()

    def _note_text(self) -> str:
        if not self._entries or self._options is None:
            return ""
        preset = self._shown_preset
        training = preset.training.model_dump(mode="json")
        shown = self._training.value()
        same = self._options.value() == preset.options and all(
            value == training[name] for name, value in shown.items() if name not in _KEPT
        )
        return preset.note if same else f"{preset.note.rstrip('.')} (changed: ●)."


def _entry_of(own: OwnPreset, method: MethodEntry) -> PresetEntry:
    """Without settings that the method has no more."""
    known = method.options_schema.get("properties", {})
    options = {name: value for name, value in own.options.items() if name in known}
    return PresetEntry(own.name, "A preset of your own.", options, own.training)
