"""The slow work of the Train tab: run folders, a child process that trains, files to read."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeVar

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import Event
from napari_scribseg.gui import work
from napari_scribseg.gui.background import WidgetJobs
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.project_cases import project_of
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train import run_cards
from napari_scribseg.gui.train.presenter import TrainingPresenter
from napari_scribseg.gui.train.preview_dice import PreviewDice
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.gui.widgets.numbers import duration
from napari_scribseg.io import read_labels
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.history import History
from napari_scribseg.runs.process import (
    TrainingProcess,
    start,
    watch,
)
from napari_scribseg.runs.queue import RunQueue

T = TypeVar("T")

STOP_SECONDS: Final = 60.0
"""A step of a large batch and a checkpoint on a slow disk may still be under way."""


class BackgroundTraining:
    """The jobs of a `TrainingPresenter`.

    Args:
        session: whose project receives the runs.
    """

    can_detach = True

    def __init__(self, session: Session) -> None:
        self.presenter: TrainingPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._session = session
        self._process: TrainingProcess | None = None
        self._watched: RunFolder | None = None
        self._children = work.Children()
        self._dice = PreviewDice()
        self._running = WidgetJobs(session.background)
        self._let_go = False

    # What the presenter asks for

    def train(self, snapshot: Snapshot, choice: Choice, continues: Path | None) -> None:
        """Write a run and train it in a child process, passing its events on."""
        project = self._session.project_folder
        self._follow(lambda: work.write_run(project, snapshot, choice, continues))

    def train_more(self, snapshot: Snapshot, run: Path) -> None:
        """The same, with the settings and the weights of a run."""
        project = self._session.project_folder
        self._follow(lambda: work.write_run(project, snapshot, run_cards.choice_of(run), run))

    def queue(self, snapshot: Snapshot, choices: Sequence[Choice]) -> None:
        """Write runs that wait for their turn."""
        project, presenter = self._session.project_folder, self._presenter

        def body() -> int:
            written = [work.write_run(project, snapshot, choice).path for choice in choices]
            RunQueue(project / "runs").add(*written)
            return len(written)

        self._running.run(body, presenter.queued, presenter.failed)

    def train_next(self) -> None:
        """Train the run whose turn it is, if one waits."""
        queue = RunQueue(self._session.project_folder / "runs")

        def started(run: Path | None) -> None:
            if run is not None:
                self._presenter.act("start", run)

        self._running.run(queue.take, started, self._presenter.refused)

    def start(self, run: Path) -> None:
        """Train a run that is there already, from its checkpoint if it has one."""
        queue = RunQueue(run.parent)

        def opened() -> RunFolder:
            queue.remove(run)
            return RunFolder.open(run)

        self._follow(opened)

    def watch(self, run: Path) -> None:
        """Follow a run that trains already without us."""
        presenter = self._presenter

        def body() -> None:
            opened = RunFolder.open(run)
            since = opened.position
            history = History.of(opened.events())
            paused = opened.requested == "pause"
            self._watched = opened
            self._running.post(lambda: presenter.followed(run, history, paused=paused))
            self._pass_on(watch(opened, since=since))
            self._watched = None

        self._running.run(body, lambda _: None, presenter.failed)

    def stop(self, *, keep_going_to_best: bool) -> None:
        """End the training; its last event tells when that has happened."""
        process, watched = self._process, self._watched
        failed = self._presenter.failed
        if watched is not None:
            word: Literal["finish", "stop"] = "finish" if keep_going_to_best else "stop"
            self._running.run(lambda: watched.request(word), lambda _: None, failed)
        elif process is not None and keep_going_to_best:
            process.request("finish")
        elif process is not None:
            self._running.run(lambda: process.stop(STOP_SECONDS), lambda _: None, failed)

    def request(self, what: Literal["pause", "resume"]) -> None:
        """Halt the training, or let it go on."""
        run = self._watched or (None if self._process is None else self._process.run)
        if run is not None:
            run.request(what)

    def list_runs(self) -> None:
        """Read the runs of the project, and the visited."""
        runs, visited = self._session.project_folder / "runs", self._presenter.visited
        self._read(lambda: run_cards.list_cards(runs, visited), self._presenter.runs_listed)

    def load_history(self, run: Path) -> None:
        """Read what a run has told so far."""
        self._read(
            lambda: History.of(RunFolder.open(run).events()),
            lambda history: self._presenter.history_loaded(run, history),
        )

    def load_previews(self, run: Path, step: int | None) -> None:
        """Look up the previews of the shown case in a run, and read the one of a step."""
        session, presenter = self._session, self._presenter
        shown, stored = session.case, session.stored
        layer = session.selected.reference
        try:
            reference = None if layer is None else layers.volume_of(layer).array
        except ScribsegError:
            reference = None  # the Case tab tells what is wrong with the layers

        def post(call: Callable[[], None]) -> None:
            """Tell it, unless another case is shown by then."""
            self._running.post(lambda: call() if session.case == shown else None)

        def body() -> None:
            opened = RunFolder.open(run)
            known = {}
            if stored is not None:
                known = opened.previews(stored.id_among(project_of(run)))
            post(lambda: presenter.previews_found(run, tuple(known), self._dice.of(known)))
            if reference is not None and self._dice.score(known, reference, opened.schema):
                post(lambda: presenter.previews_found(run, tuple(known), self._dice.of(known)))
            if step is None or step not in known:
                return
            array = read_labels(known[step]).array
            post(lambda step=step: presenter.preview_loaded(run, step, array))

        self._read(body, lambda _: None)

    def delete(self, run: Path) -> None:
        """Delete a run."""
        self._read(lambda: run_cards.delete_run(run), lambda _: self._presenter.run_deleted(run))

    def estimate(self, choice: Choice, classes: int) -> None:
        """Measure about what a training takes, in a child process."""
        settings = {**choice.options, **choice.training.model_dump(mode="json")}
        words = ["estimate", "--method", choice.method, "--classes", str(classes), "--json"]
        for name, value in settings.items():
            words += ["--set", f"{name}={json.dumps(value)}"]

        def told(document: dict[str, float | str]) -> str:
            time = duration(float(document["seconds"]))
            memory = float(document["memory_mib"])
            amount = f"{memory / 1024:.1f} GiB" if memory >= 1024 else f"{memory:.0f} MiB"
            step = float(document["seconds_per_step"])
            return f"About {amount} of memory and {time} ({step:.1f} s per step just now)."

        self._running.run(
            lambda: told(self._children.run(words)),
            lambda text: self._presenter.estimated(choice, classes, text),
            lambda problem: self._presenter.estimated(choice, classes, problem),
        )

    # What must be known before the window closes

    @property
    def running(self) -> int:
        """How many trainings run now."""
        ours = self._process is not None and self._process.is_alive
        return int(ours or self._watched is not None)

    def let_go(self) -> None:
        """Let the training go on without the window."""
        self._let_go = True
        if self._process is not None and self._process.is_alive:
            self._process.let_go()

    def end(self) -> None:
        """The window closes: the training ends now, unless it was let go."""
        self._running.over = True
        self._children.end()
        if self._watched is not None and not self._let_go:
            self._watched.request("stop")
        if self._process is not None and self._process.is_alive:
            # Not in this thread: closing a window must not take seconds. Should the interpreter
            # end first, the lifeline ends the child.
            threading.Thread(target=self._process.close, name="scribseg-end", daemon=True).start()

    # Inside

    def _follow(self, make: Callable[[], RunFolder]) -> None:
        """Make or open a run in the background, train it, and pass its events on."""
        presenter = self._presenter

        def body() -> None:
            run = make()
            resume = run.checkpoint("last").exists()
            process = start(run, resume=resume, beside_window=True)
            self._process = process
            if self._running.over:  # the window was closed while the files were written
                process.close()
                return
            self._running.post(lambda: presenter.run_started(run.path))
            if resume:
                history = History.of(run.events())
                self._running.post(lambda: presenter.continued(history))
            self._pass_on(process.events())

        self._running.run(body, lambda _: None, presenter.failed)

    def _pass_on(self, events: Iterator[Event]) -> None:
        presenter = self._presenter
        for event in events:
            self._running.post(lambda event=event: presenter.happened(event))

    def _read(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        self._running.run(job, done, self._presenter.refused)

    @property
    def _presenter(self) -> TrainingPresenter:
        if self.presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        return self.presenter
