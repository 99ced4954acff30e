"""What a prediction is worth: cleaned up, compared with the reference, slice by slice. No Qt.

Everything here may take seconds and is called in a background thread.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.clinical import Measurement
from napari_scribseg.evaluation.disagreement import (
    Doubt,
    Suggestion,
    draw_here_next,
    probability_disagreement,
    vote_disagreement,
)
from napari_scribseg.evaluation.metrics import ClassScore, score_case
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.evaluation.slice_metrics import SliceScore, comparison_map, score_slices
from napari_scribseg.gui.values import Outcome
from napari_scribseg.io.atomic import write_text


@dataclass(frozen=True, eq=False)
class Comparison:
    """A prediction as it is shown, and how good it is.

    Args:
        outcome: as it came out of the run, with the scores of what is shown.
        shown: class indices after the clean-up.
        cleaning: what the clean-up did.
        slices: scores, or areas only, of every class and slice that was predicted.
        difference: (z, y, x) values of `comparison_map`; None without a usable reference.
    """

    outcome: Outcome
    shown: Volume
    cleaning: PostProcessing
    slices: tuple[SliceScore, ...]
    difference: Array | None

    @property
    def scores(self) -> tuple[ClassScore, ...] | None:
        """Scores of the shown segmentation; None without a usable reference."""
        return self.outcome.scores


@dataclass(frozen=True, eq=False)
class Advice:
    """Where to draw next.

    Args:
        case: the case it is about.
        doubt: (z, y, x), 0 to 1.
        kind: what the doubt is, in words.
        suggestions: the most doubtful slice first.
    """

    case: CaseKey
    doubt: Doubt
    kind: str
    suggestions: tuple[Suggestion, ...]


def compare(outcome: Outcome, reference: Array | None, cleaning: PostProcessing) -> Comparison:
    """Clean up a prediction and compare it with the reference.

    A reference that can't be compared costs the scores only; the outcome's note says why.
    """
    raw = outcome.segmentation
    shown = cleaning.applied(raw.array)
    part = slice(None) if outcome.z is None else slice(outcome.z, outcome.z + 1)
    note, scores, truth = "", None, None
    if reference is not None:
        try:
            scores = score_case(shown[part], reference[part], raw.spacing, outcome.schema)
            truth = reference
            if (reference[part] == UNKNOWN).all():
                note, scores = "The reference says nothing about this part of the image.", None
        except InvalidInput as error:
            note = str(error)
    difference = None
    if truth is not None:
        difference = np.zeros(shown.shape, np.uint8)
        difference[part] = comparison_map(shown[part], truth[part])
    slices = score_slices(
        shown[part], None if truth is None else truth[part], raw.spacing, outcome.schema
    )
    moved = tuple(replace(s, z=s.z + (outcome.z or 0)) for s in slices)
    judged = replace(outcome, scores=scores, note=note)
    return Comparison(judged, Volume(shown, raw.grid, frame=raw.frame), cleaning, moved, difference)


def advise(outcomes: Sequence[Outcome], scribbles: Array | None) -> Advice:
    """Where to draw next: where runs disagree, or where the only one is unsure.

    Raises:
        InvalidInput: the runs know different structures, or there is nothing to go by.
    """
    first = outcomes[0]
    if len({outcome.schema.names for outcome in outcomes}) > 1:
        raise InvalidInput("The runs know different structures, so they can't be compared.")
    if len(outcomes) > 1:
        doubt, kind = _disagreement(outcomes), "disagreement"
    elif first.uncertainty is not None:
        doubt, kind = np.asarray(first.uncertainty.array, np.float32), "uncertainty"
    else:
        raise InvalidInput("The prediction came without an uncertainty; predict again.")
    suggestions = draw_here_next(
        doubt, first.segmentation.array, scribbles, first.schema, kind=kind
    )
    return Advice(first.case, doubt, kind, suggestions)


def _disagreement(outcomes: Sequence[Outcome]) -> Doubt:
    maps = [outcome.probabilities for outcome in outcomes]
    known = [each for each in maps if each is not None]
    if len(known) == len(maps):
        return probability_disagreement(known)
    return vote_disagreement([outcome.segmentation.array for outcome in outcomes])


def caption_of(outcome: Outcome, cleaning: PostProcessing, title: str) -> str:
    """What a table is about, in a line: run, part of the case, clean-up."""
    parts = [f"{outcome.case} by {title}"]
    if outcome.z is not None:
        parts.append(f"slice {outcome.z} only")
    done = [
        words
        for words, on in (
            ("largest component", cleaning.largest_component),
            ("holes filled", cleaning.fill_holes),
        )
        if on
    ]
    parts.append(f"with {' and '.join(done)}" if done else "as predicted")
    share = outcome.scores[0].reference_share if outcome.scores else 1.0
    if share < 1:
        parts.append(f"partial reference: scored on the {share:.2%} of the voxels that it labels")
    elif outcome.note:
        parts.append(f"no score: {outcome.note}")
    return " · ".join(parts)


TABLE_COLUMNS = (
    *("case", "run", "post_processing", "scope", "slice", "structure", "dice", "hd95_mm"),
    *("assd_mm", "precision", "recall", "volume_ml", "reference_volume_ml", "area_mm2"),
    *("reference_area_mm2", "reference_share", "measurement", "value", "unit", "source"),
)
"""Columns of the one table that everything on the tab is saved in."""


def save_table(
    path: Path, verdicts: Mapping[str, Comparison], measurements: Sequence[Measurement]
) -> None:
    """Write all numbers of the tab as one CSV with units in the names of the columns.

    Args:
        path: the file, replaced if it exists.
        verdicts: by title of the run.
        measurements: clinical numbers.

    Raises:
        InvalidInput: the file can't be written.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, TABLE_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for title, verdict in verdicts.items():
        outcome = verdict.outcome
        shared = {
            "case": outcome.case.name,
            "run": title,
            "post_processing": _cleaning_words(verdict.cleaning),
        }
        writer.writerows({**shared, **row} for row in _class_rows(verdict))
        writer.writerows({**shared, **row} for row in _slice_rows(verdict))
    for measured in measurements:
        writer.writerow(
            {
                "scope": "measurement",
                "measurement": measured.name,
                "value": _cell(measured.value),
                "unit": measured.unit,
                "source": measured.source,
            }
        )
    write_text(path, buffer.getvalue())


def _class_rows(verdict: Comparison) -> list[dict[str, str | int]]:
    scope = "case" if verdict.outcome.z is None else "one slice"
    return [
        {
            "scope": scope,
            "structure": score.name,
            "dice": _cell(score.dice),
            "hd95_mm": _cell(score.hd95_mm),
            "assd_mm": _cell(score.assd_mm),
            "precision": _cell(score.precision),
            "recall": _cell(score.recall),
            "volume_ml": _cell(score.volume_ml),
            "reference_volume_ml": _cell(score.reference_volume_ml),
            "reference_share": _cell(score.reference_share),
        }
        for score in verdict.scores or ()
    ]


def _slice_rows(verdict: Comparison) -> list[dict[str, str | int]]:
    return [
        {
            "scope": "slice",
            "slice": score.z,
            "structure": score.name,
            "dice": _cell(score.dice),
            "hd95_mm": _cell(score.hd95_mm),
            "area_mm2": _cell(score.area_mm2),
            "reference_area_mm2": _cell(score.reference_area_mm2),
        }
        for score in verdict.slices
    ]


def _cleaning_words(cleaning: PostProcessing) -> str:
    done = [name for name, on in cleaning.model_dump(exclude={"version"}).items() if on]
    return " + ".join(done) or "none"


def _cell(value: float) -> str:
    """Empty for a number that does not exist, "inf" for a distance to something missed."""
    if math.isnan(value):
        return ""
    return "inf" if math.isinf(value) else f"{value:.6g}"
