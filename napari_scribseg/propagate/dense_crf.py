"""Dense CRF: probabilities sharpened along the edges of the image, without changing the seeds.

Mean-field inference in a fully connected CRF, slice by slice, either by pydensecrf2 (the extra
`crf`) or by torch. The latter sums the bilateral kernel over a window, which is exact up to what
lies beyond it, and needs nothing but torch; pydensecrf2 approximates.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import IGNORE

Backend = Literal["auto", "pydensecrf", "torch"]

_FORBIDDEN = 50.0
"""Energy of a label that a seed rules out: more than both kernels together can pay for."""
_SMALLEST = 1e-10
"""Probabilities are at least this, so that energies are at most 23."""
_REACH = 3.5
"""The window of the torch backend ends at this many standard deviations."""

_NEGLIGIBLE = 1e-20
"""Smaller weights are zeros: they change nothing, and arithmetic on denormal numbers crawls."""


@dataclass(frozen=True)
class PairwiseTerms:
    """The two kernels of equation 6 of Can et al. 2018; the defaults are those for the heart.

    Args:
        bilateral_weight: w1, weight of the kernel that stops at edges.
        bilateral_sigma: its reach in pixels (sigma alpha).
        grey_sigma: what is an edge, as a share of the slice's grey range (sigma beta).
        spatial_weight: w2, weight of the kernel that does not.
        spatial_sigma: its reach in pixels (sigma gamma).
        iterations: of mean-field; the paper is silent.
    """

    bilateral_weight: float = 5.0
    bilateral_sigma: float = 2.0
    grey_sigma: float = 0.1
    spatial_weight: float = 10.0
    spatial_sigma: float = 5.0
    iterations: int = 5


def choose_backend(backend: Backend) -> Literal["pydensecrf", "torch"]:
    """The backend that is meant: "auto" is pydensecrf where it is installed, else torch.

    Raises:
        InvalidInput: pydensecrf is asked for and not installed.
    """
    installed = importlib.util.find_spec("pydensecrf") is not None
    if backend == "auto":
        return "pydensecrf" if installed else "torch"
    if backend == "pydensecrf" and not installed:
        raise InvalidInput(
            "The dense CRF was asked of pydensecrf, which is not installed: pip install "
            "'napari-scribseg[crf]', or choose crf_backend=torch."
        )
    return backend


def dense_crf(
    probabilities: Tensor,
    image: Tensor,
    seeds: Tensor,
    terms: PairwiseTerms,
    backend: Backend = "auto",
) -> Tensor:
    """Probabilities (B, K, Y, X) after mean-field, float32, on the device of those given.

    Computed in float32, also where networks around it compute in half precision.

    Args:
        probabilities: (B, K, Y, X), of the network; their negative logarithm is the unary energy.
        image: (B, C, Y, X), any scale; each slice of each sequence is brought to 0..1, and the
            mean of their squared differences is what an edge is.
        seeds: (B, Y, X), class index, or IGNORE where every label is allowed.
        terms: the kernels.
        backend: see `choose_backend`.

    Raises:
        InvalidInput: see `choose_backend`.

    Source: Krähenbühl & Koltun, "Efficient inference in fully connected CRFs with Gaussian edge
    potentials", NIPS 2011, with Potts compatibility and symmetrically normalised kernels.
    """
    infer = _by_pydensecrf if choose_backend(backend) == "pydensecrf" else _by_torch
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    grey = ((image - low) / (high - low).clamp_min(1e-6)).float()
    if grey.shape[1] > 1:
        grey = grey / grey.shape[1] ** 0.5
    energies = _energies(probabilities.float(), seeds)
    # Autocast would take the sums over all pixels in half precision, and labels would flip.
    with torch.autocast(energies.device.type, enabled=False):
        results = [infer(u, g, terms) for u, g in zip(energies, grey, strict=True)]
    return torch.stack(results)


def _energies(probabilities: Tensor, seeds: Tensor) -> Tensor:
    """Unary energies (B, K, Y, X): of the network, or 0 and _FORBIDDEN on seeds."""
    energies = -probabilities.clamp_min(_SMALLEST).log()
    classes = torch.arange(probabilities.shape[1], device=seeds.device)[:, None, None]
    fixed = (classes != seeds.unsqueeze(1)) * _FORBIDDEN
    return torch.where(seeds.unsqueeze(1) != IGNORE, fixed, energies)


def _by_pydensecrf(energies: Tensor, grey: Tensor, terms: PairwiseTerms) -> Tensor:
    """Marginals (K, y, x) of one slice."""
    densecrf: Any = importlib.import_module("pydensecrf.densecrf")
    n_classes, height, width = energies.shape
    y, x = np.mgrid[:height, :width].astype(np.float32).reshape(2, -1)
    levels = grey.cpu().numpy().reshape(len(grey), -1)
    crf = densecrf.DenseCRF(height * width, n_classes)
    crf.setUnaryEnergy(_contiguous(energies.reshape(n_classes, -1).cpu().numpy()))
    reach = terms.bilateral_sigma
    bilateral = np.stack([x / reach, y / reach, *levels / terms.grey_sigma])
    crf.addPairwiseEnergy(_contiguous(bilateral), compat=terms.bilateral_weight)
    spatial = np.stack([x, y]) / terms.spatial_sigma
    crf.addPairwiseEnergy(_contiguous(spatial), compat=terms.spatial_weight)
    marginals = np.asarray(crf.inference(terms.iterations), np.float32)
    return torch.from_numpy(marginals).reshape(energies.shape).to(energies.device)


def _contiguous(array: np.ndarray) -> np.ndarray:
    """As pydensecrf wants it; anything else it refuses."""
    return np.ascontiguousarray(array, dtype=np.float32)


def _by_torch(energies: Tensor, grey: Tensor, terms: PairwiseTerms) -> Tensor:
    """Marginals (K, y, x) of one slice."""
    bilateral = _Window(grey, terms.bilateral_sigma, terms.grey_sigma)
    spatial = _Gaussian(grey[0], terms.spatial_sigma)
    q = (-energies).softmax(0)
    for _ in range(terms.iterations):
        message = terms.bilateral_weight * _normalised(bilateral, q)
        message = message + terms.spatial_weight * _normalised(spatial, q)
        q = (message - energies).softmax(0)
    return q


def _normalised(kernel: _Window | _Gaussian, q: Tensor) -> Tensor:
    """What marginals (K, y, x), which sum to 1, send each other, divided by the kernel's weight.

    The last class is what the others leave of the sum, so it need not be filtered.
    """
    others = kernel.scale * kernel.filter(kernel.scale * q[:-1])
    return torch.cat([others, kernel.of_ones - others.sum(0, keepdim=True)])


class _Window:
    """The bilateral kernel of one slice, pair by pair within a window.

    Rows are laid end to end with a gap of a window's reach between them, so that a step to another
    pixel is one shift of contiguous memory; pairs that end in a gap weigh nothing.

    Args:
        grey: (C, y, x), 0 to 1.
        sigma_pixels: reach in pixels.
        sigma_grey: reach in grey.
    """

    def __init__(self, grey: Tensor, sigma_pixels: float, sigma_grey: float) -> None:
        height, width = grey.shape[1:]
        reach = math.ceil(_REACH * sigma_pixels)
        right, down = min(reach, width - 1), min(reach, height - 1)
        self._gap, self._shape = right, (height, width)
        line = self._in_line(grey / sigma_grey)
        ones = torch.ones_like(grey[:1])
        is_pixel = self._in_line(ones)[0]
        steps = [(dy, dx) for dy in range(down + 1) for dx in range(-right if dy else 1, right + 1)]
        self._pairs: list[tuple[int, Tensor]] = []
        for dy, dx in steps:
            shift = dy * (width + self._gap) + dx
            weight = (line[:, shift:] - line[:, :-shift]).square_().sum(0).mul_(-0.5)
            weight.sub_(0.5 * (dy**2 + dx**2) / sigma_pixels**2).exp_()
            weight.mul_(is_pixel[shift:]).mul_(is_pixel[:-shift])
            self._pairs.append((shift, F.threshold(weight, _NEGLIGIBLE, 0.0)))
        self.scale = self.filter(ones).rsqrt()
        self.of_ones = self.scale * self.filter(self.scale)

    def filter(self, values: Tensor) -> Tensor:
        """Sum over all pixels of (k, y, x), each weighted by the kernel."""
        given = self._in_line(values)
        total = given.clone()
        for shift, weight in self._pairs:
            total[:, :-shift].addcmul_(weight, given[:, shift:])
            total[:, shift:].addcmul_(weight, given[:, :-shift])
        height, width = self._shape
        return total.view(-1, height, width + self._gap)[..., :width]

    def _in_line(self, values: Tensor) -> Tensor:
        """The rows of (k, y, x) end to end with zeros between them: (k, n)."""
        return F.pad(values, (0, self._gap)).flatten(1)


class _Gaussian:
    """The spatial kernel of slices of one size, exact.

    Args:
        like: (y, x), tells size and device.
        sigma: reach in pixels.
    """

    def __init__(self, like: Tensor, sigma: float) -> None:
        y, x = (torch.arange(n, device=like.device, dtype=like.dtype) for n in like.shape)
        kernels = (torch.exp(-0.5 * ((p[:, None] - p) / sigma) ** 2) for p in (y, x))
        self._y, self._x = (F.threshold(kernel, _NEGLIGIBLE, 0.0) for kernel in kernels)
        self.scale = self.filter(torch.ones_like(like)[None]).rsqrt()
        self.of_ones = self.scale * self.filter(self.scale)

    def filter(self, values: Tensor) -> Tensor:
        """Sum over all pixels of (k, y, x), each weighted by the kernel."""
        return self._y @ values @ self._x
