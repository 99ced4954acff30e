"""Prediction: a trained run and an image give segmentation, probabilities and uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_scribseg.batches.slices import (
    image_slices,
    in_plane_shape,
    normalised_slices,
    resample_in_plane,
)
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Channels, channels_of
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.orientation import Orientation, StoredAxes, Turn, view_of
from napari_scribseg.data.sequences import sequence_note, with_sequences
from napari_scribseg.data.turned import pixel_note, storage_note
from napari_scribseg.methods.base import Method
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.fitting_weights import method_with, read_weights
from napari_scribseg.training.machine import Machine, choose_machine, choose_threads
from napari_scribseg.training.memory import refuse_too_large, slices_at_once
from napari_scribseg.training.test_time import TURNS, UPRIGHT, mean_over_turns, means_over_turns
from napari_scribseg.training.windows import window_means, window_shape

_UNLIKE_PIXELS = 2.0
"""How many times larger or smaller pixels are that need a word; our choice."""


@dataclass(frozen=True)
class Model:
    """A trained method, ready to predict.

    Args:
        method: in evaluation mode, on the machine's device.
        schema: the structures it knows.
        spacing_mm: in-plane pixel size it was trained at.
        machine: where it computes.
        step: training step of its weights.
        orientation: in which it sees every image; None = as stored, see `orientation.view_of`.
        sequences: that it has learnt, in its order; none = one that nobody named.
    """

    method: Method
    schema: LabelSchema
    spacing_mm: float
    machine: Machine
    step: int
    orientation: Orientation | None = None
    sequences: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of an image, on the image's own grid.

    Args:
        segmentation: (z, y, x) uint8, class indices.
        probabilities: (K, z, y, x) float32, class axis first; they sum to 1. None = not wanted.
        uncertainty: (z, y, x) float32, 0 = sure, 1 = all classes equally likely. None = not wanted.
        grid: the image's.
        notes: what was done to show the image to the network, and why to doubt the result.
    """

    segmentation: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32] | None
    uncertainty: npt.NDArray[np.float32] | None
    grid: Grid
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some neighbouring slices of a prediction, on the CPU.

    Args:
        start: index of the first.
        probabilities: (n, K, y, x).
        uncertainty: (n, y, x).
    """

    start: int
    probabilities: Tensor
    uncertainty: Tensor

    @property
    def slices(self) -> slice:
        """Where they are in the volume."""
        return slice(self.start, self.start + len(self.uncertainty))

    def cut(self, axis: int, index: int) -> _Piece:
        """Only what lies there on the y (1) or x axis (2)."""
        return _Piece(
            self.start,
            self.probabilities.narrow(axis + 1, index, 1),
            self.uncertainty.narrow(axis, index, 1),
        )


@dataclass(frozen=True, eq=False)
class _Shown:
    """An image that is shown to a network.

    Args:
        method: in evaluation mode.
        image: (z, y, x), or several sequences, in the orientation that the network has learnt.
        spacing: of the image, mm (z, y, x).
        spacing_mm: in-plane pixel size that the network expects.
        machine: where to compute.
        z: only this slice; intensities are normalised over the volume all the same.
        turns: degrees in the plane, averaged over.
    """

    method: Method
    image: Channels
    spacing: tuple[float, float, float]
    spacing_mm: float
    machine: Machine
    z: int | None = None
    turns: tuple[float, ...] = UPRIGHT

    def pieces(self) -> Iterator[_Piece]:
        """The prediction in pieces, in order, whatever the method is shown."""
        return self._slices() if self.method.sample == "slice" else self._patches()

    def _patches(self) -> Iterator[_Piece]:
        """From a network that sees windows of several slices."""
        method, machine, z = self.method, self.machine, self.z
        slices = image_slices(self.image, self.spacing, self.spacing_mm)
        for first, means in means_over_turns(
            lambda seen: window_means(method, seen, machine), slices, self.turns
        ):
            start, shown = first, means
            if z is not None:
                if not first <= z < first + means.shape[1]:
                    continue
                start, shown = 0, means[:, z - first : z - first + 1]
            uncertainty = method.uncertainty(shown[None])[0]
            yield self._piece(start, shown.movedim(0, 1), uncertainty)
            if z is not None:
                return

    @torch.no_grad()
    def _slices(self) -> Iterator[_Piece]:
        """From a network that sees slices, few of them at once."""
        image, machine, z, start = self.image, self.machine, self.z, 0
        slices = normalised_slices(image)
        shape = (slices.shape[0], slices.shape[2], slices.shape[3])
        slices = slices if z is None else slices[z : z + 1]
        wanted = in_plane_shape(shape, self.spacing, self.spacing_mm)

        def probabilities_of(shown: Tensor) -> Tensor:
            with machine.autocast():
                logits = self.method(shown.contiguous(memory_format=machine.memory_format))
            return logits.float().softmax(1)

        for some in slices.split(slices_at_once(wanted)):
            shown = resample_in_plane(some, wanted)
            shown = shown.to(machine.device, memory_format=machine.memory_format)
            probabilities = mean_over_turns(probabilities_of, shown, self.turns)
            yield self._piece(start, probabilities, self.method.uncertainty(probabilities))
            start += len(some)

    def _piece(self, start: int, probabilities: Tensor, uncertainty: Tensor) -> _Piece:
        """Probabilities (Z, K, y, x) and uncertainty (Z, y, x) on the slices of the image."""
        shape = channels_of(self.image)[0].shape[1:]
        return _Piece(start, *_on_grid(probabilities, uncertainty, shape))


def load_model(source: RunFolder | Path | str, device: str = "auto") -> Model:
    """The model of a run, with the weights that `RunFolder.weights` names, or of a model file.

    Args:
        source: a run or its folder, a file of `scribseg export-model`, or a folder with one.
        device: see `choose_machine`.

    Raises:
        InvalidInput: it is no run and no model, or damaged, or the device is not there.
        RunError: the run has no checkpoint, or it is damaged or of another run.

    Example:
        >>> from napari_scribseg import load_model
        >>> model = load_model("run", device="cpu")  # of `scribseg train --out run`
        >>> model.schema.names
        ('background', 'RV', 'MYO', 'LV')
    """
    weights = read_weights(source)
    method = method_with(weights.tensors, weights.info, weights.path)
    training = weights.record.training
    method.patch = weights.info.patch or training.patch
    machine = _machine_for(method, device, training.precision)
    choose_threads(machine, training.threads)
    return Model(
        machine.place(method).eval(),
        weights.schema,
        weights.info.spacing_mm,
        machine,
        weights.info.step,
        weights.info.orientation,
        weights.info.sequences,
    )


def _machine_for(method: Method, device: str, precision: str) -> Machine:
    """The machine, in the arithmetic of the training if it can: a CPU can't compute in float16."""
    volumes = method.unsafe_in_bfloat16()
    try:
        return choose_machine(device, precision, volumes=volumes)
    except InvalidInput:
        return choose_machine(device, volumes=volumes)


def predict_case(
    model: Model,
    image: Volume,
    z: int | None = None,
    *,
    probabilities: bool = True,
    uncertainty: bool = True,
    test_time_augmentation: bool = False,
) -> Prediction:
    """Segmentation, probabilities and uncertainty of an image.

    The network sees slices, or windows of neighbouring slices (see `windows`), in the orientation
    and at the pixel size it was trained at. Its probabilities and its uncertainty are brought back
    to the image's grid linearly; only then the likeliest class is taken. That goes a few slices at
    a time, so that memory grows by what is wanted only.

    Args:
        model: of `load_model`.
        image: intensities, with every sequence that the model has learnt; they are told by name.
        z: only this slice, as it comes out of the whole volume: the result is one slice thick.
        probabilities: keep them; they take 4 bytes per voxel and class.
        uncertainty: keep it; it takes 4 bytes per voxel.
        test_time_augmentation: average over small turns of the image, see `test_time`; three times
            as slow.

    Raises:
        InvalidInput: there is no such slice, the image lacks a sequence, or the memory that is free
            is not enough.

    Example:
        >>> from napari_scribseg import load_model, predict_case, read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> case = dataset.split("val")[0].load(dataset.schema)
        >>> found = predict_case(load_model("run", device="cpu"), case.image)
        >>> found.segmentation.shape == found.uncertainty.shape == case.image.array.shape
        True
    """
    if z is not None and not 0 <= z < image.shape[0]:
        raise InvalidInput(
            f"There is no slice {z}: the image has {image.shape[0]} slices, counted from 0."
        )
    dropped = sequence_note(image, model.sequences)
    image = with_sequences(image, model.sequences)
    method, view = model.method, view_of(model.orientation, image)
    turn, seen = view.turn, view.turn.grid(image.grid)
    shape = (image.shape[0] if z is None else 1, *image.shape[1:])
    shown = (seen.shape[0], *in_plane_shape(seen.shape, seen.spacing, model.spacing_mm))
    refuse_too_large(
        image.channels,
        method.n_classes,
        shown,
        n_voxels=math.prod(shape),
        probabilities=probabilities,
        uncertainty=uncertainty,
        patch_depth=1 if method.sample == "slice" else method.patch_depth(method.options),
        window=window_shape(method.patch, shown[1:]),
        turned=not turn.is_none,
    )
    segmentation = np.empty(shape, np.uint8)
    kept = np.empty((method.n_classes, *shape), np.float32) if probabilities else None
    unsure = np.empty(shape, np.float32) if uncertainty else None
    turns = TURNS if test_time_augmentation else UPRIGHT
    for piece in _turned_pieces(model, image, turn, z, turns):
        found = piece.probabilities.numpy()
        turn.shown(segmentation)[piece.slices] = found.argmax(1)
        if kept is not None:
            turn.shown(kept)[:, piece.slices] = found.swapaxes(0, 1)
        if unsure is not None:
            turn.shown(unsure)[piece.slices] = piece.uncertainty.numpy()
    doubts = (dropped, view.doubt, pixel_note(seen.spacing[1:], model.spacing_mm))
    notes = tuple(filter(None, (storage_note(StoredAxes.of(image), view), *doubts)))
    return Prediction(segmentation, kept, unsure, _grid_of(image.grid, z), notes)


def _grid_of(grid: Grid, z: int | None) -> Grid:
    """The grid of a volume, or of one slice of it."""
    if z is None:
        return grid
    affine = grid.affine.copy()
    affine[:3, 3] = grid.position((z, 0, 0))
    return Grid((1, grid.shape[1], grid.shape[2]), affine, grid.oriented)


def _turned_pieces(
    model: Model, image: Volume, turn: Turn, z: int | None, turns: tuple[float, ...]
) -> Iterator[_Piece]:
    """A prediction in pieces, in the order in which the network sees the image.

    Args:
        model: of `load_model`.
        image: as it is stored.
        turn: what brings it into the orientation that the network has learnt.
        z: only this slice of the stored image, which may lie across those that the network sees.
        turns: degrees in the plane, averaged over.
    """
    axis, index = (0, None) if z is None else turn.slice_seen(z, image.shape[0])
    pieces = _Shown(
        model.method,
        tuple(turn.shown(channel) for channel in image.channels),
        turn.grid(image.grid).spacing,
        model.spacing_mm,
        model.machine,
        index if axis == 0 else None,
        turns,
    ).pieces()
    if axis == 0 or index is None:
        return pieces
    return (piece.cut(axis, index) for piece in pieces)


def image_segmentation(
    method: Method,
    image: Channels,
    spacing: tuple[float, float, float],
    spacing_mm: float,
    machine: Machine,
) -> npt.NDArray[np.uint8]:
    """The likeliest class (z, y, x) alone; arguments are those of `_Shown`."""
    segmentation = np.empty(channels_of(image)[0].shape, np.uint8)
    for piece in _Shown(method, image, spacing, spacing_mm, machine).pieces():
        segmentation[piece.slices] = piece.probabilities.numpy().argmax(1)
    return segmentation


def turned_segmentation(
    method: Method, image: Volume, turn: Turn, spacing_mm: float, machine: Machine
) -> npt.NDArray[np.uint8]:
    """The likeliest class (z, y, x) of an image that is shown turned, in the order it is stored in.

    Args:
        method: in evaluation mode.
        image: as it is stored.
        turn: what brings it into the orientation that the network has learnt.
        spacing_mm: in-plane pixel size that the network expects.
        machine: where to compute.
    """
    seen = tuple(turn.shown(channel) for channel in image.channels)
    spacing = turn.grid(image.grid).spacing
    return turn.undone(image_segmentation(method, seen, spacing, spacing_mm, machine))


def _on_grid(
    probabilities: Tensor, uncertainty: Tensor, shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Probabilities (Z, K, y, x) and uncertainty (Z, y, x) on slices of this shape, on the CPU."""
    back = resample_in_plane(probabilities, shape).clamp(0, 1)
    back = back / back.sum(1, keepdim=True)
    unsure = resample_in_plane(uncertainty[:, None], shape)[:, 0].clamp(0, 1)
    return back.cpu(), unsure.cpu()
