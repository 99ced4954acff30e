"""The scores of many cases: as a value, as a table to print, and as files.

A case without a usable segmentation is listed with its reason and counts as failed; one without a
usable reference is listed with its reason and counts nowhere. The others go on.
Files hold metrics.csv (one row per case and class), summary.csv (one per class) and summary.json.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.evaluation.metrics import (
    MEASURES,
    ClassScore,
    Spacing,
    failed_case,
    score_case,
    unusable_case,
)
from napari_scribseg.evaluation.summaries import ClassSummary, Spread, in_no_reference, summarise
from napari_scribseg.io.atomic import remove_leftovers, temporary_files, write_json, write_text
from napari_scribseg.io.regular_file import opened

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
"""Begins of texts that a spreadsheet would run, and of those that are quoted against it."""
Cell = str | int | float

FILES: Final = ("metrics.csv", "summary.csv", "summary.json")
"""What `save_evaluation` writes."""
NUMBERS: Final = (*MEASURES, "volume_ml", "reference_volume_ml", "reference_share")
"""The numbers of a `ClassScore`, units in their names."""
COUNTS: Final = ("n_expected", "n_scored", "n_na", "n_failed", "n_no_reference", "n_partial")
SPREAD: Final = fields(Spread)
_HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "metrics.csv": ("case", "class", "class_index", "status", *NUMBERS, "note"),
    "summary.csv": (
        *("class", "class_index", *COUNTS),
        *(f"{m}_{f.name}" for m in MEASURES for f in SPREAD),
    ),
}
"""The first rows of the tables."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A segmentation and what it should have been.

    Args:
        case: the case's id.
        segmentation: (z, y, x) class indices.
        reference: (z, y, x) class indices on the same grid.
        spacing: mm along (z, y, x).
        note: what a reader of the scores should know, one sentence.
    """

    case: str
    segmentation: Array
    reference: Array
    spacing: Spacing
    note: str = ""


@dataclass(frozen=True)
class Failure:
    """A case that should have scores and has none, and why."""

    case: str
    reason: str


@dataclass(frozen=True)
class NoReference:
    """A case whose reference can't be used, and why."""

    case: str
    reason: str


Item = Pair | Failure | NoReference
"""What can be said of a case that should have scores."""


@dataclass(frozen=True)
class Row:
    """The score of one class of one case."""

    case: str
    score: ClassScore
    note: str = ""


@dataclass(frozen=True)
class Evaluation:
    """The scores of many cases.

    Args:
        schema: the classes.
        rows: one per case and foreground class, failed cases included.
        summaries: one per foreground class.
        failures: the cases that count as Dice 0 because they could not be scored.
        unusable: the cases without a usable reference, which are in no mean.
        notes: what else was noticed, in sentences.
    """

    schema: LabelSchema
    rows: tuple[Row, ...]
    summaries: tuple[ClassSummary, ...]
    failures: tuple[Failure, ...]
    unusable: tuple[NoReference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def cases(self) -> tuple[str, ...]:
        """Ids of all cases that were expected, in the order they came."""
        return tuple(dict.fromkeys(row.case for row in self.rows))

    @property
    def n_counted(self) -> int:
        """Number of cases that the means are of: all with a usable reference."""
        return len(self.cases) - len(self.unusable)

    @property
    def n_partial(self) -> int:
        """Number of cases whose reference labels only some of the voxels."""
        return len({row.case for row in self.rows if row.score.reference_share < 1})

    @property
    def mean_dice(self) -> float:
        """Mean over the classes of the mean Dice over the cases; NaN where no class has one."""
        means = [s.dice.mean for s in self.summaries if s.dice.n]
        return float(np.mean(means)) if means else float("nan")


def evaluate_cases(
    items: Iterable[Item], schema: LabelSchema, notes: Iterable[str] = ()
) -> Evaluation:
    """The scores of pairs, which are taken one after the other, so a generator saves memory."""
    rows: list[Row] = []
    failures: list[Failure] = []
    unusable: list[NoReference] = []
    for item in items:
        scored = _scored(item, schema)
        if isinstance(scored, Failure):
            failures.append(scored)
            rows += [Row(item.case, score, scored.reason) for score in failed_case(schema)]
        elif isinstance(scored, NoReference):
            unusable.append(scored)
            rows += [Row(item.case, score, scored.reason) for score in unusable_case(schema)]
        else:
            rows += scored
    summaries = summarise(row.score for row in rows)
    found = (tuple(rows), summaries, tuple(failures), tuple(unusable))
    invented = in_no_reference(row.score for row in rows)
    doubts = (invented_note(invented),) if invented else ()
    return Evaluation(schema, *found, (*notes, *doubts))


def invented_note(names: Sequence[str]) -> str:
    """What scores of classes mean that no reference has, in a sentence."""
    return (
        f"No reference has {', '.join(names)}: a segmentation with it counts as Dice 0, also in "
        "the mean over the classes. If nobody has annotated it, leave it out of the classes."
    )


def table(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """The summaries as text for people: the heading, then one row per class.

    Means and standard deviations; the number of infinite distances stands behind the mean of the
    finite ones. A dash is a mean of nothing.
    """
    heading = ("class", "Dice", "HD95 mm", "ASSD mm", "precision", "recall", "cases")
    return [heading, *(_table_row(summary) for summary in evaluation.summaries)]


def sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """What the means are of, for people: how many cases, and which are left out or partial."""
    n, of = evaluation.n_counted, len(evaluation.cases)
    if not n:
        mean = f"None of the {of} case(s) has a usable reference, so nothing was scored."
    else:
        mean = f"Mean Dice {evaluation.mean_dice:.3f} over {n} cases."
    said = [mean]
    if n and n < of:
        said = [f"{mean[:-1]}; {of - n} of {of} have no usable reference and are in no mean."]
    if evaluation.n_partial:
        said.append(
            f"{evaluation.n_partial} of them have a partial reference and were scored only on the "
            "voxels that it labels."
        )
    return (*said, *(f"Note: {note}" for note in evaluation.notes))


def document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation without its rows as JSON knows it: NaN is null, infinity is "inf"."""
    return {
        "version": 1,
        "cases": len(evaluation.cases),
        "cases_in_means": evaluation.n_counted,
        "cases_with_partial_reference": evaluation.n_partial,
        "mean_dice": _json_number(evaluation.mean_dice),
        "classes": [
            {
                "class": s.name,
                "class_index": s.index,
                **{name: getattr(s, name) for name in COUNTS},
                **{
                    m: {f.name: _json_number(getattr(getattr(s, m), f.name)) for f in SPREAD}
                    for m in MEASURES
                },
            }
            for s in evaluation.summaries
        ],
        "failures": [{"case": f.case, "reason": f.reason} for f in evaluation.failures],
        "no_reference": [{"case": u.case, "reason": u.reason} for u in evaluation.unusable],
        "notes": list(evaluation.notes),
    }


def check_out(out: Path) -> None:
    """Say so before hours of work if the files of an evaluation are already there.

    Raises:
        InvalidInput: one of them exists, or the folder's name belongs to a file.
    """
    there = [name for name in FILES if (out / name).exists()]
    if there:
        raise InvalidInput(
            f"{out} already has {', '.join(there)}; choose another folder or remove them."
        )
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out} is a file, expected a folder for the tables.")


def is_unfinished(out: Path) -> bool:
    """Whether a folder holds the tables of an evaluation that was killed, and nothing else.

    The last of the files is missing then, and the others begin with the headings of ours.
    """
    if not out.is_dir():
        return False
    there = {path.name for path in out.iterdir()} - {path.name for path in temporary_files(out)}
    return there <= _HEADINGS.keys() and all(_is_ours(out / name) for name in there)


def discard_unfinished(out: Path) -> None:
    """Remove what a killed evaluation left in a folder, see `is_unfinished`; else nothing."""
    if not is_unfinished(out):
        return
    remove_leftovers(out)
    for name in _HEADINGS:
        (out / name).unlink(missing_ok=True)


def _is_ours(table: Path) -> bool:
    """Whether a table begins with the heading that we write."""
    heading = csv_text([_HEADINGS[table.name]]).encode()
    try:
        with opened(table) as file:
            return file.read(len(heading)) == heading
    except InvalidInput:
        return False


def save_evaluation(evaluation: Evaluation, out: Path) -> None:
    """Write the three files into a folder, which is made if needed.

    In the CSV files NaN is an empty cell and infinity is "inf".

    Raises:
        InvalidInput: a file is already there or can't be written.
    """
    check_out(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"The folder {out} can't be made: {error.strerror}.") from error
    write_text(out / "metrics.csv", csv_text(metrics_rows(evaluation)))
    write_text(out / "summary.csv", csv_text(summary_rows(evaluation)))
    write_json(out / "summary.json", document(evaluation))


def _scored(item: Item, schema: LabelSchema) -> list[Row] | Failure | NoReference:
    if not isinstance(item, Pair):
        return item
    try:
        schema.check_reference(item.reference)
    except InvalidInput as error:
        return NoReference(item.case, str(error))
    try:
        scores = score_case(item.segmentation, item.reference, item.spacing, schema)
    except InvalidInput as error:
        return Failure(item.case, str(error))
    share = scores[0].reference_share
    partial = f"The reference is partial: it labels {share:.2%} of the voxels."
    note = " ".join(text for text in (item.note, partial if share < 1 else "") if text)
    return [Row(item.case, score, note) for score in scores]


def metrics_rows(evaluation: Evaluation) -> list[Sequence[Cell]]:
    """The heading and a row for every case and class, as in metrics.csv."""
    rows: list[Sequence[Cell]] = [_HEADINGS["metrics.csv"]]
    for row in evaluation.rows:
        s = row.score
        numbers = [cast("float", getattr(s, name)) for name in NUMBERS]
        rows.append((row.case, s.name, s.index, s.status, *numbers, row.note))
    return rows


def summary_rows(evaluation: Evaluation) -> list[Sequence[Cell]]:
    """The heading and a row for every class, as in summary.csv."""
    columns = [(m, f.name) for m in MEASURES for f in SPREAD]
    rows: list[Sequence[Cell]] = [_HEADINGS["summary.csv"]]
    for s in evaluation.summaries:
        counts = [cast("int", getattr(s, name)) for name in COUNTS]
        numbers = [cast("Cell", getattr(getattr(s, m), name)) for m, name in columns]
        rows.append((s.name, s.index, *counts, *numbers))
    return rows


def csv_text(rows: Iterable[Sequence[Cell]], *, copied: bool = False) -> str:
    """Rows as a CSV file: NaN is an empty cell, infinity is "inf", no text is a formula.

    Args:
        rows: the heading first.
        copied: the cells are text out of such a file, and stay as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(rows if copied else ([_csv_cell(cell) for cell in row] for row in rows))
    return text.getvalue()


def plain_text(cell: str) -> str:
    """The text that a cell of such a file was written from."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def cell_of_text(text: str) -> str:
    """The cell of such a file that a text is written as, see `plain_text`."""
    # A spreadsheet would run such a text as a formula.
    return f"'{text}" if _FORMULA.match(text) else text


def _csv_cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell_of_text(cell)
    return "" if math.isnan(cell) else repr(cell)


def _json_number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return "inf" if math.isinf(value) else value


def _table_row(summary: ClassSummary) -> tuple[str, ...]:
    cases = f"{summary.n_scored} scored"
    if summary.n_partial:
        cases += f" ({summary.n_partial} partial)"
    if summary.n_na:
        cases += f", {summary.n_na} n/a"
    if summary.n_failed:
        cases += f", {summary.n_failed} failed"
    if summary.n_no_reference:
        cases += f", {summary.n_no_reference} without usable reference"
    return (
        summary.name,
        _mean_and_std(summary.dice, 3),
        _mean_and_std(summary.hd95_mm, 1),
        _mean_and_std(summary.assd_mm, 2),
        _mean_and_std(summary.precision, 3),
        _mean_and_std(summary.recall, 3),
        cases,
    )


def _mean_and_std(spread: Spread, digits: int) -> str:
    text = "-" if math.isnan(spread.mean) else f"{spread.mean:.{digits}f}"
    if not math.isnan(spread.std):
        text += f" ± {spread.std:.{digits}f}"
    return f"{text} ({spread.n_infinite} inf)" if spread.n_infinite else text
