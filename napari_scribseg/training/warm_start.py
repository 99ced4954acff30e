"""Warm start: a new run begins with the weights of another one instead of random ones.

The optimiser starts afresh and the learning rate begins its course anew, so that new strokes, new
cases and a new budget are a training like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.orientation import Orientation
from napari_scribseg.methods.base import Method
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.checkpoint import load_checkpoint, predicting


@dataclass(frozen=True, eq=False)
class StartWeights:
    """Weights to begin with.

    Args:
        tensors: by their name in the method.
        method: name of the method that they were trained with.
        n_classes: class indices, background included.
        spacing_mm: in-plane pixel size that the network was shown; the new run keeps it.
        orientation: in which it was shown its cases; the new run keeps it, if it is recorded.
        sequences: that it sees; none = one that nobody named.
        options: of the method, with what followed from the training cases.
    """

    tensors: dict[str, Tensor]
    method: str
    n_classes: int
    spacing_mm: float
    orientation: Orientation | None = None
    sequences: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def read_start(path: Path) -> StartWeights:
    """The weights of a checkpoint that predict.

    Raises:
        RunError: it is missing or damaged.
    """
    groups, info = load_checkpoint(path)
    return StartWeights(
        predicting(groups),
        info.method,
        info.n_classes,
        info.spacing_mm,
        info.orientation,
        info.sequences,
        info.options,
    )


def as_learnt(options: MethodConfig, learnt: Mapping[str, Any]) -> MethodConfig:
    """Options of a method, with what nobody chose as it was where its weights come from.

    What follows from the training cases, such as how deep kernels are, would be another for others.

    Args:
        options: of the method.
        learnt: options, by name, that the weights were learnt with.
    """
    open_ = [name for name, value in options.model_dump().items() if value is None]
    return options.updated({name: learnt[name] for name in open_ if name in learnt})


def check_start(
    run: RunFolder,
    kind: type[Method],
    options: MethodConfig,
    schema: LabelSchema,
    sequences: Sequence[str] = (),
) -> None:
    """Make sure that a network can begin with what a run has learnt.

    Args:
        run: to continue from.
        kind: the method that shall begin with its weights.
        options: of that method.
        schema: the structures of the new run.
        sequences: of the new run.

    Raises:
        InvalidInput: the run learnt with another method, other structures or sequences, or a
            network of another shape, or has no weights.
        RunError: its weights are damaged.
    """
    if run.schema.names != schema.names:
        raise InvalidInput(
            f"{run.path.name} has learnt {', '.join(run.schema.names)}, the new run shall learn "
            f"{', '.join(schema.names)}: weights only fit the same structures. Train anew."
        )
    learnt = run.record.sequences
    told = bool(learnt and sequences) or max(len(learnt), len(sequences)) > 1
    if told and [n.casefold() for n in learnt] != [n.casefold() for n in sequences]:
        raise InvalidInput(
            f"{run.path.name} has learnt {', '.join(learnt) or 'one sequence'}, the new run shall "
            f"learn {', '.join(sequences) or 'one sequence'}: weights only fit the same sequences. "
            "Choose them (--sequences), or train anew."
        )
    if not run.weights.exists():
        raise InvalidInput(
            f"The run {run.path.name} can't be continued from: it has no weights yet. Train it "
            "first, or choose another run."
        )
    start = read_start(run.weights)
    options = as_learnt(options, start.options)
    begin_with(start, kind.made_for(schema.n_classes, options, max(1, len(sequences))))


def begin_with(start: StartWeights, method: Method) -> None:
    """Put the weights into a network that was made anew.

    Raises:
        InvalidInput: they are of another method, or of a network of another shape.
    """
    if start.method != method.spec.name:
        raise InvalidInput(
            f"The weights to start from were trained with {start.method}, the new run trains "
            f"{method.spec.name}. Choose the same method, or train anew."
        )
    ours = method.state_dict()
    strange = [
        name
        for name in {**ours, **start.tensors}
        if name not in ours
        or name not in start.tensors
        or ours[name].shape != start.tensors[name].shape
    ]
    if strange:
        raise InvalidInput(
            f"The weights to start from belong to a network of another shape ({strange[0]} "
            "differs). Keep the options that shape the network, such as its width, or train anew."
        )
    method.load_state_dict(start.tensors)
