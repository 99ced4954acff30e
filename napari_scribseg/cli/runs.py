"""Which run a `train` command means, and how a new one is prepared."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unicodedata import normalize

from napari_scribseg.cli.answer import refuse_existing
from napari_scribseg.core.config import apply_changes, parse_assignments
from napari_scribseg.core.conventions import CONVENTIONS
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.data.sequences import in_sequences
from napari_scribseg.runs.documents import STROKES
from napari_scribseg.runs.folder import RunFolder, is_run
from napari_scribseg.runs.process import refuse_when_running
from napari_scribseg.training.new_run import cases_asked_for, prepare_run

if TYPE_CHECKING:
    from napari_scribseg.data.case import Dataset
    from napari_scribseg.runs.documents import RunCase


def add_convention(parser: argparse.ArgumentParser) -> None:
    """Add --convention and --reference-convention to a command that reads a dataset."""
    parser.add_argument(
        "--convention",
        choices=tuple(CONVENTIONS),
        help="how other people's scribble files are written, if not as their folder's layout says",
    )
    parser.add_argument(
        "--reference-convention",
        choices=tuple(CONVENTIONS),
        help="the same for references, such as unlabelled_255 where 255 is to be ignored",
    )


def add_patients(parser: Any) -> None:
    """Add --patient-pattern and --patient-table to a command that divides the cases."""
    parser.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in the id of every case, such as '^(patient\\d+)'; '(.*)' = every "
        "case is another patient",
    )
    parser.add_argument(
        "--patient-table",
        metavar="FILE",
        type=Path,
        help="names the patient of every case: a CSV file with the columns case and patient; a "
        "patients.csv in the dataset's folder is used unasked",
    )


def add_strokes_of(parser: Any) -> None:
    """Add --strokes-of to a command that learns from the strokes of a project."""
    parser.add_argument(
        "--strokes-of",
        metavar="NAME",
        help="learn from the strokes of this annotator of a project, or from the consensus; else "
        "from your own where everybody draws apart, and from those that all share elsewhere",
    )


def add_sequences(parser: Any) -> None:
    """Add --sequences to a command that learns from cases with several."""
    parser.add_argument(
        "--sequences",
        type=_names,
        metavar="NAME,NAME",
        help="learn from these sequences of every case, such as T2,ADC; the first gives the grid. "
        "Default: all that the dataset names",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(normalize("NFC", name.strip()) for name in text.split(","))


def add_frame(parser: Any) -> None:
    """Add --frame to a command that is given images."""
    parser.add_argument(
        "--frame",
        type=int,
        metavar="N",
        help="frame to take from files that are a time series, counted from 0",
    )


def dataset_of(arguments: argparse.Namespace) -> Dataset:
    """The dataset or project of DATASET, its scribbles and patients as the options say.

    Raises:
        InvalidInput: the folder is neither, or the convention doesn't fit its classes, or pattern
            or table don't fit its cases.
    """
    from napari_scribseg.data.patients import named_patients
    from napari_scribseg.project.folder import cases_in

    dataset = named_patients(
        cases_in(arguments.dataset, arguments.frame, getattr(arguments, "strokes_of", None)),
        pattern=arguments.patient_pattern,
        table=arguments.patient_table,
    )
    return dataset.read_in(arguments.convention, arguments.reference_convention)


@dataclass(frozen=True)
class Chosen:
    """The run that a `train` command means, and what was noticed in the dataset it is made of."""

    run: RunFolder
    notes: tuple[str, ...] = ()


def run_of(arguments: argparse.Namespace, *, is_worker: bool) -> Chosen:
    """The run that a `train` command means: a new one, a prepared one, or one to continue.

    Raises:
        InvalidInput: options are missing, contradict each other or the run.
        RunError: the run is being trained now, is complete, or was trained and --resume is missing.
    """
    if arguments.resume and arguments.continue_from is not None:
        raise InvalidInput(
            "--resume trains a run further, --continue-from starts a new one with its weights; "
            "give one of them."
        )
    fresh = arguments.method is not None or arguments.continue_from is not None
    if fresh or not is_run(arguments.dataset):
        if arguments.data is not None:
            raise InvalidInput(
                "--data says where the cases of an existing run lie now: give the run folder as "
                "DATASET, `scribseg train RUN --resume --data FOLDER`."
            )
        return Chosen(_resumed(arguments)) if arguments.resume else _new_run(arguments)
    given = [
        name
        for name in (
            "out",
            "split",
            "convention",
            "reference_convention",
            "frame",
            "strokes_of",
            "sequences",
            "steps",
            "minutes",
            "device",
            "random_seed",
            "preset",
            "patient_pattern",
            "patient_table",
        )
        if getattr(arguments, name) is not None
        and not (arguments.resume and name in {"steps", "minutes"})
    ]
    if given or arguments.assignments or arguments.validate != "none":
        raise InvalidInput(
            f"{arguments.dataset} is a run folder and keeps the settings it was made with. Leave "
            "the other options out, or train a dataset with --method and --out."
        )
    run = RunFolder.open(arguments.dataset)
    if arguments.data is not None:
        refuse_when_running(run)
        run = _with_data_in(run, arguments.data)
    return Chosen(_checked(run, arguments.resume, _budget(arguments), is_worker=is_worker))


def _with_data_in(run: RunFolder, folder: Path) -> RunFolder:
    """The run with its cases in another folder, which it remembers if they are the same."""
    from napari_scribseg.runs.moved import moved_to, remember
    from napari_scribseg.training.training_cases import refuse_other_data

    moved = moved_to(run, folder)
    refuse_other_data(moved)
    remember(moved)
    return moved


def _budget(arguments: argparse.Namespace) -> dict[str, Any]:
    """The budget that was given for a run to resume, by name; empty if none was."""
    if arguments.minutes == 0:
        return {"steps": 0}
    given = {name: getattr(arguments, name) for name in ("steps", "minutes")}
    return {name: value for name, value in given.items() if value is not None}


def _checked(
    run: RunFolder, resume: bool, budget: dict[str, Any], *, is_worker: bool = False
) -> RunFolder:
    """The run, if it can be trained as asked; a worker's starter has looked at the heartbeat.

    A larger budget is written to the run.
    """
    if not is_worker:
        refuse_when_running(run)
    saved = run.checkpoint("last").exists()
    if resume and not saved:
        raise RunError(
            f"The run {run.path} has no checkpoint to continue from. Start it afresh with "
            f"`scribseg train {run.path}`."
        )
    if budget:
        run = run.extended(**budget)
    end = run.summary.end
    if end is not None and end.outcome == "completed" and not (resume and run.has_budget_left):
        raise RunError(
            f"The run {run.path} is complete. Give it a larger budget, --resume with --steps or "
            "--minutes, or start a new one from its weights with --continue-from."
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
            "a run keeps its cases. Repeat the command that made it, or make a new run. If the "
            f"data was moved: `scribseg train {run.path} --resume --data {arguments.dataset}`."
        )
    _refuse_other_cases(run, arguments)
    from napari_scribseg.methods.registry import spec_named

    options = spec_named(run.record.method).Config().updated(run.record.options)
    budget = _budget(arguments)
    others = {k: v for k, v in _changes(arguments).items() if k not in budget}
    wanted = apply_changes(others, options, run.record.training)
    if wanted != (options, run.record.training):
        raise InvalidInput(
            f"{run.path} was made with other settings (see its run.json), and a run keeps its "
            "settings. Leave them out to continue it, or make a new run."
        )
    # Repeating the command as it was is no wish for another budget.
    training = run.record.training
    longer = {k: v for k, v in budget.items() if v != getattr(training, k)}
    return _checked(run, True, longer)


_OF_CASES: Final = (
    *("split", "convention", "reference_convention", "frame", "strokes_of"),
    *("patient_pattern", "patient_table"),
)
"""Options that decide which cases a run has, and how they are read."""


def _refuse_other_cases(run: RunFolder, arguments: argparse.Namespace) -> None:
    """Refuse options that would have made a run of other cases; those that made it are accepted."""
    record = run.record
    in_vain = record.training.held_out_strokes and record.validate_on == "none"
    unasked = {"none", STROKES} if in_vain else {"none"}
    validate = record.validate_on if arguments.validate in unasked else arguments.validate
    others = [
        f"--{name} (made with {made})"
        for name, given, made in (
            ("validate", validate, record.validate_on),
            ("preset", arguments.preset or record.preset, record.preset),
            ("sequences", arguments.sequences or record.sequences, record.sequences),
        )
        if given != made
    ]
    given = [name for name in _OF_CASES if getattr(arguments, name) is not None]
    if given and not others:
        dataset = dataset_of(arguments)
        dataset = in_sequences(dataset, record.sequences) if record.sequences else dataset
        seed = record.training.random_seed
        # Those of its patients that it learns from may have been known to its first weights.
        learnt = {files.patient for files in run.files("train")} if record.continues else ()
        asked = cases_asked_for(dataset, arguments.split, validate, seed, learnt)
        if set(map(_told, asked)) != set(map(_told, run.cases)):
            others = [f"--{name.replace('_', '-')}" for name in given]
    if others:
        raise InvalidInput(
            f"{run.path} was made of other cases, or they are read otherwise, than with "
            f"{', '.join(others)}, and a run keeps its cases. Leave the option(s) out to continue "
            "it, or make a new run."
        )


def _told(case: RunCase) -> str:
    """A case of a run as text, its paths without links."""
    names = ("image", "scribbles", "reference")
    paths = {n: os.path.realpath(p) for n in names if (p := getattr(case.files, n)) is not None}
    further = [os.path.realpath(one.path) for one in case.files.further]
    return (
        f"{case.role} {paths} {further} {case.files.model_dump_json(exclude={*names, 'further'})}"
    )


def _new_run(arguments: argparse.Namespace) -> Chosen:
    source = arguments.continue_from and RunFolder.open(arguments.continue_from)
    wanted = ("out",) if source else ("method", "out")
    missing = [f"--{name}" for name in wanted if getattr(arguments, name) is None]
    if missing:
        raise InvalidInput(
            f"Give {' and '.join(missing)} to train on the dataset {arguments.dataset}; only an "
            "existing run folder needs neither. `scribseg methods` lists the methods."
        )
    if is_run(arguments.out):
        raise InvalidInput(_how_to_go_on(RunFolder.open(arguments.out)))
    refuse_existing(arguments.out)
    dataset = dataset_of(arguments)
    run = prepare_run(
        dataset,
        arguments.out,
        method=arguments.method or source.record.method,
        preset=arguments.preset or ("" if source else "quick"),
        changes=_changes(arguments),
        split=arguments.split,
        validate=arguments.validate,
        continues=source,
        sequences=arguments.sequences,
    )
    return Chosen(run, dataset.notes)


def _how_to_go_on(run: RunFolder) -> str:
    """What to type for a run that was made already, perhaps by the same command."""
    go_on = f"`scribseg train {run.path}`"
    if run.status == "running":
        return f"The run {run.path} is being trained now. Choose another place with --out."
    if run.status == "completed":
        state = "is complete already. Choose another place with --out, or train it further with"
        return f"The run {run.path} {state} --resume and a larger --steps or --minutes."
    if not run.checkpoint("last").exists():
        return f"The run {run.path} was made already and not trained yet: {go_on} trains it."
    return (
        f"The run {run.path} was made already and trained up to step {run.last_step}. Go on with "
        f"`scribseg train {run.path} --resume`, or choose another place with --out."
    )


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    changes = parse_assignments(arguments.assignments)
    for name in ("steps", "minutes", "device", "random_seed"):
        value = getattr(arguments, name)
        if value is not None:
            if name in changes:
                option = name.replace("_", "-")
                raise InvalidInput(f"--{option} and --set {name} are both given; give one.")
            changes[name] = value
    if changes.get("minutes") == 0:  # no time is no step: an answer at once
        del changes["minutes"]
        changes["steps"] = 0
    return changes
