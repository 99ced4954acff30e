"""Training a prepared run: what it learns from is made ready, then the loop runs, all as events."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from napari_scribseg.annotation.outer_background import (
    outer_background_of,
    with_few_voxels_of_the_outside,
)
from napari_scribseg.annotation.reach import Reach
from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.batches.slices import choose_spacing
from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.core.errors import InvalidInput, TaskNotSupported
from napari_scribseg.core.events import Event, Finished, Prepared, Started, Warned
from napari_scribseg.core.labels import without_unsure
from napari_scribseg.data.case import Case
from napari_scribseg.data.orientation import Orientation
from napari_scribseg.data.turned import orientation_notes
from napari_scribseg.methods.base import Maps, Method
from napari_scribseg.methods.registry import method_named
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.moved import refuse_missing
from napari_scribseg.runs.worker import record
from napari_scribseg.training.anatomy_weights import refuse_without_anatomy
from napari_scribseg.training.beginning import begin
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.fitting_weights import check_documents
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.loop import Loop, must_end
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
from napari_scribseg.training.validate import Validation, unscored
from napari_scribseg.training.warm_start import StartWeights, as_learnt, read_start


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
    data = yield from _read(run, kind, resume=resume)
    start, cases = data.start, data.cases
    spacing_mm = _spacing_mm(config, data)
    options = as_learnt(options, data.learnt_options)
    spacings = [(case.image.spacing[0], spacing_mm, spacing_mm) for case in cases]
    options = kind.fitted(options, spacings)
    n_channels = len(cases[0].image.channels)
    if config.start == "anatomy" and start is None and not resume:
        refuse_without_anatomy(kind, run.schema.n_classes, options, n_channels)
    slices = empty_samples(kind, options, run.schema, spacing_mm)
    maps, drawn, enclosed = yield from _fill(slices, run, kind, options, data)
    if must_end(run):
        yield _stopped_early(run, resume=resume)
        return

    _refuse_without_strokes(slices)
    config = config.model_copy(update={"patch": slices.patch(config.patch)})
    torch.manual_seed(config.random_seed)
    method = kind.made_for(run.schema.n_classes, options, n_channels)
    method.patch = config.patch
    if not resume:
        begin(method, slices, config, machine, start)
    learner = Learner(
        method,
        config,
        machine,
        data.sha256,
        data.orientation,
        run.schema.names,
        run.record.sequences,
    )
    relabelling = Relabelling(run.path, slices, cases, maps)
    if resume:
        learner.restore(run.checkpoint("last"))
        relabelling.restore(learner)
    yield _started(run, learner, len(slices), len(cases), drawn, enclosed)
    validating = [files.load(run.schema) for files in run.files("validate")]
    yield from noticed(validating)
    yield from _oriented(validating, data.orientation)
    scored = validating or data.held
    if vain := unscored(scored, config.patience):
        yield Warned(message=vain)
    validation = Validation(scored, run.schema, slices.spacing_mm)
    previews = Previews(run, slices.spacing_mm, data.orientation)
    loop = Loop(run, learner, slices, relabelling, validation, previews)
    if start is not None and not resume:
        yield from loop.before_the_first_step()
    yield from loop.events()


@dataclass(frozen=True, eq=False)
class _Data:
    """What a run learns from, as its network sees it."""

    cases: list[Case]
    held: list[Case]
    """With the strokes that are held out to validate on."""
    sha256: str
    """Over the cases as they are stored."""
    start: StartWeights | None
    """The weights of another run."""
    orientation: Orientation | None
    learnt_options: dict[str, Any]
    """Of the method, where its weights come from."""


def _read(run: RunFolder, kind: type[Method], *, resume: bool) -> Generator[Event, None, _Data]:
    """Read the cases of a run and turn them; tells what is doubtful.

    Raises:
        TaskNotSupported: the method can't learn from them.
    """
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
    learnt = {} if start is None else start.options
    if resume:
        learnt = load_checkpoint(run.checkpoint("last"))[1].options
    return _Data(cases, held, data_sha256, start, orientation, learnt)


def _spacing_mm(config: TrainConfig, data: _Data) -> float:
    """The pixel size to learn at: that which is set, or of the weights it begins with, or fits."""
    learnt_at = None if data.start is None else data.start.spacing_mm
    return config.spacing_mm or learnt_at or choose_spacing(data.cases, config.patch)


def _stopped_early(run: RunFolder, *, resume: bool) -> Finished:
    step = run.last_step if resume else 0
    message = f"Stopped while preparing; nothing was trained {'further' if resume else 'yet'}."
    return Finished(outcome="stopped", step=step, message=message, seconds=0.0)


def _refuse_without_strokes(slices: SampleSet) -> None:
    if not len(slices):
        raise InvalidInput(
            f"No stroke is left on slices brought to {slices.spacing_mm:g} mm pixels: draw thicker "
            "strokes, or choose a smaller spacing_mm."
        )


def _started(
    run: RunFolder, learner: Learner, n_slices: int, n_cases: int, drawn: int, enclosed: int
) -> Started:
    config = run.record.training
    return Started(
        method=learner.method.spec.name,
        device=str(learner.machine),
        precision=learner.machine.precision,
        cases=n_cases,
        slices=n_slices,
        drawn_slices=drawn,
        enclosed_slices=enclosed,
        first_step=learner.step + 1,
        steps=None if config.minutes else config.steps,
        minutes=config.minutes,
        began_with=run.record.began_with,
    )


def _oriented(cases: list[Case], orientation: Orientation | None) -> Iterator[Event]:
    """Turn cases as the network sees them, in place; tells what somebody should know of it."""
    for note in orientation_notes(orient(cases, orientation)):
        yield Warned(message=note)


def _fill(
    slices: SampleSet,
    run: RunFolder,
    kind: type[Method],
    options: MethodConfig,
    data: _Data,
) -> Generator[Event, None, tuple[dict[str, Maps], int, int]]:
    """Prepare the cases and add them to the samples, until somebody asks to end.

    Returns:
        The maps of every case, how many slices have strokes, and on how many of them strokes say
        what lies outside.
    """
    maps: dict[str, Maps] = {}
    drawn_slices = enclosed_slices = 0
    training = run.record.training
    learns_outside = training.outer_background and not kind.spec.uses_references
    reach = Reach(run.schema.n_classes - 1, training.reach) if training.reach else None
    held = {case.id: case.scribbles for case in data.held}
    prepared = prepare_cases(kind, options, data.cases, lambda: must_end(run))
    for done, item in enumerate(prepared, start=1):
        maps[item.case.id] = item.maps
        strokes = item.case.scribbles
        drawn_slices += 0 if strokes is None else int(without_unsure(strokes).any((1, 2)).sum())
        seen, outside = item.case, None
        if learns_outside:
            outside = outer_background_of(item.case, reach, held.get(item.case.id))
            seen = with_few_voxels_of_the_outside(item.case, reach, held.get(item.case.id))
        enclosed_slices += 0 if outside is None else int(outside.any(axis=(1, 2)).sum())
        slices.add(seen, item.maps, unlabelled=kind.uses_unlabelled, outside=outside)
        yield Prepared(done=done, total=len(data.cases), case=item.case.id, cached=item.cached)
    return maps, drawn_slices, enclosed_slices
