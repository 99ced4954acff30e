"""Prediction: a trained run and an image give segmentation, probabilities and uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_scribseg.batches.patches import padding
from napari_scribseg.batches.slices import image_slices, resample_in_plane
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.orientation import Orientation, StoredAxes, Turn, view_of
from napari_scribseg.data.turned import storage_note
from napari_scribseg.methods.base import Method
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.fitting_weights import method_with, read_weights
from napari_scribseg.training.machine import Machine, choose_machine, choose_threads

_SLICES_AT_ONCE = 8


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
    """

    method: Method
    schema: LabelSchema
    spacing_mm: float
    machine: Machine
    step: int
    orientation: Orientation | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of an image, on the image's own grid.

    Args:
        segmentation: (z, y, x) uint8, class indices.
        probabilities: (K, z, y, x) float32, class axis first; they sum to 1.
        uncertainty: (z, y, x) float32, 0 = sure, 1 = all classes equally likely.
        grid: the image's.
        notes: what was done to show the image to the network, and why to doubt the result.
    """

    segmentation: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32]
    uncertainty: npt.NDArray[np.float32]
    grid: Grid
    notes: tuple[str, ...] = ()


def load_model(source: RunFolder | Path | str, device: str = "auto") -> Model:
    """The model of a run, with the weights that `RunFolder.weights` names, or of a model file.

    Args:
        source: a run or its folder, a file of `scribseg export-model`, or a folder with one.
        device: see `choose_machine`.

    Raises:
        InvalidInput: it is no run and no model, or damaged, or the device is not there.
        RunError: the run has no checkpoint, or it is damaged or of another run.
    """
    weights = read_weights(source)
    method = method_with(weights.tensors, weights.info, weights.path)
    training = weights.record.training
    machine = choose_machine(device, training.precision, volumes=method.sample == "patch")
    choose_threads(machine, training.threads)
    return Model(
        machine.place(method).eval(),
        weights.schema,
        weights.info.spacing_mm,
        machine,
        weights.info.step,
        weights.info.orientation,
    )


def predict_case(model: Model, image: Volume, z: int | None = None) -> Prediction:
    """Segmentation, probabilities and uncertainty of an image.

    The network sees slices, or windows of neighbouring slices, in the orientation and at the pixel
    size it was trained at. Its probabilities and its uncertainty are brought back to the image's
    grid linearly; only then the likeliest class is taken.

    Args:
        model: of `load_model`.
        image: intensities.
        z: only this slice, as it comes out of the whole volume: the result is one slice thick.

    Raises:
        InvalidInput: there is no such slice.
    """
    if z is not None and not 0 <= z < image.shape[0]:
        raise InvalidInput(
            f"There is no slice {z}: the image has {image.shape[0]} slices, counted from 0."
        )
    view = view_of(model.orientation, image)
    probabilities, uncertainty = turned_probabilities(
        model.method, image, view.turn, model.spacing_mm, model.machine, z
    )
    segmentation = probabilities.argmax(0).astype(np.uint8)
    grid = image.grid if z is None else _grid_of_slice(image.grid, z)
    notes = tuple(filter(None, (storage_note(StoredAxes.of(image), view), view.doubt)))
    return Prediction(segmentation, probabilities, uncertainty, grid, notes)


def _grid_of_slice(grid: Grid, z: int) -> Grid:
    affine = grid.affine.copy()
    affine[:3, 3] = grid.position((z, 0, 0))
    return Grid((1, grid.shape[1], grid.shape[2]), affine, grid.oriented)


def turned_probabilities(
    method: Method,
    image: Volume,
    turn: Turn,
    spacing_mm: float,
    machine: Machine,
    z: int | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Probabilities (K, z, y, x) and uncertainty (z, y, x) of an image that is shown turned.

    Both are in the order in which the image is stored.

    Args:
        method: in evaluation mode.
        image: as it is stored.
        turn: what brings it into the orientation that the network has learnt.
        spacing_mm: in-plane pixel size that the network expects.
        machine: where to compute.
        z: only this slice of the stored image.
    """
    seen = turn.volume(image)
    z_seen = None if z is None else turn.slice_seen(z, image.shape[0])
    found = image_probabilities(method, seen.array, seen.spacing, spacing_mm, machine, z_seen)
    probabilities, uncertainty = turn.undone(found[0]), turn.undone(found[1])
    if z is not None and z_seen is None:  # a stored slice lies across those that the network sees
        return probabilities[:, z : z + 1], uncertainty[z : z + 1]
    return probabilities, uncertainty


def image_probabilities(
    method: Method,
    image: npt.NDArray[Any],
    spacing: tuple[float, float, float],
    spacing_mm: float,
    machine: Machine,
    z: int | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Probabilities (K, z, y, x) and uncertainty (z, y, x), whatever the method is shown.

    Arguments are those of `slice_probabilities`.
    """
    if method.sample == "slice":
        return slice_probabilities(method, image, spacing, spacing_mm, machine, z)
    found = patch_probabilities(method, image, spacing, spacing_mm, machine)
    return found if z is None else (found[0][:, z : z + 1], found[1][z : z + 1])


@torch.no_grad()
def slice_probabilities(
    method: Method,
    image: npt.NDArray[Any],
    spacing: tuple[float, float, float],
    spacing_mm: float,
    machine: Machine,
    z: int | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Probabilities (K, z, y, x) and uncertainty (z, y, x) on the image's grid.

    Args:
        method: in evaluation mode.
        image: (z, y, x).
        spacing: of the image, mm (z, y, x).
        spacing_mm: in-plane pixel size that the network expects.
        machine: where to compute.
        z: only this slice; intensities are normalised over the volume all the same.
    """
    slices = image_slices(image, spacing, spacing_mm)
    slices = slices if z is None else slices[z : z + 1]
    shape = (image.shape[1], image.shape[2])
    parts: list[tuple[Tensor, Tensor]] = []
    for some in slices.split(_SLICES_AT_ONCE):
        shown = some.to(machine.device, memory_format=machine.memory_format)
        with machine.autocast():
            logits = method(shown)
        probabilities = logits.float().softmax(1)
        uncertainty = method.uncertainty(probabilities)
        parts.append(_on_grid(probabilities, uncertainty, shape))
    return (
        torch.cat([p for p, _ in parts]).movedim(1, 0).contiguous().numpy(),
        torch.cat([u for _, u in parts]).numpy(),
    )


@torch.no_grad()
def patch_probabilities(
    method: Method,
    image: npt.NDArray[Any],
    spacing: tuple[float, float, float],
    spacing_mm: float,
    machine: Machine,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What `slice_probabilities` gives, from a network that sees windows of several slices.

    A window is as deep as a training patch and as wide as the image; windows overlap by half, and
    where they do, their probabilities are averaged with Gaussian weights. A thinner volume gets
    air around it, as in training.
    """
    slices = image_slices(image, spacing, spacing_mm)
    n, depth = len(slices), method.patch_depth(method.options)
    before, after = padding(n, depth)
    volume = torch.nn.functional.pad(
        slices.movedim(1, 0)[None], (0, 0, 0, 0, before, after), value=float(slices.min())
    ).to(machine.device)
    weight = _gaussian(depth).to(machine.device)[:, None, None]
    summed, weights = None, torch.zeros(volume.shape[2], 1, 1, device=machine.device)
    for start in _window_starts(volume.shape[2], depth):
        window = slice(start, start + depth)
        with machine.autocast():
            logits = method(volume[:, :, window])
        probabilities = logits[0].float().softmax(0)
        if summed is None:
            summed = probabilities.new_zeros(len(probabilities), *volume.shape[2:])
        summed[:, window] += weight * probabilities
        weights[window] += weight
    assert summed is not None
    mean = (summed / weights)[:, before : before + n]
    uncertainty = method.uncertainty(mean[None])[0]
    shape = (image.shape[1], image.shape[2])
    back, unsure = _on_grid(mean.movedim(0, 1), uncertainty, shape)
    return back.movedim(1, 0).contiguous().numpy(), unsure.numpy()


def _window_starts(n: int, depth: int) -> list[int]:
    """First slices of windows that cover n slices and overlap by half; the last one ends at n."""
    last = max(n - depth, 0)
    return [*range(0, last, max(depth // 2, 1)), last]


def _gaussian(depth: int) -> Tensor:
    """Weights (depth,) of the slices of a window: less towards its ends, never zero.

    The standard deviation is an eighth of the window, as in nnU-Net and MONAI.
    """
    offset = torch.arange(depth, dtype=torch.float32) - (depth - 1) / 2
    return torch.exp(-((8 * offset / depth) ** 2) / 2).clamp_min(1e-3)


def _on_grid(
    probabilities: Tensor, uncertainty: Tensor, shape: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Probabilities (Z, K, y, x) and uncertainty (Z, y, x) on slices of this shape, on the CPU."""
    back = resample_in_plane(probabilities, shape).clamp(0, 1)
    back = back / back.sum(1, keepdim=True)
    unsure = resample_in_plane(uncertainty[:, None], shape)[:, 0].clamp(0, 1)
    return back.cpu(), unsure.cpu()
