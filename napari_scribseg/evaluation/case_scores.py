"""The scores of the cases of a cell: per case and class, per slice and class, and clinical numbers.

The tables are text from the start: results are put together from them without a number being
read and written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, cast

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema, labelled_voxels
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.evaluation.clinical import Phase, cardiac_measurements, is_cardiac
from napari_scribseg.evaluation.hearts import UNTOLD, Hearts, hearts_of
from napari_scribseg.evaluation.metrics import (
    NAN,
    ClassScore,
    Spacing,
    failed_case,
    score_case,
    unusable_case,
)
from napari_scribseg.evaluation.slice_metrics import score_slices
from napari_scribseg.evaluation.tables import NUMBERS, Cell, plain_text

SCORE_COLUMNS: Final = (
    *("case", "patient", "group", "phase", "class", "class_index", "status"),
    *NUMBERS,
    *("volume_error_ml", "volume_error_share", "note"),
)
"""Of scores.csv; the error of a volume is segmentation minus reference, its share is of the latter.
"""
SLICE_COLUMNS: Final = (
    *("case", "patient", "class", "class_index", "slice_index", "status"),
    *("dice", "hd95_mm", "area_mm2", "reference_area_mm2"),
)
"""Of slices.csv; slice_index counts from 0 along z, distances are within the slice."""


CLINICAL_COLUMNS: Final = (
    *("patient", "group", "measurement", "unit", "value", "reference", "error", "note", "cases"),
)
"""Of clinical.csv: what both phases of a heart give; the unit has a column because it varies.

The two cases are named by their ids, end diastole first, with a space between them.
"""


@dataclass(frozen=True)
class ScoreTables:
    """The rows of the tables of a cell, with their headings.

    `ScoreTables.of` the cases that will be added knows which two phases are one heart.
    """

    scores: list[tuple[Cell, ...]] = field(default_factory=lambda: [SCORE_COLUMNS])
    slices: list[tuple[Cell, ...]] = field(default_factory=lambda: [SLICE_COLUMNS])
    clinical: list[tuple[Cell, ...]] = field(default_factory=lambda: [CLINICAL_COLUMNS])
    _hearts: Hearts = field(default_factory=lambda: hearts_of(()))
    _waiting: dict[str, _Moment] = field(default_factory=dict)
    """Phases that wait for their partner, by the id of the case."""

    @classmethod
    def of(cls, cases: Iterable[CaseFiles]) -> Self:
        """Empty tables for these cases."""
        return cls(_hearts=hearts_of(cases))

    def add(
        self,
        files: CaseFiles,
        segmentation: Array,
        reference: Array,
        spacing: Spacing,
        schema: LabelSchema,
    ) -> None:
        """Add a case.

        Args:
            files: whose case it is.
            segmentation: (z, y, x) class indices.
            reference: likewise, on the same grid; UNKNOWN where a partial one says nothing.
            spacing: mm along (z, y, x).
            schema: the classes.

        Raises:
            InvalidInput: the shapes differ or a value is not in the schema.
        """
        for score in score_case(segmentation, reference, spacing, schema):
            share = score.reference_share
            said = [f"scored on the {share:.2%} that the reference labels"] if share < 1 else []
            said += [UNTOLD] if files.id in self._hearts.untold and is_cardiac(schema) else []
            self.scores.append(_row(files, score, "; ".join(said)))
        for part in score_slices(segmentation, reference, spacing, schema):
            where = (files.id, files.patient, part.name, part.index, part.z, part.status)
            areas = (part.area_mm2, part.reference_area_mm2)
            self.slices.append((*where, part.dice, part.hd95_mm, *areas))
        pair = self._hearts.of.get(files.id)
        if pair and labelled_voxels(reference) is None and is_cardiac(schema):
            self._waiting[files.id] = _Moment(
                files, Phase(files.id, segmentation, spacing), Phase(files.id, reference, spacing)
            )
            if all(case in self._waiting for case in pair):
                heart = [self._waiting.pop(case) for case in pair]
                self.clinical.extend(_clinical_rows(heart, schema))

    def add_failed(self, files: CaseFiles, reason: str, schema: LabelSchema) -> None:
        """Add a case without a usable segmentation, which counts as Dice 0; it has no slices."""
        self.scores.extend(_row(files, score, reason) for score in failed_case(schema))

    def add_unusable(self, files: CaseFiles, reason: str, schema: LabelSchema) -> None:
        """Add a case without a usable reference, which is in no mean."""
        self.scores.extend(_row(files, score, reason) for score in unusable_case(schema))


@dataclass(frozen=True)
class _Moment:
    """A phase as it was segmented, and as it should have been."""

    files: CaseFiles
    segmented: Phase
    reference: Phase


def score_of_row(row: dict[str, str]) -> ClassScore:
    """The score of a row of scores.csv.

    Raises:
        InvalidInput: the row is damaged.
    """
    try:
        row = {"reference_share": "1.0", **row}  # which tables of earlier versions lack
        numbers = {name: float(row[name] or "nan") for name in NUMBERS}
        name, index = plain_text(row["class"]), int(row["class_index"])
        values = {"name": name, "index": index, "status": row["status"]}
        return ClassScore(**cast("dict[str, Any]", values | numbers))
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"A row of scores is damaged: {row}.") from error


def _row(files: CaseFiles, score: ClassScore, note: str) -> tuple[Cell, ...]:
    error = score.volume_ml - score.reference_volume_ml
    share = error / score.reference_volume_ml if score.reference_volume_ml > 0 else NAN
    numbers = [cast("float", getattr(score, name)) for name in NUMBERS]
    whose = (files.id, files.patient, files.group or "", files.phase or "")
    return (*whose, score.name, score.index, score.status, *numbers, error, share, note)


def _clinical_rows(heart: Sequence[_Moment], schema: LabelSchema) -> list[tuple[Cell, ...]]:
    """Every measurement that the references allow, beside that of the segmentations.

    Args:
        heart: end diastole, then end systole.
        schema: the classes.
    """
    ed, es = heart
    files, cases = ed.files, f"{ed.files.id} {es.files.id}"
    rows: list[tuple[Cell, ...]] = []
    for ventricle in _single_ventricles(schema):
        try:
            expected = cardiac_measurements(ed.reference, es.reference, ventricle)
        except InvalidInput:  # nothing to compare with
            continue
        note = ""
        found: dict[str, float] = {}
        try:
            measured = cardiac_measurements(ed.segmented, es.segmented, ventricle)
            found = {measurement.name: measurement.value for measurement in measured}
        except InvalidInput as error:
            note = str(error)
        for one in expected:
            value = found.get(one.name, NAN)
            whose = (files.patient, files.group or "", one.name, one.unit)
            rows.append((*whose, value, one.value, value - one.value, note, cases))
    return rows


def _single_ventricles(schema: LabelSchema) -> Iterator[LabelSchema]:
    """The schema once per ventricle, the other names hidden: one bad ventricle spares the other."""
    for k, one in enumerate(schema.classes):
        if is_cardiac(LabelSchema.of(one.name)):
            hidden = (
                c.model_copy(update={"name": f"class {i}"}) for i, c in enumerate(schema.classes)
            )
            classes = tuple(one if i == k else c for i, c in enumerate(hidden))
            yield schema.model_copy(update={"classes": classes})
