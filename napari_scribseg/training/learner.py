"""Learner: a method with its optimiser and averaged weights; takes steps, is saved and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import RunError
from napari_scribseg.data.orientation import Orientation
from napari_scribseg.methods.base import Method
from napari_scribseg.training.checkpoint import (
    CheckpointInfo,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)
from napari_scribseg.training.fitting_weights import check_shapes
from napari_scribseg.training.machine import Machine
from napari_scribseg.training.optimisation import (
    WeightAverage,
    make_optimiser,
    rate_factor,
    weaken_dropout,
)

_SEED_STRIDE = 1_000_003
"""A prime, so that neighbouring random seeds don't share the randomness of their steps."""


class Learner:
    """What changes while training: weights, optimiser, step and time.

    Args:
        method: what learns; moved to the machine.
        config: optimiser, schedule, clipping, averaging, random seed.
        machine: where it computes.
        data_sha256: of everything in the training cases, so that a run isn't continued on others.
        orientation: in which the network sees every case; None = as stored.
        class_names: of every class index, for the checkpoints.
        sequences: that the network sees, for the checkpoints; see `CheckpointInfo`.
    """

    def __init__(
        self,
        method: Method,
        config: TrainConfig,
        machine: Machine,
        data_sha256: str = "",
        orientation: Orientation | None = None,
        class_names: tuple[str, ...] = (),
        sequences: tuple[str, ...] = (),
    ) -> None:
        self._data_sha256 = data_sha256
        self._orientation = orientation
        self._class_names = class_names
        self._sequences = sequences
        self.config = config
        self.machine = machine
        weaken_dropout(method, config.dropout)
        self.method = machine.place(method)
        self.step = 0
        self.seconds = 0.0
        self.batch_size = config.batch_size
        self.relabels = 0
        self.best_score: float | None = None
        self.not_better = 0
        """Validations since the score was last better than all before."""
        self._parameters = [p for p in self.method.parameters() if p.requires_grad]
        self._optimiser = make_optimiser(self._parameters, config)
        decay = config.weight_average
        self._average = WeightAverage(self.method, decay) if decay else None
        half = machine.dtype is torch.float16
        self._scaler = torch.amp.GradScaler(machine.device.type, enabled=half)

    @property
    def progress(self) -> float:
        """Share of the budget that is used, 0 to 1."""
        if self.config.minutes:
            return min(self.seconds / (60 * self.config.minutes), 1.0)
        return min(self.step / self.config.steps, 1.0) if self.config.steps else 1.0

    @property
    def predictor(self) -> Method:
        """What predicts: the averaged weights if there are any."""
        return self.method if self._average is None else self._average.model

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return self._optimiser.param_groups[0]["lr"]

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step; gives the terms of the loss.

        Raises:
            RunError: the loss or its gradient is not finite; the weights are left as they were.
        """
        step = self.step + 1
        for group in self._optimiser.param_groups:
            group["lr"] = self.config.learning_rate * rate_factor(self.config, self.progress)
        self.seed(step)
        batch = batch.to(self.machine.device, self.machine.memory_format)
        self.method.train()
        self.method.relabels = self.relabels
        with self.machine.autocast():
            terms = self.method.losses(batch, step)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(loss):
            raise self._not_finite("The loss", batch)
        self._descend(loss, batch)
        self.method.after_step(step)
        if self._average is not None:
            self._average.update(self.method, step)
        self.step = step
        return {name: float(term.detach()) for name, term in terms.items()}

    @property
    def relabels_due(self) -> int:
        """How often the method should have made new targets by now."""
        return sum(self.progress >= share for share in self.method.relabel_at)

    def begin_anew(self) -> None:
        """Forget what the optimiser has gathered, after the targets have changed."""
        self._optimiser = make_optimiser(self._parameters, self.config)

    def seed(self, step: int) -> None:
        """Make everything random from here on follow from the random seed and this step."""
        torch.manual_seed(self.config.random_seed * _SEED_STRIDE + step)

    def forget_gradients(self) -> None:
        """Give back what a step that ran out of memory has left behind."""
        self._optimiser.zero_grad(set_to_none=True)
        if self.machine.device.type == "cuda":
            torch.cuda.empty_cache()

    def save(self, path: Path, which: Literal["last", "best"], spacing_mm: float) -> None:
        """Write a checkpoint: "last" with all that continuing needs, "best" with what predicts.

        Args:
            path: of the checkpoint.
            which: see above.
            spacing_mm: in-plane pixel size of the training slices.
        """
        groups: dict[str, dict[str, Tensor]] = {"model": self.predictor.state_dict()}
        if which == "last":
            optimiser = optimiser_tensors(self._optimiser)
            groups = {"model": self.method.state_dict(), "optimiser": optimiser}
            if self._average is not None:
                groups["average"] = self._average.model.state_dict()
        info = CheckpointInfo(
            method=self.method.spec.name,
            options=self.method.options.model_dump(mode="json"),
            n_classes=self.method.n_classes,
            class_names=self._class_names,
            sequences=self._sequences,
            spacing_mm=spacing_mm,
            patch=self.config.patch,
            orientation=self._orientation,
            threads=torch.get_num_threads(),
            data_sha256=self._data_sha256,
            step=self.step,
            seconds=self.seconds,
            batch_size=self.batch_size,
            relabels=self.relabels,
            best_score=self.best_score,
            not_better=self.not_better,
            loss_scale=self._scaler.get_scale() if self._scaler.is_enabled() else None,
        )
        save_checkpoint(path, groups, info)

    def restore(self, path: Path) -> None:
        """Continue from a "last" checkpoint.

        Raises:
            RunError: it is missing or damaged, or was trained on other data, with other settings,
                or for other structures.
        """
        groups, info = load_checkpoint(path)
        if info.data_sha256 != self._data_sha256:
            raise RunError(
                "The images, scribbles or references of the training cases have changed since the "
                "checkpoint was saved, so the run can't be continued as it was: train anew."
            )
        check_shapes(groups.get("model", {}), self.method.state_dict(), path)
        self.method.load_state_dict(groups["model"])
        if self._average is not None:
            check_shapes(groups.get("average", {}), self._average.model.state_dict(), path)
            self._average.model.load_state_dict(groups["average"])
        restore_optimiser(self._optimiser, groups.get("optimiser", {}), self._parameters)
        if info.loss_scale is not None:
            self._scaler.load_state_dict({**self._scaler.state_dict(), "scale": info.loss_scale})
        self.step, self.seconds = info.step, info.seconds
        self.batch_size, self.best_score = info.batch_size, info.best_score
        self.relabels = info.relabels
        # Whoever resumes a training that has ended early wants it to go on for as long again.
        self.not_better = info.not_better if info.not_better < self.config.patience else 0
        # Sums over other threads would be rounded otherwise, and the run would not be the same.
        torch.set_num_threads(info.threads)

    def _descend(self, loss: Tensor, batch: Batch) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimiser)
        limit = self.config.gradient_clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, limit)
        # Gradients that overflow float16 are what the scaler is for: it skips the step.
        if not self._scaler.is_enabled() and not torch.isfinite(norm):
            raise self._not_finite("The gradient of the loss", batch)
        self._scaler.step(self._optimiser)
        self._scaler.update()

    def _not_finite(self, what: str, batch: Batch) -> RunError:
        cases = batch.cases
        guilty = [cases[i] for i in range(len(cases)) if not self._is_finite(batch.sample(i))]
        return RunError(
            f"{what} is not finite at step {self.step + 1}; the batch held the cases "
            f"{', '.join(sorted(set(guilty or cases)))}. The checkpoints from before are good: "
            "look at these cases, or train anew with a lower learning rate."
        )

    @torch.no_grad()
    def _is_finite(self, batch: Batch) -> bool:
        with self.machine.autocast():
            terms = self.method.losses(batch, self.step + 1)
        return all(bool(torch.isfinite(term).all()) for term in terms.values())
