"""Weights that predict, and whether they fit what stands beside them.

A folder can be put together by hand: a labels.json that was edited, the checkpoint of another run.
Each contradiction is refused here, in a sentence, before a network is built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from napari_scribseg.core.config import explain
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.registry import method_named
from napari_scribseg.runs.documents import RunRecord
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import model_path, read_model_file
from napari_scribseg.training.checkpoint import CheckpointInfo, load_checkpoint, predicting

_SAME_SPACING = 1e-6
"""Relative difference up to which two pixel sizes are one."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights that predict, and all that is known of them.

    Args:
        tensors: by name in the method.
        info: header of the checkpoint.
        record: of the run.
        schema: the structures.
        path: of the file they were read from.
    """

    tensors: dict[str, Tensor]
    info: CheckpointInfo
    record: RunRecord
    schema: LabelSchema
    path: Path


def read_weights(source: RunFolder | Path | str) -> Weights:
    """The weights of a run, of a model file, or of a folder with one.

    Raises:
        InvalidInput: it is neither, or the model file is damaged or newer.
        RunError: the run has no checkpoint, it is damaged, or it is of another run.
    """
    path = None if isinstance(source, RunFolder) else model_path(source)
    if path is None:
        run = source if isinstance(source, RunFolder) else RunFolder.open(source)
        groups, info = load_checkpoint(run.weights)
        found = Weights(predicting(groups), info, run.record, run.schema, run.weights)
    else:
        model = read_model_file(path)
        tensors = {name: torch.from_numpy(array) for name, array in model.tensors.items()}
        document = model.document
        try:
            info = CheckpointInfo.model_validate(document.checkpoint)
        except ValidationError as error:
            raise InvalidInput(
                f"The model {path} is damaged: {explain(error, CheckpointInfo)}"
            ) from error
        found = Weights(tensors, info, document.record, document.labels, path)
    check_documents(found.info, found.record, found.schema, found.path)
    return found


def check_documents(
    info: CheckpointInfo, record: RunRecord, schema: LabelSchema, path: Path
) -> None:
    """Make sure that a checkpoint is of the run and of the structures that it lies beside.

    Args:
        info: header of the checkpoint.
        record: of the run.
        schema: the structures.
        path: of the checkpoint, for the sentence.

    Raises:
        RunError: method, class count, names of the classes, sequences or pixel size differ.
    """
    if info.method != record.method:
        raise _strangers(path, f"it holds weights of {info.method}, run.json says {record.method}")
    if info.n_classes != schema.n_classes:
        raise _strangers(
            path,
            f"it tells {info.n_classes} classes apart, background included, and labels.json names "
            f"{schema.n_classes} ({', '.join(schema.names)})",
        )
    if info.class_names and info.class_names != schema.names:
        raise _strangers(
            path,
            f"it was trained for {', '.join(info.class_names)}, and labels.json says "
            f"{', '.join(schema.names)}",
        )
    if info.sequences != record.sequences:
        raise _strangers(
            path,
            f"it sees the sequences {_listed(info.sequences)}, and run.json says "
            f"{_listed(record.sequences)}",
        )
    asked = record.training.spacing_mm
    if asked is not None and not math.isclose(asked, info.spacing_mm, rel_tol=_SAME_SPACING):
        raise _strangers(
            path,
            f"it was trained on pixels of {info.spacing_mm:g} mm, and run.json says {asked:g} mm",
        )


def method_with(weights: Mapping[str, Tensor], info: CheckpointInfo, path: Path) -> Method:
    """The method of a checkpoint, with its weights.

    Args:
        weights: by name in the method.
        info: header of the checkpoint.
        path: of the checkpoint, for the sentence.

    Raises:
        RunError: there is no such method, its options can't be used, or the weights belong to a
            network of another shape.
    """
    try:
        kind = method_named(info.method)
        options = kind.spec.Config().updated(info.options)
    except InvalidInput as error:
        raise RunError(f"The weights in {path} can't be used. {error}") from error
    try:
        # Without memory: options of a strange file may ask for any width.
        with torch.device("meta"):
            expected = kind.made_for(info.n_classes, options, info.n_channels).state_dict()
    except TaskNotSupported as error:
        raise RunError(f"The weights in {path} can't be used. {error}") from error
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise _strangers(path, "its options describe no network that can be built") from error
    check_shapes(weights, expected, path)
    method = kind.made_for(info.n_classes, options, info.n_channels)
    method.load_state_dict(dict(weights))
    return method


def check_shapes(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Make sure that weights have the names, shapes and kinds that a network expects.

    Raises:
        RunError: the first of them that has not.
    """
    for name in {**expected, **weights}:
        told = difference(name, weights.get(name), expected.get(name))
        if told:
            raise _strangers(path, f"its weights are of another network ({told})")


def difference(name: str, given: Any, expected: Any) -> str:
    """How a tensor differs from the expected one, in a few words; "" when it does not."""
    if given is None:
        return f"{name} is missing"
    if expected is None:
        return f"{name} has no place"
    if given.shape != expected.shape:
        return f"{name} has the shape {tuple(given.shape)}, expected {tuple(expected.shape)}"
    if given.is_floating_point() != expected.is_floating_point():
        return f"{name} holds {given.dtype}, expected {expected.dtype}"
    return ""


def _listed(sequences: tuple[str, ...]) -> str:
    return ", ".join(sequences) or "of one without a name"


def _strangers(path: Path, why: str) -> RunError:
    return RunError(
        f"{path} does not belong to the files beside it: {why}. Put the files back that were "
        "written together, or train anew."
    )
