"""The recipe of an experiment: from options or a file, and every setting that it stands for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.runs import (
    add_convention,
    add_frame,
    add_patients,
    add_sequences,
    add_strokes_of,
)
from napari_scribseg.core.config import apply_changes, parse_assignments
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.paper_tables import table_named
from napari_scribseg.experiment.sweep import parse_sweeps, swept

if TYPE_CHECKING:
    from napari_scribseg.experiment.recipe import MethodChoice, Recipe
    from napari_scribseg.experiment.settings import MethodSettings

_PLAN: Final = (
    *(
        "title",
        "part",
        "patients",
        "patient_pattern",
        "patient_table",
        "methods",
        "table",
        "sweeps",
        "folds",
        "fold_seed",
        "published",
        "train_split",
    ),
    *("test_split", "random_seeds", "steps", "minutes", "clock", "shares", "shares_of", "locked"),
    *("device", "threads", "convention", "reference_convention", "frame", "assignments"),
    *("shortened", "strokes_of", "sequences"),
)
"""Options that make a recipe, and so don't go with one."""
_CLASSES_FOR_SIZE: Final = 4
"""Classes assumed where only the size of a network is asked for."""


def add_plan_options(plan: Any) -> None:
    """Add the options that make a recipe to a group of a parser."""
    plan.add_argument("--title", help="what the experiment is called")
    plan.add_argument(
        "--method",
        metavar="[LABEL=]NAME[:PRESET]",
        action="append",
        dest="methods",
        help='see `scribseg methods`; may be repeated; the preset is "quick" unless given',
    )
    plan.add_argument(
        "--set",
        metavar="[LABEL.]KEY=VALUE",
        action="append",
        default=None,
        dest="assignments",
        help="change a setting of all methods, or of one; may be repeated",
    )
    plan.add_argument(
        "--sweep",
        metavar="[LABEL.]KEY=VALUE,VALUE",
        action="append",
        dest="sweeps",
        help="train with each value of a setting; of several, with every combination",
    )
    plan.add_argument(
        "--table", metavar="NAME", help="the rows of a paper's table, see `scribseg paper-tables`"
    )
    plan.add_argument(
        "--shortened",
        action="store_true",
        default=None,
        help="a paper's table with the quick presets, to try it out",
    )
    add_convention(plan)
    add_patients(plan)
    add_frame(plan)
    add_strokes_of(plan)
    add_sequences(plan)
    plan.add_argument("--part", metavar="SPLIT", help='split that takes part; default: "all"')
    plan.add_argument("--patients", type=_words, help="patients that take part: a,b,c")
    plan.add_argument("--folds", type=int, help="folds of the cross-validation; default: 5")
    plan.add_argument("--fold-seed", type=int, help="which patients are in which fold; default: 0")
    plan.add_argument("--published", metavar="NAME", help="a published split, such as maag")
    plan.add_argument("--train-split", metavar="SPLIT", help="train on a split of the dataset")
    plan.add_argument("--test-split", metavar="SPLIT", help="and test on this one")
    plan.add_argument("--random-seeds", type=_integers, help="train with each: 0,1,2; default: 0")
    plan.add_argument("--steps", type=int, help="budget of every run")
    plan.add_argument("--minutes", type=float, help="or how long to train every run")
    plan.add_argument("--clock", choices=("wall", "cpu"), help="what minutes count; default: wall")
    plan.add_argument("--shares", type=_numbers, help="learning curve: 0.25,0.5,1; default: 1")
    plan.add_argument(
        "--shares-of", choices=("patients", "strokes"), help="what they are of; default: patients"
    )
    plan.add_argument(
        "--locked", type=_words, help="patients kept for the end: a,b,c or maag or split:NAME"
    )
    plan.add_argument("--device", help="auto (default), cpu, cuda, cuda:1 or mps")
    plan.add_argument("--threads", type=int, help="CPU threads of every run; default: 1")


def recipe_and_folder(arguments: argparse.Namespace) -> tuple[Recipe, Path | None]:
    """The recipe that is meant, and the folder of the experiment, if one is given.

    Raises:
        InvalidInput: SOURCE is nothing of the kind, or options contradict it.
    """
    from napari_scribseg.experiment.experiment import RECIPE
    from napari_scribseg.experiment.recipe import load_recipe

    source: Path = arguments.source
    given = [name for name in _PLAN if getattr(arguments, name) is not None]
    is_experiment = (source / RECIPE).is_file()
    if source.is_file() or is_experiment:
        if given:
            what = "an experiment" if is_experiment else "a recipe"
            raise InvalidInput(
                f"{source} is {what} and says itself what is compared: leave out "
                f"{', '.join(map(_option, given))}, or give a dataset."
            )
        if is_experiment and arguments.out not in {None, source}:
            raise InvalidInput(
                f"{source} is continued where it is: leave out --out, or give {source / RECIPE} to "
                "repeat it elsewhere."
            )
        path = source / RECIPE if is_experiment else source
        return load_recipe(path), source if is_experiment else arguments.out
    if not source.is_dir():
        raise InvalidInput(
            f"{source} does not exist; expected a dataset folder, a recipe file or the folder of "
            "an experiment."
        )
    return _recipe_of(arguments), arguments.out


def _recipe_of(arguments: argparse.Namespace) -> Recipe:
    """The recipe that the options make."""
    from pydantic import ValidationError

    from napari_scribseg.core.config import explain
    from napari_scribseg.experiment.recipe import Recipe

    values: dict[str, Any] = {
        "dataset": str(arguments.source.resolve()),
        "methods": _rows(arguments),
        "split": _split(arguments),
    }
    if arguments.table is not None:
        values["title"] = table_named(arguments.table).title
    names = ("title", "part", "patients", "random_seeds", "steps", "minutes", "clock", "shares")
    if arguments.patient_table is not None:
        values["patient_table"] = str(arguments.patient_table.resolve())
    for name in (
        *names,
        "patient_pattern",
        "shares_of",
        "locked",
        "device",
        "threads",
        "convention",
        "reference_convention",
        "frame",
        "strokes_of",
        "sequences",
    ):
        value = getattr(arguments, name)
        if value is not None:
            values[name] = value
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(explain(error, Recipe)) from error


def _rows(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of the comparison: methods or a paper's table, with what is set and swept."""
    if bool(arguments.methods) == (arguments.table is not None):
        raise InvalidInput(
            "Give the methods to compare with --method, or a paper's table with --table; `scribseg "
            "methods` and `scribseg paper-tables` list them."
        )
    if arguments.shortened and arguments.table is None:
        raise InvalidInput("--shortened is for a table; give the preset with --method NAME:quick.")
    if arguments.table is not None:
        choices = table_named(arguments.table).choices(shortened=bool(arguments.shortened))
        for choice in choices if arguments.steps or arguments.minutes else ():
            choice["settings"].pop("steps", None)  # the budget that is given is everybody's
    else:
        choices = _choices(arguments.methods)
    by_label = {choice["label"]: choice for choice in choices}
    _set(by_label, arguments.assignments or ())
    grids = parse_sweeps(arguments.sweeps or (), tuple(by_label))
    return [
        row
        for label, choice in by_label.items()
        for row in (swept(choice, grids[label]) if label in grids else [choice])
    ]


def _choices(words: Sequence[str]) -> list[dict[str, Any]]:
    """The methods of words like "effdnet:paper" and "slow=effdnet"."""
    choices: dict[str, dict[str, Any]] = {}
    for word in words:
        label, equals, rest = word.partition("=")
        method, colon, preset = (rest if equals else word).partition(":")
        label = label if equals else method
        if label in choices:
            raise InvalidInput(
                f"The method {label} is given twice; give one of them a label: LABEL={method}."
            )
        preset = preset if colon else "quick"
        choices[label] = {"label": label, "method": method, "preset": preset, "settings": {}}
    return list(choices.values())


def _set(choices: dict[str, dict[str, Any]], assignments: Sequence[str]) -> None:
    """Change settings of all methods, or of one."""
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        label, dot, name = key.partition(".")
        if dot and label not in choices:
            raise InvalidInput(
                f"--set {assignment!r} is for the method {label}, which isn't there."
            )
        changes = parse_assignments([f"{name}{equals}{text}" if dot else assignment])
        for choice in [choices[label]] if dot else choices.values():
            twice = set(changes) & set(choice["settings"])
            if twice:
                raise InvalidInput(f"--set {twice.pop()} is given twice; give it once.")
            choice["settings"] |= changes


def _split(arguments: argparse.Namespace) -> dict[str, Any]:
    """How cases are divided; cross-validation unless said otherwise."""
    by_fold = [n for n in ("folds", "fold_seed") if getattr(arguments, n) is not None]
    by_dataset = [n for n in ("train_split", "test_split") if getattr(arguments, n) is not None]
    kinds = [bool(by_fold), bool(by_dataset), arguments.published is not None]
    if sum(kinds) > 1:
        raise InvalidInput(
            "--folds, --published and --train-split with --test-split exclude each other; give one."
        )
    if arguments.published is not None:
        return {"kind": "published", "name": arguments.published}
    if by_dataset:
        names = {"train_split": "train", "test_split": "test"}
        return {"kind": "dataset", **{names[n]: getattr(arguments, n) for n in by_dataset}}
    if arguments.table is not None and not by_fold:
        return dict(table_named(arguments.table).split)
    names = {"folds": "folds", "fold_seed": "random_seed"}
    return {"kind": "cross-validation", **{names[n]: getattr(arguments, n) for n in by_fold}}


def _option(name: str) -> str:
    """What is typed for a value of the parser."""
    typed = {"methods": "method", "assignments": "set", "sweeps": "sweep"}.get(name, name)
    return f"--{typed.replace('_', '-')}"


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _integers(text: str) -> list[int]:
    try:
        return [int(word) for word in _words(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers like 0,1,2, got {text!r}") from error


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in _words(text)]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers like 0.25,1, got {text!r}") from error


def settings_answer(recipe: Recipe) -> Answer:
    """Every setting of every method; loads torch, so a child process is asked for it."""
    from napari_scribseg.experiment.settings import SettingsDocument

    document = SettingsDocument(settings=tuple(_filled_in(c, recipe) for c in recipe.methods))
    dumped = document.model_dump(mode="json")
    lines = [
        f"{s['label']}: {s['method']}, preset {s['preset']}, {s['options']}, {s['training']}"
        for s in dumped["settings"]
    ]
    return Answer(dumped, "\n".join(lines))


def costs_answer(recipe: Recipe) -> Answer:
    """What a training of every method takes, measured; loads torch, too."""
    from napari_scribseg.experiment.settings import Cost, CostsDocument
    from napari_scribseg.methods.registry import spec_named
    from napari_scribseg.project.folder import cases_in
    from napari_scribseg.training.estimate import estimate

    schema = cases_in(Path(recipe.dataset)).schema
    costs: list[Cost] = []
    for choice in recipe.methods:
        filled = _filled_in(choice, recipe)
        spec = spec_named(choice.method)
        options = spec.Config().updated(filled.options)
        found = estimate(spec.load(), options, filled.training, schema)
        cost = Cost(
            label=choice.label,
            seconds=found.seconds,
            memory_mib=found.memory_mib,
            device=found.device,
        )
        costs.append(cost)
    lines = [f"{c.label}: {c.seconds:.0f} s, {c.memory_mib:.0f} MiB on {c.device}" for c in costs]
    return Answer(CostsDocument(costs=tuple(costs)).model_dump(mode="json"), "\n".join(lines))


def _filled_in(choice: MethodChoice, recipe: Recipe) -> MethodSettings:
    from napari_scribseg.experiment.settings import MethodSettings
    from napari_scribseg.methods.registry import spec_named

    spec = spec_named(choice.method)
    preset = spec.preset(choice.preset)
    common: dict[str, Any] = {"device": recipe.device, "threads": recipe.threads}
    if recipe.steps is not None:
        common["steps"] = recipe.steps
    if recipe.minutes is not None:
        common |= {"minutes": recipe.minutes, "clock": recipe.clock}
    both = [*(set(common) & set(choice.settings)), *({"random_seed"} & set(choice.settings))]
    if both:
        raise InvalidInput(
            f"{choice.label}: the setting {both[0]} belongs to the whole experiment, so that the "
            "comparison is fair; leave it out of the method's."
        )
    changes = {**choice.settings, **common}
    options, training = apply_changes(changes, preset.options, preset.training)
    weights = spec.load()(_CLASSES_FOR_SIZE, options).parameters()
    return MethodSettings(
        label=choice.label,
        method=choice.method,
        preset=choice.preset,
        options=options.model_dump(mode="json"),
        training=training,
        parameters=sum(weight.numel() for weight in weights),
    )
