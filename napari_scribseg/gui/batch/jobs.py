"""The slow work of the batch evaluation: child processes, and folders to look at meanwhile."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.experiment.clients import ask_to_stop, is_worked_on
from napari_scribseg.experiment.experiment import is_experiment, load_experiment
from napari_scribseg.experiment.process import Ended, ExperimentProcess
from napari_scribseg.experiment.recipe import Recipe, load_recipe
from napari_scribseg.experiment.settings import Cost
from napari_scribseg.experiment.worst_slices import PickedSlice
from napari_scribseg.gui.background import Background, WidgetJobs
from napari_scribseg.gui.batch.check import report_of
from napari_scribseg.gui.batch.plan import BatchPlan
from napari_scribseg.gui.batch.presenter import BatchPresenter
from napari_scribseg.gui.batch.results import BatchResults, load_slice, results_of
from napari_scribseg.gui.batch.trials import Progress, TrialsWatch
from napari_scribseg.io.documents import save_document

T = TypeVar("T")

_LOOK_SECONDS: Final = 1.0
"""Between two looks at the trials."""


class BackgroundExperiments:
    """The jobs of a `BatchPresenter`.

    Args:
        background: runs them and brings their news to the GUI thread.
    """

    def __init__(self, background: Background) -> None:
        self.presenter: BatchPresenter | None = None
        """Whom to report to; set once, right after both are made."""
        self._process: ExperimentProcess | None = None
        self._checking: ExperimentProcess | None = None
        self._followed: Path | None = None
        """An experiment that somebody else works on."""
        self._stopped_check = False
        self._let_go = False
        self.begun = 0
        """Experiments that were begun so far."""
        self._running = WidgetJobs(background)

    # What the presenter asks for

    def check(self, plan: BatchPlan) -> None:
        """Do a dry run in a child process."""
        presenter = self._presenter
        self._stopped_check = False

        def body() -> Ended:
            child = ExperimentProcess.checking(plan.recipe, plan.out)
            self._checking = child
            if self._running.over or self._stopped_check:
                child.kill()
            ended = child.wait(self._teller(child))
            self._checking = None
            return ended

        def done(ended: Ended) -> None:
            if self._stopped_check:
                presenter.check_stopped()
            else:
                presenter.checked(report_of(ended))

        self._running.run(body, done, presenter.failed)

    def run(self, plan: BatchPlan, costs: Sequence[Cost]) -> None:
        """Run an experiment in a child process."""
        self._work(
            plan.out,
            lambda: ExperimentProcess.running(plan.recipe, plan.out, jobs=plan.jobs),
            lambda: TrialsWatch(plan.out, plan.jobs, costs),
        )

    def resume(self, folder: Path, jobs: int | None, *, retry: bool) -> None:
        """Continue an experiment in a child process."""
        self._work(
            folder,
            lambda: ExperimentProcess.running(folder, folder, jobs=jobs, retry=retry),
            lambda: TrialsWatch(folder, jobs),
            retry=retry,
        )

    def stop(self) -> None:
        """Let what runs save and stop; ends a check at once."""
        checking, process, followed = self._checking, self._process, self._followed
        self._stopped_check = True
        if checking is not None:
            checking.kill()
        elif process is not None:
            process.stop()
        elif followed is not None:
            self._read(lambda: ask_to_stop(followed), lambda _: None)

    def open(self, folder: Path) -> None:
        """Read an experiment, and follow it while somebody works on it."""
        presenter = self._presenter

        def body() -> BatchResults | None:
            watch = TrialsWatch(folder)
            progress = watch.look()
            results = results_of(folder, watch.experiment)
            recipe = watch.experiment.recipe
            self._running.post(lambda: presenter.opened(folder, recipe, progress, results))
            if not progress.is_worked_on:
                return None
            self._followed = folder
            while progress.is_worked_on and not self._running.over:
                time.sleep(_LOOK_SECONDS)
                progress = watch.look(again=True)
                self._running.post(lambda progress=progress: presenter.seen(progress))
            self._followed = None
            return results_of(folder, watch.experiment)

        def done(results: BatchResults | None) -> None:
            if results is not None:
                presenter.followed(results)

        self._running.run(body, done, presenter.failed)

    def save_recipe(self, path: Path, recipe: Recipe) -> None:
        """Write a recipe."""
        presenter = self._presenter
        self._read(lambda: save_document(path, recipe), lambda _: presenter.recipe_saved(path))

    def load_recipe(self, path: Path) -> None:
        """Read a recipe."""
        presenter = self._presenter
        self._read(lambda: load_recipe(path), lambda recipe: presenter.recipe_loaded(path, recipe))

    def load_slice(self, folder: Path, picked: PickedSlice) -> None:
        """Read the volumes of a slice."""
        self._read(
            lambda: load_slice(folder, load_experiment(folder), picked),
            self._presenter.slice_loaded,
        )

    # What must be known before the window closes

    @property
    def running(self) -> int:
        """How many experiments run now that the window has started and that end with it."""
        alive = self._process is not None and self._process.is_alive
        return int(alive and not self._let_go)

    def let_go(self) -> None:
        """Let the experiment go on without the window."""
        self._let_go = True
        if self._process is not None:
            self._process.let_go()

    def end(self) -> None:
        """The window closes: the experiment saves and stops now, unless it was let go."""
        self._running.over = True
        if self._checking is not None:
            self._checking.kill()
        if self._process is not None:
            self._process.close()

    # Inside

    def _work(
        self,
        folder: Path,
        start: Callable[[], ExperimentProcess],
        watch: Callable[[], TrialsWatch],
        *,
        retry: bool = False,
    ) -> None:
        presenter = self._presenter
        self.begun, self._let_go = self.begun + 1, False

        def body() -> tuple[Ended, Progress | None, BatchResults]:
            child = start()
            self._process = child
            if self._running.over:  # the window was closed meanwhile
                child.close()
            ended = child.wait(self._watcher(child, folder, watch, retry=retry))
            self._process = None
            if not is_experiment(folder):
                return ended, None, BatchResults()
            last = watch()
            return ended, last.look(), results_of(folder, last.experiment)

        self._running.run(body, lambda result: presenter.ended(*result), presenter.failed)

    def _watcher(
        self,
        child: ExperimentProcess,
        folder: Path,
        make: Callable[[], TrialsWatch],
        *,
        retry: bool,
    ) -> Callable[[], None]:
        """What looks at the trials now and then, once the child works on them."""
        presenter, tell = self._presenter, self._teller(child)
        watch: TrialsWatch | None = None
        next_look = 0.0

        def look() -> None:
            nonlocal watch, next_look
            if time.monotonic() < next_look:
                return
            next_look = time.monotonic() + _LOOK_SECONDS
            if watch is None and not (is_experiment(folder) and is_worked_on(folder)):
                tell()
                return
            with contextlib.suppress(ScribsegError, OSError):  # being written just now
                watch = watch or make()
                progress = watch.look(again=retry)
                self._running.post(lambda: presenter.seen(progress))

        return look

    def _teller(self, child: ExperimentProcess) -> Callable[[], None]:
        """What passes on what a child says while it reads the cases."""
        presenter, said = self._presenter, ""

        def tell() -> None:
            nonlocal said
            line = child.last_line
            if line != said:
                said = line
                self._running.post(lambda: presenter.told(line))

        return tell

    def _read(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        self._running.run(job, done, self._presenter.refused)

    @property
    def _presenter(self) -> BatchPresenter:
        if self.presenter is None:
            raise RuntimeError("set `presenter` before asking for jobs")
        return self.presenter
