"""What leaves the window: one segmentation, the table, all cases, the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QDialog, QFileDialog, QGridLayout

from napari_scribseg.core.wording import counted
from napari_scribseg.data.segmentation_export import (
    SEGMENTATION_FORMATS,
    SegmentationFormat,
    export_segmentation,
)
from napari_scribseg.gui.canvas.chosen_layers import file_of
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.results.export_dialog import ExportDialog
from napari_scribseg.gui.results.jobs import BackgroundPredictions
from napari_scribseg.gui.results.predictions import export_project
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.score_table import Measured, save_table
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.save_as import FileKind, ask_where_to_save
from napari_scribseg.gui.widgets.style import GAP, Panel, button
from napari_scribseg.io.dicom_seg import Origin
from napari_scribseg.runs.model_file import ENDING

if TYPE_CHECKING:
    from napari_scribseg.data.export import Exported, Layout

_MODEL = FileKind("Models", (ENDING,))
MODELS = _MODEL.filter
_TABLE = FileKind("CSV", (".csv",))


class ExportPanel(Panel):
    """Buttons for all that can be written for others."""

    segmentation_asked = Signal()
    table_asked = Signal()
    cases_asked = Signal()
    model_asked = Signal()

    def __init__(self) -> None:
        super().__init__("Export", page="guide/results.md#export")
        self.segmentation = button(
            "Segmentation …",
            "Write the shown segmentation as NIfTI, DICOM SEG, or .seg.nrrd for 3D Slicer",
        )
        self.table = button("Table …", "Write all numbers of this tab as one CSV file")
        self.cases = button("All cases …", "Write the cases of the project for other programs")
        self.model = button(
            "Model …",
            "Write the model of the shown run as one file that can be given away, without data",
        )
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(GAP)
        buttons = (
            (self.segmentation, self.segmentation_asked),
            (self.table, self.table_asked),
            (self.cases, self.cases_asked),
            (self.model, self.model_asked),
        )
        for place, (made, asked) in enumerate(buttons):
            made.clicked.connect(asked)
            grid.addWidget(made, place // 2, place % 2)
        self.body.addLayout(grid)

    def offer(self, *, segmentation: bool, model: bool) -> None:
        """Offer what there is to be written."""
        self.segmentation.setEnabled(segmentation)
        self.table.setEnabled(segmentation)
        self.model.setEnabled(model)


class ExportController:
    """Asks where to write, and writes.

    Args:
        panel: its buttons.
        session: what the window works on.
        presenter: has the segmentations.
        jobs: runs child processes.
        measured: gives the clinical numbers that stand on the tab.
    """

    def __init__(
        self,
        panel: ExportPanel,
        session: Session,
        presenter: ResultsPresenter,
        jobs: BackgroundPredictions,
        measured: Callable[[], Measured | None],
    ) -> None:
        self._panel = panel
        self._session = session
        self._presenter = presenter
        self._jobs = jobs
        self._measured = measured
        panel.segmentation_asked.connect(self.ask_for_segmentation)
        panel.table_asked.connect(self.ask_for_table)
        panel.cases_asked.connect(self.ask_for_cases)
        panel.model_asked.connect(self.ask_for_model)

    # One segmentation

    def ask_for_segmentation(self) -> None:
        """Ask for file and format, and write the shown segmentation."""
        comparison = self._presenter.shown
        if comparison is None:
            self._session.say("Predict this volume first.", "warning")
            return
        formats = list(SEGMENTATION_FORMATS)
        kinds = [FileKind(*SEGMENTATION_FORMATS[one]) for one in formats]
        start = self._session.project_folder / f"{comparison.prediction.case.id}_segmentation"
        first = formats.index("nifti" if self._series_of_image() is None else "dicom-seg")
        given = ask_where_to_save(self._panel, "Export the segmentation", start, kinds, first)
        if given is None:
            return
        path, kind = given[0], formats[kinds.index(given[1])]
        source = self._dicom_series() if kind == "dicom-seg" else None
        if kind == "dicom-seg" and source is None:
            return
        self.export_segmentation(path, kind, source)

    def export_segmentation(
        self, path: Path, kind: SegmentationFormat, source: Path | None = None
    ) -> None:
        """Write the shown segmentation, as it is cleaned up and corrected.

        Args:
            path: the file; its ending is added.
            kind: which format.
            source: for DICOM SEG, the folder of the series that was segmented.
        """
        comparison, session = self._presenter.shown, self._session
        if comparison is None:
            return
        prediction, shown = comparison.prediction, comparison.shown
        title = self._presenter.title_of(prediction.run)
        origin = Origin(title, by_hand=prediction.corrected)

        def write() -> Path:
            return export_segmentation(
                path,
                shown.array,
                shown.grid,
                prediction.schema,
                file_format=kind,
                source=source,
                frame=shown.frame,
                origin=origin,
            )

        session.say(f"Writing {path.name} …")
        session.run(write, lambda done: session.say(_told(comparison, done), "good"))

    def _series_of_image(self) -> Path | None:
        """The folder (or enhanced file) of the DICOM series that is shown, if it is known."""
        image = self._session.selected.image
        known = None if image is None else file_of(image)
        is_series = known is not None and (known.is_dir() or known.suffix.lower() == ".dcm")
        return known if is_series else None

    def _dicom_series(self) -> Path | None:
        """The series that the image was made from; asked for where it isn't known."""
        known = self._series_of_image()
        if known is not None:
            return known
        folder = QFileDialog.getExistingDirectory(
            self._panel, "Choose the DICOM series that the image was made from"
        )
        return Path(folder) if folder else None

    # The table

    def ask_for_table(self) -> None:
        """Ask where to save the table, and save it."""
        case = self._presenter.case
        start = self._session.project_folder / f"{case.id if case else 'results'}.csv"
        given = ask_where_to_save(self._panel, "Save the table", start, [_TABLE])
        if given is not None:
            self.save_table(given[0])

    def save_table(self, path: Path) -> None:
        """Save all numbers of the tab as one CSV."""
        comparisons = {title: one for one, title in self._presenter.compared_of_case()}
        effort_of = self._presenter.choice.effort_of
        efforts = {title: effort_of(one.prediction.run) for title, one in comparisons.items()}
        measured = self._measured()
        if measured is not None and measured.title not in efforts:
            efforts[measured.title] = effort_of(measured.of[0].prediction.run)
        self._session.run(
            lambda: save_table(path, comparisons, measured, efforts),
            lambda _none: self._session.say(f"The table was saved to {path}.", "good"),
        )

    # The model

    def ask_for_model(self) -> None:
        """Ask where to write the model of the shown run, and write it."""
        run = self._presenter.run
        if run is None:
            self._session.say("Tick a run first: its model is exported.", "warning")
            return
        start = self._session.project_folder / f"{run.name}{ENDING}"
        given = ask_where_to_save(self._panel, "Export the model", start, [_MODEL])
        if given is not None:
            self.export_model(run, given[0])

    def export_model(self, run: Path, path: Path) -> None:
        """Write the model of a run as one file that can be given away."""
        title = self._presenter.title_of(run)

        def tell(written: Path) -> None:
            self._session.say(
                f"The model of {title} was written to {written}: no ids, names, paths or images "
                "of the data are in it.",
                "good",
            )

        self._session.say(f"Exporting the model of {title} …")
        self._jobs.export_model(run, path, tell)

    # All cases

    def ask_for_cases(self) -> None:
        """Ask for layout and folder, and export all cases."""
        dialog = ExportDialog(self._panel, self._session.project_folder)
        wanted = dialog.exec() == QDialog.DialogCode.Accepted
        layout, folder = dialog.layout_name, Path(dialog.folder.text().strip())
        copies = dialog.copies.isChecked() or layout == "nnunet"
        dialog.deleteLater()
        if wanted:
            self.export_cases(folder, layout, copy_images=copies)

    def export_cases(self, folder: Path, layout: Layout, *, copy_images: bool) -> None:
        """Export the cases of the project, with the newest predictions of the shown run.

        They are cleaned up as what is shown.
        """
        project, run = self._session.project_folder, self._presenter.run
        cleaning = self._presenter.cleaning

        def tell(done: Exported) -> None:
            n = len(done.written)
            text = f"{counted(n, 'case')} {'was' if n == 1 else 'were'} exported to {folder}."
            if done.failed:
                case, reason = next(iter(done.failed.items()))
                text += f" {len(done.failed)} failed; {case}: {reason}"
            self._session.say(text, "warning" if done.failed else "good")

        self._session.say(f"Exporting to {folder} …")
        self._session.run(
            lambda: export_project(
                project, folder, layout, run, copy_images=copy_images, cleaning=cleaning
            ),
            tell,
        )


def _told(comparison: Comparison, path: Path) -> str:
    part = comparison.prediction.z
    only = "" if part is None else f" Only slice {part} was predicted; the others are background."
    return f"The segmentation of {comparison.prediction.case} was written to {path}.{only}"
