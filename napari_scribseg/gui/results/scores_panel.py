"""How good the shown segmentation is: the table, the plot per slice, and what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QWidget,
)

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.evaluation.slice_metrics import SliceScore
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.numbers import Row
from napari_scribseg.gui.widgets.slice_plot import SliceLine, SlicePlot
from napari_scribseg.gui.widgets.style import GAP, Panel, button, note_label, swatch, tame

_WIDEST: Final = "888.8"
"""What a column of numbers has room for."""
_COLUMNS: Final = (
    ("Structure", "Structure; the number of the class is its place in the schema"),
    ("Dice", "Overlap, 0 to 1"),
    ("HD95\nmm", "95th percentile Hausdorff distance in mm"),
    ("ASSD\nmm", "Average symmetric surface distance in mm"),
    ("Prec.", "Precision: share of the segmentation that is right"),
    ("Recall", "Recall: share of the reference that was found"),
    ("mL", "Volume of the segmentation in mL"),
)
_ROW_HEIGHT: Final = 24
_HEAD_HEIGHT: Final = 36
_MEASURES: Final = ("Dice", "HD95 (mm)", "Area (mm²)")


class ScoresPanel(Panel):
    """Shows the scores of one run, and asks for other ways to look at it."""

    run_chosen = Signal(object)
    cleaning_changed = Signal(object)
    """PostProcessing."""
    slice_asked = Signal(int)
    outline_changed = Signal(bool)
    difference_changed = Signal(bool)
    side_by_side_changed = Signal(bool)
    save_asked = Signal()
    compare_asked = Signal()

    def __init__(self) -> None:
        self._save = QToolButton()
        self._save.setText("Save table …")
        self._save.setToolTip("Save all numbers of this tab as one CSV file")
        super().__init__("Scores", self._save)
        self._save.clicked.connect(self.save_asked)
        self._runs = QComboBox()
        self._runs.setToolTip("The run whose scores and segmentation are shown")
        tame(self._runs)
        self._runs.activated.connect(self._choose_run)
        self._hint = note_label("Predict a volume; with a reference, Dice and HD95 appear here.")
        self._caption = note_label()
        self.table = QTableWidget(0, len(_COLUMNS))
        self._prepare_table()
        self._slices: tuple[SliceScore, ...] = ()
        self._schema: LabelSchema | None = None
        self._n_slices = 0
        self.measure = QComboBox()
        self.measure.addItems(_MEASURES)
        self.measure.setToolTip("What the plot shows of every slice")
        tame(self.measure)
        self.measure.currentIndexChanged.connect(self._draw)
        self.plot = SlicePlot()
        self.plot.slice_asked.connect(self.slice_asked)
        self._switches = self._make_switches()
        self.body.addWidget(self._hint)
        self.body.addWidget(self._runs)
        self.body.addWidget(self._caption)
        self.body.addWidget(self.table)
        self.body.addWidget(self._switches)
        self._plotting = QWidget()
        row = QHBoxLayout(self._plotting)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(note_label("Slice by slice"), 1)
        row.addWidget(self.measure, 1)
        self.body.addWidget(self._plotting)
        self.body.addWidget(self.plot)
        self.clear()

    @property
    def outline(self) -> bool:
        """Whether segmentations are shown as outlines."""
        return self._outline.isChecked()

    @property
    def difference(self) -> bool:
        """Whether missed and extra voxels are shown."""
        return self._difference.isChecked()

    def clear(self) -> None:
        """There is no segmentation of this case."""
        self.table.setRowCount(0)
        self._slices, self._n_slices = (), 0
        for widget in (self._caption, self.table, self._plotting, self.plot, self._switches):
            widget.setVisible(False)
        self._runs.setVisible(False)
        self._save.setEnabled(False)
        self._hint.setVisible(True)

    def set_runs(self, runs: Sequence[tuple[Path, str]], shown: Path | None) -> None:
        """Offer the runs that have predicted this case; shown only when there are several."""
        self._runs.clear()
        for folder, title in runs:
            self._runs.addItem(title, folder)
            if folder == shown:
                self._runs.setCurrentIndex(self._runs.count() - 1)
        self._runs.setVisible(len(runs) > 1)
        self._side_by_side.setEnabled(bool(runs))

    def set_caption(self, text: str) -> None:
        """Say what the table is about."""
        self._caption.setText(text)

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these scores; no rows = nothing to compare with."""
        self.table.clearSpans()
        self.table.setRowCount(len(rows))
        for y, row in enumerate(rows):
            if not row.assd_mm:  # the mean: its distance may need room for how many were infinite
                self.table.setSpan(y, 2, 1, 3)
            cells = (row.name, row.dice, row.hd95_mm, row.assd_mm, row.precision, row.recall)
            for x, text in enumerate((*cells, row.volume_ml)):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if x > 0:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                elif row.color:
                    item.setIcon(swatch(row.color))
                self.table.setItem(y, x, item)
            self.table.setRowHeight(y, _ROW_HEIGHT)
        self.table.setVisible(bool(rows))
        self.table.setFixedHeight(_ROW_HEIGHT * len(rows) + _HEAD_HEIGHT + 4)
        self._hint.setVisible(False)

    def set_slices(
        self, slices: Sequence[SliceScore], n_slices: int, schema: LabelSchema, *, scored: bool
    ) -> None:
        """Show the plot of these slices; without scores it can show areas only."""
        self._slices, self._n_slices, self._schema = tuple(slices), n_slices, schema
        for widget in (self._caption, self._plotting, self.plot, self._switches):
            widget.setVisible(True)
        self._hint.setVisible(False)
        self._save.setEnabled(True)
        self._difference.setEnabled(scored)
        self.measure.setEnabled(scored)
        if not scored:
            self.measure.setCurrentIndex(len(_MEASURES) - 1)
        self._draw()

    def set_cleaning(self, cleaning: PostProcessing) -> None:
        """Show what the clean-up does."""
        for box, on in (
            (self._largest, cleaning.largest_component),
            (self._holes, cleaning.fill_holes),
        ):
            box.blockSignals(True)
            box.setChecked(on)
            box.blockSignals(False)

    def set_side_by_side(self, *, on: bool) -> None:
        """Show whether the runs are side by side."""
        self._side_by_side.blockSignals(True)
        self._side_by_side.setChecked(on)
        self._side_by_side.blockSignals(False)

    def _choose_run(self, row: int) -> None:
        self.run_chosen.emit(self._runs.itemData(row))

    def _draw(self, _index: int = 0) -> None:
        schema = self._schema
        if schema is None:
            return
        measure = self.measure.currentText()
        key = {"Dice": "dice", "HD95 (mm)": "hd95_mm"}.get(measure, "area_mm2")
        lines: list[SliceLine] = []
        for index, color in schema.segmentation_colors.items():
            own = [s for s in self._slices if s.index == index]
            name = schema.names[index]
            lines.append(SliceLine(name, color, {s.z: getattr(s, key) for s in own}))
            if key == "area_mm2":
                values = {s.z: s.reference_area_mm2 for s in own}
                lines.append(SliceLine(f"{name} of the reference", color, values, dashed=True))
        limits = (0.0, 1.0) if key == "dice" else None
        self.plot.set_lines(lines, self._n_slices, measure, limits)

    def _make_switches(self) -> QWidget:
        made = QWidget()
        grid = QGridLayout(made)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GAP)
        self._largest = _box("Largest component", "Keep only the largest piece of each class")
        self._holes = _box("Fill holes", "Fill background that a slice's structures enclose")
        self._outline = _box("Outline", "Show segmentations as outlines, or filled", checked=True)
        self._difference = _box(
            "Missed / extra",
            "Show where the reference was missed (blue), exceeded (vermilion), "
            "or taken for another class (purple)",
        )
        self._side_by_side = _box("Side by side", "Show every run in a field of its own, linked")
        again = button("Compare again", "Judge anew, after the reference was changed")
        again.clicked.connect(self.compare_asked)
        for place, widget in enumerate(
            (self._largest, self._holes, self._outline, self._difference, self._side_by_side, again)
        ):
            grid.addWidget(widget, place // 2, place % 2)
        for box in (self._largest, self._holes):
            box.toggled.connect(self._cleaning)
        self._outline.toggled.connect(self.outline_changed)
        self._difference.toggled.connect(self.difference_changed)
        self._side_by_side.toggled.connect(self.side_by_side_changed)
        return made

    def _cleaning(self, _on: bool) -> None:
        self.cleaning_changed.emit(
            PostProcessing(
                largest_component=self._largest.isChecked(), fill_holes=self._holes.isChecked()
            )
        )

    def _prepare_table(self) -> None:
        table = self.table
        for x, (title, tip) in enumerate(_COLUMNS):
            item = QTableWidgetItem(title)
            item.setToolTip(tip)
            table.setHorizontalHeaderItem(x, item)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setShowGrid(False)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setStyleSheet(
            "QTableWidget::item { padding: 0 1px; } QHeaderView::section { padding: 1px; }"
        )
        rows, columns = table.verticalHeader(), table.horizontalHeader()
        if rows is not None:
            rows.setVisible(False)
        if columns is not None:
            columns.setMinimumSectionSize(30)
            # Not by their contents: a long cell would leave no room for the names.
            columns.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            for x in range(1, len(_COLUMNS)):
                columns.resizeSection(x, table.fontMetrics().horizontalAdvance(_WIDEST) + 7)
            columns.setFixedHeight(_HEAD_HEIGHT)


def _box(text: str, tooltip: str, *, checked: bool = False) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tooltip)
    box.setChecked(checked)
    return box
