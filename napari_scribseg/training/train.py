"""The only training loop: a generator of events that works on one run folder.

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

from napari_scribseg.annotation.outer_background import (
    outer_background_of,
    with_few_voxels_of_the_outside,
)
from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.batches.slices import choose_spacing
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.events import Event, Finished, Prepared, Saved, Started, Stepped, Warned
from napari_scribseg.data.case import Case
from napari_scribseg.data.orientation import Orientation
from napari_scribseg.data.turned import orientation_notes
from napari_scribseg.methods.base import Maps, Method
from napari_scribseg.methods.registry import method_named
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.moved import refuse_missing
from napari_scribseg.runs.worker import record
from napari_scribseg.training.anatomy_weights import refuse_without_anatomy
from napari_scribseg.training.batches_ahead import BatchesAhead
from napari_scribseg.training.beginning import begin
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.fitting_weights import check_documents
from napari_scribseg.training.full_disk import written_when_there_is_room
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.machine import choose_machine, choose_threads
from napari_scribseg.training.oriented import orient, training_orientation
from napari_scribseg.training.prepare import empty_samples, prepare_cases
from napari_scribseg.training.preview import Previews
from napari_scribseg.training.relabel import Relabelling
from napari_scribseg.training.training_cases import (
    held_out,
    noticed,
    sha256_of,
    task_of,
    training_cases,
)
from napari_scribseg.training.validate import Validation
from napari_scribseg.training.warm_start import read_start

_REPORT_SECONDS = 0.5
"""Least time between two `Stepped` events."""
_SAVE_SECONDS = 60.0
"""Most training time that a crash can cost."""
_PAUSE_POLL_SECONDS = 0.2


def train_run(run: RunFolder, *, resume: bool = False) -> Iterator[Event]:
    """Train a prepared run in this process, and write down in its folder what happens.

    As the command line does it: the run has events, a heartbeat and an end, so the window lists it
    and anybody can watch, stop and resume it.

    Args:
        run: to be trained.
        resume: continue from its last checkpoint.

    Yields:
        What happens, a `Finished` last, also when the training fails.

    Example:
        >>> from napari_scribseg import prepare_run, read_dataset, sample_folder, train_run
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> changes = {"steps": 2, "device": "cpu"}
        >>> run = prepare_run(dataset, "short-run", method="partial_ce", changes=changes)
        >>> [event.kind for event in train_run(run)][-1]
        'finished'
    """
    return record(run, train(run, resume=resume))


def train(run: RunFolder, *, resume: bool = False) -> Iterator[Event]:
    """Train a prepared run; yields what happens, a `Finished` last.

    Args:
        run: the folder to read the settings from and to write checkpoints to.
        resume: continue from the last checkpoint instead of starting.

    Raises:
        InvalidInput: a case can't be read, or the device is not there.
        TaskNotSupported: the method can't learn this task, or not from these weights; says why.
        RunError: the loss is not finite any more, memory ran out twice, or the checkpoint to
            resume from is missing or damaged.
    """
    run.remove_leftovers()
    refuse_missing(run)
    if resume:
        last = run.checkpoint("last")
        check_documents(load_checkpoint(last)[1], run.record, run.schema, last)
    config = run.record.training
    kind = method_named(run.record.method)
    machine = choose_machine(config.device, config.precision, volumes=kind.unsafe_in_bfloat16())
    choose_threads(machine, config.threads)
    options = kind.spec.Config().updated(run.record.options)
    cases = training_cases(run)
    data_sha256 = sha256_of(cases)
    yield from noticed(cases)
    start = None if run.start_weights is None else read_start(run.start_weights)
    orientation = training_orientation(
        cases,
        resumed=run.checkpoint("last") if resume else None,
        start=None if start is None else start.orientation,
    )
    yield from _oriented(cases, orientation)
    cases, held, note = held_out(run, cases)
    if note:
        yield Warned(message=note)
    if reason := kind.unsupported(task_of(cases, run.schema)):
        raise TaskNotSupported(f"{kind.spec.title} can't learn this: {reason}")

    learnt_at = None if start is None else start.spacing_mm
    spacing_mm = config.spacing_mm or learnt_at or choose_spacing(cases, config.patch)
    spacings = [(case.image.spacing[0], spacing_mm, spacing_mm) for case in cases]
    options = kind.fitted(options, spacings)
    if config.start == "anatomy" and start is None and not resume:
        refuse_without_anatomy(kind, run.schema.n_classes, options)
    slices = empty_samples(kind, options, run.schema, spacing_mm)
    maps, enclosed_slices = yield from _fill(slices, run, kind, options, cases)
    if _must_end(run):
        step = run.last_step if resume else 0
        message = f"Stopped while preparing; nothing was trained {'further' if resume else 'yet'}."
        yield Finished(outcome="stopped", step=step, message=message, seconds=0.0)
        return

    if not len(slices):
        raise InvalidInput(
            f"No stroke is left on slices brought to {slices.spacing_mm:g} mm pixels: draw thicker "
            "strokes, or choose a smaller spacing_mm."
        )
    config = config.model_copy(update={"patch": slices.patch(config.patch)})
    torch.manual_seed(config.random_seed)
    method = kind(run.schema.n_classes, options)
    method.patch = config.patch
    if not resume:
        begin(method, slices, config, machine, start)
    learner = Learner(method, config, machine, data_sha256, orientation, run.schema.names)
    relabelling = Relabelling(run.path, slices, cases, maps)
    if resume:
        learner.restore(run.checkpoint("last"))
        relabelling.restore(learner)
    yield Started(
        method=kind.spec.name,
        device=str(machine),
        precision=machine.precision,
        cases=len(cases),
        slices=len(slices),
        enclosed_slices=enclosed_slices,
        first_step=learner.step + 1,
        steps=None if config.minutes else config.steps,
        minutes=config.minutes,
        began_with=run.record.began_with,
    )
    validating = [files.load(run.schema) for files in run.files("validate")]
    yield from noticed(validating)
    yield from _oriented(validating, orientation)
    validation = Validation(validating or held, run.schema, slices.spacing_mm)
    previews = Previews(run, slices.spacing_mm, orientation)
    loop = _Loop(run, learner, slices, relabelling, validation, previews)
    if start is not None and not resume:
        yield from loop.before_the_first_step()
    yield from loop.events()


def _oriented(cases: list[Case], orientation: Orientation | None) -> Iterator[Event]:
    """Turn cases as the network sees them, in place; tells what somebody should know of it."""
    for note in orientation_notes(orient(cases, orientation)):
        yield Warned(message=note)


def _fill(
    slices: SampleSet,
    run: RunFolder,
    kind: type[Method],
    options: MethodConfig,
    cases: list[Case],
) -> Generator[Event, None, tuple[dict[str, Maps], int]]:
    """Prepare the cases and add them to the samples, until somebody asks to end.

    Returns:
        The maps of every case, and on how many slices background goes around the structures.
    """
    maps: dict[str, Maps] = {}
    enclosed_slices = 0
    learns_outside = run.record.training.outer_background and not kind.spec.uses_references
    prepared = prepare_cases(kind, options, cases, lambda: _must_end(run))
    for done, item in enumerate(prepared, start=1):
        maps[item.case.id] = item.maps
        outside = outer_background_of(item.case) if learns_outside else None
        enclosed_slices += 0 if outside is None else int(outside.any(axis=(1, 2)).sum())
        seen = with_few_voxels_of_the_outside(item.case) if learns_outside else item.case
        slices.add(seen, item.maps, unlabelled=kind.uses_unlabelled, outside=outside)
        yield Prepared(done=done, total=len(cases), case=item.case.id, cached=item.cached)
    return maps, enclosed_slices


def _must_end(run: RunFolder) -> bool:
    return run.requested in ("stop", "finish")


class _Loop:
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
            while not self._is_trained and not _must_end(self._run):
                if self._run.requested == "pause":
                    yield from self._save("last")
                    self._zero += self._wait_while_paused()
                    continue
                if learner.relabels_due > learner.relabels:
                    yield from self._relabelling.run(learner, lambda: _must_end(self._run))
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
            lambda: _must_end(self._run),
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
            f"{learner.batch_size} instead of {learner.config.batch_size}."
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
            message = "Fitted the last layer to the strokes; no step was trained."
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
