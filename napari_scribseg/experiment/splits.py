"""Splits: which patients teach a network and which ones judge it.

Patients are the unit: all cases of a patient (both phases, all examinations) stay together. A
split that parts them is refused with the names. Where patients are told by the names of their
cases, a split that somebody else made is also refused when names on both sides look like one
patient.

The published splits are lists of patient numbers, so they fit a dataset whose patients end in
their number (patient004). Patients that a list names and the dataset lacks are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.names import few
from napari_scribseg.data.patients import ADVICE, BY_NAMES, torn_look_alikes
from napari_scribseg.data.pseudonyms import examination_of

_MAAG_TRAIN: Final = frozenset(
    {37, 50, 53, 100, 38, 19, 61, 74, 97, 31, 91, 35, 56, 94, 26, 69, 46, 59}
    | {4, 89, 71, 6, 52, 43, 45, 63, 93, 14, 98, 88, 21, 28, 99, 54, 90}
)
_MAAG_TEST: Final = frozenset({5, 39, 77, 82, 78, 10, 64, 24, 30, 73, 80, 41, 36, 60, 72})
_ACDC_PATIENTS: Final = frozenset(range(1, 101))
_EVERY_FIFTH: Final = frozenset(range(5, 101, 5))
_NUMBER: Final = re.compile(r"(\d+)\D*$")


class Fold(BaseModel):
    """One division of the cases; everything else takes no part in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    train: tuple[str, ...]
    """Ids of the cases to learn from, in the order of the dataset."""
    test: tuple[str, ...]
    """Ids of the cases to score."""


@dataclass(frozen=True)
class PublishedSplit:
    """A split of a publication, by patient numbers.

    Args:
        note: what it is and where it comes from, one sentence.
        folds: numbers to train on and to test on, by the name of the fold.
    """

    note: str
    folds: Mapping[str, tuple[frozenset[int], frozenset[int]]]


PUBLISHED: Final[dict[str, PublishedSplit]] = {
    "maag": PublishedSplit(
        "ACDC, the list of MAAG (Valvano et al. 2021), also of CycleMix and ScribFormer: 35 "
        "patients to train on, 15 to test on; ScribbleBench tests on the same 15.",
        {"maag": (_MAAG_TRAIN, _MAAG_TEST)},
    ),
    "every-fifth": PublishedSplit(
        "ACDC, the list of acdc_segmenter (Baumgartner et al. 2017): every fifth patient is "
        "tested, which gives each disease its share.",
        {"every-fifth": (_ACDC_PATIENTS - _EVERY_FIFTH, _EVERY_FIFTH)},
    ),
    "wsl4mis": PublishedSplit(
        "ACDC, the five folds of WSL4MIS and EFFDNet: fold k tests the patients 20 (k - 1) + 1 to "
        "20 k.",
        {
            f"fold{k}": (_ACDC_PATIENTS - block, block)
            for k, block in enumerate(
                (frozenset(range(first, first + 20)) for first in range(1, 101, 20)), start=1
            )
        },
    ),
}
"""Every published split, by the word that asks for it."""


def k_folds(cases: Sequence[CaseFiles], k: int, random_seed: int) -> tuple[Fold, ...]:
    """Folds in which every patient is tested exactly once.

    Where cases name a group (a disease, a scanner), every fold gets its share of each. Fold sizes
    differ by one patient at most.

    Args:
        cases: of at least k patients.
        k: number of folds, at least 2.
        random_seed: the same seed gives the same folds.

    Raises:
        InvalidInput: k is below 2, or there are fewer patients than folds.
    """
    groups = _groups(cases)
    if k < 2:
        raise InvalidInput(
            f"Cross-validation needs at least 2 folds, got {k}: with one, nobody is left to train."
        )
    if len(groups) < k:
        more = f" If the cases are of more patients, say it: with {ADVICE}."
        raise InvalidInput(
            f"{k} folds need at least {k} patients, got {len(groups)} ({few(list(groups))}): "
            f"choose fewer folds or add patients.{more if len(cases) > len(groups) else ''}"
        )
    fold_of: dict[str, int] = {}
    rng = np.random.default_rng(random_seed)
    for group in sorted(set(groups.values())):
        members = sorted(patient for patient, its in groups.items() if its == group)
        for i in rng.permutation(len(members)):
            # Dealt like cards, on from where the group before ended, so that sizes stay even.
            fold_of[members[i]] = len(fold_of) % k
    return tuple(
        _fold(f"fold{j + 1}", cases, lambda c, j=j: fold_of[c.patient] != j, lambda _: True)
        for j in range(k)
    )


def published_folds(cases: Sequence[CaseFiles], name: str) -> tuple[Fold, ...]:
    """The folds of a published split, as far as the cases have its patients.

    Folds that the dataset has no patient to test of are left out.

    Raises:
        InvalidInput: there is no such split, patients have no number, two have the same one, or
            nobody is left to train or to test.
    """
    if name not in PUBLISHED:
        raise InvalidInput(f"There is no split '{name}'; choose from {', '.join(PUBLISHED)}.")
    numbers = _numbers({case.patient for case in cases}, name)
    folds: list[Fold] = []
    for title, (train, test) in PUBLISHED[name].folds.items():
        fold = _fold(
            title,
            cases,
            lambda case, train=train: numbers[case.patient] in train,
            lambda case, test=test: numbers[case.patient] in test,
        )
        if fold.test:
            folds.append(fold)
    if not folds:
        raise InvalidInput(
            f"The dataset has none of the patients that the split '{name}' tests: choose another "
            "split."
        )
    return tuple(folds)


def published_absent(cases: Sequence[CaseFiles], name: str) -> int:
    """How many patients of a published split the cases lack."""
    numbers = set(_numbers({case.patient for case in cases}, name).values())
    named = frozenset[int]().union(*(a | b for a, b in PUBLISHED[name].folds.values()))
    return len(named - numbers)


def listed_fold(
    cases: Sequence[CaseFiles], name: str, train: Collection[str], test: Collection[str]
) -> Fold:
    """A fold of patients, or of case ids, that somebody listed.

    Raises:
        InvalidInput: a name is of no patient and of no case.
    """
    known = {case.id for case in cases} | {case.patient for case in cases}
    unknown = [word for word in (*train, *test) if word not in known]
    if unknown:
        raise InvalidInput(
            f"The split lists {few(unknown)}, which is no patient and no case that takes part; "
            "correct the list."
        )

    def is_in(names: Collection[str]) -> Callable[[CaseFiles], bool]:
        return lambda case: case.id in names or case.patient in names

    return Fold(
        name=name,
        train=tuple(case.id for case in cases if is_in(train)(case)),
        test=tuple(case.id for case in cases if is_in(test)(case)),
    )


def fold_faults(
    fold: Fold, cases: Sequence[CaseFiles], *, known_by: str = "", ours: bool = False
) -> tuple[str, ...]:
    """Why a fold can't be used, in sentences with the names; nothing when it can.

    Args:
        fold: which cases are on which side.
        cases: of the dataset.
        known_by: how it is known whose the cases are, as `Dataset.patients_from`.
        ours: the fold was made here; names that only look like one patient are told of elsewhere.
    """
    faults: list[str] = []
    of = {case.id: case for case in cases}
    train, test = ([of[i] for i in ids] for ids in (fold.train, fold.test))
    for role, side in (("train on", train), ("test", test)):
        if not side:
            faults.append(f"{fold.name} is empty: there is no case to {role}.")
    shared = {case.patient for case in train} & {case.patient for case in test}
    if shared:
        faults.append(
            f"{fold.name} has {few(shared)} on both sides, so its scores would flatter: put all "
            "cases of a patient on one side."
        )
    hearts = {examination_of(case.id): case for case in train}
    parted = [
        f"{hearts[heart].id} (train) and {case.id} (test)"
        for case in test
        if (heart := examination_of(case.id)) in hearts and case.patient not in shared
    ]
    alike = torn_look_alikes(train, test) if known_by == BY_NAMES and not ours else ()
    if alike:
        pairs = few([f"{one} (train) and {other} (test)" for one, other in alike])
        faults.append(
            f"{fold.name} has cases on both sides that look like scans of one patient: {pairs}. "
            f"Put them on one side, or say whose they are: with {ADVICE}. The pattern (.*) says "
            "that every case is another patient."
        )
    if parted and not known_by.startswith("by the "):  # which somebody has said of these cases
        faults.append(
            f"{fold.name} parts phases of one examination: {few(parted)}. Name the same patient "
            "for both in the dataset."
        )
    return tuple(faults)


def kept_patients(patients: Collection[str], share: float, random_seed: int) -> frozenset[str]:
    """A share of the patients, at least one; a smaller share of the same seed is part of it.

    Raises:
        InvalidInput: the share is not above 0 and up to 1.
    """
    if not 0 < share <= 1:
        raise InvalidInput(f"A share of the patients must be above 0 and at most 1, got {share}.")
    names = sorted(patients)
    order = np.random.default_rng([random_seed, len(names)]).permutation(len(names))
    return frozenset(names[i] for i in order[: max(1, round(share * len(names)))])


def _fold(
    name: str,
    cases: Iterable[CaseFiles],
    trains: Callable[[CaseFiles], bool],
    tests: Callable[[CaseFiles], bool],
) -> Fold:
    """A fold; a case that would be on both sides trains."""
    train = [case.id for case in cases if trains(case)]
    test = [case.id for case in cases if tests(case) and not trains(case)]
    return Fold(name=name, train=tuple(train), test=tuple(test))


def _groups(cases: Iterable[CaseFiles]) -> dict[str, str]:
    """The group of every patient; the first one named counts, "" where none is."""
    groups: dict[str, str] = {}
    for case in cases:
        groups[case.patient] = groups.get(case.patient) or case.group or ""
    return groups


def _numbers(patients: Collection[str], name: str) -> dict[str, int]:
    found = {patient: _NUMBER.search(patient) for patient in patients}
    without = [patient for patient, match in found.items() if match is None]
    if without:
        raise InvalidInput(
            f"The split '{name}' is a list of patient numbers, and {few(without)} has none: "
            "choose another split."
        )
    numbers = {patient: int(match[1]) for patient, match in found.items() if match is not None}
    values = list(numbers.values())
    twice = [patient for patient, number in numbers.items() if values.count(number) > 1]
    if twice:
        raise InvalidInput(
            f"The split '{name}' is a list of patient numbers, and {few(twice)} have the same "
            "one: choose another split."
        )
    return numbers
