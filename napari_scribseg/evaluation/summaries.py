"""The scores of many cases, class by class: means, and how many there are of what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from napari_scribseg.evaluation.metrics import MEASURES, NAN, ClassScore, Status


@dataclass(frozen=True)
class Spread:
    """One measure over the cases.

    Args:
        mean: over the finite values; NaN without any.
        std: sample standard deviation (divided by n - 1) of them; NaN below two values.
        median: of them; NaN without any.
        n: how many finite values there are.
        n_infinite: how many values are infinite and so stand outside mean, std and median.
    """

    mean: float
    std: float
    median: float
    n: int
    n_infinite: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of values; NaN is left out."""
        numbers = np.array(list(values), dtype=np.float64)
        finite = numbers[np.isfinite(numbers)]
        n, n_infinite = int(finite.size), int(np.isinf(numbers).sum())
        if n == 0:
            return cls(NAN, NAN, NAN, 0, n_infinite)
        std = float(finite.std(ddof=1)) if n > 1 else NAN
        return cls(float(finite.mean()), std, float(np.median(finite)), n, n_infinite)


@dataclass(frozen=True)
class ClassSummary:
    """One class over all cases.

    `n_expected` = `n_scored` + `n_na` + `n_failed` + `n_no_reference`.

    Args:
        name: name of the class.
        index: its class index.
        n_expected: cases that should have a score.
        n_scored: cases with a segmentation, and the class in segmentation or reference.
        n_na: cases with the class in neither ("not applicable").
        n_failed: cases without a usable segmentation; they count as Dice 0.
        n_no_reference: cases without a usable reference; they are in no mean.
        n_partial: those of the scored and not applicable ones whose reference is partial.
        dice, hd95_mm, assd_mm, precision, recall: over scored and failed cases.
    """

    name: str
    index: int
    n_expected: int
    n_scored: int
    n_na: int
    n_failed: int
    n_no_reference: int
    n_partial: int
    dice: Spread
    hd95_mm: Spread
    assd_mm: Spread
    precision: Spread
    recall: Spread


def summarise(scores: Iterable[ClassScore]) -> tuple[ClassSummary, ...]:
    """One summary per class of the scores of many cases, ordered by class index."""
    by_class: dict[tuple[int, str], list[ClassScore]] = {}
    for score in scores:
        by_class.setdefault((score.index, score.name), []).append(score)
    return tuple(_summarise_class(by_class[key]) for key in sorted(by_class))


def in_no_reference(scores: Iterable[ClassScore]) -> tuple[str, ...]:
    """Names of classes that are in no reference, and were found: nobody may have annotated them."""
    found: dict[str, bool] = {}
    for score in scores:
        if score.status == "scored":
            is_invented = np.isnan(score.recall)  # nothing to find
            found[score.name] = found.get(score.name, True) and bool(is_invented)
    return tuple(name for name, is_invented in found.items() if is_invented)


def _summarise_class(scores: Sequence[ClassScore]) -> ClassSummary:
    def count(status: Status) -> int:
        return sum(s.status == status for s in scores)

    return ClassSummary(
        scores[0].name,
        scores[0].index,
        n_expected=len(scores),
        n_scored=count("scored"),
        n_na=count("not applicable"),
        n_failed=count("failed"),
        n_no_reference=count("no reference"),
        n_partial=sum(s.reference_share < 1 for s in scores),
        **{m: Spread.of(cast("float", getattr(s, m)) for s in scores) for m in MEASURES},
    )
