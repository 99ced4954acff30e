"""The Results tab: predict, compare, compare, and find where to draw next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QFileDialog

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.volume import Volume
from napari_scribseg.evaluation.disagreement import Suggestion
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.side_by_side import SideBySide
from napari_scribseg.gui.canvas.slices import show_slice, shown_slice
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.results.accept_panel import AcceptForm
from napari_scribseg.gui.results.actions import ResultsActions
from napari_scribseg.gui.results.advice_panel import NEXT_KEY, AdvicePanel
from napari_scribseg.gui.results.comparison import Advice, Comparison
from napari_scribseg.gui.results.jobs import BackgroundPredictions
from napari_scribseg.gui.results.measurements_form import MeasurementsForm
from napari_scribseg.gui.results.predict_panel import PredictPanel
from napari_scribseg.gui.results.presenter import ResultsPresenter, ResultsScreen, Scope
from napari_scribseg.gui.results.run_list import RunEntry, entry_of
from napari_scribseg.gui.results.scores_panel import ScoresPanel
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Level, Snapshot
from napari_scribseg.gui.widgets.numbers import score_rows
from napari_scribseg.gui.widgets.style import Fold, Tab, button


class ResultsTab(Tab):
    """Predict and compare; the view of a `ResultsPresenter`.

    Args:
        session: what the window works on.
    """

    scores_shown = Signal()
    """The table shows how a prediction compares with the reference."""
    suggestion_visited = Signal()
    """A slice that was worth drawing on is shown."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._jobs = BackgroundPredictions(session)
        self.presenter = ResultsPresenter(view=self, jobs=self._jobs)
        self._jobs.presenter = self.presenter
        self.side_by_side = SideBySide(session.viewer)
        self.predict = PredictPanel()
        self.scores = ScoresPanel()
        self.advice = AdvicePanel()
        self.accept = AcceptForm()
        self.measurements = MeasurementsForm()
        self.results_actions = ResultsActions(self, session, self.presenter, self._jobs)
        self._advice: Advice | None = None
        for panel in (self.predict, self.scores, self.advice):
            self.column.addWidget(panel)
        self.column.addWidget(Fold("Accept prediction into scribbles", self.accept))
        self.column.addWidget(Fold("Volumes, ejection fraction, mass", self.measurements))
        self._add_buttons()
        self._connect_panels()
        self._connect_session()
        self._tell_inputs()
        self.presenter.jobs.list_runs()

    def end(self) -> None:
        """End what runs in the background."""
        self._session.viewer.dims.events.current_step.disconnect(self._mark_slice)
        self._session.viewer.bind_key(NEXT_KEY, None, overwrite=True)
        self._jobs.end()

    # What the presenter asks for

    def show_screen(self, screen: ResultsScreen) -> None:
        """Show a state."""
        self.predict.show_screen(screen)
        self._session.computing("prediction", "predicting" if screen.predicting else "")
        self.scores.set_caption(screen.caption)
        self.scores.set_cleaning(self.presenter.cleaning)
        outcomes = self.presenter.outcomes_of_case()
        known = [(o.run, self.presenter.title_of(o.run)) for o in outcomes if o.run is not None]
        self.scores.set_runs(known, self.presenter.run)
        self.results_actions.offer_phases()

    def show_runs(self, runs: Sequence[RunEntry], ticked: Sequence[Path]) -> None:
        """List the runs that can predict."""
        self.predict.set_runs(runs, ticked)

    def show_verdict(self, verdict: Comparison, title: str, *, is_shown: bool) -> None:
        """Put a prediction into the viewer, under the scribbles; a newer one replaces it."""
        outcome = verdict.outcome
        schema, case, run = outcome.schema, outcome.case, str(outcome.run)
        data = layers.segmentation_data(
            verdict.shown, schema, case=case, outline=self.scores.outline, title=title, run=run
        )
        layer = self._session.put(data, "segmentation", case, run)
        layer.visible = is_shown and not self.side_by_side.is_on
        if not is_shown:
            return
        if outcome.uncertainty is not None:
            uncertainty = layers.uncertainty_data(outcome.uncertainty, case=case)
            self._session.put(uncertainty, "uncertainty", case)
        self.results_actions.show_probabilities(verdict)
        self.results_actions.show_difference(verdict, on=self.scores.difference)
        self.scores.set_rows(score_rows(verdict.scores or (), schema))
        self.scores.set_slices(
            verdict.slices,
            verdict.shown.shape[0],
            schema,
            scored=verdict.scores is not None,
        )
        self._mark_slice()
        if self.side_by_side.is_on:
            self.results_actions.compare(on=True)
        if verdict.scores is not None:
            self.scores_shown.emit()

    def forget_results(self) -> None:
        """Empty table, plot and advice: they are about another case."""
        self.side_by_side.back()
        self.scores.set_side_by_side(on=False)
        self.scores.clear()
        self.advice.clear()
        self._advice = None

    def show_advice(self, advice: Advice) -> None:
        """Show where to draw next."""
        self._advice = advice
        self.advice.set_value(advice)
        self._show_map(self.advice.shows_map)
        n = len(advice.suggestions)
        if n:
            self.say(f"{n} slice(s) are in doubt; {NEXT_KEY} goes from one to the next.")
        else:
            self.say("No slice is in doubt where you have not drawn.", "good")
        self.reveal(self.advice)

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence."""
        self._session.say(text, level)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return self._session.snapshot()

    # What the user does

    def use_run(self, folder: Path) -> None:
        """Predict with an earlier run, with its schema."""

        def use(entry: RunEntry | None) -> None:
            if entry is None:
                self.say(
                    f"{folder.name} can't predict: it is no run, or has saved no weights yet.",
                    "warning",
                )
                return
            self.presenter.add_run(entry)
            self.say(f"Predictions now come from the run {entry.title}.")

        self._session.run(lambda: entry_of(folder), use)

    def go_to(self, suggestion: Suggestion) -> None:
        """Show a suggested slice and take the brush."""
        layer = self._session.selected.scribbles or self._session.selected.image
        if layer is None:
            return
        show_slice(self._session.viewer, layer, suggestion.z)
        if self._session.selected.scribbles is not None:
            self.results_actions.take_brush()
        self.say(f"Slice {suggestion.z}: {suggestion.reason}")
        self.suggestion_visited.emit()

    def next_suggestion(self) -> None:
        """Go to the next suggested slice; the first time they are looked for."""
        suggestion = self.advice.take_next()
        if suggestion is None:
            self.presenter.advise()
        else:
            self.go_to(suggestion)

    def shown_slice(self) -> int | None:
        """Index of the slice that the viewer shows."""
        return shown_slice(self._session.viewer, self._session.selected.image)

    # Inside

    def _add_buttons(self) -> None:
        learnt = button(
            "What it learnt from",
            "Show the seeds and labels that the shown run has made of this case, as layers",
        )
        learnt.clicked.connect(self.results_actions.show_learnt)
        export = button("Export …", "Write the cases of the project for other programs")
        export.clicked.connect(self.results_actions.ask_for_export)
        model = button(
            "Export model …",
            "Write the model of the shown run as one file that can be given away, without data",
        )
        model.clicked.connect(self.results_actions.ask_for_model_export)
        for widget in (learnt, export, model):
            self.column.addWidget(widget)

    def _connect_panels(self) -> None:
        panel, scores, presenter = self.predict, self.scores, self.presenter
        panel.predict_asked.connect(self._predict)
        panel.saved_asked.connect(presenter.show_saved)
        panel.stop_asked.connect(presenter.stop)
        panel.ticked_changed.connect(presenter.tick)
        panel.run_asked.connect(self._ask_for_run)
        panel.model_asked.connect(self.results_actions.ask_for_model)
        panel.refresh_asked.connect(self._list_runs)
        panel.probabilities_changed.connect(self._set_probabilities)
        scores.run_chosen.connect(presenter.choose_shown)
        scores.cleaning_changed.connect(presenter.set_cleaning)
        scores.compare_asked.connect(presenter.compare_again)
        scores.slice_asked.connect(self._go_to_slice)
        scores.outline_changed.connect(self._outline_changed)
        scores.difference_changed.connect(self._difference_changed)
        scores.side_by_side_changed.connect(self._compare)
        scores.save_asked.connect(self.results_actions.ask_for_table)
        self.advice.advice_asked.connect(presenter.advise)
        self.advice.next_asked.connect(self.next_suggestion)
        self.advice.suggestion_chosen.connect(self.go_to)
        self.advice.map_changed.connect(self._show_map)
        self.accept.accept_asked.connect(self.results_actions.accept)
        self.measurements.volumes_asked.connect(self.results_actions.measure_volumes)
        self.measurements.function_asked.connect(self.results_actions.measure_function)
        shortcut = QShortcut(QKeySequence("Ctrl+Return"), self)
        shortcut.activated.connect(partial(presenter.predict, "volume"))

    def _connect_session(self) -> None:
        session = self._session
        session.selected_changed.connect(self._tell_inputs)
        session.case_changed.connect(self._tell_inputs)
        session.run_chosen.connect(self.presenter.use_run)
        session.run_completed.connect(self.presenter.run_completed)
        session.project_changed.connect(self._list_runs)
        session.runs_changed.connect(self._list_runs)
        session.viewer.dims.events.current_step.connect(self._mark_slice)

        def go_on(_viewer: object) -> None:
            self.next_suggestion()

        session.viewer.bind_key(NEXT_KEY, cast("Callable[[Any], Any]", go_on), overwrite=True)

    def _tell_inputs(self, _news: object = None) -> None:
        self.presenter.inputs_changed(self._session.inputs(), self._session.case)

    def _list_runs(self, _news: object = None) -> None:
        self._jobs.list_runs()

    def _predict(self, scope: Scope) -> None:
        self.presenter.predict(scope, self.shown_slice())

    def _set_probabilities(self, wanted: bool) -> None:
        self.presenter.probabilities = wanted

    def _compare(self, on: bool) -> None:
        self.results_actions.compare(on=on)

    def _difference_changed(self, on: bool) -> None:
        verdict = self.presenter.shown_verdict()
        if verdict is not None:
            self.results_actions.show_difference(verdict, on=on)

    def _show_map(self, on: bool) -> None:
        advice, session = self._advice, self._session
        old = layers.find(session.viewer.layers, "doubt")
        if old is not None and not on:
            session.viewer.layers.remove(old)
        image = session.selected.image
        if on and advice is not None and image is not None:
            try:
                volume = Volume(advice.doubt, layers.grid_of(image))
            except ScribsegError as error:
                session.refuse(str(error))
                return
            session.put(
                layers.doubt_data(volume, case=advice.case, name=advice.kind), "doubt", advice.case
            )

    def _mark_slice(self, _event: object = None) -> None:
        self.scores.plot.set_shown(self.shown_slice())

    def _go_to_slice(self, z: int) -> None:
        image = self._session.selected.image
        if image is not None:
            show_slice(self._session.viewer, image, z)

    def _ask_for_run(self) -> None:
        runs = str(self._session.project_folder / "runs")
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a run", runs)
        if folder:
            self.use_run(Path(folder))

    def _outline_changed(self, outline: bool) -> None:
        for layer in self._session.viewer.layers:
            if layers.role_of(layer) == "segmentation":
                layers.set_outline(layer, outline=outline)
