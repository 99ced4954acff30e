"""The model card: what a model does, has learnt from, how well, and its limits, as Markdown.

Data are described by counts only: no name, id, path, date or image is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.wording import counted

_HELD_OUT: Final = "strokes of the training cases, held out of the training,"


@dataclass(frozen=True)
class LearntFrom:
    """What a model has learnt from, in counts.

    Args:
        cases: training cases.
        patients: whose they are.
        validation: cases that chose the weights; 0 = held-out strokes did, or nothing.
        slices: training slices, None where nobody counted.
        references: whether dense references were learnt from, else scribbles.
        sequences: that it sees of every case, in their order; none = one that nobody named.
    """

    cases: int
    patients: int
    validation: int
    slices: int | None
    references: bool
    sequences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """A score on validation cases.

    Args:
        measure: "dice" or "stroke agreement".
        mean: over the classes.
        classes: by name of the class.
    """

    measure: str
    mean: float
    classes: Mapping[str, float | None]


@dataclass(frozen=True)
class Trained:
    """How a model was trained.

    Args:
        name: of the method, as in `scribseg methods`.
        title: of the method.
        summary: of the method, in a line.
        source: of the method: citation, address of paper and code.
        preset: settings it started from, "" = somebody's own.
        options: the method's own settings.
        training: the engine's.
        step: of the weights.
        seconds: of training.
    """

    name: str
    title: str
    summary: str
    source: str
    preset: str
    options: Mapping[str, Any]
    training: TrainConfig
    step: int
    seconds: float


def card_text(
    version: str,
    schema: LabelSchema,
    spacing_mm: float,
    trained: Trained,
    learnt: LearntFrom,
    score: Score | None,
) -> str:
    """The card of a model.

    Args:
        version: of this package.
        schema: the structures.
        spacing_mm: in-plane pixel size that the network is shown.
        trained: how.
        learnt: from what.
        score: on validation cases, if it was validated.
    """
    names = ", ".join(map(_plain, schema.names[1:]))
    parts = [
        f"# Segmentation of {names}",
        f"A model of napari-scribseg {version}. For research, not for diagnosis.",
        "## What it does",
        f"Takes {_taken(learnt)}, and gives every voxel one of these numbers, on the grid of the "
        "volume:",
        _table(("value", "structure"), [(k, name) for k, name in enumerate(schema.names)]),
        f"The network sees slices brought to pixels of {spacing_mm:.4g} mm, with grey values "
        "clipped at robust percentiles and scaled to mean 0 and standard deviation 1 over the "
        "volume. Its probabilities are brought back to the grid of the volume; then the likeliest "
        "class is taken.",
        "## What it has learnt from",
        _learnt(learnt),
        "Who was scanned, where and how is not in this file: ask whoever gave it to you.",
        "## How it was trained",
        f"{_plain(trained.title)} (`{trained.name}`). {_plain(trained.summary)}",
        f"Source: {_plain(trained.source)}",
        f"{trained.step} steps in {trained.seconds / 60:.1f} minutes, with "
        f"{f'the preset {trained.preset}' if trained.preset else 'settings of its own'}:",
        _table(("setting", "value"), _settings(trained)),
        "## How good it is",
        _score(score, learnt),
        "## Limits",
        "A network knows what it was shown. Other scanners, sequences, contrast agents, slice "
        "directions, ages and diseases may give results that are wrong and look right. Look at "
        "every segmentation before you use it, and measure on references of your own patients "
        "first (`scribseg evaluate`).",
        "## How to use it",
        "```bash\nscribseg predict MODEL.scribseg IMAGE --out FOLDER\n```",
        "In napari: tab Results, *More*, *Load a model file*.",
    ]
    return "\n\n".join(parts) + "\n"


def _taken(learnt: LearntFrom) -> str:
    names = ", ".join(map(_plain, learnt.sequences))
    if len(learnt.sequences) > 1:
        return f"several sequences of a patient ({names}; the first gives the grid)"
    return "a volume of one grey value per voxel" + (f" ({names})" if names else "")


def _learnt(learnt: LearntFrom) -> str:
    drawn = "dense references" if learnt.references else "scribbles"
    slices = "" if learnt.slices is None else f" ({learnt.slices} slices)"
    text = (
        f"{counted(learnt.cases, 'case')} of {counted(learnt.patients, 'patient')}{slices}, "
        f"annotated with {drawn}."
    )
    if learnt.validation:
        text += f" The weights were chosen by {counted(learnt.validation, 'further case')}."
    return text


def _score(score: Score | None, learnt: LearntFrom) -> str:
    if score is None:
        return "Not measured: no score on cases that it has not learnt from is known."
    name = {"dice": "Dice"}.get(score.measure, _plain(score.measure))
    rows = [(c, "-" if v is None else f"{v:.3f}") for c, v in score.classes.items()]
    cases = f"the {counted(learnt.validation, 'case')}" if learnt.validation else _HELD_OUT
    return (
        f"On {cases} that chose the weights, which flatters "
        f"(mean {score.mean:.3f}):\n\n" + _table(("structure", name), rows)
    )


def _settings(trained: Trained) -> list[tuple[str, Any]]:
    options = [(f"{trained.name}: {name}", value) for name, value in trained.options.items()]
    return [*options, *trained.training.model_dump(mode="json").items()]


def _table(heading: tuple[str, str], rows: list[tuple[Any, Any]]) -> str:
    lines = [heading, ("---", "---"), *rows]
    return "\n".join(f"| {_plain(a)} | {_plain(b)} |" for a, b in lines)


def _plain(value: Any) -> str:
    """A value as Markdown that means nothing but itself: names of classes are free text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    text = "-" if value is None else " ".join(str(value).split())
    return "".join(f"\\{c}" if c in "\\`*[]<>|#" else c for c in text if c.isprintable())
