"""EM-CRF: seeds grown from the scribbles, then training and relabelling by turns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch, resample_in_plane
from napari_scribseg.core.config import (
    MethodConfig,
)
from napari_scribseg.core.errors import TaskNotSupported
from napari_scribseg.core.labels import IGNORE, targets_of, targets_of_reference
from napari_scribseg.data.case import Case
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy
from napari_scribseg.methods.base import Maps, Method, Shown
from napari_scribseg.methods.em_crf import SPEC, EMCRFConfig
from napari_scribseg.networks.crf_rnn import CRFRNN
from napari_scribseg.networks.unet_modified import ModifiedUNet
from napari_scribseg.propagate.dense_crf import PairwiseTerms, choose_backend, dense_crf
from napari_scribseg.propagate.random_walker import random_walker_seeds
from napari_scribseg.propagate.welch import Moments, welch_p_values

_SLICES_AT_ONCE = 8


class EMCRF(Method):
    """Cross-entropy on labels that start as seeds and are made anew by the network itself."""

    spec = SPEC

    prepared_from = ("tau", "beta", "supervision")
    options: EMCRFConfig

    def __init__(self, n_classes: int, options: EMCRFConfig, n_channels: int = 1) -> None:
        super().__init__(n_classes, options, n_channels)
        if options.crf == "dense":
            choose_backend(options.crf_backend)
        self.network = ModifiedUNet(
            n_classes,
            options.base_width,
            dropout=options.uncertainty,
            normalised_logits=options.normalised_logits,
            up_channels=options.up_channels,
            in_channels=n_channels,
        )
        self.crf = _crf_rnn(n_classes, options) if options.crf == "rnn" else None
        self._before: list[Tensor] = []

    @classmethod
    def prepare(cls, case: Case, options: MethodConfig) -> Maps:
        """The seeds, and the targets that are learnt from: at first, the same.

        Raises:
            TaskNotSupported: supervision is dense and the case has no reference.
        """
        assert isinstance(options, EMCRFConfig)
        if options.supervision == "dense":
            if case.reference is None:
                raise TaskNotSupported(
                    f"Case {case.id} has no reference, from which supervision=dense learns: leave "
                    "the case out, or choose supervision=scribble."
                )
            seeds = targets_of_reference(case.reference)
        elif case.scribbles is None:
            seeds = np.full(case.image.shape, IGNORE, np.int16)
        else:
            seeds = random_walker_seeds(
                case.image.channels, targets_of(case.scribbles), tau=options.tau, beta=options.beta
            )
        return {"seeds": seeds, "targets": seeds.copy()}

    @property
    def relabel_at(self) -> tuple[float, ...]:
        """After the first M-step, and after later ones, which are a third as long."""
        n = 0 if self.options.supervision == "dense" else self.options.recursions
        return tuple((3 + i) / (3 + n) for i in range(n))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, Y, X) of images (B, C, Y, X), after the CRF-RNN layer if there is one."""
        return self._refined(self.network(image), image)

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Cross-entropy on the known pixels of the current targets (equation 8)."""
        target = batch.maps["targets"]
        weights = None
        if not self.relabels and self.options.balance:
            weights = class_weights(target, self.n_classes, self.options.balance)
        logits = self._learning_logits(batch.image, step)
        return {"cross_entropy": partial_cross_entropy(logits, target, class_weights=weights)}

    @torch.no_grad()
    def after_step(self, step: int) -> None:  # noqa: ARG002
        """Shorten the step of the CRF's weights: whatever the optimiser, `rnn_rate` of its way."""
        if self.crf is not None:
            for weight, before in zip(self.crf.parameters(), self._before, strict=False):
                weight.copy_(torch.lerp(before, weight, self.options.rnn_rate))
        self._before = []

    def relabel(self, case: Case, maps: Maps, shown: Shown) -> Maps:  # noqa: ARG002
        """The E-step: targets by the current model; seeds keep their class.

        Slices without seeds stay unlabelled: they are not learnt from.
        """
        seeds = maps["seeds"]
        drawn = np.flatnonzero((seeds != IGNORE).any((1, 2)))
        targets = np.full(seeds.shape, IGNORE, np.int16)
        if len(drawn):
            steps = list(self._e_steps(seeds[drawn], shown.image[torch.from_numpy(drawn)]))
            probabilities = shown.to_grid(torch.cat([p for p, _ in steps]))
            sure = shown.to_grid(torch.cat([s for _, s in steps]).float())[0] >= 0.5
            targets[drawn] = np.where(sure, probabilities.argmax(0), IGNORE)
        return {"targets": np.where(seeds != IGNORE, seeds, targets).astype(np.int16)}

    def _learning_logits(self, image: Tensor, step: int) -> Tensor:
        """Logits through which only the network learns, or, every so often, only the CRF."""
        if self.crf is None:
            return self.network(image)
        if step % (self.options.rnn_every + 1):
            self._before = []
            return self.crf(self.network(image), image, frozen=True)
        self._before = [weight.detach().clone() for weight in self.crf.parameters()]
        with torch.no_grad():
            logits = self.network(image)
        return self.crf(logits, image)

    def _refined(self, logits: Tensor, image: Tensor) -> Tensor:
        return logits if self.crf is None else self.crf(logits, image)

    def _e_steps(self, seeds: np.ndarray, image: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Probabilities (b, K, Y, X) and certainty (b, 1, Y, X), some slices at a time.

        Args:
            seeds: (n, y, x), on the grid of the case.
            image: (n, 1, Y, X), as the network sees it.
        """
        shape = (int(image.shape[-2]), int(image.shape[-1]))
        shown_seeds = resample_in_plane(torch.from_numpy(seeds)[:, None], shape)[:, 0]
        for some, its_seeds in zip(
            image.split(_SLICES_AT_ONCE), shown_seeds.split(_SLICES_AT_ONCE), strict=True
        ):
            probabilities, sure = self._estimate(some)
            if self.options.crf == "dense":
                probabilities = dense_crf(
                    probabilities,
                    some,
                    its_seeds.to(some.device),
                    _pairwise(self.options),
                    self.options.crf_backend,
                )
            yield probabilities, sure

    def _estimate(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What the network thinks of slices, and where it is certain (section 2.4)."""
        if not self.options.uncertainty:
            logits = self(image).float()
            return logits.softmax(1), torch.ones_like(logits[:, :1], dtype=torch.bool)
        features = self.network.shallow(image)
        logits, softmax = Moments(), Moments()
        for _ in range(self.options.passes):
            values = self.network.deep(features, image, stochastic=True)
            values = self._refined(values, image).float()
            logits.add(values)
            softmax.add(values.softmax(1))
        sure = _differ(logits, softmax.mean, self.options.significance)
        return softmax.mean, sure


def _pairwise(options: EMCRFConfig) -> PairwiseTerms:
    """The kernels of the dense CRF."""
    return PairwiseTerms(
        options.bilateral_weight,
        options.bilateral_sigma,
        options.grey_sigma,
        options.spatial_weight,
        options.spatial_sigma,
        options.crf_iterations,
    )


def _crf_rnn(n_classes: int, options: EMCRFConfig) -> CRFRNN:
    return CRFRNN(
        n_classes,
        iterations=options.crf_iterations,
        bilateral_sigma=options.rnn_bilateral_sigma,
        grey_sigma=options.rnn_grey_sigma,
        spatial_sigma=options.rnn_spatial_sigma,
    )


def _differ(logits: Moments, probabilities: Tensor, significance: float) -> Tensor:
    """Where (B, 1, Y, X) the logits of the two likeliest classes differ by Welch's test.

    Args:
        logits: their moments over the passes.
        probabilities: (B, K, Y, X), mean over the passes.
        significance: p below which two means differ.
    """
    two = probabilities.topk(2, dim=1).indices
    means = logits.mean.gather(1, two).cpu().numpy()
    variances = logits.variance.gather(1, two).cpu().numpy()
    p = welch_p_values(means[:, :1], variances[:, :1], means[:, 1:], variances[:, 1:], logits.count)
    return torch.from_numpy(p < significance).to(probabilities.device)
