"""The Train tab: choose a method, train it in the background, watch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from qtpy.QtCore import QTimer

from napari_scribseg.errors import ScribsegError
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.style import Tab
from napari_scribseg.gui.training_jobs import BackgroundTraining
from napari_scribseg.gui.training_panel import TrainingPanel
from napari_scribseg.gui.training_presenter import Phase, TrainingPresenter, TrainingScreen
from napari_scribseg.gui.values import Level, Snapshot


class TrainTab(Tab):
    """Train; the view of a `TrainingPresenter`.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._jobs = BackgroundTraining(session)
        self.presenter = TrainingPresenter(view=self, jobs=self._jobs)
        self._jobs.presenter = self.presenter
        self.training = TrainingPanel()
        self.column.addWidget(self.training)
        self.training.train_asked.connect(self._train)
        self.training.stop_asked.connect(self.presenter.stop)
        self.training.finish_asked.connect(partial(self.presenter.stop, keep_going_to_best=True))
        for news in (session.selected_changed, session.strokes_counted, session.schema_changed):
            news.connect(self._tell_inputs)
        # After the first paint: the dock shows at once, the methods come when they come.
        QTimer.singleShot(0, self._load_methods)
        # Bound to the jobs and not to this object, which is gone by then.
        self.destroyed.connect(self._jobs.end)
        self._tell_inputs()

    def end(self) -> None:
        """End what runs in the background."""
        self._jobs.end()

    # What the presenter asks for

    def show_screen(self, screen: TrainingScreen) -> None:
        """Show a state."""
        if screen.phase is Phase.TRAINING and not self.training.is_training:
            self.reveal(self.training.curve)
        self.training.show_screen(screen)

    def show_loss(self, step: int, loss: float) -> None:
        """Add a point to the curve."""
        self.training.add_loss(step, loss)

    def clear_losses(self) -> None:
        """Begin a new curve."""
        self.training.clear_losses()

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence."""
        self._session.say(text, level)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return self._session.snapshot()

    def has_weights(self, run: Path) -> None:
        """Let the run predict from now on."""
        self._session.run_chosen.emit(run)

    def completed(self, run: Path) -> None:
        """Show at once what the run has learnt."""
        self._session.run_completed.emit(run)

    # Inside

    def _tell_inputs(self, _news: object = None) -> None:
        self.presenter.inputs_changed(self._session.inputs())

    def _load_methods(self) -> None:
        def show(entries: tuple[catalogue.MethodEntry, ...]) -> None:
            self.training.set_methods(entries)
            self.presenter.methods_loaded()

        self._session.run(catalogue.load_in_child, show)

    def _train(self) -> None:
        try:
            choice = self.training.value()
        except ScribsegError as error:
            self._session.refuse(str(error))
            return
        if choice is not None:
            self.presenter.train(choice)
