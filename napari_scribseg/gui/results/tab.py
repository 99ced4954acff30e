"""The Results tab: predict, compare, correct, and find where to draw next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from qtpy.QtGui import QKeySequence, QShortcut

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.canvas.slices import show_slice, shown_slice
from napari_scribseg.gui.qt import Signal, single_shot
from napari_scribseg.gui.results.accept_panel import AcceptController, AcceptForm
from napari_scribseg.gui.results.advice import Advice, gain_in_words
from napari_scribseg.gui.results.advice_panel import NEXT_KEY, AdviceController, AdvicePanel
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.results.correction import CorrectionController
from napari_scribseg.gui.results.export_panel import ExportController, ExportPanel
from napari_scribseg.gui.results.jobs import BackgroundPredictions
from napari_scribseg.gui.results.measurements_form import MeasurementsController, MeasurementsForm
from napari_scribseg.gui.results.predict_panel import PredictPanel
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.reference_row import ReferenceController
from napari_scribseg.gui.results.run_list import RunEntry
from napari_scribseg.gui.results.runs_controller import RunsController
from napari_scribseg.gui.results.scores_panel import ScoresPanel
from napari_scribseg.gui.results.screen import ResultsScreen, Scope
from napari_scribseg.gui.results.shown_layers import ShownLayers
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Level, Snapshot
from napari_scribseg.gui.widgets.style import Fold, Tab

_RESTORE_MS = 150
"""A case comes layer by layer; what was predicted of it is looked for when all are there."""


class ResultsTab(Tab):
    """Predict and compare; the view of a `ResultsPresenter`.

    Every panel has its controller, which knows the presenter and not this tab.

    Args:
        session: what the window works on.
    """

    scores_shown = Signal()
    """The table shows how a prediction compares with the reference."""
    cases_predicted = Signal(object)
    """CaseKeys of the cases of a project that were segmented together."""
    suggestion_visited = Signal()
    """A slice that was worth drawing on is shown."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._jobs = BackgroundPredictions(session)
        self.presenter = presenter = ResultsPresenter(view=self, jobs=self._jobs)
        self._jobs.presenter = presenter
        # Bound to the jobs and not to this object, which is gone by then.
        self.destroyed.connect(self._jobs.end)
        self.predict, self.scores, self.advice = PredictPanel(), ScoresPanel(), AdvicePanel()
        self.accept, self.measurements, self.export = (
            AcceptForm(),
            MeasurementsForm(),
            ExportPanel(),
        )
        self.shown_layers = ShownLayers(session)
        self.runs = RunsController(self.predict, session, presenter)
        self.reference = ReferenceController(self.scores.reference, session, presenter)
        self.correcting = CorrectionController(
            self.scores.correct, session, presenter, self.shown_layers
        )
        self.advising = AdviceController(self.advice, session, presenter, self.shown_layers)
        self.accepting = AcceptController(self.accept, session, presenter)
        self.measuring = MeasurementsController(self.measurements, session, presenter)
        self.exporting = ExportController(
            self.export, session, presenter, self._jobs, lambda: self.measuring.measured
        )
        for panel in (self.predict, self.scores, self.advice):
            self.column.addWidget(panel)
        self.column.addWidget(Fold("Accept prediction into scribbles", self.accept))
        self.column.addWidget(Fold("Volumes, ejection fraction, mass", self.measurements))
        self.column.addWidget(self.export)
        self._restore_soon = single_shot(self, _RESTORE_MS, presenter.restore)
        self._connect_panels()
        self._connect_session()
        self._tell_inputs()
        self._restore_soon.start()
        presenter.jobs.list_runs()

    def end(self) -> None:
        """End what runs in the background; what was corrected is kept."""
        self._restore_soon.stop()
        self.correcting.end()
        self.reference.end()
        self.shown_layers.side_by_side.back()
        self._session.viewer.dims.events.current_step.disconnect(self._mark_slice)
        self._session.viewer.bind_key(NEXT_KEY, None, overwrite=True)
        self._jobs.end()

    # What the presenter asks for

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show a state."""
        self.predict.show_screen(screen)
        self.scores.show_screen(screen)
        self._mark_slice()
        run = None if screen.shown is None else screen.shown.run
        self.correcting.follow(self.presenter.case, run)
        self.measuring.follow()
        self.export.offer(segmentation=run is not None, model=self.presenter.run is not None)
        self._session.computing("prediction", "predicting" if screen.predicting else "")

    def show_runs(self, runs: Sequence[RunEntry], ticked: Sequence[Path]) -> None:
        """List the runs that can predict."""
        self.predict.set_runs(runs, ticked)
        self.advice.gain.setText(gain_in_words(runs))

    def show_segmentations(self, comparisons: Sequence[tuple[Comparison, str]], run: Path) -> None:
        """Put the segmentations of the case into the viewer; only that of a run is seen."""
        self.shown_layers.show(comparisons, run)
        shown = next(one for one, _ in comparisons if one.prediction.run == run)
        if shown.scores is not None:
            self.scores_shown.emit()

    def forget_results(self) -> None:
        """Another case is shown: empty advice, and end what was about the last one."""
        self.correcting.stop()
        self.shown_layers.side_by_side.back()
        self.scores.set_side_by_side(on=False)
        self.advising.clear()
        self._restore_soon.start()

    def show_advice(self, advice: Advice) -> None:
        """Show where to draw next."""
        self.advising.show(advice)
        self.reveal(self.advice)

    def show_predicted(self, cases: Sequence[CaseKey]) -> None:
        """These cases of a project were segmented together."""
        self.cases_predicted.emit(cases)

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence."""
        self._session.say(text, level)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return self._session.snapshot()

    def shown_slice(self) -> int | None:
        """Index of the slice that the viewer shows."""
        return shown_slice(self._session.viewer, self._session.selected.image)

    # Inside

    def _connect_panels(self) -> None:
        panel, scores, presenter = self.predict, self.scores, self.presenter
        panel.predict_asked.connect(self._predict)
        panel.saved_asked.connect(partial(self._predict, "saved"))
        panel.stop_asked.connect(presenter.stop)
        panel.ticked_changed.connect(presenter.tick)
        panel.probabilities_changed.connect(self._set_probabilities)
        scores.run_chosen.connect(presenter.choose_shown)
        scores.cleaning_changed.connect(self._set_cleaning)
        scores.slice_asked.connect(self._go_to_slice)
        scores.outline_changed.connect(self._set_outline)
        scores.difference_changed.connect(self._show_difference)
        scores.side_by_side_changed.connect(self._compare)
        scores.learnt_asked.connect(self._show_learnt)
        self.advice.visited.connect(self.suggestion_visited)
        shortcut = QShortcut(QKeySequence("Ctrl+Return"), self)
        shortcut.activated.connect(partial(presenter.predict, "volume"))

    def _connect_session(self) -> None:
        session = self._session
        session.selected_changed.connect(self._tell_inputs)
        session.case_changed.connect(self._tell_inputs)
        session.run_chosen.connect(self.presenter.offer)
        session.run_completed.connect(self.presenter.run_completed)
        session.project_changed.connect(self._project_changed)
        session.runs_changed.connect(self._jobs.list_runs)
        session.viewer.dims.events.current_step.connect(self._mark_slice)

        def go_on(_viewer: object) -> None:
            self.advising.next()

        session.viewer.bind_key(NEXT_KEY, cast("Callable[[Any], Any]", go_on), overwrite=True)

    def _tell_inputs(self, _news: object = None) -> None:
        self.presenter.inputs_changed(self._session.inputs(), self._session.case)

    def _project_changed(self, _folder: object = None) -> None:
        self._jobs.list_runs()
        self._restore_soon.start()

    def _predict(self, scope: Scope) -> None:
        self.correcting.stop()
        self.presenter.predict(scope, self.shown_slice())

    def _set_cleaning(self, cleaning: PostProcessing) -> None:
        self.correcting.stop()  # another segmentation is shown then, unless this one was corrected
        self.presenter.set_cleaning(cleaning)

    def _set_probabilities(self, wanted: bool) -> None:
        self.presenter.probabilities = wanted

    def _set_outline(self, outline: bool) -> None:
        self.shown_layers.set_outline(outline=outline)

    def _show_difference(self, on: bool) -> None:
        comparison = self.presenter.shown
        self.shown_layers.difference = on
        if comparison is not None:
            self.shown_layers.show_difference(comparison, on=on)

    def _compare(self, on: bool) -> None:
        self.correcting.stop()
        if not on:
            self.shown_layers.side_by_side.back()
        elif not self.shown_layers.compare(self.presenter.compared_of_case()):
            self.scores.set_side_by_side(on=False)

    def _show_learnt(self) -> None:
        """Show the maps that the shown run has made of this case."""
        run, case, presenter = self.presenter.run, self.presenter.case, self.presenter
        try:
            snapshot = self._session.snapshot()
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        if run is None or case is None:
            self.say("Tick a run, and show a case that it was trained on.", "warning")
            return
        title = presenter.title_of(run)

        def show(maps: dict[str, Array]) -> None:
            if presenter.case != case:
                return
            self.shown_layers.show_learnt(maps, snapshot.image, case)
            listed = ", ".join(maps)
            self.say(
                f"{title} learns from: {listed}." if maps else f"{title} learns from strokes alone."
            )

        self.say(f"Looking at what {title} made of {case} …")
        self._jobs.learnt(run, snapshot, show)

    def _mark_slice(self, _event: object = None) -> None:
        self.scores.plot.set_shown(self.shown_slice())

    def _go_to_slice(self, z: int) -> None:
        image = self._session.selected.image
        if image is not None:
            show_slice(self._session.viewer, image, z)
