"""Which method learns, with which settings; start, stop, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal  # pyright: ignore[reportAttributeAccessIssue]  qtpy adds it
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.config import TrainConfig
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry
from napari_scribseg.gui.curve import LossCurve
from napari_scribseg.gui.forms import ConfigForm
from napari_scribseg.gui.style import GAP, LEVEL_COLORS, Fold, Panel, button, note_label, tame
from napari_scribseg.gui.training_presenter import Phase, TrainingScreen
from napari_scribseg.gui.values import Choice

_IMPORTANT = ("steps", "minutes", "device")
_DEVICES = ("auto", "cpu", "cuda", "mps")
_PROGRESS_PARTS = 1000


class TrainingPanel(Panel):
    """Edits a `Choice`, and shows how the training goes."""

    value_changed = Signal()
    train_asked = Signal()
    stop_asked = Signal()
    finish_asked = Signal()

    def __init__(self) -> None:
        super().__init__("Training")
        self._entries: tuple[MethodEntry, ...] = ()
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
        form.addRow("Preset", self._preset)
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
        )

    def set_value(self, value: Choice) -> None:
        """Show this choice; its method must be one of those offered."""
        names = [entry.name for entry in self._entries]
        self._method.setCurrentIndex(names.index(value.method))
        presets = [preset.name for preset in self._entry.presets]
        if value.preset in presets:
            self._preset.setCurrentIndex(presets.index(value.preset))
        self._training.set_value(value.training.model_dump(mode="json"))
        if self._options is not None:
            self._options.set_value(value.options)

    def change_training(self, **settings: Any) -> None:
        """Show these settings of the engine; the others stay as they are."""
        self._training.set_value(settings)

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show which buttons work, and how far the training is."""
        self._screen = screen
        self._train.setEnabled(screen.why_not_train is None)
        self._train.setToolTip(screen.why_not_train or "Train on the chosen layers (background)")
        wanted = screen.why_not_train if screen.phase is Phase.IDLE else None
        for label, text in ((self._wanted, wanted), (self._warnings, "\n".join(screen.warnings))):
            label.setText(text or "")
            label.setVisible(bool(text))
        self._stop.setEnabled(screen.can_stop)
        self._finish.setEnabled(screen.can_stop)
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
    def is_training(self) -> bool:
        """Whether the progress of a training is shown."""
        return self._screen.phase is Phase.TRAINING

    def add_loss(self, step: int, loss: float) -> None:
        """Add a point to the curve."""
        self.curve.add(step, loss)

    def clear_losses(self) -> None:
        """Begin a new curve."""
        self.curve.clear()
        self.curve.setVisible(True)

    @property
    def _entry(self) -> MethodEntry:
        return self._entries[max(0, self._method.currentIndex())]

    @property
    def _shown_preset(self) -> PresetEntry:
        return self._entry.presets[max(0, self._preset.currentIndex())]

    def _add_controls(self) -> None:
        self._train = button("Train", primary=True)
        self._train.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._train.clicked.connect(self.train_asked)
        self._finish = button("Finish", "End now as if the budget were used up, then predict")
        self._finish.clicked.connect(self.finish_asked)
        self._stop = button("Stop", "Stop training; what was saved so far can still predict")
        self._stop.clicked.connect(self.stop_asked)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self._train, 1)
        row.addWidget(self._finish)
        row.addWidget(self._stop)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedHeight(8)
        self._progress_text = note_label()
        self.curve = LossCurve()
        self.curve.setVisible(False)
        self.body.addLayout(row)
        self._wanted, self._warnings = note_label(), note_label()
        self._warnings.setStyleSheet(f"color: {LEVEL_COLORS['warning']};")
        parts = (self._wanted, self._progress, self._progress_text, self._warnings, self.curve)
        for widget in parts:
            self.body.addWidget(widget)

    def _method_changed(self) -> None:
        if not self._entries:
            return
        entry = self._entry
        self._summary.setText(entry.summary)
        self._method.setToolTip(f"<p>{entry.source}</p>")
        self._show_options(entry)
        self._preset.blockSignals(True)
        self._preset.clear()
        self._preset.addItems([preset.name for preset in entry.presets])
        names = [preset.name for preset in entry.presets]
        self._preset.setCurrentIndex(names.index("quick") if "quick" in names else 0)
        self._preset.blockSignals(False)
        self._preset_changed()

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
