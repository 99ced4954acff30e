"""The only training loop: a generator of events that works on one run folder.

Everything random in step t follows from (random_seed, t): the batch, its augmentation, and what
the method draws. So a resumed run continues exactly as if it had never been interrupted, without
any generator state being saved.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from napari_scribseg.cases import Case
from napari_scribseg.config import TrainConfig
from napari_scribseg.data import Batch, SliceSet
from napari_scribseg.engine.checkpoint import (
    CheckpointInfo,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)
from napari_scribseg.engine.machine import Machine, choose_machine
from napari_scribseg.engine.optimisation import WeightAverage, make_optimiser, rate_factor
from napari_scribseg.engine.prepare import prepare_cases
from napari_scribseg.engine.run import RunFolder
from napari_scribseg.engine.validate import validation_scores
from napari_scribseg.errors import RunError, TaskNotSupported
from napari_scribseg.events import Event, Finished, Prepared, Saved, Started, Stepped, Warned
from napari_scribseg.labels import LabelSchema, targets_of
from napari_scribseg.methods import method_named
from napari_scribseg.methods.base import Method, Task

_REPORT_SECONDS = 0.5
"""Least time between two `Stepped` events."""
_SAVE_SECONDS = 60.0
"""Most training time that a crash can cost."""
_PAUSE_POLL_SECONDS = 0.2

Outcome = Literal["completed", "stopped"]


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
    config = run.record.training
    if config.threads:
        torch.set_num_threads(config.threads)
    machine = choose_machine(config.device, config.precision)
    method_type = method_named(run.record.method)
    options = method_type.Config.model_validate(run.record.options)
    train_cases = _load(run, "train")
    if reason := method_type.unsupported(task_of(train_cases, run.schema)):
        raise TaskNotSupported(f"{method_type.title} can't learn this: {reason}")
    validation_cases = _load(run, "validate")
    spacing_mm = config.spacing_mm or float(
        np.median([case.image.spacing[1:] for case in train_cases])
    )
    slices = SliceSet(run.schema, spacing_mm)
    stopped = lambda: run.requested in ("stop", "finish")  # noqa: E731
    prepared = prepare_cases(method_type, options, train_cases, stopped)
    for done, item in enumerate(prepared, start=1):
        slices.add(item.case, item.maps, unlabelled=method_type.uses_unlabelled)
        yield Prepared(done=done, total=len(train_cases), case=item.case.id, cached=item.cached)
    if stopped():
        yield _finished("stopped", 0, 0.0, "Stopped while preparing; nothing was trained yet.")
        return
    torch.manual_seed(config.random_seed)
    method = method_type(run.schema.n_classes, options)
    session = _Session(run, method, machine, slices, spacing_mm)
    if resume:
        session.restore()
    yield Started(
        method=method_type.name,
        device=str(machine),
        precision=machine.precision,
        cases=len(train_cases),
        slices=len(slices),
        first_step=session.step + 1,
        steps=None if config.minutes else config.steps,
        minutes=config.minutes,
    )
    yield from session.loop(validation_cases)


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
    )


def _load(run: RunFolder, role: Literal["train", "validate"]) -> list[Case]:
    return [files.load(run.schema) for files in run.files(role)]


def _finished(outcome: Outcome, step: int, seconds: float, message: str) -> Finished:
    return Finished(outcome=outcome, step=step, message=message, seconds=seconds)


@dataclass
class _Session:
    """The state of one training, and the steps that change it."""

    run: RunFolder
    method: Method
    machine: Machine
    slices: SliceSet
    spacing_mm: float
    step: int = 0
    seconds: float = 0.0
    best_score: float | None = None
    batch_size: int = field(init=False)
    out_of_memory: bool = False

    def __post_init__(self) -> None:
        self.config: TrainConfig = self.run.record.training
        self.batch_size = self.config.batch_size
        self.method = self.machine.place(self.method)
        self.parameters = [p for p in self.method.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self.parameters, self.config)
        self.average = (
            WeightAverage(self.method, self.config.weight_average)
            if self.config.weight_average
            else None
        )
        self.scaler = torch.amp.GradScaler(
            self.machine.device.type, enabled=self.machine.dtype is torch.float16
        )

    @property
    def predictor(self) -> Method:
        """What predicts: the averaged weights if there are any."""
        return self.method if self.average is None else self.average.model

    @property
    def progress(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        if self.config.minutes:
            return min(self.seconds / (60 * self.config.minutes), 1.0)
        return self.step / self.config.steps

    def loop(self, validation_cases: list[Case]) -> Iterator[Event]:
        """Steps until the budget is used or somebody asks to stop."""
        clock, reported, saved = _Clock(self.seconds), 0.0, time.monotonic()
        first, began = self.step, time.monotonic()
        with _Batches(self) as batches:
            while self.progress < 1.0 and self.run.requested not in ("stop", "finish"):
                if self.run.requested == "pause":
                    yield from self._pause(clock)
                    continue
                batch = batches.take(self.step + 1)
                try:
                    terms = self._take_step(batch)
                except torch.OutOfMemoryError as error:
                    yield self._shrink(error)
                    continue
                self.step += 1
                self.seconds = clock.seconds
                now = time.monotonic()
                if now - reported >= _REPORT_SECONDS or self.progress >= 1.0:
                    speed = (self.step - first) * self.batch_size / max(now - began, 1e-9)
                    yield self._stepped(terms, speed)
                    reported = now
                if validation_cases and self.step % self.config.validation_interval == 0:
                    yield from self._validate(validation_cases)
                if now - saved >= _SAVE_SECONDS:
                    yield self.save("last")
                    saved = now
        yield from self._end(validation_cases)

    def _take_step(self, batch: Batch) -> dict[str, float]:
        """One step of the optimiser; gives the terms of the loss.

        Raises:
            RunError: the loss or its gradient is not finite; the weights are left as they were.
        """
        step = self.step + 1
        rate = self.config.learning_rate * rate_factor(self.config, self.progress)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        torch.manual_seed(self.config.random_seed * 1_000_003 + step)
        batch = batch.to(self.machine.device, self.machine.memory_format)
        self.method.train()
        with self.machine.autocast():
            terms = self.method.losses(batch, step)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(loss):
            raise self._not_finite("The loss", batch)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        limit = self.config.gradient_clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, limit)
        # Gradients that overflow float16 are what the scaler is for: it skips the step.
        if not self.scaler.is_enabled() and not torch.isfinite(norm):
            raise self._not_finite("The gradient of the loss", batch)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.method.after_step(step)
        if self.average is not None:
            self.average.update(self.method, step)
        return {name: float(term.detach()) for name, term in terms.items()}

    def _not_finite(self, what: str, batch: Batch) -> RunError:
        guilty = [
            batch.cases[i] for i in range(len(batch.cases)) if not self._is_finite(batch.sample(i))
        ]
        cases = ", ".join(sorted(set(guilty or batch.cases)))
        return RunError(
            f"{what} is not finite at step {self.step + 1}; the batch held the cases {cases}. "
            "The checkpoints from before are good: look at these cases, or train anew with a "
            "lower learning rate."
        )

    @torch.no_grad()
    def _is_finite(self, batch: Batch) -> bool:
        with self.machine.autocast():
            terms = self.method.losses(batch, self.step + 1)
        return all(bool(torch.isfinite(term).all()) for term in terms.values())

    def _shrink(self, error: torch.OutOfMemoryError) -> Event:
        """Go on with half the batch after the first time memory ran out.

        Raises:
            RunError: it is the second time, or the batch can't be halved.
        """
        if self.out_of_memory or self.batch_size == 1:
            raise RunError(
                f"Memory of {self.machine} ran out with a batch of {self.batch_size}. Choose a "
                "smaller batch_size or patch, or device=cpu, and resume the run."
            ) from error
        self.out_of_memory = True
        self.batch_size //= 2
        self.optimiser.zero_grad(set_to_none=True)
        if self.machine.device.type == "cuda":
            torch.cuda.empty_cache()
        return Warned(
            message=f"Memory of {self.machine} ran out: training goes on with batches of "
            f"{self.batch_size} instead of {self.config.batch_size}."
        )

    def _stepped(self, terms: dict[str, float], speed: float) -> Event:
        progress = self.progress
        return Stepped(
            step=self.step,
            progress=progress,
            eta_seconds=self.seconds * (1 - progress) / progress if progress else None,
            loss=sum(terms.values()),
            terms=terms,
            learning_rate=self.optimiser.param_groups[0]["lr"],
            slices_per_second=speed,
        )

    def _validate(self, cases: list[Case]) -> Iterator[Event]:
        event = validation_scores(
            self.predictor, cases, self.slices.schema, self.spacing_mm, self.machine, self.step
        )
        better = event.mean is not None and (
            self.best_score is None or event.mean > self.best_score
        )
        if better:
            self.best_score = event.mean
        yield event.model_copy(update={"best": better})
        if better:
            yield self.save("best")

    def _pause(self, clock: _Clock) -> Iterator[Event]:
        yield self.save("last")
        with clock.stopped():
            while self.run.requested == "pause":
                time.sleep(_PAUSE_POLL_SECONDS)

    def _end(self, validation_cases: list[Case]) -> Iterator[Event]:
        request = self.run.requested
        if request == "stop" and self.progress < 1.0:
            outcome, message = "stopped", f"Stopped at step {self.step}; it can be resumed."
        else:
            outcome, message = "completed", f"Trained for {self.step} steps."
        if validation_cases and self.step % self.config.validation_interval:
            yield from self._validate(validation_cases)
        yield self.save("last")
        if self.best_score is None:
            yield self.save("best")
        yield Finished(outcome=outcome, step=self.step, message=message, seconds=self.seconds)

    def save(self, which: Literal["last", "best"]) -> Event:
        """Write a checkpoint: "last" with all that resuming needs, "best" with what predicts."""
        path = self.run.checkpoint(which)
        groups: dict[str, dict[str, Tensor]] = {"model": self.predictor.state_dict()}
        if which == "last":
            groups = {
                "model": self.method.state_dict(),
                "optimiser": optimiser_tensors(self.optimiser),
            }
            if self.average is not None:
                groups["average"] = self.average.model.state_dict()
        info = CheckpointInfo(
            method=self.method.name,
            options=self.run.record.options,
            n_classes=self.method.n_classes,
            spacing_mm=self.spacing_mm,
            step=self.step,
            seconds=self.seconds,
            batch_size=self.batch_size,
            best_score=self.best_score,
            loss_scale=self.scaler.get_scale() if self.scaler.is_enabled() else None,
        )
        save_checkpoint(path, groups, info)
        return Saved(step=self.step, path=path.relative_to(self.run.path).as_posix())

    def restore(self) -> None:
        """Continue from the last checkpoint.

        Raises:
            RunError: it is missing or damaged.
        """
        groups, info = load_checkpoint(self.run.checkpoint("last"))
        self.method.load_state_dict(groups["model"])
        if self.average is not None:
            self.average.model.load_state_dict(groups["average"])
        restore_optimiser(self.optimiser, groups.get("optimiser", {}), self.parameters)
        if info.loss_scale is not None:
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": info.loss_scale})
        self.step, self.seconds = info.step, info.seconds
        self.batch_size, self.best_score = info.batch_size, info.best_score


class _Clock:
    """Training time, pauses left out."""

    def __init__(self, seconds: float) -> None:
        self._zero = time.monotonic() - seconds

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._zero

    @contextmanager
    def stopped(self) -> Generator[None, None, None]:
        paused = time.monotonic()
        yield
        self._zero += time.monotonic() - paused


class _Batches:
    """Batches by step, the next one made in a thread while the current one is learnt from."""

    def __init__(self, session: _Session) -> None:
        self._session = session
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[int, int, Future[Batch]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int) -> Batch:
        """The batch of a step, with the progress as it is now."""
        size = self._session.batch_size
        if self._next is None or self._next[:2] != (step, size):
            self._next = (step, size, self._submit(step))
        batch = self._next[2].result()
        self._next = (step + 1, size, self._submit(step + 1))
        return replace(batch, progress=self._session.progress)

    def _submit(self, step: int) -> Future[Batch]:
        config = self._session.config.model_copy(update={"batch_size": self._session.batch_size})
        return self._pool.submit(self._session.slices.batch, step, config, 0.0)
