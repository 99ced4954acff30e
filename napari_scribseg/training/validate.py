"""Scores of the current model on validation cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from napari_scribseg.core.events import Validated
from napari_scribseg.core.labels import UNKNOWN, LabelSchema, targets_of
from napari_scribseg.data.case import Case
from napari_scribseg.evaluation.metrics import dice
from napari_scribseg.methods.base import Method
from napari_scribseg.training.machine import Machine
from napari_scribseg.training.predict import image_segmentation


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
            method, case.image.array, case.image.spacing, spacing_mm, machine
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
