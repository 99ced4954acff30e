"""What a check has found, in sentences: what is in the way, what is left out, time and disk."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_scribseg.gui.batch.check import CheckReport
from napari_scribseg.gui.values import Level
from napari_scribseg.gui.widgets.style import LEVEL_COLORS, Fold, Panel, quiet


class BatchCheckPanel(Panel):
    """Shows a `CheckReport`; hidden without one."""

    def __init__(self) -> None:
        super().__init__("Check", page="guide/batch.md#check-then-run")
        self.obstacles, self.left_out = _sentences("error"), _sentences("warning")
        self.patients = _sentences("info")
        self.estimate, self.notes = _sentences("info"), _sentences("info")
        self.notes.setStyleSheet(quiet())
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(12, 0, 0, 0)
        layout.addWidget(self.notes)
        self._fold = Fold("What else was noticed", inside)
        for widget in (self.obstacles, self.left_out, self.patients, self.estimate, self._fold):
            self.body.addWidget(widget)
        self.set_value(None)

    def set_value(self, report: CheckReport | None) -> None:
        """Show what was found; None = nothing was checked."""
        self.setVisible(report is not None)
        if report is None:
            return
        _show(self.obstacles, "In the way:", report.obstacles)
        _show(self.left_out, "Left out, the others go on:", report.left_out)
        _show(self.patients, "", [f"Patients: {report.patients}"] if report.patients else [])
        _show(self.estimate, "", report.estimate.splitlines())
        _show(self.notes, "", report.notes)
        self._fold.setVisible(bool(report.notes))


def _sentences(level: Level) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    color = LEVEL_COLORS[level]
    label.setStyleSheet(f"color: {color};" if color else "")
    return label


def _show(label: QLabel, title: str, sentences: Sequence[str]) -> None:
    if title:
        sentences = [title, *(f"• {sentence}" for sentence in sentences)] if sentences else []
    label.setText("\n".join(sentences))
    label.setVisible(bool(sentences))
