"""Dice of previews against the reference of the shown case, which the training never sees.

No Qt, no napari.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from statistics import fmean

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.evaluation.metrics import dice
from napari_scribseg.io import read_labels


class PreviewDice:
    """Remembers the Dice of every preview, so that each is measured once with a reference."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, Path], dict[str, float | None]] = {}
        self._against = b""
        """Tells the reference that was compared with last from others."""
        self._lock = threading.Lock()

    def of(self, previews: Mapping[int, Path]) -> dict[int, dict[str, float | None]]:
        """Dice by step and class, of those that were measured with the last reference."""
        keys = {step: (self._against, path) for step, path in previews.items()}
        return {step: self._known[key] for step, key in keys.items() if key in self._known}

    def score(self, previews: Mapping[int, Path], reference: Array, schema: LabelSchema) -> bool:
        """Measure those that were not yet; takes a while. Tells whether `of` has changed.

        Args:
            previews: files by step.
            reference: (z, y, x) class indices; of another shape nothing is measured, and only
                where a partial one says something.
            schema: the structures that the run has learnt.
        """
        with self._lock:
            before = self._against
            self._against = against = sha256(reference.tobytes()).digest()
            fresh = [path for path in previews.values() if (against, path) not in self._known]
            for path in fresh:
                self._known[against, path] = _dice_of(path, reference, schema)
            return bool(fresh) or against != before


def mean_scores(scores: Mapping[int, Mapping[str, float | None]]) -> dict[int, float]:
    """The mean over the classes by step, of the steps that have a score."""
    known = {step: [s for s in one.values() if s is not None] for step, one in scores.items()}
    return {step: fmean(some) for step, some in sorted(known.items()) if some}


def _dice_of(path: Path, reference: Array, schema: LabelSchema) -> dict[str, float | None]:
    try:
        segmentation = read_labels(path).array
    except InvalidInput:  # thinned out meanwhile
        return {}
    if segmentation.shape != reference.shape:
        return {}
    labelled = reference != UNKNOWN
    scores = {
        name: dice((segmentation == k) & labelled, reference == k)
        for k, name in enumerate(schema.names)
        if k > 0
    }
    return {name: None if math.isnan(score) else score for name, score in scores.items()}
