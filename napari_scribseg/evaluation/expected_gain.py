"""What one more slice of strokes is likely to gain, from the trainings so far: when to stop.

Scores of networks rise with the number of slices n that they learn from, by less and less. Over the
few numbers of slices that somebody draws, a - b / n is curve enough: its two numbers are fitted by
least squares, and the doubt about b (Student's t) is the doubt about the gain b / n - b / (n + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

FEWEST: Final = 3
"""Trainings: with two a straight line fits whatever was found, and there is no doubt to tell."""
WORTHWHILE: Final = 0.005
"""A gain below this is less than two trainings of one case with other seeds differ by."""
_SURE: Final = 0.9


@dataclass(frozen=True)
class Gain:
    """What one more slice is likely to gain.

    Args:
        mean: of the score.
        low: 90 % of the likely gains are above this, or as many below `high`.
        high: see `low`.
        trainings: how many it was told from.
        fewest: slices that one of them learnt from.
        most: likewise.
    """

    mean: float
    low: float
    high: float
    trainings: int
    fewest: int
    most: int

    @property
    def is_worthwhile(self) -> bool:
        """Whether one more slice may gain anything that can be noticed."""
        return self.high >= WORTHWHILE


def expected_gain(points: Sequence[tuple[int, float]], n: int) -> Gain | None:
    """What the score is likely to gain by one slice more; None where too little is known.

    Args:
        points: of each training the number of slices that it learnt from, and its score.
        n: slices with strokes now.

    Example:
        >>> found = expected_gain([(2, 0.60), (4, 0.70), (8, 0.76)], 8)
        >>> round(found.mean, 3), found.is_worthwhile
        (0.006, True)
    """
    known = [(slices, score) for slices, score in points if slices > 0 and np.isfinite(score)]
    counts = {slices for slices, _ in known}
    if len(known) < FEWEST or len(counts) < 2 or n < 1:
        return None
    from scipy.special import stdtrit  # of scipy.stats, which takes a second to load, all it needs

    x = 1 / np.array([slices for slices, _ in known], float)
    y = np.array([score for _, score in known], float)
    away = x - x.mean()
    slope = float(away @ y / (away @ away))
    left = y - y.mean() - slope * away
    free = len(known) - 2
    error = float(np.sqrt(left @ left / free / (away @ away)))
    step, reach = 1 / n - 1 / (n + 1), float(stdtrit(free, (1 + _SURE) / 2)) * error
    return Gain(
        mean=-slope * step,
        low=(-slope - reach) * step,
        high=(-slope + reach) * step,
        trainings=len(known),
        fewest=min(counts),
        most=max(counts),
    )
