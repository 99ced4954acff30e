"""The only training loop: a generator of events that works on one run folder.

Everything random in step t follows from (random_seed, t): the batch, its augmentation, and what
the method draws. So a resumed run continues exactly as if it had never been interrupted, without
any generator state being saved.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Literal, Self

import numpy as np
import torch

from napari_scribseg.annotation.outer_background import (
    outer_background_of,
    with_few_voxels_of_the_outside,
)
from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.batches.slices import Batch, choose_spacing
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.events import Event, Finished, Prepared, Saved, Started, Stepped, Warned
from napari_scribseg.core.labels import LabelSchema, targets_of
from napari_scribseg.core.notes import Notes
from napari_scribseg.data.case import Case, load_without_bad_reference
from napari_scribseg.data.orientation import Orientation
from napari_scribseg.data.turned import orientation_notes
from napari_scribseg.methods.base import Maps, Method, Task
from napari_scribseg.methods.registry import method_named, spec_named
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.moved import refuse_missing
from napari_scribseg.runs.worker import record
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.fitting_weights import check_documents
from napari_scribseg.training.full_disk import written_when_there_is_room
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.machine import choose_machine, choose_threads
from napari_scribseg.training.oriented import orient, training_orientation
from napari_scribseg.training.prepare import empty_samples, prepare_cases
from napari_scribseg.training.preview import Previews
from napari_scribseg.training.relabel import Relabelling
from napari_scribseg.training.validate import validation_scores
from napari_scribseg.training.warm_start import begin_with, read_start

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
    """
    return record(run, train(run, resume=resume))


def train(run: RunFolder, *, resume: bool = False) -> Iterator[Event]:
    """Train a prepared run; yields what happens, a `Finished` last.

    Args:
        run: the folder to read the settings from and to write checkpoints to.
        resume: continue from the last checkpoint instead of starting.

    Raises:
        InvalidInput: a case can't be read, or the device is not there.
        TaskNotSupported: the method can't learn this task; says why.
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
    machine = choose_machine(config.device, config.precision, volumes=kind.sample == "patch")
    choose_threads(machine, config.threads)
    options = kind.spec.Config().updated(run.record.options)
    cases = _training_cases(run)
    data_sha256 = _sha256_of(cases)
    yield from _noticed(cases)
    start = None if run.start_weights is None else read_start(run.start_weights)
    orientation = training_orientation(
        cases,
        resumed=run.checkpoint("last") if resume else None,
        start=None if start is None else start.orientation,
    )
    yield from _oriented(cases, orientation)
    if reason := kind.unsupported(task_of(cases, run.schema)):
        raise TaskNotSupported(f"{kind.spec.title} can't learn this: {reason}")

    learnt_at = None if start is None else start.spacing_mm
    spacing_mm = config.spacing_mm or learnt_at or choose_spacing(cases, config.patch)
    spacings = [(case.image.spacing[0], spacing_mm, spacing_mm) for case in cases]
    options = kind.fitted(options, spacings)
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
    if start is not None:
        begin_with(start, method)
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
    )
    validation = [files.load(run.schema) for files in run.files("validate")]
    yield from _noticed(validation)
    yield from _oriented(validation, orientation)
    previews = Previews(run, slices.spacing_mm, orientation)
    yield from _Loop(run, learner, slices, relabelling, validation, previews).events()


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


def _noticed(cases: list[Case]) -> Iterator[Event]:
    """What was noticed while the cases were read, every kind of it once."""
    notes = Notes()
    for case in cases:
        notes.add(case.id, case.notes)
    for note in notes:
        yield Warned(message=note)


def refuse_other_data(run: RunFolder) -> None:
    """Raises InvalidInput when the training cases are not those that the checkpoint learnt from.

    Args:
        run: with the places where its files are now; one without a checkpoint can't be compared.
    """
    if not run.checkpoint("last").exists():
        return
    _, info = load_checkpoint(run.checkpoint("last"))
    cases = _training_cases(run)
    if _sha256_of(cases) != info.data_sha256:
        raise InvalidInput(
            f"The cases found are not those that {run.path.name} was trained on: voxels, geometry, "
            "scribbles or references differ. Give the folder with the very same files, or train a "
            "new run on these, from its weights, with --continue-from."
        )


def _training_cases(run: RunFolder) -> list[Case]:
    """The cases to learn from, as they are stored.

    A reference that can't be used only refuses a method that learns from references; for the others
    it is left out, with a note on the case.
    """
    if spec_named(run.record.method).uses_references:
        return [files.load(run.schema) for files in run.files("train")]
    cases: list[Case] = []
    for files in run.files("train"):
        case, problem = load_without_bad_reference(files, run.schema)
        left_out = (f"The reference can't be used and is left out: {problem}",) if problem else ()
        cases.append(replace(case, notes=(*case.notes, *left_out)))
    return cases


def task_of(cases: list[Case], schema: LabelSchema) -> Task:
    """What these cases ask of a method."""
    drawn: set[int] = set()
    scribbled = 0
    for case in cases:
        if case.scribbles is not None and case.scribbles.any():
            scribbled += 1
            drawn |= {int(v) for v in np.unique(targets_of(case.scribbles)) if v >= 0}
    return Task(
        n_classes=schema.n_classes,
        scribbled_classes=frozenset(drawn),
        n_scribbled=scribbled,
        n_references=sum(case.reference is not None for case in cases),
        class_names=schema.names,
        slices=tuple(case.image.shape[0] for case in cases),
    )


def _sha256_of(cases: list[Case]) -> str:
    """A hash over everything in the cases."""
    return hashlib.sha256("".join(case.content_hash for case in cases).encode()).hexdigest()


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
        validation_cases: list[Case],
        previews: Previews,
    ) -> None:
        self._run = run
        self._learner = learner
        self._slices = slices
        self._relabelling = relabelling
        self._validation_cases = validation_cases
        self._previews = previews
        self._out_of_memory = False
        self._saved_step = learner.step
        """Of the last checkpoint."""
        self._clock = time.process_time if learner.config.clock == "cpu" else time.monotonic
        self._zero = self._clock() - learner.seconds
        """When training would have begun if there had been no breaks."""

    def events(self) -> Iterator[Event]:
        """What happens, a `Finished` last."""
        learner, interval = self._learner, self._learner.config.validation_interval
        self._zero = self._clock() - learner.seconds
        reported, saved = -math.inf, learner.seconds
        with _Batches(self._slices, learner) as batches:
            while learner.progress < 1.0 and not _must_end(self._run):
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
                if learner.step % interval == 0:
                    yield from self._validate()
                before = self._clock()
                if preview := self._previews.make(learner):
                    yield preview
                    self._zero += self._clock() - before  # who looks on costs no training
                if learner.seconds - saved >= _SAVE_SECONDS:
                    yield from self._save("last")
                    saved = learner.seconds
        stopped = self._run.requested == "stop" and learner.progress < 1.0
        # Not when stopped: that is urgent, and would let a resumed run choose another "best".
        if learner.step % interval and not stopped:
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

    def _validate(self) -> Iterator[Event]:
        learner = self._learner
        if not self._validation_cases:
            return
        event = validation_scores(
            learner.predictor,
            self._validation_cases,
            self._slices.schema,
            self._slices.spacing_mm,
            learner.machine,
            learner.step,
        )
        known, best = event.mean, learner.best_score
        better = known is not None and (best is None or known > best)
        if better:
            learner.best_score = known
        yield event.model_copy(update={"best": better})
        if better:
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
        return Finished(
            outcome="stopped" if stopped else "completed",
            step=learner.step,
            message=f"Stopped at step {learner.step}; it can be resumed."
            if stopped
            else f"Trained for {learner.step} steps.",
            seconds=learner.seconds,
        )


class _Batches:
    """The next batch is made in a thread while the current one is learnt from."""

    def __init__(self, slices: SampleSet, learner: Learner) -> None:
        self._slices = slices
        self._learner = learner
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[tuple[int, int], Future[Batch]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self) -> Batch:
        """The batch of the learner's next step."""
        step, size = self._learner.step + 1, self._learner.batch_size
        wanted = (step, size)
        waiting = self._next
        future = waiting[1] if waiting and waiting[0] == wanted else self._make(step, size)
        batch = future.result()
        self._next = ((step + 1, size), self._make(step + 1, size))
        return replace(batch, progress=self._learner.progress)

    def forget(self) -> None:
        """Drop the batch made ahead, because the targets have changed."""
        self._next = None

    def _make(self, step: int, size: int) -> Future[Batch]:
        config = self._learner.config.model_copy(update={"batch_size": size})
        return self._pool.submit(
            self._slices.batch, step, config, 0.0, self._learner.machine.device
        )
