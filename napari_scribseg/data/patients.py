"""Patients: whose a case is, by its name, by a pattern, or by a table.

Patients are the unit of every split. Where no document names them, they are told by the names of
the cases, with the habits of public data sets. In order:

| part of the name                                  | example                     | patient    |
|---------------------------------------------------|-----------------------------|------------|
| BIDS                                              | sub-07_ses-2_T1w            | sub-07     |
| phase of the heart, frame                         | patient001_frame12          | patient001 |
| sequence, plane                                   | subject3_C0, subject3_DE    | subject3   |
| visit, scan, session, time point, with its number | p04_visit2                  | p04        |
| side, before and after                            | knee12_left, knee12_right   | knee12     |
| date                                              | p04_2019-03-01              | p04        |

The last three only where several names begin alike: mri_scan_1, mri_scan_2, ... are patients. Upper
and lower case are taken as equal. What no habit explains stays as it is; names that look like
several scans of a patient are told of, and somebody who knows says it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.names import few, stem_of
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.io import EXTENSIONS

TABLE: Final = "patients.csv"
"""A table in the folder of a dataset that names the patient of every case."""
BY_NAMES: Final = "told by the names of the cases"
"""How patients are known where nobody has said it; such patients may be wrong."""

_BIDS: Final = re.compile(r"(sub-[A-Za-z0-9]+)(?:[_.-].*)?")
_SEQUENCES: Final = (
    r"ED|ES|frames?[_-]?\d+|4d|c0|de|lge|bssfp|cine|sax?|lax?|[234]ch|"
    r"t1|t2|t1w|t2w|t1c|t1ce|t1gd|t1n|t1post|t2f|t2star|flair|adc|dwi|hbv|pdw?|swi|tof|dce|mra|"
    r"tra|sag|cor|ax|axial|coronal|sagittal|tse|inphase|outphase|ct|mr|mri|pet"
)
_SURE: Final = re.compile(rf"(?:[_-](?:{_SEQUENCES}))+$", re.IGNORECASE)
_WORDS: Final = (
    r"(?:ses|session|visit|scan|exam|study|time|timepoint|tp|day|week|month|year|run|rep|repeat|acq|"
    r"acquisition|phase|echo|stack|slice|followup|fu)[_-]?\d+|"
    r"baseline|bl|follow[_-]?up|fu|pre|post|before|after|arterial|venous|portal|delayed|native|"
    r"left|right|lh|rh|l|r"
)
_DATE: Final = (
    r"(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])|"
    r"(?:0[1-9]|[12]\d|3[01])[-_.](?:0[1-9]|[12]\d|3[01])[-_.](?:19|20)\d\d"
)
_REPEATED: Final = re.compile(rf"[_-](?:{_WORDS}|{_DATE})$", re.IGNORECASE)
_DATED_FOLDER: Final = re.compile(rf"(?:{_DATE})(?:\D.*)?")
_LAST: Final = re.compile(r"(?:[_.-][A-Za-z0-9]{1,8}|(?<=\d)[A-Za-z])$")
"""A last part of a name that may tell two scans of a patient apart."""
_FEW_SCANS: Final = 4
"""So many scans of a patient are usual, however few patients there are."""
_CASE_COLUMNS: Final = ("case", "case_id", "id", "name", "file", "filename", "image", "scan")
_PATIENT_COLUMNS: Final = ("patient", "patient_id", "subject", "subject_id", "participant_id")


def patient_of(name: str) -> str:
    """Whose a case is, by its name alone."""
    bids = _BIDS.fullmatch(name)
    return bids[1] if bids else _SURE.sub("", name) or name


def sequence_of(name: str) -> str:
    """Which sequence, plane or frame a case is of, by its name; "" where it doesn't say."""
    found = _SURE.search(name)
    return found[0].strip("_-").replace("_", " ") if found else ""


def is_part_of_examination(name: str) -> bool:
    """Whether the name of a folder is that of a visit, a scan or a sequence, not of a patient."""
    return is_visit(name) or _SURE.fullmatch(f"_{name}") is not None


def is_visit(name: str) -> bool:
    """Whether the name of a folder is that of a visit or a scan, or a date."""
    return bool(_REPEATED.fullmatch(f"_{name}") or _DATED_FOLDER.fullmatch(name))


def patients_of(names: Iterable[str]) -> dict[str, str]:
    """The patient of every name, by the names of all of them."""
    names = list(names)
    found = {name: patient_of(name) for name in names}
    found = dict(zip(names, one_spelling(found[name] for name in names), strict=True))
    while True:
        shorter = {name: _REPEATED.sub("", patient) for name, patient in found.items()}
        changed = {name for name in names if shorter[name] and shorter[name] != found[name]}
        stems = {shorter[name] for name in changed}
        together = [name for name in names if shorter[name] in stems]
        # One beginning for all is the name of the data set, and the number is the patient.
        if len(stems) < 2 or len(stems) == len({found[name] for name in together}):
            return found
        found |= {name: _SURE.sub("", shorter[name]) or shorter[name] for name in changed}
        found = dict(zip(names, one_spelling(found[name] for name in names), strict=True))


def one_spelling(patients: Iterable[str]) -> tuple[str, ...]:
    """The same patients, those that differ by upper and lower case spelt as the first of them."""
    first: dict[str, str] = {}
    return tuple(first.setdefault(patient.casefold(), patient) for patient in patients)


def pseudonyms_of(names: Sequence[str], series: Collection[str] = ()) -> tuple[str, ...]:
    """The patient of every name, as it may be told.

    Whose a case is has to be found before a name becomes a hash: a hash of Jane-Doe_visit1 has
    nothing in common with one of Jane-Doe_visit2.

    Args:
        names: of the cases, as they are on the disk.
        series: those that are folders with DICOM files, see `safe_id`.
    """
    found = patients_of(names)
    of_series = {found[name].casefold() for name in names if name in series}
    return tuple(safe_id(found[n], series=found[n].casefold() in of_series) for n in names)


def with_patients_by_name(
    cases: Sequence[CaseFiles], names: Sequence[str], series: Collection[str] = ()
) -> tuple[CaseFiles, ...]:
    """The same cases, their patients told by their names; see `pseudonyms_of`."""
    patients = pseudonyms_of(names, series)
    return tuple(
        case.model_copy(update={"patient": patient})
        for case, patient in zip(cases, patients, strict=True)
    )


def look_alikes(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Names that look like several scans of one patient, by what they have in common.

    Empty where the names don't look so: where they have one beginning, or too many of them have
    the same one, it is that of a place or a study.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        groups[_LAST.sub("", name) or name].append(name)
    several = {stem: tuple(found) for stem, found in groups.items() if len(found) > 1}
    largest = max((len(found) for found in several.values()), default=0)
    if len(groups) < 2 or largest > max(_FEW_SCANS, len(groups)):
        return {}
    return several


def patients_sentence(cases: Collection[CaseFiles], known_by: str) -> str:
    """How many patients there are, how that is known, and what doubt there is.

    Args:
        cases: those that are divided.
        known_by: as `Dataset.patients_from` has it.
    """
    patients = {case.patient for case in cases}
    text = f"{_count(len(patients), 'patient')} for {_count(len(cases), 'case')}"
    text += f", {known_by}." if known_by else "."
    of_one = _several_cases(cases)
    if of_one:
        text += f" {of_one[0]} is {' and '.join(of_one[1])}."
    return f"{text} {doubt}" if (doubt := patients_doubt(patients, known_by)) else text


def patients_doubt(patients: Collection[str], known_by: str) -> str:
    """That the names of patients look like scans of fewer, in a sentence; empty if not."""
    alike = look_alikes(patients) if known_by == BY_NAMES else {}
    if not alike:
        return ""
    fewer = len(patients) - sum(len(names) - 1 for names in alike.values())
    stem, names = next(iter(alike.items()))
    return (
        f"The names look like {_count(fewer, 'patient')}: {few(names)} may be scans of {stem}. If "
        f"so, say it, or scores will flatter: with {ADVICE}."
    )


ADVICE: Final = (
    "a patient pattern (--patient-pattern) or a patient table (--patient-table, or a file "
    f"{TABLE} in the folder of the dataset)"
)
"""How somebody says whose the cases are."""


def torn_look_alikes(
    train: Collection[CaseFiles], test: Collection[CaseFiles]
) -> tuple[tuple[str, str], ...]:
    """Pairs of ids, one of either side, that look like scans of one patient."""
    sides = ({case.patient: case.id for case in train}, {case.patient: case.id for case in test})
    return tuple(
        (sides[0][one], sides[1][other])
        for names in look_alikes({*sides[0], *sides[1]}).values()
        for one in names
        for other in names
        if one in sides[0] and other in sides[1] and one != other
    )


def named_patients(
    dataset: Dataset, *, pattern: str | None = None, table: Path | None = None
) -> Dataset:
    """The dataset with the patients that somebody names.

    Args:
        dataset: of any layout.
        pattern: a regular expression that finds the patient in the id of every case: its group
            "patient", else its first group, else all that matches.
        table: a file of comma, semicolon or tab separated values with the columns case and
            patient. Without both the dataset is given back.

    Raises:
        InvalidInput: both are given, the pattern is none or does not fit every id, or the table
            can't be read or lacks a case.
    """
    if pattern is None and table is None:
        return dataset
    if pattern is not None and table is not None:
        raise InvalidInput("A patient pattern and a patient table are both given; give one.")
    ids = [case.id for case in dataset.cases]
    if pattern is not None:
        found, known_by = _by_pattern(ids, pattern), f"by the pattern {pattern!r}"
    else:
        assert table is not None
        found, known_by = _by_table(ids, table), f"by the table {table.name}"
    cases = [case.model_copy(update={"patient": found[case.id]}) for case in dataset.cases]
    return replace(dataset, cases=tuple(cases), patients_from=known_by)


def _by_pattern(ids: Sequence[str], pattern: str) -> dict[str, str]:
    try:
        rule = re.compile(pattern)
    except re.error as error:
        raise InvalidInput(
            f"The patient pattern {pattern!r} is not a regular expression ({error}); expected "
            r"something like '^(patient\d+)', which finds patient001 in patient001_scan2."
        ) from error
    group: str | int = "patient" if "patient" in rule.groupindex else min(rule.groups, 1)
    found = {i: match[group] for i in ids if (match := rule.search(i)) and match[group]}
    without = [i for i in ids if i not in found]
    if without:
        raise InvalidInput(
            f"The patient pattern {pattern!r} finds no patient in {few(without)} "
            f"({len(without)} of {len(ids)} cases): change it so that it fits every case."
        )
    return found


def _by_table(ids: Sequence[str], path: Path) -> dict[str, str]:
    rows = _rows(path)
    heads = [head.strip().casefold() for head in rows[0]]
    places = [
        next((heads.index(name) for name in names if name in heads), None)
        for names in (_CASE_COLUMNS, _PATIENT_COLUMNS)
    ]
    if None in places:
        raise InvalidInput(
            f"{path} has the columns {', '.join(rows[0])}; expected one called case (names of "
            "images) and one called patient."
        )
    found: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        name, patient = (row[p].strip() if p is not None and p < len(row) else "" for p in places)
        case = safe_id(stem_of(Path(name).name, EXTENSIONS) or name) if name else ""
        if not case or not patient:
            raise InvalidInput(f"{path}, line {number}: a case and its patient are expected.")
        if found.setdefault(case, patient) != patient:
            raise InvalidInput(
                f"{path}, line {number}: {case} is of {found[case]} and of {patient}; keep one."
            )
    without = [i for i in ids if i not in found]
    if without:
        raise InvalidInput(
            f"{path} does not name the patient of {few(without)} ({len(without)} of {len(ids)} "
            "cases): add a line for each."
        )
    return found


def _rows(path: Path) -> list[list[str]]:
    """The rows of a table that are not empty; there is at least one."""
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file; expected a table with the columns case,patient.")
    try:
        text = path.read_text(encoding="utf-8-sig")
        head = text.partition("\n")[0]
        delimiter = max("\t;,", key=head.count)
        rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"The table {path} can't be read: {error}.") from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise InvalidInput(f"The table {path} is empty; expected the columns case,patient.")
    return rows


def _several_cases(cases: Iterable[CaseFiles]) -> tuple[str, tuple[str, ...]] | None:
    """The first patient with several cases, and up to three of them."""
    of: Mapping[str, list[str]] = defaultdict(list)
    for case in cases:
        of[case.patient].append(case.id)
    return next(((p, tuple(ids[:3])) for p, ids in of.items() if len(ids) > 1), None)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
