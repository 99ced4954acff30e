"""The predictions that are in memory, and how they compare with the reference. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.values import Prediction

MOST_KEPT: Final = 12
"""Predictions kept in memory; the oldest is forgotten first (its files stay)."""

Key = tuple[CaseKey, Path]
"""Case and run."""


def key_of(prediction: Prediction) -> Key:
    """What a prediction is kept under."""
    return prediction.case, prediction.run


@dataclass
class Kept:
    """Predictions by case and run, the newest last.

    `forgotten` counts how often a run has predicted anew, so that what lies in its folder is other.
    """

    predictions: dict[Key, Prediction] = field(default_factory=dict)
    comparisons: dict[Key, Comparison] = field(default_factory=dict)
    forgotten: int = 0

    def add(self, prediction: Prediction) -> Prediction:
        """Keep a prediction; gives it with the slices that the same run had predicted before."""
        key = key_of(prediction)
        prediction = _merged(self.predictions.pop(key, None), prediction)
        self.predictions[key] = prediction
        while len(self.predictions) > MOST_KEPT:
            oldest = next(iter(self.predictions))
            del self.predictions[oldest]
            self.comparisons.pop(oldest, None)
        return prediction

    def renew(self, prediction: Prediction) -> None:
        """Put a prediction that was corrected in the place of the one it was made from."""
        if key_of(prediction) in self.predictions:
            self.predictions[key_of(prediction)] = prediction

    def compared(self, comparison: Comparison) -> bool:
        """Keep a comparison; False when its prediction is forgotten."""
        key = key_of(comparison.prediction)
        if key not in self.predictions:
            return False
        self.comparisons[key] = comparison
        return True

    def forget_run(self, run: Path) -> None:
        """Forget what a run has predicted: its folder holds something newer."""
        self.forgotten += 1
        for key in [key for key in self.predictions if key[1] == run]:
            del self.predictions[key]
            self.comparisons.pop(key, None)

    def of_case(self, case: CaseKey | None) -> list[Prediction]:
        """The predictions of a case, the oldest first."""
        return [one for (of, _), one in self.predictions.items() if of == case]

    def compared_of_case(self, case: CaseKey | None) -> list[Comparison]:
        """The comparisons of a case, that of the newest prediction last."""
        keys = [key for key in self.predictions if key[0] == case and key in self.comparisons]
        return [self.comparisons[key] for key in keys]


def _merged(before: Prediction | None, new: Prediction) -> Prediction:
    """The new slice in the volume that the same run has predicted before."""
    z = new.z
    if z is None or before is None or before.segmentation.shape != new.segmentation.shape:
        return new
    if before.z is not None and before.z != z:
        return new
    segmentation = before.segmentation.array.copy()
    segmentation[z] = new.segmentation.array[z]
    uncertainty = before.uncertainty
    if uncertainty is not None and new.uncertainty is not None:
        unsure = np.array(uncertainty.array)
        unsure[z] = new.uncertainty.array[z]
        uncertainty = Volume(unsure, uncertainty.grid)
    probabilities = before.probabilities
    if probabilities is not None and new.probabilities is not None:
        probabilities = probabilities.copy()
        probabilities[:, z] = new.probabilities[:, z]
    return replace(
        before,
        segmentation=Volume(segmentation, new.segmentation.grid),
        uncertainty=uncertainty,
        probabilities=probabilities,
    )
