"""What the Results tab does with predictions: accept, measure, compare, save, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QDialog, QFileDialog

from napari_scribseg.annotation.acceptance import accepted, counts_of
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.evaluation.clinical import (
    Measurement,
    Phase,
    cardiac_measurements,
    is_cardiac,
    volume_measurements,
)
from napari_scribseg.gui.canvas import brush, layers
from napari_scribseg.gui.results.comparison import Comparison, save_table
from napari_scribseg.gui.results.export_dialog import ExportDialog
from napari_scribseg.gui.results.jobs import BackgroundPredictions
from napari_scribseg.gui.results.model_work import take_model
from napari_scribseg.gui.results.predictions import export_project
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.session import Session

if TYPE_CHECKING:
    from napari_scribseg.data.export import Exported, Layout
    from napari_scribseg.gui.results.tab import ResultsTab

_MODELS = "Models (*.scribseg)"


class ResultsActions:
    """What the buttons of a `ResultsTab` do with predictions.

    Args:
        tab: whose panels tell what is wanted.
        session: what the window works on.
        presenter: has the predictions.
        jobs: runs child processes.
    """

    def __init__(
        self,
        tab: ResultsTab,
        session: Session,
        presenter: ResultsPresenter,
        jobs: BackgroundPredictions,
    ) -> None:
        self._tab = tab
        self._session = session
        self._presenter = presenter
        self._jobs = jobs
        self._measured: tuple[Measurement, ...] = ()

    def take_brush(self) -> None:
        """Make the scribbles active, with a tool in the hand."""
        scribbles = self._session.selected.scribbles
        if scribbles is not None:
            self._session.viewer.layers.selection.active = scribbles
            if brush.tool_of(scribbles) is None:
                brush.take_tool(scribbles, "paint")

    def accept(self) -> None:
        """Draw the shown prediction into the scribbles, in one step of the history."""
        verdict, scribbles = self._presenter.shown_verdict(), self._session.selected.scribbles
        if verdict is None or scribbles is None:
            self._session.say("Accepting needs a prediction of this case and scribbles.", "warning")
            return
        z = self._tab.shown_slice()
        if z is None and not self._tab.accept.whole_volume:
            self._session.say("Show a slice of the image first.", "warning")
            return
        predicted = verdict.outcome.z
        wanted = self._tab.accept.value(z)
        if predicted is not None and wanted.z != predicted:
            self._session.say(f"Only slice {predicted} was predicted.", "warning")
            return
        unsure = verdict.outcome.uncertainty
        schema = self._session.schema
        if schema.names != verdict.outcome.schema.names:
            self._session.say("The run knows other structures than the scribbles have.", "warning")
            return
        if wanted.z is None and not np.any(verdict.shown.array):
            self._session.say(
                "Nothing was drawn: the prediction has no structure, so all of it would become "
                "background. Train more, or draw more strokes.",
                "warning",
            )
            return
        drawn = np.array(scribbles.data, dtype=np.uint8)

        def find() -> Array:
            uncertainty = None if unsure is None else unsure.array
            array, spacing = verdict.shown.array, verdict.shown.spacing
            return accepted(array, drawn, spacing, schema, wanted, uncertainty)

        def draw(added: Array) -> None:
            if self._session.selected.scribbles is not scribbles:
                return
            n = brush.write(scribbles, added)
            self._session.touch_strokes()
            self._session.viewer.layers.selection.active = scribbles
            if n:
                told = counts_of(added, schema)
                self._session.say(f"Drawn: {told}. Undo takes it all back at once.", "good")
            else:
                self._session.say("Nothing was drawn: no voxel is sure and far enough inside.")

        self._session.run(find, draw)

    # Layers

    def show_difference(self, verdict: Comparison, *, on: bool) -> None:
        """Show, or take away, what was missed, is too much, or is of another class."""
        case, session = verdict.outcome.case, self._session
        old = layers.find(session.viewer.layers, "difference", case)
        if on and verdict.difference is not None:
            volume = Volume(verdict.difference, verdict.shown.grid)
            session.put(layers.difference_data(volume, case=case), "difference", case)
        elif old is not None:
            session.viewer.layers.remove(old)

    def show_probabilities(self, verdict: Comparison) -> None:
        """Put the probability of every class into the viewer, where it was asked for."""
        outcome = verdict.outcome
        if outcome.probabilities is None:
            return
        for name, array in zip(outcome.schema.names, outcome.probabilities, strict=True):
            volume = Volume(array, verdict.shown.grid)
            data = layers.probability_data(volume, case=outcome.case, name=name, run=name)
            self._session.put(data, "probabilities", outcome.case, name)

    def compare(self, *, on: bool) -> None:
        """Show every run that has predicted the case in a field of its own, or only one again."""
        grid, presenter = self._tab.side_by_side, self._presenter
        grid.back()
        snapshot_layer = self._session.selected.image
        outcomes = [o for o in presenter.outcomes_of_case() if o.run is not None]
        if not on or snapshot_layer is None or not outcomes:
            self._tab.scores.set_side_by_side(on=False)
            return
        case = outcomes[0].case
        reference = self._session.selected.reference
        try:
            image = layers.image_data(layers.volume_of(snapshot_layer), case=case)
            truth = None if reference is None else layers.volume_of(reference)
        except ScribsegError as error:
            self._session.refuse(str(error))
            self._tab.scores.set_side_by_side(on=False)
            return
        cells: list[tuple[str, layers.LayerData]] = []
        for outcome in outcomes:
            verdict = presenter.verdicts.get((case, outcome.run)) if outcome.run else None
            if verdict is not None:
                data = layers.segmentation_data(
                    verdict.shown, outcome.schema, case=case, outline=self._tab.scores.outline
                )
                cells.append((presenter.title_of(outcome.run), data))
        if truth is not None:
            data = layers.reference_data(truth, self._session.schema, case=case)
            cells.append(("the reference", data))
        grid.show(image, cells)
        self._tab.scores.set_side_by_side(on=True)

    def show_learnt(self) -> None:
        """Show the maps that the shown run has made of this case."""
        run, case, image = self._presenter.run, self._presenter.case, self._session.selected.image
        if run is None or case is None or image is None:
            self._session.say("Tick a run, and show a case that it was trained on.", "warning")
            return
        try:
            snapshot = self._session.snapshot()
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        grid, schema = snapshot.image.grid, self._session.schema

        def show(maps: dict[str, Array]) -> None:
            if self._presenter.case != case:
                return
            for name, array in maps.items():
                data = layers.learnt_data(Volume(array, grid), schema, case=case, name=name)
                self._session.put(data, "learnt", case, name)
            listed = ", ".join(maps)
            self._session.say(
                f"{self._presenter.title_of(run)} learns from: {listed}."
                if maps
                else f"{self._presenter.title_of(run)} learns from the strokes alone."
            )

        self._session.say(f"Looking at what {self._presenter.title_of(run)} made of {case} …")
        self._jobs.learnt(run, snapshot, show)

    # Numbers

    def offer_phases(self) -> None:
        """Offer the predicted cases of the shown run as phases of a heart."""
        cases = [case for case, run in self._presenter.verdicts if run == self._presenter.run]
        is_heart = is_cardiac(self._session.schema)
        self._tab.measurements.set_phases(cases, is_heart=is_heart)

    def measure_volumes(self) -> None:
        """The volume of every class of the shown segmentation."""
        verdict = self._presenter.shown_verdict()
        if verdict is None:
            self._session.say("Predict this volume first.", "warning")
            return
        phase, schema = _phase_of(verdict), verdict.outcome.schema
        self._session.run(lambda: volume_measurements(phase, schema), self._show_measured)

    def measure_function(self) -> None:
        """EF, volumes and mass of the two chosen phases, by the shown run."""
        form, run = self._tab.measurements, self._presenter.run
        found = [
            None if run is None or case is None else self._presenter.verdicts.get((case, run))
            for case in (form.chosen(form.diastole), form.chosen(form.systole))
        ]
        if found[0] is None or found[1] is None or found[0] is found[1]:
            self._session.say(
                "Predict end diastole and end systole with the same run, and choose both.",
                "warning",
            )
            return
        schema = found[0].outcome.schema
        diastole, systole = (_phase_of(v) for v in (found[0], found[1]))
        self._session.run(
            lambda: cardiac_measurements(diastole, systole, schema), self._show_measured
        )

    def _show_measured(self, measured: tuple[Measurement, ...]) -> None:
        self._measured = measured
        self._tab.measurements.set_value(measured)
        self._session.say("Measured from the shown segmentation: for research only.")

    # Files

    def ask_for_table(self) -> None:
        """Ask where to save the table, and save it."""
        case = self._presenter.case
        start = str(self._session.project_folder / f"{case.id if case else 'results'}.csv")
        name, _ = QFileDialog.getSaveFileName(self._tab, "Save the table", start, "CSV (*.csv)")
        if name:
            self.save_table(Path(name))

    def save_table(self, path: Path) -> None:
        """Save all numbers of the tab as one CSV."""
        presenter = self._presenter
        verdicts = {
            presenter.title_of(run): verdict
            for (case, run), verdict in presenter.verdicts.items()
            if case == presenter.case
        }
        measured = self._measured
        self._session.run(
            lambda: save_table(path, verdicts, measured),
            lambda _none: self._session.say(f"The table was saved to {path}.", "good"),
        )

    def ask_for_model(self) -> None:
        """Ask for a model file, and predict with it."""
        name, _ = QFileDialog.getOpenFileName(self._tab, "Load a model file", "", _MODELS)
        if name:
            self.load_model(Path(name))

    def load_model(self, path: Path) -> None:
        """Copy a model file into the project, and predict with it from now on."""
        project = self._session.project_folder
        self._session.say(f"Loading {path.name} …")
        self._session.run(lambda: take_model(project, path), self._tab.use_run)

    def ask_for_model_export(self) -> None:
        """Ask where to write the model of the shown run, and write it."""
        run = self._presenter.run
        if run is None:
            self._session.say("Tick a run first: its model is exported.", "warning")
            return
        name, _ = QFileDialog.getSaveFileName(self._tab, "Export the model", "", _MODELS)
        if name:
            self.export_model(run, Path(name))

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

    def ask_for_export(self) -> None:
        """Ask for layout and folder, and export."""
        dialog = ExportDialog(self._tab, self._session.project_folder)
        wanted = dialog.exec() == QDialog.DialogCode.Accepted
        layout, folder = dialog.layout_name, Path(dialog.folder.text().strip())
        copies = dialog.copies.isChecked() or layout == "nnunet"
        dialog.deleteLater()
        if wanted:
            self.export(folder, layout, copy_images=copies)

    def export(self, folder: Path, layout: Layout, *, copy_images: bool) -> None:
        """Export the cases of the project, with the newest predictions of the shown run."""
        project, run = self._session.project_folder, self._presenter.run

        def tell(done: Exported) -> None:
            text = f"{len(done.written)} case(s) were exported to {folder}."
            if done.failed:
                case, reason = next(iter(done.failed.items()))
                text += f" {len(done.failed)} were not; {case}: {reason}"
            self._session.say(text, "warning" if done.failed else "good")

        self._session.say(f"Exporting to {folder} …")
        self._session.run(
            lambda: export_project(project, folder, layout, run, copy_images=copy_images), tell
        )


def _phase_of(verdict: Comparison) -> Phase:
    frame = verdict.shown.frame
    name = verdict.outcome.case.name + ("" if frame is None else f", frame {frame}")
    return Phase(name, verdict.shown.array, verdict.shown.spacing)
