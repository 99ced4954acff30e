"""The Train tab: choose a method, train it in the background, watch; all runs of the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QInputDialog, QMessageBox

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.own_presets import OwnPreset, forget_preset, keep_preset
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train.jobs import BackgroundTraining
from napari_scribseg.gui.train.panel import TrainingPanel
from napari_scribseg.gui.train.presenter import Phase, TrainingPresenter, TrainingScreen
from napari_scribseg.gui.train.run_cards import Action, RunCard
from napari_scribseg.gui.train.runs_panel import RunsPanel
from napari_scribseg.gui.train.where_panel import WherePanel
from napari_scribseg.gui.values import Level, Snapshot
from napari_scribseg.gui.widgets.style import Tab
from napari_scribseg.runs.history import History

_ESTIMATE_AFTER_MS = 1500
"""Settings are measured once they have not changed for this long."""
_GUEST_MS = 2000
"""Between two looks at a run that somebody else trains."""


class TrainTab(Tab):
    """Train; the view of a `TrainingPresenter`.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.jobs = BackgroundTraining(session)
        self.presenter = TrainingPresenter(view=self, jobs=self.jobs)
        self.jobs.presenter = self.presenter
        self.training, self.runs = TrainingPanel(), RunsPanel()
        self.where = WherePanel(self.jobs)
        self.column.addWidget(self.training)
        self.column.addWidget(self.where)
        self.column.addWidget(self.runs)
        self.training.train_asked.connect(self._train)
        self.training.train_all_asked.connect(self._train_all)
        self.training.keep_asked.connect(self._keep_preset)
        self.training.forget_asked.connect(self._forget_preset)
        self.runs.chosen.connect(self.presenter.choose)
        self.runs.asked.connect(self._act)
        self.runs.preview_asked.connect(self._ask_for_preview)
        self.runs.preview_shown.connect(self._show_previews)
        for news in (session.selected_changed, session.strokes_counted, session.schema_changed):
            news.connect(self._tell_inputs)
        session.project_changed.connect(self._list_runs)
        session.case_changed.connect(self._case_changed)
        self._estimate_soon = QTimer(self)
        self._estimate_soon.setSingleShot(True)
        self._estimate_soon.setInterval(_ESTIMATE_AFTER_MS)
        self._estimate_soon.timeout.connect(self._estimate)
        self.training.value_changed.connect(self._estimate_soon.start)
        self._guest_timer = QTimer(self)
        self._guest_timer.setInterval(_GUEST_MS)
        self._guest_timer.timeout.connect(self.presenter.look_at_guest)
        self._is_fresh_guest = False
        """Its curves are scrolled to once they are there."""
        # After the first paint: the dock shows at once, the methods come when they come.
        QTimer.singleShot(0, self._load_methods)
        # Bound to the jobs and not to this object, which is gone by then.
        self.destroyed.connect(self.jobs.end)
        self._tell_inputs()

    def end(self) -> None:
        """End what runs in the background."""
        self._estimate_soon.stop()
        self._guest_timer.stop()
        self.jobs.end()

    def propose(self, settings: Mapping[str, Any]) -> None:
        """Fill in settings of the engine, and point to the button that trains with them."""
        if not self.presenter.methods_ready:  # choosing the first one would overwrite them
            self.say("The list of methods is still loading; try again in a moment.", "warning")
            return
        self.training.change_training(**settings)
        self.reveal(self.training.point_to_train())
        self.say("The settings are filled in: press Train.")

    def visit(self, run: Path) -> None:
        """Show a run that does not belong to the project, such as a trial of an experiment."""
        self.presenter.visit(run)
        self._guest_timer.start()
        self._is_fresh_guest = True

    # What the presenter asks for

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show a state."""
        if screen.phase is Phase.TRAINING and not self.training.is_training:
            self.reveal(self.runs.foot)
        if screen.phase is Phase.PREPARING and self.training.phase is Phase.IDLE:
            self._make_preview_layer()
        self.training.show_screen(screen)

    def show_runs(self, cards: Sequence[RunCard], chosen: Path | None) -> None:
        """Show the runs of the project, one of them chosen."""
        self.runs.show_cards(cards, chosen)

    def show_history(self, history: History | None) -> None:
        """Show the curves of the chosen run."""
        schema = self._session.schema
        colors = schema.segmentation_colors
        names = {name: colors[i] for i, name in enumerate(schema.names) if i in colors}
        self.runs.show_history(history, names)
        if self._is_fresh_guest and history is not None:
            self._is_fresh_guest = False
            self.reveal(self.runs.foot)

    def show_previews(
        self, steps: Sequence[int], scores: Mapping[int, Mapping[str, float | None]]
    ) -> None:
        """Offer the previews of these steps, and show the Dice of those that could be scored."""
        self.runs.show_previews(steps, scores)

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
            old.visible = old.visible or self.training.is_training
        else:
            self._put_preview(segmentation)

    def device_used(self, text: str) -> None:
        """Say what computes now."""
        self._session.device_used.emit(text)

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence."""
        self._session.say(text, level)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return self._session.snapshot()

    def show_log(self, run: Path) -> None:
        """Show what the training process of a run printed."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(run / "log.txt")))

    def has_weights(self, run: Path) -> None:
        """Let the run predict from now on."""
        self._session.run_chosen.emit(run)

    def completed(self, run: Path) -> None:
        """Show at once what the run has learnt."""
        shown = layers.find(self._session.viewer.layers, "preview", self._session.case)
        if shown is not None:
            shown.visible = False  # the segmentation takes its place
        self._session.run_completed.emit(run)

    # Inside

    def _make_preview_layer(self) -> None:
        """Make the layer now: a new layer costs a quarter of a second, later somebody draws."""
        image = self._session.selected.image
        if image is None or not self.presenter.shows_previews:
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

    def _tell_inputs(self, _news: object = None) -> None:
        self.presenter.inputs_changed(self._session.inputs())

    def _list_runs(self, _folder: object = None) -> None:
        self.jobs.list_runs()

    def _show_previews(self, shown: bool) -> None:
        self.presenter.show_previews(shown, self.runs.preview_step)

    def _ask_for_preview(self, step: int) -> None:
        """Show the preview of a step, whether or not previews were hidden by the segmentation."""
        shown = layers.find(self._session.viewer.layers, "preview", self._session.case)
        if shown is not None:
            shown.visible = True
        self.presenter.preview(step)

    def _case_changed(self, _case: object = None) -> None:
        if self.presenter.chosen is not None:
            self.jobs.load_previews(self.presenter.chosen, None)

    def _load_methods(self) -> None:
        self.training.set_methods(catalogue.methods())
        self.presenter.methods_loaded()
        self.jobs.list_runs()

    def _train(self) -> None:
        try:
            choice = self.training.value()
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        if choice is not None:
            self.presenter.train(choice)

    def _train_all(self) -> None:
        try:
            self.presenter.train_all(self.training.choices())
        except ScribsegError as error:
            self._session.refuse(str(error))

    def _estimate(self) -> None:
        if not self.isVisible():  # measuring costs seconds of a core; nobody looks
            return
        try:
            self.presenter.want_estimate(self.training.value())
        except ScribsegError:
            return  # a setting out of its range is told when somebody wants to train

    def _act(self, action: Action, run: Path) -> None:
        if action == "delete" and not self._is_sure(run):
            return
        self.presenter.act(action, run)

    def _is_sure(self, run: Path) -> bool:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        text = f"Delete the run {run.name} with its weights, previews and predictions for good?"
        question = QMessageBox(self)
        question.setWindowTitle("Delete a run")
        question.setText(text)
        question.addButton(yes)
        question.addButton(no)
        question.setDefaultButton(no)
        return question.exec_() == yes

    def _keep_preset(self) -> None:
        name, agreed = QInputDialog.getText(self, "Keep these settings", "Name of the preset:")
        name = name.strip()
        try:
            choice = self.training.value()
            if not agreed or not name or choice is None:
                return
            if name in ("quick", "paper"):
                raise InvalidInput(f"'{name}' is a preset of the method; choose another name.")
            keep_preset(
                OwnPreset(
                    method=choice.method,
                    name=name,
                    options=dict(choice.options),
                    training=choice.training,
                )
            )
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        self.training.own_presets_changed(name)
        self._session.say(f"The settings are kept as '{name}'.", "good")

    def _forget_preset(self, name: str) -> None:
        choice = self.training.value()
        if choice is not None:
            forget_preset(choice.method, name)
            self.training.own_presets_changed(None)
