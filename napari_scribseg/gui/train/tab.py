"""The Train tab: choose a method, train it in the background, watch; all runs of the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices, QGuiApplication, QShowEvent
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.qt import single_shot
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train import budget, presets
from napari_scribseg.gui.train.command import command_of
from napari_scribseg.gui.train.jobs import BackgroundTraining
from napari_scribseg.gui.train.methods_dialog import MethodsDialog
from napari_scribseg.gui.train.panel import TrainingPanel
from napari_scribseg.gui.train.presenter import TrainingPresenter
from napari_scribseg.gui.train.progress_card import ProgressCard
from napari_scribseg.gui.train.remembered import last_training, remember
from napari_scribseg.gui.train.run_cards import Action, RunCard
from napari_scribseg.gui.train.runs_panel import RunsPanel
from napari_scribseg.gui.train.runs_presenter import RunsPresenter
from napari_scribseg.gui.train.screen import Phase, TrainingScreen
from napari_scribseg.gui.train.where_panel import WherePanel
from napari_scribseg.gui.values import Choice, Level, Snapshot
from napari_scribseg.gui.widgets.style import Tab
from napari_scribseg.runs.history import History

_MEASURE_AFTER_MS = 1500
"""Settings are measured once they have not changed for this long."""
_GUEST_MS = 2000
"""Between two looks at a run that somebody else trains."""
_OF_TODAY = ("steps", "minutes", "clock", "held_out_strokes", "patience")
"""What "Train more" takes from the form; all else is the run's."""


class TrainTab(Tab):
    """Train; the view of a `TrainingPresenter` and of a `RunsPresenter`.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.jobs = BackgroundTraining(session)
        self.runs_presenter = RunsPresenter(view=self, jobs=self.jobs)
        self.presenter = TrainingPresenter(view=self, jobs=self.jobs, runs=self.runs_presenter)
        self.jobs.presenter = self.presenter
        self.training, self.runs = TrainingPanel(), RunsPanel()
        self.where = WherePanel(self.jobs)
        self.card = ProgressCard()
        """To be shown outside of this tab, too."""
        self.column.addWidget(self.training)
        self.column.addWidget(self.where)
        self.column.addWidget(self.runs)
        self._connect_panels()
        for news in (session.selected_changed, session.strokes_counted, session.schema_changed):
            news.connect(self._tell_inputs)
        session.project_changed.connect(self._project_changed)
        session.case_changed.connect(self._case_changed)
        self._measure_soon = single_shot(self, _MEASURE_AFTER_MS, self._measure)
        self._guest_timer = QTimer(self)
        self._guest_timer.setInterval(_GUEST_MS)
        self._guest_timer.timeout.connect(self.runs_presenter.look_at_guest)
        self._unseen: list[QWidget] = []
        """Curves of a new training or a visited run, each scrolled to once when it is there."""
        # After the first paint: the dock shows at once, the methods come when they come.
        QTimer.singleShot(0, self._load_methods)
        # Bound to the jobs and not to this object, which is gone by then.
        self.destroyed.connect(self.jobs.end)
        self._tell_inputs()

    def end(self) -> None:
        """End what runs in the background."""
        self._measure_soon.stop()
        self._guest_timer.stop()
        self.jobs.end()

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Somebody looks at the settings: measure what they take."""
        super().showEvent(a0)
        self._measure_soon.start()

    def propose(self, settings: Mapping[str, Any]) -> None:
        """Fill in settings of the engine, and point to the button that trains with them."""
        if not self.presenter.methods_ready:  # choosing the first one would overwrite them
            self.say("The list of methods is still loading; try again in a moment.", "warning")
            return
        self.training.form.change_training(settings)
        self.reveal(self.training.point_to_train())
        self.say("The settings are filled in: press Train.")

    def visit(self, run: Path) -> None:
        """Show a run that does not belong to the project, such as a trial of an experiment."""
        self.runs_presenter.visit(run)
        self._guest_timer.start()
        self._unseen = [self.runs.losses, self.runs.scores]

    # What the presenters ask for

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show a state."""
        before = self._phase
        self._phase = screen.phase
        if screen.phase is Phase.TRAINING and before is not Phase.TRAINING:
            self._unseen = [self.runs.losses, self.runs.scores]
        if screen.phase is Phase.PREPARING and before is Phase.IDLE:
            self._make_preview_layer()
        self.training.show_screen(screen)
        self.card.show_screen(screen)

    def propose_budget(self, settings: Mapping[str, Any]) -> None:
        """Fill in a budget, unless the user has chosen one."""
        self.training.form.propose_budget(settings)

    def show_runs(self, cards: Sequence[RunCard], chosen: Path | None) -> None:
        """Show the runs of the project, one of them chosen."""
        self.runs.show_cards(cards, chosen, self.runs_presenter.trained)

    def show_history(self, history: History | None) -> None:
        """Show the curves of the chosen run."""
        schema = self._session.schema
        colors = schema.segmentation_colors
        names = {name: colors[i] for i, name in enumerate(schema.names) if i in colors}
        self.runs.show_history(history, names)
        self._reveal_curves()

    def show_previews(
        self, steps: Sequence[int], scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """Offer the previews of these steps, and show the Dice of those that could be scored."""
        self.runs.show_previews(steps, scores)
        self._reveal_curves()

    def show_preview(self, step: int, segmentation: Array | None) -> None:
        """Show a preview on the image it was made of; None = take it away."""
        image = self._session.selected.image
        if image is None:
            return
        case, known = layers.identified(image), self._session.viewer.layers
        old = layers.find(known, "preview", case)
        if segmentation is None:
            if old is not None:
                known.remove(old)
            return
        following = self.runs.preview_step
        if following is not None and step != following:
            return  # somebody has moved the slider to another one
        if old is not None and layers.refill(old, segmentation):
            # The last preview may come when the segmentation has taken its place already.
            old.visible = old.visible or self._phase is Phase.TRAINING
        else:
            self._put_preview(segmentation)

    def device_used(self, text: str) -> None:
        """Say what computes now."""
        self._session.computing("training", text)

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence."""
        self._session.say(text, level)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return self._session.snapshot()

    def run_chosen(self, run: Path) -> None:
        """Let a run predict from now on."""
        self._session.run_chosen.emit(run)

    def runs_changed(self) -> None:
        """Tell that runs that can predict have come or gone."""
        self._session.runs_changed.emit()

    def completed(self, run: Path) -> None:
        """Show at once what the run has learnt."""
        shown = layers.find(self._session.viewer.layers, "preview", self._session.case)
        if shown is not None:
            shown.visible = False  # the segmentation takes its place
        self._session.runs_changed.emit()
        self._session.run_completed.emit(run)
        remember(None, self.presenter.speeds)

    # Inside

    _phase: Phase = Phase.IDLE

    def _connect_panels(self) -> None:
        training, runs, card, presenter = self.training, self.runs, self.card, self.presenter
        training.train_asked.connect(self._train)
        training.several_asked.connect(self._train_several)
        training.command_asked.connect(self._copy_command)
        training.go_on_asked.connect(presenter.go_on_with_queue)
        training.clear_asked.connect(presenter.clear_queue)
        training.form.keep_asked.connect(self._keep_preset)
        training.form.forget_asked.connect(self._forget_preset)
        training.form.value_changed.connect(self._settings_changed)
        runs.chosen.connect(self.runs_presenter.choose)
        runs.asked.connect(self._act)
        runs.delete_asked.connect(self._delete)
        runs.preview_asked.connect(self._ask_for_preview)
        runs.preview_shown.connect(self._show_previews)
        card.pause_asked.connect(self._pause)
        card.finish_asked.connect(lambda: presenter.stop(keep_going_to_best=True))
        card.abort_asked.connect(lambda: presenter.stop(keep_going_to_best=False))

    def _reveal_curves(self) -> None:
        """Scroll to what has come to sight just now; later the user scrolls."""
        for curve in [one for one in self._unseen if not one.isHidden()]:
            self._unseen.remove(curve)
            self.reveal(curve)

    def _make_preview_layer(self) -> None:
        """Make the layer now: a new layer costs a quarter of a second, later somebody draws."""
        image = self._session.selected.image
        if image is None or not self.runs_presenter.shows_previews:
            return
        known = self._session.viewer.layers
        old = layers.find(known, "preview", layers.identified(image))
        if old is None or not layers.empty(old):
            self._put_preview(None)

    def _put_preview(self, segmentation: Array | None) -> None:
        """Add the layer of previews, empty for None; not when it doesn't fit the image."""
        image = self._session.selected.image
        if image is None:
            return
        try:
            grid = layers.grid_of(image)
        except ScribsegError:
            return
        shown = np.zeros(grid.shape, np.uint8) if segmentation is None else segmentation
        if grid.shape == shown.shape:
            case = layers.identified(image)
            data = layers.preview_data(Volume(shown, grid), self._session.schema, case=case)
            self._session.put(data, "preview", case)

    def _pause(self, on: bool) -> None:
        self.presenter.pause(on=on)

    def _tell_inputs(self, _news: object = None) -> None:
        self.presenter.inputs_changed(self._session.inputs())

    def _project_changed(self, _folder: object = None) -> None:
        self.runs_presenter.forget()
        self.jobs.list_runs()

    def _show_previews(self, shown: bool) -> None:
        self.runs_presenter.show_previews(shown, self.runs.preview_step)

    def _ask_for_preview(self, step: int) -> None:
        """Show the preview of a step, whether or not previews were hidden by the segmentation."""
        shown = layers.find(self._session.viewer.layers, "preview", self._session.case)
        if shown is not None:
            shown.visible = True
        self.runs_presenter.preview(step)

    def _case_changed(self, _case: object = None) -> None:
        if self.runs_presenter.chosen is not None:
            self.jobs.load_previews(self.runs_presenter.chosen, None)

    def _load_methods(self) -> None:
        self.training.form.set_methods(catalogue.methods())
        last = last_training()
        self.presenter.speeds.update(last.known_speeds())
        if last.choice is not None:
            self.training.form.set_value(last.choice)
        self.presenter.methods_loaded()
        self._settings_changed()
        self.jobs.list_runs()

    def _choice(self) -> Choice | None:
        """The shown settings; None while methods are loading, or after a setting was refused."""
        try:
            return self.training.form.value()
        except ScribsegError as error:
            self._session.refuse(str(error))
            return None

    def _settings_changed(self) -> None:
        form = self.training.form
        try:
            choice = form.value()
        except ScribsegError:
            choice = None  # a setting out of its range is told when somebody wants to train
        if choice is not None:
            self.training.show_budgets(form.entry.usual_steps)
            self.runs.show_budget(budget.budget_words(choice.training))
        self.presenter.settings_changed(choice)
        self._measure_soon.start()

    def _measure(self) -> None:
        if self.isVisible():  # measuring costs seconds of a core; else nobody looks
            self.presenter.measure()

    def _train(self) -> None:
        choice = self._choice()
        if choice is not None:
            remember(choice, self.presenter.speeds)
            self.presenter.train(choice)

    def _train_several(self) -> None:
        shown, form = self._choice(), self.training.form
        if shown is None:
            return
        dialog = MethodsDialog(
            form.entries,
            shown.training,
            shown.method,
            has_reference=self._session.selected.reference is not None,
            parent=self,
        )
        if dialog.exec_():
            self.presenter.train_several(form.choices(dialog.chosen()))

    def _copy_command(self) -> None:
        choice, clipboard = self._choice(), QGuiApplication.clipboard()
        if choice is None or clipboard is None:
            return
        clipboard.setText(command_of(choice, self._session.project_folder))
        self.say(
            "Copied: the command trains on all saved cases of the project with strokes, with these "
            "settings."
        )

    def _act(self, action: Action, run: Path) -> None:
        if action == "log":
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run / "log.txt")))
            return
        choice = self._choice()
        training = TrainConfig() if choice is None else choice.training
        self.presenter.act(action, run, {name: getattr(training, name) for name in _OF_TODAY})

    def _delete(self, runs: Sequence[Path]) -> None:
        if runs and self._is_sure(runs):
            self.runs_presenter.delete(runs)

    def _is_sure(self, runs: Sequence[Path]) -> bool:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        which = f"the run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs"
        whose = "its" if len(runs) == 1 else "their"
        question = QMessageBox(self)
        question.setWindowTitle("Delete a run" if len(runs) == 1 else "Delete runs")
        question.setText(f"Delete {which} with {whose} weights, previews and predictions for good?")
        question.addButton(yes)
        question.addButton(no)
        question.setDefaultButton(no)
        return question.exec_() == yes

    def _keep_preset(self) -> None:
        try:
            name = presets.keep(self.training.form, self)
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        if name:
            self._session.say(f"The settings are kept as '{name}'.", "good")

    def _forget_preset(self, name: str) -> None:
        presets.forget(self.training.form, name)
