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
from napari_scribseg.evaluation.expected_gain import expected_gain
from napari_scribseg.gui.results.run_list import RunEntry
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


def gain_in_words(runs: Sequence[RunEntry]) -> str:
    """What one more slice is likely to gain, by the trainings of a project, in a sentence.

    Trainings are compared with others of one method, by one measure: those that are most.

    Args:
        runs: of the project.
    """
    alike: dict[tuple[str, str], list[RunEntry]] = {}
    for run in runs:
        if run.is_complete and run.score is not None and run.slices:
            alike.setdefault((run.method, run.score.measure), []).append(run)
    known = max(alike.values(), key=len, default=[])
    points = [(run.slices, run.score.mean) for run in known if run.score and run.score.mean]
    most = max((slices for slices, _ in points), default=0)
    found = expected_gain(points, most)
    if found is None:
        return (
            "When to stop: what another slice gains is told after three trainings of a method "
            "that hold something back to validate, on different numbers of slices (so far "
            f"{len(points)})."
        )
    (measure,) = {run.score.measure for run in known if run.score}
    called = "Dice" if measure == "dice" else "agreement with held-out strokes"
    told = (
        f"{found.mean:+.3f} {called} (90 %: {found.low:+.3f} to {found.high:+.3f}), by "
        f"{found.trainings} trainings on {found.fewest} to {found.most} slices"
    )
    if found.is_worthwhile:
        return f"Another slice: {told}."
    return f"Another slice is not expected to help: {told}. Stop, or draw on another case."


def _disagreement(predictions: Sequence[Prediction]) -> Doubt:
    maps = [prediction.probabilities for prediction in predictions]
    known = [each for each in maps if each is not None]
    if len(known) == len(maps):
        return probability_disagreement(known)
    return vote_disagreement([prediction.segmentation.array for prediction in predictions])
