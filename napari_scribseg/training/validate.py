"""Validation: scores of the current weights on what is not learnt from, and what follows from them.

The weights with the best score are kept, and training may end when the score gets no better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from napari_scribseg.core.events import Validated
from napari_scribseg.core.labels import UNKNOWN, LabelSchema, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.evaluation.metrics import dice
from napari_scribseg.methods.base import Method
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.machine import Machine
from napari_scribseg.training.predict import image_segmentation

_LOOKS: Final = 20
"""Validations of a budget in minutes, at least, unless they take too long."""
_SHARE: Final = 0.1
"""The most of such a budget that those may take."""
_AS_GOOD: Final[dict[str, float]] = {"dice": 0.0, "stroke agreement": 0.01}
"""A score so little below the best one counts as equal, and the later weights are kept: few pixels
are drawn, and they lie where a structure is easy to tell, so that agreement is high soon."""


class Validation:
    """When a training looks at its validation cases, and which weights are the best.

    A budget in steps has a validation every `validation_interval` of them; one in minutes also at
    every twentieth of it, since nobody knows how many steps it will be.

    Args:
        cases: oriented as the network sees them; none = nothing is ever due.
        schema: the structures.
        spacing_mm: in-plane pixel size that the network is shown.
    """

    def __init__(self, cases: Sequence[Case], schema: LabelSchema, spacing_mm: float) -> None:
        self._cases = tuple(cases)
        self._schema = schema
        self._spacing_mm = spacing_mm
        self._step: int | None = None
        """Of the last look."""
        self._next: float | None = None
        """Share of the budget at which the next look is due, for a budget in minutes."""

    def is_due(self, learner: Learner) -> bool:
        """Whether the step just taken is one to validate after."""
        if not self._cases:
            return False
        if learner.step % learner.config.validation_interval == 0:
            return True
        if learner.config.minutes is None:
            return False
        if self._next is None:
            self._next = learner.progress + 1 / _LOOKS
        return learner.progress >= self._next

    def is_missing(self, learner: Learner) -> bool:
        """Whether the weights of now have no score yet."""
        scored = learner.step > 0 and learner.step % learner.config.validation_interval == 0
        return bool(self._cases) and not scored and self._step != learner.step

    def is_over(self, learner: Learner) -> bool:
        """Whether the score has got no better for as long as the settings wait."""
        patience = learner.config.patience
        return bool(self._cases) and 0 < patience <= learner.not_better

    def look(self, learner: Learner) -> Validated | None:
        """Score the weights of now, and note on the learner whether they are the best."""
        if not self._cases:
            return None
        began = time.monotonic()
        event = validation_scores(
            learner.predictor,
            self._cases,
            self._schema,
            self._spacing_mm,
            learner.machine,
            learner.step,
        )
        self._step = learner.step
        cost = (time.monotonic() - began) / (60 * (learner.config.minutes or math.inf))
        self._next = learner.progress + max(1 / _LOOKS, cost / _SHARE)
        now, best = event.mean, learner.best_score
        better = now is not None and (best is None or _is_kept(now, best, event.measure))
        if now is not None:
            learner.best_score = now if best is None else max(best, now)
            # What only counts as equal is kept, but no reason to go on.
            learner.not_better = 0 if best is None or now > best else learner.not_better + 1
        return event.model_copy(update={"best": better})


def unscored(cases: Sequence[Case], patience: int) -> str:
    """What to tell of settings that wait for scores which nothing gives; "" where there are some.

    Args:
        cases: that are validated on.
        patience: of the settings.
    """
    if any(case.reference is not None or _is_drawn(case) for case in cases):
        return ""
    vain = f"patience={patience} ends nothing early" if patience else ""
    if cases:
        told = "No case to validate on has a reference or strokes, so there are no scores: the"
        return f"{told} weights of the last step are kept{vain and f', and {vain}'}."
    how = "choose what to validate on (--validate, or held_out_strokes)"
    return vain and f"Nothing validates this training, so {vain}: {how}."


def _is_drawn(case: Case) -> bool:
    return case.scribbles is not None and bool((targets_of(case.scribbles) >= 0).any())


def _is_kept(now: float, best: float, measure: str) -> bool:
    """Whether weights with a score are kept instead of those with the best one so far."""
    return now > best or 0 < _AS_GOOD[measure] >= best - now


def validation_scores(
    method: Method,
    cases: Sequence[Case],
    schema: LabelSchema,
    spacing_mm: float,
    machine: Machine,
    step: int,
) -> Validated:
    """Mean score per class over the cases, and over the classes.

    With references: Dice per case on the image's grid, of a partial reference on the voxels that it
    labels. Where no case has a reference: the share of
    the held-out stroke voxels of a class that are predicted right, which is not Dice and isn't
    called so.
    """
    by_reference = any(case.reference is not None for case in cases)
    measure: Literal["dice", "stroke agreement"] = "dice" if by_reference else "stroke agreement"
    method.eval()
    rows: list[list[float]] = []
    for case in cases:
        truth = case.reference if by_reference else case.scribbles
        if truth is None:
            continue
        segmentation = image_segmentation(
            method, case.image.channels, case.image.spacing, spacing_mm, machine
        )
        targets = truth if by_reference else targets_of(truth)
        classes = range(1, schema.n_classes) if by_reference else range(schema.n_classes)
        rows.append([_score(segmentation, targets, k, measure) for k in classes])
    names = schema.names[1:] if by_reference else schema.names
    table = np.array(rows).reshape(-1, len(names))
    scores: dict[str, float | None] = {}
    for name, column in zip(names, table.T, strict=True):
        known = column[np.isfinite(column)]
        scores[name] = float(known.mean()) if len(known) else None
    known_scores = [score for score in scores.values() if score is not None]
    mean = float(np.mean(known_scores)) if known_scores else None
    return Validated(step=step, measure=measure, scores=scores, mean=mean, best=False)


def _score(segmentation: np.ndarray, targets: np.ndarray, k: int, measure: str) -> float:
    if measure == "dice":
        return dice((segmentation == k) & (targets != UNKNOWN), targets == k)
    drawn = targets == k
    return float((segmentation[drawn] == k).mean()) if drawn.any() else float("nan")
