"""The only training loop: steps until the budget is used or somebody asks to stop, as events.

Everything random in step t follows from (random_seed, t): the batch, its augmentation, and what
the method draws. So a resumed run continues exactly as if it had never been interrupted, without
any generator state being saved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from typing import Literal

import torch

from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Event, Finished, Saved, Stepped, Warned
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.batches_ahead import BatchesAhead
from napari_scribseg.training.full_disk import written_when_there_is_room
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.preview import Previews
from napari_scribseg.training.relabel import Relabelling
from napari_scribseg.training.validate import Validation

_REPORT_SECONDS = 0.5
"""Least time between two `Stepped` events."""
_SAVE_SECONDS = 60.0
"""Most training time that a crash can cost."""
_PAUSE_POLL_SECONDS = 0.2


class Loop:
    """Steps until the budget is used or somebody asks to stop."""

    def __init__(
        self,
        run: RunFolder,
        learner: Learner,
        slices: SampleSet,
        relabelling: Relabelling,
        validation: Validation,
        previews: Previews,
    ) -> None:
        self._run = run
        self._learner = learner
        self._slices = slices
        self._relabelling = relabelling
        self._validation = validation
        self._previews = previews
        self._out_of_memory = False
        self._saved_step = learner.step
        """Of the last checkpoint."""
        self._clock = time.process_time if learner.config.clock == "cpu" else time.monotonic
        self._zero = self._clock() - learner.seconds
        """When training would have begun if there had been no breaks."""

    def events(self) -> Iterator[Event]:
        """What happens, a `Finished` last."""
        learner, validation = self._learner, self._validation
        self._zero = self._clock() - learner.seconds
        reported, saved = -math.inf, learner.seconds
        with BatchesAhead(self._slices, learner) as batches:
            while not self._is_trained and not must_end(self._run):
                if self._run.requested == "pause":
                    yield from self._save("last")
                    self._zero += self._wait_while_paused()
                    continue
                if learner.relabels_due > learner.relabels:
                    yield from self._relabelling.run(learner, lambda: must_end(self._run))
                    batches.forget()
                    yield from self._save("last")
                    self._relabelling.forget_older(learner)
                    continue
                try:
                    terms = learner.learn(batches.take())
                except torch.OutOfMemoryError as error:
                    yield self._shrink(error)
                    continue
                learner.seconds = self._clock() - self._zero
                if learner.seconds - reported >= _REPORT_SECONDS or learner.progress >= 1.0:
                    yield self._stepped(terms)
                    reported = learner.seconds
                if validation.is_due(learner):
                    yield from self._validate()
                before = self._clock()
                if preview := self._previews.make(learner):
                    yield preview
                    self._zero += self._clock() - before  # who looks on costs no training
                if learner.seconds - saved >= _SAVE_SECONDS:
                    yield from self._save("last")
                    saved = learner.seconds
        stopped = self._run.requested == "stop" and not self._is_trained
        # Not when stopped: that is urgent, and would let a resumed run choose another "best".
        if validation.is_missing(learner) and not stopped:
            yield from self._validate()
        yield from self._save("last")
        if learner.best_score is None:
            yield from self._save("best")
        if not stopped and (preview := self._previews.make(learner, last=True)):
            yield preview
        yield self._finished(stopped=stopped)

    def _stepped(self, terms: dict[str, float]) -> Event:
        learner, progress = self._learner, self._learner.progress
        done = learner.step * learner.batch_size
        return Stepped(
            step=learner.step,
            progress=progress,
            eta_seconds=learner.seconds * (1 - progress) / progress if progress else None,
            loss=sum(terms.values()),
            terms=terms,
            learning_rate=learner.learning_rate,
            slices_per_second=done / max(learner.seconds, 1e-9),
        )

    def before_the_first_step(self) -> Iterator[Event]:
        """Scores and preview of the weights that a warm start begins with, to compare with."""
        yield from self._validate()
        if preview := self._previews.make(self._learner, last=True):
            yield preview

    @property
    def _is_trained(self) -> bool:
        """Whether the budget is used, or the scores don't get better any more."""
        return self._learner.progress >= 1.0 or self._validation.is_over(self._learner)

    def _validate(self) -> Iterator[Event]:
        event = self._validation.look(self._learner)
        if event is None:
            return
        yield event
        if event.best:
            yield from self._save("best")

    def _save(self, which: Literal["last", "best"]) -> Generator[Event]:
        """Write a checkpoint, as soon as the disk has room; not at all if asked to end before."""
        path, learner = self._run.checkpoint(which), self._learner
        waited = yield from written_when_there_is_room(
            lambda: learner.save(path, which, self._slices.spacing_mm),
            lambda: must_end(self._run),
            self._clock,
        )
        if waited is None:
            return
        self._zero += waited  # a full disk costs no training
        if which == "last":
            self._saved_step = learner.step
        yield Saved(step=learner.step, path=path.relative_to(self._run.path).as_posix())

    def _wait_while_paused(self) -> float:
        """Seconds that the budget's clock ran until the pause was over."""
        began = self._clock()
        while self._run.requested == "pause":
            time.sleep(_PAUSE_POLL_SECONDS)
        return self._clock() - began

    def _shrink(self, error: torch.OutOfMemoryError) -> Event:
        """Go on with half the batch after the first time memory ran out.

        Raises:
            RunError: it is the second time, or the batch can't be halved.
        """
        learner = self._learner
        if self._out_of_memory or learner.batch_size == 1:
            raise RunError(
                f"Memory of {learner.machine} ran out with a batch of {learner.batch_size}. "
                "Choose a smaller batch_size or patch, or device=cpu, and train again."
            ) from error
        self._out_of_memory = True
        learner.batch_size //= 2
        learner.forget_gradients()
        return Warned(
            message=f"Memory of {learner.machine} ran out: training goes on with batches of "
            f"{learner.batch_size} instead of {learner.config.batch_size}.",
            batch_size=learner.batch_size,
        )

    def _finished(self, *, stopped: bool) -> Event:
        learner = self._learner
        if self._saved_step < learner.step:
            return Finished(
                outcome="stopped",
                step=self._saved_step,
                message=f"Stopped at step {learner.step}, while the disk was full: "
                + (
                    f"the checkpoint of step {self._saved_step} is the last."
                    if self._saved_step
                    else "nothing could be saved."
                ),
                seconds=learner.seconds,
            )
        message = f"Trained for {learner.step} steps."
        if not learner.step:
            message = "Fitted the last layer to what is known; no step was trained."
        if stopped:
            message = f"Stopped at step {learner.step}; it can be resumed."
        elif self._validation.is_over(learner) and learner.progress < 1.0:
            message = (
                f"Ended early at step {learner.step}, since {learner.not_better} validations were "
                "no better than the best one, whose weights are kept."
            )
        return Finished(
            outcome="stopped" if stopped else "completed",
            step=learner.step,
            message=message,
            seconds=learner.seconds,
        )


def must_end(run: RunFolder) -> bool:
    """Whether somebody asks the training to end, with or without the best weights."""
    return run.requested in ("stop", "finish")
