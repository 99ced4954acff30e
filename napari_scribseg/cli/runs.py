"""Which run a `train` command means, and how a new one is prepared."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli import settings
from napari_scribseg.cli.answer import refuse_existing
from napari_scribseg.engine.process import refuse_when_running
from napari_scribseg.engine.run import RunCase, RunFolder, is_run
from napari_scribseg.errors import InvalidInput, RunError
from napari_scribseg.events import Finished
from napari_scribseg.labels import CONVENTIONS

if TYPE_CHECKING:
    from napari_scribseg.cases import CaseFiles, Dataset

VALIDATION_SHARE: Final = 0.2
"""Share of the patients that --validate auto holds out."""


def add_convention(parser: argparse.ArgumentParser) -> None:
    """Add --convention to a command that reads a dataset."""
    parser.add_argument(
        "--convention",
        choices=tuple(CONVENTIONS),
        help="how other people's scribble files are written, if not as their folder's layout says",
    )


def dataset_of(arguments: argparse.Namespace) -> Dataset:
    """The dataset of DATASET, its scribbles read as --convention says.

    Raises:
        InvalidInput: the folder is no dataset, or the convention doesn't fit its classes.
    """
    from napari_scribseg.datasets import read_dataset

    dataset = read_dataset(arguments.dataset)
    if arguments.convention is None:
        return dataset
    return dataset.read_as(CONVENTIONS[arguments.convention])


def run_of(arguments: argparse.Namespace, *, is_worker: bool) -> RunFolder:
    """The run that a `train` command means: a new one, a prepared one, or one to continue.

    Raises:
        InvalidInput: options are missing, contradict each other or the run.
        RunError: the run is being trained now, is complete, or was trained and --resume is missing.
    """
    if arguments.method is not None or not is_run(arguments.dataset):
        return _resumed(arguments) if arguments.resume else _new_run(arguments)
    given = [
        name
        for name in (
            "out",
            "split",
            "convention",
            "steps",
            "minutes",
            "device",
            "random_seed",
            "preset",
        )
        if getattr(arguments, name) is not None
    ]
    if given or arguments.assignments or arguments.validate != "none":
        raise InvalidInput(
            f"{arguments.dataset} is a run folder and keeps the settings it was made with. Leave "
            "the other options out, or train a dataset with --method and --out."
        )
    return _checked(RunFolder.open(arguments.dataset), arguments.resume, is_worker=is_worker)


def _checked(run: RunFolder, resume: bool, *, is_worker: bool = False) -> RunFolder:
    """The run, if it can be trained as asked; a worker's starter has looked at the heartbeat."""
    if not is_worker:
        refuse_when_running(run)
    ends = [event for event in run.events() if isinstance(event, Finished)]
    if ends and ends[-1].outcome == "completed":
        raise RunError(f"The run {run.path} is complete. Train a new one for more.")
    saved = run.checkpoint("last").exists()
    if resume and not saved:
        raise RunError(
            f"The run {run.path} has no checkpoint to continue from. Start it afresh with "
            f"`scribseg train {run.path}`."
        )
    if saved and not resume:
        raise RunError(
            f"The run {run.path} has been trained up to step {run.last_step}. Continue it with "
            "--resume, or make a new one."
        )
    return run


def _resumed(arguments: argparse.Namespace) -> RunFolder:
    """The run of --out, for somebody who repeats the command that made it, with --resume."""
    if arguments.out is None:
        raise InvalidInput("Give the run to continue with --out RUN.")
    run = RunFolder.open(arguments.out)
    if arguments.method not in {None, run.record.method}:
        raise InvalidInput(
            f"{run.path} is a run of {run.record.method}, not of {arguments.method}."
        )
    made_from = run.record.dataset_folder
    if made_from is not None and arguments.dataset.resolve() != made_from.resolve():
        raise InvalidInput(
            f"{run.path} was made from the dataset {made_from}, not from {arguments.dataset}, and "
            "a run keeps its cases. Repeat the command that made it, or make a new run."
        )
    from napari_scribseg.methods import method_named

    options = method_named(run.record.method).Config().updated(run.record.options)
    wanted = settings.apply(_changes(arguments), options, run.record.training)
    if wanted != (options, run.record.training):
        raise InvalidInput(
            f"{run.path} was made with other settings (see its run.json), and a run keeps its "
            "settings. Leave them out to continue it, or make a new run."
        )
    return _checked(run, resume=True)


def _new_run(arguments: argparse.Namespace) -> RunFolder:
    missing = [f"--{name}" for name in ("method", "out") if getattr(arguments, name) is None]
    if missing:
        raise InvalidInput(
            f"Give {' and '.join(missing)} to train on the dataset {arguments.dataset}; only an "
            "existing run folder needs neither. `scribseg methods` lists the methods."
        )
    refuse_existing(arguments.out)
    dataset = dataset_of(arguments)
    return prepare_run(
        dataset,
        arguments.out,
        method=arguments.method,
        preset=arguments.preset or "quick",
        changes=_changes(arguments),
        split=arguments.split,
        validate=arguments.validate,
    )


def prepare_run(
    dataset: Dataset,
    out: Path,
    *,
    method: str,
    preset: str = "quick",
    changes: dict[str, Any] | None = None,
    split: str | None = None,
    validate: str = "none",
) -> RunFolder:
    """A run folder for a dataset, ready to be trained.

    Args:
        dataset: where the cases come from.
        out: a new folder.
        method: name of a method.
        preset: settings to start from.
        changes: settings to change, of the method or of the training.
        split: cases to train on; None = "train" where there is one, else all.
        validate: a split, "auto" or "none".

    Raises:
        InvalidInput: there is no such method, preset, setting or split, or a patient would be on
            both sides.
    """
    from napari_scribseg.methods import method_named

    kind = method_named(method)
    presets = kind.presets()
    if preset not in presets:
        raise InvalidInput(f"{kind.title} has no preset '{preset}'; it has: {', '.join(presets)}.")
    chosen = presets[preset]
    options, training = settings.apply(changes or {}, chosen.options, chosen.training)
    split = split or ("train" if "train" in dataset.splits else "all")
    cases = _cases_of(dataset, split, validate, training.random_seed)
    validated = any(case.role == "validate" for case in cases)
    return RunFolder.create(
        out,
        method=method,
        options=options.model_dump(mode="json"),
        training=training,
        schema=dataset.schema,
        cases=cases,
        preset=preset,
        dataset=dataset.title,
        dataset_folder=dataset.folder.absolute(),
        validate_on=validate,
        checkpoint_choice="score on the validation cases" if validated else "last step",
    )


def _cases_of(dataset: Dataset, split: str, validate: str, random_seed: int) -> tuple[RunCase, ...]:
    from napari_scribseg.cases import hold_out

    training, validation = dataset.split(split), ()
    if validate == "auto":
        training, validation = hold_out(training, VALIDATION_SHARE, random_seed)
        if not validation:
            raise InvalidInput(
                f"{dataset.title}: the split '{split}' has too few patients to hold some out. "
                "Use --validate none."
            )
    elif validate != "none":
        validation = dataset.split(validate)
    shared = {case.patient for case in training} & {case.patient for case in validation}
    if shared:
        raise InvalidInput(
            f"{dataset.title}: the splits '{split}' and '{validate}' share patients "
            f"({', '.join(sorted(shared)[:5])}), so the validation would flatter. Choose another."
        )
    return (
        *(RunCase(files=_absolute(files), role="train") for files in training),
        *(RunCase(files=_absolute(files), role="validate") for files in validation),
    )


def _absolute(files: CaseFiles) -> CaseFiles:
    paths = {name: getattr(files, name) for name in ("image", "scribbles", "reference")}
    return files.model_copy(update={n: p and p.absolute() for n, p in paths.items()})


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    changes = settings.parse(arguments.assignments)
    for name in ("steps", "minutes", "device", "random_seed"):
        value = getattr(arguments, name)
        if value is not None:
            if name in changes:
                option = name.replace("_", "-")
                raise InvalidInput(f"--{option} and --set {name} are both given; give one.")
            changes[name] = value
    return changes
