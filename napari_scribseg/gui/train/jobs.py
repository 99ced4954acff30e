"""The slow work of the Train tab: run folders, a child process that trains, files to read."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import Event
from napari_scribseg.core.types import Array
from napari_scribseg.gui.background import WidgetJobs
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.project_cases import project_of
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train import run_cards
from napari_scribseg.gui.train.budget import Speed
from napari_scribseg.gui.train.new_run import write_run
from napari_scribseg.gui.train.presenter import TrainingPresenter
from napari_scribseg.gui.train.preview_dice import PreviewDice, mean_scores
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.io import read_labels
from napari_scribseg.runs.commands import Children
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.history import History
from napari_scribseg.runs.process import (
    Command,
    TrainingProcess,
    start,
    threads_beside_a_window,
    watch,
    worker_command,
)
from napari_scribseg.runs.queue import RunQueue

T = TypeVar("T")

STOP_SECONDS: Final = 60.0
"""A step of a large batch and a checkpoint on a slow disk may still be under way."""


class BackgroundTraining:
    """The jobs of a `TrainingPresenter` and of its `RunsPresenter`.

    Args:
        session: whose project receives the runs.
    """

    def __init__(self, session: Session) -> None:
        self.command: Command = worker_command
        """Makes the command line of the child that trains: here, or elsewhere (see `where`)."""
        self.presenter: TrainingPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._session = session
        self._process: TrainingProcess | None = None
        self._watched: RunFolder | None = None
        self._children = Children()
        self._dice = PreviewDice()
        self._running = WidgetJobs(session.background)
        self._let_go = False
        self.begun = 0
        """Trainings that were begun or followed so far."""

    # What the presenter asks for

    def train(self, snapshot: Snapshot, choice: Choice, continues: Path | None) -> None:
        """Write a run and train it in a child process, passing its events on."""
        project = self._session.project_folder
        self._follow(lambda: write_run(project, snapshot, choice, continues), continues)

    def train_more(self, snapshot: Snapshot, run: Path, settings: Mapping[str, Any]) -> None:
        """The same, with the settings of a run but for these, and with its weights."""
        project = self._session.project_folder
        choice_of = run_cards.choice_of
        self._follow(lambda: write_run(project, snapshot, choice_of(run, settings), run), run)

    def queue(self, snapshot: Snapshot, choices: Sequence[Choice]) -> None:
        """Write runs that wait for their turn."""
        project, presenter = self._session.project_folder, self._presenter

        def body() -> int:
            written = [write_run(project, snapshot, choice).path for choice in choices]
            RunQueue(project / "runs").add(*written)
            return len(written)

        self._running.run(body, presenter.queued, presenter.failed)

    def train_next(self) -> None:
        """Train the run whose turn it is, if one waits."""
        queue = RunQueue(self._session.project_folder / "runs")

        self._running.run(queue.take, self._presenter.next_taken, self._presenter.refused)

    def clear_queue(self) -> None:
        """Remove the runs that wait, none of which was ever trained."""
        queue = RunQueue(self._session.project_folder / "runs")

        def body() -> int:
            waiting = queue.clear()
            for run in waiting:
                run_cards.delete_run(run)
            return len(waiting)

        self._running.run(body, self._presenter.queue_cleared, self._presenter.refused)

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
        self.begun, self._let_go = self.begun + 1, False

        def body() -> None:
            opened = RunFolder.open(run)
            since = opened.position
            history = History.of(opened.events())
            paused = opened.requested == "pause"
            self._watched = opened
            method = opened.record.method
            self._running.post(lambda: presenter.followed(run, method, history, paused=paused))
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

    def ask(self, run: Path, what: Literal["pause", "resume", "finish", "stop"]) -> None:
        """Ask a run that somebody else trains."""
        self._read(lambda: RunFolder.open(run).request(what), lambda _: self.list_runs())

    def list_runs(self) -> None:
        """Read the runs of the project, and the visited."""
        presenter = self._presenter
        runs, visited = self._session.project_folder / "runs", presenter.runs.visited

        def listed(cards: tuple[run_cards.RunCard, ...]) -> None:
            if runs == self._session.project_folder / "runs":
                presenter.runs.runs_listed(cards)
                presenter.runs_listed()

        self._read(lambda: run_cards.list_cards(runs, visited), listed)

    def load_history(self, run: Path) -> None:
        """Read what a run has told so far."""
        self._read(
            lambda: History.of(RunFolder.open(run).events()),
            lambda history: self._presenter.runs.history_loaded(run, history),
        )

    def load_previews(self, run: Path, step: int | None) -> None:
        """Look up the previews of the shown case in a run, and read the one of a step."""
        session, presenter = self._session, self._presenter.runs
        shown, reference = session.case, self._reference()
        stored = session.stored

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

    def compare_ends(self, run: Path) -> None:
        """Score the first and the last preview of a run against the reference that is shown."""
        presenter, stored, reference = self._presenter, self._session.stored, self._reference()

        def body() -> tuple[float | None, float | None]:
            opened = RunFolder.open(run)
            if stored is None or reference is None:
                return None, None
            known = opened.previews(stored.id_among(project_of(run)))
            self._dice.score(known, reference, opened.schema)
            means = mean_scores(self._dice.of(known))
            return means.get(0), means.get(max(known, default=0))

        def done(ends: tuple[float | None, float | None]) -> None:
            presenter.ends_compared(run, *ends)

        self._running.run(body, done, presenter.refused)

    def delete(self, runs: Sequence[Path]) -> None:
        """Delete runs."""

        def body() -> None:
            for run in runs:
                run_cards.delete_run(run)

        self._read(body, lambda _: self._presenter.runs.runs_deleted(runs))

    def estimate(self, choice: Choice, classes: int) -> None:
        """Measure about what a training takes, in a child process with as many threads as it."""
        presenter = self._presenter
        training = choice.training.model_dump(mode="json")
        training["threads"] = choice.training.threads or threads_beside_a_window()
        settings = {**choice.options, **training}
        words = ["estimate", "--method", choice.method, "--classes", str(classes), "--json"]
        for name, value in settings.items():
            words += ["--set", f"{name}={json.dumps(value)}"]

        def body() -> Speed:
            document = self._children.run(words)
            return Speed(float(document["seconds_per_step"]), float(document["memory_mib"]))

        self._running.run(
            body, lambda speed: presenter.measured(choice, classes, speed), presenter.not_measured
        )

    # What must be known before the window closes

    @property
    def running(self) -> int:
        """How many trainings run now that end with the window."""
        if self._let_go:
            return 0
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

    def _reference(self) -> Array | None:
        """The reference that is shown (z, y, x), if there is one that can be read."""
        layer = self._session.selected.reference
        try:
            return None if layer is None else layers.volume_of(layer).array
        except ScribsegError:
            return None  # the Case tab tells what is wrong with the layers

    def _follow(self, make: Callable[[], RunFolder], continues: Path | None = None) -> None:
        """Make or open a run in the background, train it, and pass its events on."""
        presenter = self._presenter
        self.begun, self._let_go = self.begun + 1, False

        def body() -> None:
            run = make()
            resume = run.checkpoint("last").exists()
            process = start(run, resume=resume, beside_window=True, command=self.command)
            self._process = process
            if self._running.over:  # the window was closed while the files were written
                process.close()
                return
            self._running.post(lambda: presenter.run_started(run.path, continues))
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
