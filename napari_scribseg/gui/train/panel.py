"""Which method learns, with which settings; start, stop, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry
from napari_scribseg.gui.own_presets import OwnPreset, own_presets
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.train.presenter import Phase, TrainingScreen
from napari_scribseg.gui.values import Choice
from napari_scribseg.gui.widgets.forms import ConfigForm
from napari_scribseg.gui.widgets.style import (
    GAP,
    LEVEL_COLORS,
    Fold,
    Panel,
    button,
    note_label,
    tame,
)

_IMPORTANT = ("steps", "minutes", "device")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_PROGRESS_PARTS = 1000


class TrainingPanel(Panel):
    """Edits a `Choice`, and shows how the training goes."""

    value_changed = Signal()
    train_asked = Signal()
    train_all_asked = Signal()
    keep_asked = Signal()
    """The shown settings shall become a preset of the user's own."""
    forget_asked = Signal(str)
    """The user's preset of this name shall be removed."""

    def __init__(self) -> None:
        super().__init__("Training")
        self._entries: tuple[MethodEntry, ...] = ()
        self._presets: tuple[PresetEntry, ...] = ()
        self._screen = TrainingScreen()
        self._method = QComboBox()
        self._preset = QComboBox()
        for box in (self._method, self._preset):
            tame(box)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._method.currentIndexChanged.connect(self._method_changed)
        self._preset.currentIndexChanged.connect(self._preset_changed)
        self._summary, self._note = note_label("Loading the methods …"), note_label()
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(GAP)
        form.addRow("Method", self._method)
        form.addRow(self._summary)
        own = QHBoxLayout()
        own.setSpacing(GAP)
        own.addWidget(self._preset, 1)
        self._keep = button("Keep …", "Keep the settings below as a preset of your own")
        self._keep.clicked.connect(self.keep_asked)
        self._forget = button("Forget", "Remove this preset of your own")
        self._forget.clicked.connect(self._ask_to_forget)
        own.addWidget(self._keep)
        own.addWidget(self._forget)
        form.addRow("Preset", own)
        form.addRow(self._note)
        self.body.addLayout(form)
        self._training = ConfigForm.of(TrainConfig(), _IMPORTANT, {"device": _DEVICES})
        self._training.value_changed.connect(self._edited)
        self.body.addWidget(self._training)
        self._options_place = QVBoxLayout()
        self._options: ConfigForm | None = None
        self.body.addLayout(self._options_place)
        self._add_controls()

    def set_methods(self, entries: Sequence[MethodEntry]) -> None:
        """Offer these methods; the first one is chosen."""
        self._entries = tuple(entries)
        self._method.clear()
        self._method.addItems([entry.title for entry in entries])

    def value(self) -> Choice | None:
        """What to train; None as long as the methods are loading.

        Raises:
            InvalidInput: a setting is out of its range.
        """
        if not self._entries or self._options is None:
            return None
        return Choice(
            method=self._entry.name,
            preset=self._shown_preset.name,
            options=self._options.value(),
            training=TrainConfig().updated(self._training.value()),
            all_cases=self._all_cases.isChecked(),
            uses_references=self._entry.uses_references,
        )

    def set_value(self, value: Choice) -> None:
        """Show this choice; its method must be one of those offered."""
        names = [entry.name for entry in self._entries]
        self._method.setCurrentIndex(names.index(value.method))
        presets = [preset.name for preset in self._presets]
        if value.preset in presets:
            self._preset.setCurrentIndex(presets.index(value.preset))
        self._training.set_value(value.training.model_dump(mode="json"))
        self._all_cases.setChecked(value.all_cases)
        if self._options is not None:
            self._options.set_value(value.options)

    def change_training(self, **settings: Any) -> None:
        """Show these settings of the engine; the others stay as they are."""
        self._training.set_value(settings)

    def point_to_train(self) -> QWidget:
        """The button that trains, which the next key presses."""
        self._train.setFocus()
        return self._train

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show which buttons work, and how far the training is."""
        self._screen = screen
        self._train.setEnabled(screen.why_not_train is None)
        self._train.setToolTip(screen.why_not_train or "Train on the chosen layers (background)")
        wanted = screen.why_not_train if screen.phase is Phase.IDLE else None
        for label, text in ((self._wanted, wanted), (self._warnings, "\n".join(screen.warnings))):
            label.setText(text or "")
            label.setVisible(bool(text))
        self._train_all.setEnabled(screen.why_not_train is None)
        self._estimate.setText(screen.estimate if screen.phase is Phase.IDLE else "")
        self._estimate.setVisible(bool(self._estimate.text()))
        training = screen.phase in (Phase.PREPARING, Phase.TRAINING, Phase.STOPPING)
        self._progress.setVisible(training)
        self._progress_text.setVisible(training and bool(screen.progress_text))
        self._progress_text.setText(screen.progress_text)
        if screen.share is None:
            self._progress.setRange(0, 0)
        else:
            self._progress.setRange(0, _PROGRESS_PARTS)
            self._progress.setValue(round(screen.share * _PROGRESS_PARTS))

    @property
    def phase(self) -> Phase:
        """What is shown to go on."""
        return self._screen.phase

    @property
    def is_training(self) -> bool:
        """Whether the progress of a training is shown."""
        return self._screen.phase is Phase.TRAINING

    def choices(self) -> tuple[Choice, ...]:
        """Every method with its quick preset, the shown budget and the shown device.

        Raises:
            InvalidInput: a setting is out of its range.
        """
        shown = self.value()
        if shown is None:
            return ()
        same = {name: getattr(shown.training, name) for name in ("steps", "minutes", "device")}
        return tuple(
            replace(
                shown,
                method=entry.name,
                preset=quick.name,
                options=quick.options,
                training=quick.training.updated(same),
                uses_references=entry.uses_references,
            )
            for entry in self._entries
            for quick in (entry.preset("quick"),)
        )

    def own_presets_changed(self, name: str | None) -> None:
        """Offer the user's presets anew, and show one of them."""
        self._offer_presets()
        names = [preset.name for preset in self._presets]
        if name in names:
            self._preset.setCurrentIndex(names.index(name))
        self._preset_changed()

    @property
    def _entry(self) -> MethodEntry:
        return self._entries[max(0, self._method.currentIndex())]

    @property
    def _shown_preset(self) -> PresetEntry:
        return self._presets[max(0, self._preset.currentIndex())]

    def _add_controls(self) -> None:
        self._all_cases = QCheckBox("Also the project's other scribbled cases")
        self._all_cases.setToolTip(
            "Learn from them, too: their strokes are copied into the run as they are saved now"
        )
        self.body.addWidget(self._all_cases)
        self._train = button("Train", primary=True)
        self._train.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._train.clicked.connect(self.train_asked)
        self._train_all = button(
            "Train all methods", "Every method with its quick preset and this budget, in turn"
        )
        self._train_all.clicked.connect(self.train_all_asked)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self._train, 1)
        row.addWidget(self._train_all)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedHeight(8)
        self._progress_text = note_label()
        self.body.addLayout(row)
        self._wanted, self._warnings, self._estimate = note_label(), note_label(), note_label()
        self._warnings.setStyleSheet(f"color: {LEVEL_COLORS['warning']};")
        parts = (
            self._estimate,
            self._wanted,
            self._progress,
            self._progress_text,
            self._warnings,
        )
        for widget in parts:
            self.body.addWidget(widget)

    def _method_changed(self) -> None:
        if not self._entries:
            return
        entry = self._entry
        self._summary.setText(entry.summary)
        self._method.setToolTip(f"<p>{entry.source}</p>")
        self._show_options(entry)
        self._offer_presets()
        self._preset_changed()

    def _ask_to_forget(self) -> None:
        self.forget_asked.emit(self._shown_preset.name)

    def _offer_presets(self) -> None:
        """The method's presets and behind them the user's own."""
        entry = self._entry
        own = [_entry_of(preset) for preset in own_presets(entry.name)]
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
        self._options = ConfigForm(entry.options_schema)
        self._options.value_changed.connect(self._edited)
        fold = QWidget()
        inside = QVBoxLayout(fold)
        inside.setContentsMargins(12, 0, 0, 0)
        inside.addWidget(self._options)
        self._options_place.addWidget(Fold(f"Settings of {entry.title}", fold))

    def _preset_changed(self) -> None:
        if not self._entries or self._options is None:
            return
        preset = self._shown_preset
        self._forget.setVisible(self._preset.currentIndex() >= len(self._entry.presets))
        self._training.set_value(preset.training.model_dump(mode="json"))
        self._options.set_value(preset.options)
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
        same = (
            self._options.value() == preset.options
            and self._training.value() == preset.training.model_dump(mode="json")
        )
        return preset.note if same else f"{preset.note.rstrip('.')} (changed)."


def _entry_of(own: OwnPreset) -> PresetEntry:
    note = "A preset of your own."
    return PresetEntry(name=own.name, note=note, options=own.options, training=own.training)
