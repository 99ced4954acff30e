"""The training of the Train tab: a run folder and a child process, watched from a thread."""

from __future__ import annotations

import threading
from typing import Final

from napari_scribseg.engine.process import TrainingProcess, start
from napari_scribseg.gui import work
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.training_presenter import TrainingPresenter
from napari_scribseg.gui.values import Choice, Snapshot

STOP_SECONDS: Final = 60.0
"""A step of a large batch and a checkpoint on a slow disk may still be under way."""


class BackgroundTraining:
    """The jobs of a `TrainingPresenter`.

    Args:
        session: whose project receives the runs.
    """

    def __init__(self, session: Session) -> None:
        self.presenter: TrainingPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._session = session
        self._process: TrainingProcess | None = None
        self._over = False

    def train(self, snapshot: Snapshot, choice: Choice) -> None:
        """Write a run and train it in a child process, passing its events on."""
        presenter, background = self._presenter, self._session.background
        project = self._session.project_folder

        def body() -> None:
            run = work.write_run(project, snapshot, choice)
            process = start(run)
            self._process = process
            if self._over:  # the window was closed while the files were written
                process.close()
                return
            background.post(lambda: presenter.run_started(run.path))
            for event in process.events():
                background.post(lambda event=event: presenter.happened(event))

        background.run(body, lambda _: None, presenter.failed)

    def stop(self, *, keep_going_to_best: bool) -> None:
        """End the training; its last event tells when that has happened."""
        process = self._process
        if process is None:
            return
        if keep_going_to_best:
            process.request("finish")
        else:
            self._session.background.run(
                lambda: process.stop(STOP_SECONDS), lambda _: None, self._presenter.failed
            )

    def end(self) -> None:
        """The window closes: the training ends now."""
        self._over = True
        if self._process is not None and self._process.is_alive:
            # Not in this thread: closing a window must not take seconds. Should the interpreter
            # end first, the lifeline ends the child.
            threading.Thread(target=self._process.close, name="scribseg-end", daemon=True).start()

    @property
    def _presenter(self) -> TrainingPresenter:
        if self.presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        return self.presenter
