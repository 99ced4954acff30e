"""What a prediction is worth: cleaned up, compared with the reference, slice by slice. No Qt.

Everything here may take seconds and is called in a background thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.evaluation.anatomy import anatomy_findings
from napari_scribseg.evaluation.metrics import ClassScore, score_case
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.evaluation.slice_metrics import SliceScore, comparison_map, score_slices
from napari_scribseg.gui.values import Level, Prediction
from napari_scribseg.gui.widgets.numbers import mean_dice

_NOTHING_FOUND: Final = (
    "No structure was found: all of it is background. Train more, or draw more strokes."
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A prediction as it is shown, and how good it is.

    Args:
        prediction: as it came out of the run, or as it was corrected.
        shown: class indices after the clean-up.
        cleaning: what the clean-up did.
        scores: of what is shown; None without a usable reference.
        note: why there are no scores although there is a reference; "" otherwise.
        slices: scores, or areas only, of every class and slice that was predicted.
        difference: (z, y, x) values of `comparison_map`; None without a usable reference.
        doubts: what is odd about the prediction, and what contradicts the classes in what is shown.
    """

    prediction: Prediction
    shown: Volume
    cleaning: PostProcessing
    scores: tuple[ClassScore, ...] | None
    note: str
    slices: tuple[SliceScore, ...]
    difference: Array | None
    doubts: tuple[str, ...]


def compare(
    prediction: Prediction, reference: Array | None, cleaning: PostProcessing
) -> Comparison:
    """Clean up a prediction and compare it with the reference.

    A reference that can't be compared costs the scores only; the note says why. What somebody has
    corrected by hand is not cleaned up: that would take corrections away. Nor is a single slice by
    anatomy: whether a structure is one piece only the whole volume tells.
    """
    raw, schema = prediction.segmentation, prediction.schema
    cleaning = PostProcessing() if prediction.corrected else cleaning
    if prediction.z is not None:
        cleaning = cleaning.model_copy(update={"anatomy": False})
    shown = cleaning.applied(raw.array, schema)
    part = slice(None) if prediction.z is None else slice(prediction.z, prediction.z + 1)
    note, scores, truth = "", None, None
    if reference is not None:
        try:
            scores = score_case(shown[part], reference[part], raw.spacing, schema)
            truth = reference
            if (reference[part] == UNKNOWN).all():
                note, scores = "The reference says nothing about this part of the image.", None
        except InvalidInput as error:
            note = str(error)
    difference = None
    if truth is not None:
        difference = np.zeros(shown.shape, np.uint8)
        difference[part] = comparison_map(shown[part], truth[part])
    slices = score_slices(shown[part], None if truth is None else truth[part], raw.spacing, schema)
    moved = tuple(replace(s, z=s.z + (prediction.z or 0)) for s in slices)
    volume = Volume(shown, raw.grid, frame=raw.frame)
    is_told = prediction.z is None and not prediction.corrected  # a painter looks at it already
    odd = anatomy_findings(shown, schema, raw.spacing) if is_told else ()
    doubts = (*prediction.doubts, *odd)
    return Comparison(prediction, volume, cleaning, scores, note, moved, difference, doubts)


def caption_of(comparison: Comparison, title: str, effort: str = "") -> str:
    """What a table is about, in a line: run and its effort, part, by whose hand, clean-up."""
    prediction, cleaning = comparison.prediction, comparison.cleaning
    parts = [f"{prediction.case} by {title}", *([effort] if effort else [])]
    if prediction.z is not None:
        parts.append(f"slice {prediction.z} only")
    if prediction.corrected:
        parts.append("corrected by hand")
    if done := cleaning.in_words(prediction.schema):
        parts.append(f"cleaned up by {' and '.join(done)}")
    share = comparison.scores[0].reference_share if comparison.scores else 1.0
    if share < 1:
        parts.append(f"partial reference: scored on the {share:.2%} of the voxels that it labels")
    elif comparison.note:
        parts.append(f"no score: {comparison.note}")
    return " · ".join(parts)


def told_of(comparison: Comparison, title: str) -> tuple[str, Level]:
    """What came out, for the status line, and how it is meant."""
    prediction = comparison.prediction
    parts = [f"{prediction.case} is segmented by {title}."]
    if comparison.scores:
        parts.append(f"Mean Dice {mean_dice(comparison.scores)}.")
    else:
        parts.append(comparison.note or "Choose a reference to get Dice and HD95.")
    is_empty = prediction.z is None and not np.any(comparison.shown.array)
    doubts = [*([_NOTHING_FOUND] if is_empty else []), *comparison.doubts]
    is_doubtful = bool(comparison.note or doubts)
    return " ".join([*parts, *doubts]), "warning" if is_doubtful else "good"


def told_of_several(found: Sequence[tuple[Comparison, str]]) -> tuple[str, Level]:
    """The same of several runs, by title, that have predicted one case."""
    is_scored = any(one.scores for one, _ in found)
    measure = "; mean Dice: " if is_scored else ": "
    names = ", ".join(
        f"{title} {mean_dice(one.scores)}" if one.scores else title for one, title in found
    )
    notes = list(dict.fromkeys(one.note for one, _ in found if one.note))
    doubts = list(dict.fromkeys(doubt for one, _ in found for doubt in one.doubts))
    hint = [] if is_scored or notes else ["Choose a reference to get Dice and HD95."]
    case = found[0][0].prediction.case
    parts = [f"{case} is segmented by {len(found)} runs{measure}{names}.", *hint, *notes, *doubts]
    return " ".join(parts), "warning" if notes or doubts else "good"
