"""The straightforward versions of what the package does in less time, to be timed beside it.

Each gives the same result as its faster counterpart (`tests/test_benchmarks.py`). They take its
place while `naive_parts` is open, so that both run in one process, in turn.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from skimage import measure, segmentation
from torch import Tensor, nn

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses import consistency
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.em_crf import method as em_crf
from napari_scribseg.methods.exmod import method as exmod
from napari_scribseg.methods.scribble2d5 import method as scribble2d5
from napari_scribseg.networks import crf_rnn
from napari_scribseg.networks.prelu import SharedPReLU
from napari_scribseg.networks.slice_convolutions import SliceConv3d, SliceConvTranspose3d
from napari_scribseg.propagate import random_walker

Array = npt.NDArray[Any]


def saliency_by_a_second_pass(method: exmod.ExMod, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits and saliency (B, Y, X), the network run once for each, as in CycleMix's code."""
    with torch.enable_grad():
        image = batch.image.detach().requires_grad_()
        labelled = (batch.target != IGNORE).sum()
        loss = partial_cross_entropy(method(image), batch.target) * labelled
        (gradient,) = torch.autograd.grad(loss, image)
    return method(batch.image), gradient.float().square().mean(1).sqrt()


def pieces_by_region_properties(
    labels: Array, n_classes: int, *, connected_foreground: bool = False
) -> npt.NDArray[np.int64]:
    """`largest_pieces` by scikit-image's `label` and `regionprops`."""
    kept = np.zeros(labels.shape, np.int64)
    for plane, out in zip(labels, kept, strict=True):
        for k in range(1, n_classes):
            out[_largest_region(plane == k)] = k
        if connected_foreground:
            out[~_largest_region(plane > 0)] = 0
    return kept


def _largest_region(mask: Array) -> Array:
    pieces = measure.label(mask, connectivity=1)
    regions = measure.regionprops(pieces)
    if not regions:
        return mask
    return pieces == max(regions, key=lambda region: region.area).label


def estimate_by_whole_passes(method: em_crf.EMCRF, image: Tensor) -> tuple[Tensor, Tensor]:
    """EM-CRF's estimate: every pass through the whole network, all of them kept, scipy's test."""
    options, network = method.options, method.network
    if not options.uncertainty:
        logits = method(image).float()
        return logits.softmax(1), torch.ones_like(logits[:, :1], dtype=torch.bool)
    kept: list[Tensor] = []
    for _ in range(options.passes):
        values = network.deep(network.shallow(image), image, stochastic=True)
        kept.append((values if method.crf is None else method.crf(values, image)).float())
    passes = torch.stack(kept)
    mean = passes.softmax(2).mean(0)
    two = mean.topk(2, dim=1).indices.expand(len(passes), -1, -1, -1, -1)
    first, second = passes.gather(2, two).cpu().numpy().swapaxes(0, 2)
    p = stats.ttest_ind(first, second, axis=1, equal_var=False).pvalue
    return mean, torch.from_numpy(p < options.significance)[:, None].to(mean.device)


class ForgetfulGrid(crf_rnn.BilateralGrid):
    """The bilateral grid without what it keeps: its normaliser and its symmetry."""

    def __call__(self, values: Tensor) -> Tensor:
        """Filtered values; autograd goes through every operation of the grid."""
        weight = self.unnormalised(torch.ones_like(values[:, :1])).clamp_min(1e-12)
        return self.unnormalised(values) / weight


def walked_by_default(image: Array, targets: Array, beta: float) -> Array:
    """`random_walker_probabilities` by scikit-image's default solver, told to be as exact."""
    present = np.unique(targets[targets != IGNORE])
    if len(present) == 1 or (targets != IGNORE).all():
        return _ours_walked(image, targets, beta)
    markers = np.searchsorted(present, targets) + 1
    markers[targets == IGNORE] = 0
    low, high = np.percentile(image, (1, 99))
    scaled = np.clip((image - low) / (high - low), 0, 1)
    probabilities = np.zeros((int(present[-1]) + 1, *image.shape), np.float32)
    probabilities[present] = segmentation.random_walker(
        scaled, markers, beta=beta, tol=1e-6, return_full_prob=True
    )
    return probabilities


_ours_walked = random_walker.random_walker_probabilities


def grown_by_a_loop(segments: Array, targets: Array) -> npt.NDArray[np.int16]:
    """`grown_labels`, one supervoxel after the other."""
    grown = targets.astype(np.int16)
    for segment in np.unique(segments):
        inside = segments == segment
        classes = np.unique(targets[inside & (targets != IGNORE)])
        if len(classes) == 1:
            grown[inside] = classes[0]
    return grown


_PLAIN_LAYERS: tuple[tuple[Any, str, Any], ...] = (
    (SliceConv3d, "forward", nn.Conv3d.forward),
    (SliceConvTranspose3d, "forward", nn.ConvTranspose3d.forward),
    (SharedPReLU, "forward", nn.PReLU.forward),
)

_PARTS: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "exmod": (
        (exmod.ExMod, "_with_saliency", saliency_by_a_second_pass),
        (consistency, "largest_pieces", pieces_by_region_properties),
    ),
    "em_crf": (
        (em_crf.EMCRF, "_estimate", estimate_by_whole_passes),
        (crf_rnn, "BilateralGrid", ForgetfulGrid),
        (random_walker, "random_walker_probabilities", walked_by_default),
    ),
    "unet_crf": ((crf_rnn, "BilateralGrid", ForgetfulGrid),),
    "random_walker": ((random_walker, "random_walker_probabilities", walked_by_default),),
    "scribble2d5": ((scribble2d5, "grown_labels", grown_by_a_loop), *_PLAIN_LAYERS),
    "full_25d": _PLAIN_LAYERS,
}
_PARTS["cyclemix"] = _PARTS["exmod"]


@contextmanager
def naive_parts(kind: type[Method]) -> Generator[None]:
    """While open, a method works with the versions above instead of the package's."""
    with ExitStack() as stack:
        for owner, name, part in _PARTS.get(kind.spec.name, ()):
            stack.enter_context(patch.object(owner, name, part))
        yield


@contextmanager
def plain_layers() -> Generator[None]:
    """While open, layers compute as the layers of PyTorch that they are named after."""
    with ExitStack() as stack:
        for owner, name, part in _PLAIN_LAYERS:
            stack.enter_context(patch.object(owner, name, part))
        yield
