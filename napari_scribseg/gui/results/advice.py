"""Where to draw next in a case, by the runs that have predicted it. No Qt.

It may take seconds and is called in a background thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.disagreement import (
    Doubt,
    Kind,
    Suggestion,
    draw_here_next,
    probability_disagreement,
    too_early,
    vote_disagreement,
)
from napari_scribseg.gui.values import Prediction


@dataclass(frozen=True, eq=False)
class Advice:
    """Where to draw next.

    Args:
        case: the case it is about.
        doubt: (z, y, x), 0 to 1.
        kind: what the doubt is, in words.
        suggestions: the most doubtful slice first; none where it is too early to rank them.
        too_early: why it is too early, in a sentence; "" where it is not.
    """

    case: CaseKey
    doubt: Doubt
    kind: str
    suggestions: tuple[Suggestion, ...]
    too_early: str = ""


def advise(predictions: Sequence[Prediction], scribbles: Array | None) -> Advice:
    """Where to draw next: where runs disagree, or where the only one is unsure.

    Raises:
        InvalidInput: the runs know different structures, or there is nothing to go by.
    """
    first = predictions[0]
    if len({prediction.schema.names for prediction in predictions}) > 1:
        raise InvalidInput("The runs know different structures, so they can't be compared.")
    kind: Kind
    if len(predictions) > 1:
        doubt, kind = _disagreement(predictions), "disagreement"
    elif first.uncertainty is not None:
        doubt, kind = np.asarray(first.uncertainty.array, np.float32), "uncertainty"
    else:
        raise InvalidInput("The prediction came without an uncertainty; predict again.")
    early = too_early(doubt, scribbles, kind=kind)
    if early:
        return Advice(first.case, doubt, kind, (), early)
    segmentation = first.segmentation.array
    suggestions = draw_here_next(doubt, segmentation, scribbles, first.schema, kind=kind)
    return Advice(first.case, doubt, kind, suggestions)


def _disagreement(predictions: Sequence[Prediction]) -> Doubt:
    maps = [prediction.probabilities for prediction in predictions]
    known = [each for each in maps if each is not None]
    if len(known) == len(maps):
        return probability_disagreement(known)
    return vote_disagreement([prediction.segmentation.array for prediction in predictions])
