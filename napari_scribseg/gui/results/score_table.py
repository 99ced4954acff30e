"""All numbers of the Results tab as one table, for a file. No Qt."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_scribseg.evaluation.anatomy import anatomy_in_words
from napari_scribseg.evaluation.clinical import Measurement
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.io.atomic import write_text

TABLE_COLUMNS = (
    *("case", "run", "effort", "post_processing", "scope", "slice", "structure", "dice"),
    *("hd95_mm", "assd_mm", "precision", "recall", "volume_ml", "reference_volume_ml", "area_mm2"),
    *("reference_area_mm2", "reference_share", "measurement", "value", "unit", "source"),
)
"""Columns of the one table that everything on the tab is saved in."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Clinical numbers, with what they were measured on.

    Args:
        of: the segmentations: one, or end diastole and end systole.
        title: of the run that has made them.
        numbers: what was measured.
    """

    of: tuple[Comparison, ...]
    title: str
    numbers: tuple[Measurement, ...]


def save_table(
    path: Path,
    comparisons: Mapping[str, Comparison],
    measured: Measured | None,
    efforts: Mapping[str, str],
) -> None:
    """Write all numbers of the tab as one CSV with units in the names of the columns.

    Args:
        path: the file, replaced if it exists.
        comparisons: by title of the run.
        measured: clinical numbers, if there are any.
        efforts: what drawing the strokes took that a run has learnt from, by its title.

    Raises:
        InvalidInput: the file can't be written.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, TABLE_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for title, comparison in comparisons.items():
        shared = _shared([comparison], title, efforts)
        writer.writerows({**shared, **row} for row in _class_rows(comparison))
        writer.writerows({**shared, **row} for row in _slice_rows(comparison))
    if measured is not None:
        shared = _shared(measured.of, measured.title, efforts)
        writer.writerows({**shared, **_measurement_row(number)} for number in measured.numbers)
    write_text(path, buffer.getvalue())


def _shared(of: Sequence[Comparison], title: str, efforts: Mapping[str, str]) -> dict[str, str]:
    """What all rows about some segmentations of one run have in common."""
    return {
        "case": " and ".join(one.prediction.case.name for one in of),
        "run": title,
        "effort": efforts.get(title, ""),
        "post_processing": " and ".join(dict.fromkeys(map(_cleaning_words, of))),
    }


def _measurement_row(measured: Measurement) -> dict[str, str]:
    return {
        "scope": "measurement",
        "measurement": measured.name,
        "value": _cell(measured.value),
        "unit": measured.unit,
        "source": measured.source,
    }


def _class_rows(comparison: Comparison) -> list[dict[str, str | int]]:
    scope = "case" if comparison.prediction.z is None else "one slice"
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
        for score in comparison.scores or ()
    ]


def _slice_rows(comparison: Comparison) -> list[dict[str, str | int]]:
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
        for score in comparison.slices
    ]


def _cleaning_words(comparison: Comparison) -> str:
    cleaning = comparison.cleaning
    if not anatomy_in_words(comparison.prediction.schema):  # nothing is said, so nothing was done
        cleaning = cleaning.model_copy(update={"anatomy": False})
    done = [name for name, on in cleaning.model_dump(exclude={"version"}).items() if on]
    if comparison.prediction.corrected:
        done.insert(0, "corrected by hand")
    return " + ".join(done) or "none"


def _cell(value: float) -> str:
    """Empty for a number that does not exist, "inf" for a distance to something missed."""
    if math.isnan(value):
        return ""
    return "inf" if math.isinf(value) else f"{value:.6g}"
