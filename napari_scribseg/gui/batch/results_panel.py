"""What came out of an experiment: comparisons in a sentence each, worst slices, report, folder."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_scribseg.experiment.worst_slices import PickedSlice
from napari_scribseg.gui.batch.results import BatchResults
from napari_scribseg.gui.batch.screen import BatchScreen, Phase
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, Fold, Panel, button, note_label, quiet
from napari_scribseg.gui.widgets.table import Field, SortedTable

_COLUMNS: Final = (
    ("Dice", "Mean of the structures on the slice"),
    ("Method", "The method's name in this experiment"),
    ("Case", "The test case"),
    ("Slice", "Index of the slice, from 0"),
)


class BatchResultsPanel(Panel):
    """Shows `BatchResults`; hidden as long as no experiment is shown."""

    report_asked = Signal()
    folder_asked = Signal()
    slice_asked = Signal(object)
    """A PickedSlice that shall be shown in the viewer."""
    back_asked = Signal()
    """What was open before shall be shown again."""

    def __init__(self) -> None:
        super().__init__("Results", page="guide/batch.md#results")
        self._worst: dict[str, PickedSlice] = {}
        self.report = button("Open report", "Show the report in the browser")
        self.folder = button("Show folder", "Show the folder with all tables")
        self.report.clicked.connect(self.report_asked)
        self.folder.clicked.connect(self.folder_asked)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.report)
        row.addWidget(self.folder)
        row.addStretch()
        self.comparisons, self._more_text = _text(), _text()
        self._more_text.setStyleSheet(quiet())
        inside = QWidget()
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(12, 0, 0, 0)
        layout.addWidget(self._more_text)
        self._more = Fold("Single structures and distances", inside)
        self._hint = note_label("Worst slices: click one to see it over image and reference.")
        self.worst = SortedTable(_COLUMNS)
        self.worst.setAccessibleName("Worst slices")
        self.worst.chosen.connect(self._ask_for_slice)
        self.back = button("Back to my case", "Take the slice away; what was open comes back")
        self.back.clicked.connect(self.back_asked)
        self.back.setVisible(False)
        self.body.addLayout(row)
        for widget in (self.comparisons, self._more, self._hint, self.worst, self.back):
            self.body.addWidget(widget)
        self.show_screen(BatchScreen())

    def show_screen(self, screen: BatchScreen) -> None:
        """Show the results of the experiment that is shown."""
        results = screen.results
        idle = screen.phase is Phase.IDLE
        self.setVisible(screen.folder is not None and (idle or results != BatchResults()))
        self.report.setEnabled(results.has_report)
        self.report.setToolTip(
            "Show the report in the browser"
            if results.has_report
            else "There is no report yet: it is written when the experiment stops or ends"
        )
        self.folder.setToolTip(str(screen.folder or ""))
        self.comparisons.setText("\n\n".join(results.comparisons))
        self.comparisons.setVisible(bool(results.comparisons))
        self._more_text.setText("\n\n".join(results.more))
        self._more.setVisible(bool(results.more))
        self._worst = {_key(one): one for one in results.worst}
        self.worst.set_rows({key: _fields(one) for key, one in self._worst.items()})
        for widget in (self._hint, self.worst):
            widget.setVisible(bool(self._worst))

    def _ask_for_slice(self, key: str) -> None:
        self.slice_asked.emit(self._worst[key])


def _text() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _key(picked: PickedSlice) -> str:
    return f"{picked.trial} {picked.case} {picked.slice_index}"


def _fields(picked: PickedSlice) -> tuple[Field, ...]:
    return (
        Field(f"{picked.dice:.3f}", picked.dice),
        Field(picked.label, picked.label, tooltip=picked.trial),
        Field(picked.case, picked.case),
        Field(str(picked.slice_index), picked.slice_index),
    )
