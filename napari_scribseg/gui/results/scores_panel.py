"""How good the shown segmentation is: the table, the plot per slice, and what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QCheckBox, QComboBox, QGridLayout, QHBoxLayout, QWidget

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.post_processing import CLEAN_UP, PostProcessing
from napari_scribseg.gui.canvas.layers import pale
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.results.reference_row import ReferenceRow
from napari_scribseg.gui.results.scores_table import ScoresTable
from napari_scribseg.gui.results.screen import ResultsScreen, Shown
from napari_scribseg.gui.widgets.legend import Legend, Sign
from napari_scribseg.gui.widgets.numbers import score_rows
from napari_scribseg.gui.widgets.slice_plot import SliceLine, SlicePlot
from napari_scribseg.gui.widgets.style import GAP, Panel, button, note_label, tame, tell_in_full

_MEASURES: Final = ("Dice", "HD95 (mm)", "Area (mm²)")
_NOTHING: Final = "Predict a volume; with a reference, Dice and HD95 appear here."


class ScoresPanel(Panel):
    """Shows the scores of one run, and asks for other ways to look at it."""

    run_chosen = Signal(object)
    cleaning_changed = Signal(object)
    """PostProcessing."""
    slice_asked = Signal(int)
    outline_changed = Signal(bool)
    difference_changed = Signal(bool)
    side_by_side_changed = Signal(bool)
    learnt_asked = Signal()

    def __init__(self) -> None:
        super().__init__("Scores", page="guide/results.md#scores")
        self.reference = ReferenceRow()
        self.runs = QComboBox()
        self.runs.hide()
        self.runs.setToolTip("The run whose scores and segmentation are shown")
        tame(self.runs)
        self.runs.activated.connect(self._choose_run)
        self._hint = note_label(_NOTHING)
        self._caption = note_label()
        self.table = ScoresTable()
        self._legend = Legend()
        self._shown: Shown | None = None
        self._choices: tuple[tuple[Path, str], ...] = ()
        self._cleaning_now = CLEAN_UP
        self._was_unscored = True
        self.measure = QComboBox()
        self.measure.addItems(_MEASURES)
        self.measure.setToolTip("What the plot shows of every slice")
        tame(self.measure)
        self.measure.currentIndexChanged.connect(self._draw)
        self.plot = SlicePlot()
        self.plot.slice_asked.connect(self.slice_asked)
        self._switches = self._make_switches()
        self._plotting = QWidget()
        row = QHBoxLayout(self._plotting)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(note_label("Slice by slice"), 1)
        row.addWidget(self.measure, 1)
        for widget in (self.reference, self._hint, self.runs, self._caption, self.table):
            self.body.addWidget(widget)
        for widget in (self._legend, self._plotting, self.plot, self._switches):
            self.body.addWidget(widget)
        self._show(None)

    @property
    def difference(self) -> bool:
        """Whether missed and extra voxels are shown."""
        return self._difference.isChecked()

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show the scores of one run, under its name."""
        self._set_cleaning(screen.cleaning)
        if screen.choices != self._choices or screen.shown is not self._shown:
            self._set_runs(screen.choices, screen.shown)
        if screen.shown is not self._shown:
            self._show(screen.shown)

    def set_side_by_side(self, *, on: bool) -> None:
        """Show whether the runs are side by side."""
        with QSignalBlocker(self._side_by_side):
            self._side_by_side.setChecked(on)

    # Inside

    def _show(self, shown: Shown | None) -> None:
        self._shown = shown
        comparison = None if shown is None else shown.comparison
        rest = (self._caption, self._legend, self._plotting, self.plot, self._switches)
        for widget in rest:
            widget.setVisible(comparison is not None)
        self._hint.setVisible(comparison is None)
        self._caption.setText("" if shown is None else shown.caption)
        if comparison is None:
            self.table.set_rows(())
            return
        schema, scored = comparison.prediction.schema, comparison.scores is not None
        self.table.set_rows(score_rows(comparison.scores or (), schema))
        self._legend.set_signs(_signs(schema, with_reference=comparison.difference is not None))
        self._difference.setEnabled(scored)
        self.measure.setEnabled(scored)
        if not scored:
            self.measure.setCurrentIndex(len(_MEASURES) - 1)
        elif self._was_unscored:
            self.measure.setCurrentIndex(0)
        self._was_unscored = not scored
        self._draw()

    def _set_runs(self, runs: Sequence[tuple[Path, str]], shown: Shown | None) -> None:
        """Offer the runs that have predicted this case; shown only when there are several."""
        self._choices = tuple(runs)
        with QSignalBlocker(self.runs):
            self.runs.clear()
            for folder, title in runs:
                self.runs.addItem(title, folder)
            folders = [folder for folder, _ in runs]
            place = folders.index(shown.run) if shown is not None and shown.run in folders else -1
            self.runs.setCurrentIndex(place)
        tell_in_full(self.runs)
        self.runs.setVisible(len(runs) > 1)
        self._side_by_side.setEnabled(bool(runs))

    def _set_cleaning(self, cleaning: PostProcessing) -> None:
        self._cleaning_now = cleaning
        for box, on in (
            (self._anatomy, cleaning.anatomy),
            (self._largest, cleaning.largest_component),
            (self._holes, cleaning.fill_holes),
        ):
            with QSignalBlocker(box):
                box.setChecked(on)

    def _choose_run(self, row: int) -> None:
        self.run_chosen.emit(self.runs.itemData(row))

    def _draw(self, _index: int = 0) -> None:
        if self._shown is None:
            return
        comparison, measure = self._shown.comparison, self.measure.currentText()
        key = {"Dice": "dice", "HD95 (mm)": "hd95_mm"}.get(measure, "area_mm2")
        limits = (0.0, 1.0) if key == "dice" else None
        n_slices = comparison.shown.shape[0]
        self.plot.set_lines(_lines(comparison, key), n_slices, measure, limits)

    def _make_switches(self) -> QWidget:
        made = QWidget()
        grid = QGridLayout(made)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GAP)
        self._anatomy = _box(
            "Clean up by anatomy",
            "Remove what contradicts what the classes say: further pieces of a structure that is "
            "one, and what should lie inside another. Classes say so in the Scribble tab",
            checked=True,
        )
        self._largest = _box("Largest component", "Keep only the largest piece of each class")
        self._holes = _box("Fill holes", "Fill background that a slice's structures enclose")
        self._outline = _box("Outline", "Show segmentations as outlines, or filled", checked=True)
        self._difference = _box(
            "Missed / extra",
            "Show where the reference was missed (blue), exceeded (vermilion), "
            "or taken for another class (purple)",
        )
        self._side_by_side = _box("Side by side", "Show every run in a field of its own, linked")
        self.correct = button(
            "Correct with the brush",
            "Paint on the segmentation itself: what is changed is scored, kept, and learnt from",
        )
        self.correct.setCheckable(True)
        learnt = button(
            "What it learnt from",
            "Show the seeds and labels that the shown run has made of this case, as layers",
        )
        learnt.clicked.connect(self.learnt_asked)
        places = (
            *(self._anatomy, self._outline, self._largest, self._holes),
            *(self._difference, self._side_by_side),
        )
        for place, widget in enumerate(places):
            grid.addWidget(widget, place // 2, place % 2)
        grid.addWidget(self.correct, 3, 0)
        grid.addWidget(learnt, 3, 1)
        for box in (self._anatomy, self._largest, self._holes):
            box.toggled.connect(self._cleaning)
        self._outline.toggled.connect(self.outline_changed)
        self._difference.toggled.connect(self.difference_changed)
        self._side_by_side.toggled.connect(self.side_by_side_changed)
        return made

    def _cleaning(self, _on: bool) -> None:
        wanted = {
            "anatomy": self._anatomy.isChecked(),
            "largest_component": self._largest.isChecked(),
            "fill_holes": self._holes.isChecked(),
        }
        self.cleaning_changed.emit(self._cleaning_now.model_copy(update=wanted))


def _lines(comparison: Comparison, key: str) -> list[SliceLine]:
    """A line of every structure, and of areas a second one for the reference."""
    schema, lines = comparison.prediction.schema, list[SliceLine]()
    for index, color in schema.segmentation_colors.items():
        own = [s for s in comparison.slices if s.index == index]
        name = schema.names[index]
        lines.append(SliceLine(name, color, {s.z: getattr(s, key) for s in own}))
        if key == "area_mm2" and comparison.difference is not None:
            values = {s.z: s.reference_area_mm2 for s in own}
            lines.append(SliceLine(f"{name} of the reference", color, values, dashed=True))
    return lines


def _signs(schema: LabelSchema, *, with_reference: bool) -> list[Sign]:
    """How run, reference and strokes look on the canvas, in the colour of the first structure."""
    color = next(iter(schema.segmentation_colors.values()))
    signs = [Sign("run", "outline", color)]
    if with_reference:
        signs.append(Sign("reference", "pale", pale(color)))
    return [*signs, Sign("your strokes", "filled", color)]


def _box(text: str, tooltip: str, *, checked: bool = False) -> QCheckBox:
    box = QCheckBox(text)
    box.setToolTip(tooltip)
    box.setChecked(checked)
    return box
