"""Splits: patients stay whole, groups get their share, published lists are what was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.patients import BY_NAMES
from napari_scribseg.experiment.splits import (
    PUBLISHED,
    Fold,
    fold_faults,
    k_folds,
    kept_patients,
    listed_fold,
    published_absent,
    published_folds,
)


def case(
    heart: str, phase: str = "ED", group: str | None = None, patient: str | None = None
) -> CaseFiles:
    return CaseFiles(
        id=f"{heart}_{phase}",
        patient=patient or heart,
        image=Path("x.nii.gz"),
        group=group,
        phase=phase,
    )


def hearts(numbers: range, group: str | None = None) -> list[CaseFiles]:
    return [case(f"patient{n:03d}", phase, group) for n in numbers for phase in ("ED", "ES")]


def patients(ids: tuple[str, ...]) -> set[str]:
    return {i.rpartition("_")[0] for i in ids}


def test_every_patient_is_tested_once_and_never_trained_on_then():
    cases = hearts(range(1, 12))
    folds = k_folds(cases, 3, random_seed=0)
    assert sorted(i for fold in folds for i in fold.test) == sorted(c.id for c in cases)
    for fold in folds:
        assert not patients(fold.train) & patients(fold.test)
        assert len(fold.train) + len(fold.test) == len(cases)
        assert fold_faults(fold, cases) == ()
    assert sorted(len(patients(fold.test)) for fold in folds) == [3, 4, 4]


def test_every_fold_gets_its_share_of_each_group():
    cases = hearts(range(1, 7), "DCM") + hearts(range(7, 10), "NOR") + hearts(range(10, 12), "RV")
    group_of = {c.id: c.group for c in cases}
    for fold in k_folds(cases, 3, random_seed=4):
        groups = [group_of[i] for i in fold.test]
        assert groups.count("DCM") == 4  # 2 patients, 2 phases each
        assert groups.count("NOR") == 2
        assert groups.count("RV") in {0, 2}


def test_folds_follow_from_the_seed_and_not_from_the_order_of_the_cases():
    cases = hearts(range(1, 12))
    assert k_folds(cases, 3, 1) == k_folds(cases, 3, 1)
    assert k_folds(cases, 3, 1) != k_folds(cases, 3, 2)
    other = k_folds(cases[::-1], 3, 1)
    assert [set(f.test) for f in other] == [set(f.test) for f in k_folds(cases, 3, 1)]


def test_too_few_patients_are_refused_with_their_names():
    with pytest.raises(InvalidInput, match=r"3 folds need at least 3 patients, got 2 \(patient001"):
        k_folds(hearts(range(1, 3)), 3, 0)
    with pytest.raises(InvalidInput, match="at least 2 folds"):
        k_folds(hearts(range(1, 3)), 1, 0)


def test_the_maag_list_is_the_published_one():
    cases = hearts(range(1, 101))
    (fold,) = published_folds(cases, "maag")
    assert len(patients(fold.train)) == 35
    assert patients(fold.test) == {
        f"patient{n:03d}" for n in (5, 39, 77, 82, 78, 10, 64, 24, 30, 73, 80, 41, 36, 60, 72)
    }
    assert fold_faults(fold, cases) == ()
    assert "patient037" in patients(fold.train)  # the first of MAAG's list
    assert "patient002" not in patients(fold.train)  # its mask only feeds MAAG's discriminator
    assert published_absent(cases, "maag") == 0


def test_every_fifth_patient_and_the_blocks_of_twenty():
    cases = hearts(range(1, 101))
    (fold,) = published_folds(cases, "every-fifth")
    assert len(patients(fold.test)) == 20
    assert "patient095" in patients(fold.test)
    blocks = published_folds(cases, "wsl4mis")
    assert [len(patients(block.test)) for block in blocks] == [20] * 5
    assert patients(blocks[1].test) == {f"patient{n:03d}" for n in range(21, 41)}


def test_a_published_split_of_a_part_of_the_patients():
    cases = hearts(range(1, 31))
    (fold,) = published_folds(cases, "maag")
    assert patients(fold.test) == {"patient005", "patient010", "patient024", "patient030"}
    assert published_absent(cases, "maag") == 50 - 4 - 7
    assert [block.name for block in published_folds(cases, "wsl4mis")] == ["fold1", "fold2"]


def test_a_published_split_is_refused_for_patients_it_cannot_mean():
    with pytest.raises(InvalidInput, match="anna has none"):
        published_folds([case("anna"), case("patient001")], "maag")
    with pytest.raises(InvalidInput, match="same one"):
        published_folds([case("a001"), case("b001")], "maag")
    with pytest.raises(InvalidInput, match="none of the patients"):
        published_folds([case("patient200")], "maag")
    with pytest.raises(InvalidInput, match=f"choose from {', '.join(PUBLISHED)}"):
        published_folds([case("patient001")], "mine")


def test_a_patient_on_both_sides_is_named():
    cases = hearts(range(1, 4))
    fold = listed_fold(cases, "mine", ["patient001_ED", "patient002"], ["patient001_ES"])
    (fault,) = fold_faults(fold, cases)
    assert fault.startswith("mine has patient001 on both sides")


def test_phases_of_one_heart_under_two_patients_are_named():
    cases = [case("heart1", "ED", patient="A"), case("heart1", "ES", patient="B")]
    fold = listed_fold(cases, "mine", ["A"], ["B"])
    (fault,) = fold_faults(fold, cases)
    assert "heart1_ED (train) and heart1_ES (test)" in fault


def test_names_that_look_like_one_patient_must_not_part_unless_somebody_says_so():
    cases = [
        CaseFiles(id=i, patient=i, image=Path("x.nii.gz")) for i in ("s0_a", "s0_b", "s1_a", "s1_b")
    ]
    fold = listed_fold(cases, "mine", ["s0_a", "s1_a"], ["s0_b"])
    (fault,) = fold_faults(fold, cases, known_by=BY_NAMES)
    assert "s0_a (train) and s0_b (test)" in fault
    assert "--patient-table" in fault
    assert fold_faults(fold, cases, known_by="by the pattern '(.*)'") == ()
    # Folds that are made here are told of instead, with the number of patients.
    assert fold_faults(fold, cases, known_by=BY_NAMES, ours=True) == ()


def test_an_empty_side_is_a_fault():
    cases = hearts(range(1, 3))
    faults = fold_faults(Fold(name="fold2", train=(), test=(cases[0].id,)), cases)
    assert faults == ("fold2 is empty: there is no case to train on.",)


def test_a_list_of_strangers_is_refused():
    with pytest.raises(InvalidInput, match="patient009"):
        listed_fold(hearts(range(1, 3)), "mine", ["patient001"], ["patient009"])


def test_shares_of_the_patients_are_nested():
    names = [f"p{i}" for i in range(20)]
    quarter, half, whole = (kept_patients(names, share, 3) for share in (0.25, 0.5, 1.0))
    assert (len(quarter), len(half)) == (5, 10)
    assert quarter < half < whole == set(names)
    assert kept_patients(names, 0.5, 4) != half
    assert len(kept_patients(names[:2], 0.1, 0)) == 1
    with pytest.raises(InvalidInput, match="above 0"):
        kept_patients(names, 0.0, 0)
