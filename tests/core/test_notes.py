"""Notes of many cases: one sentence per kind, repeats counted."""

from __future__ import annotations

from napari_scribseg.core.notes import Notes


def told(*pairs: tuple[str, str]) -> list[str]:
    notes = Notes()
    for case, sentence in pairs:
        notes.add(case, [sentence])
    return list(notes)


def test_a_single_note_names_its_case_once() -> None:
    assert told(("A", "All voxels have the same value, 7.")) == [
        "A: All voxels have the same value, 7."
    ]
    assert told(("A", "The scribbles of case A: moved.")) == ["The scribbles of case A: moved."]
    assert told(("", "Only the first of 4 channels is used.")) == [
        "Only the first of 4 channels is used."
    ]


def test_repeats_are_counted_whatever_their_numbers_cases_and_files() -> None:
    pairs = [(f"p{i}", f"x/p{i}.nii.gz: {i} of 100 voxels are NaN.") for i in range(1, 13)]
    assert told(*pairs) == ["x/p1.nii.gz: 1 of 100 voxels are NaN (and 11 other cases)."]
    assert told(("A", "Spacing 0.001 x 1 mm."), ("B", "Spacing 2 x 1e-05 mm.")) == [
        "A: Spacing 0.001 x 1 mm (and 1 other case)."
    ]


def test_the_same_case_counts_once_and_kinds_stay_apart() -> None:
    assert told(("A", "Odd."), ("A", "Odd."), ("A", "Even."), ("B", "Even.")) == [
        "A: Odd.",
        "A: Even (and 1 other case).",
    ]


def test_a_short_id_inside_a_word_is_no_name() -> None:
    assert told(("a", "A spacing is implausible.")) == ["a: A spacing is implausible."]


def test_storage_orders_are_one_kind() -> None:
    told_once = told(*((f"p{i}", f"Stored as {code}.") for i, code in enumerate(("RAS", "PSR"))))
    assert told_once == ["p0: Stored as RAS (and 1 other case)."]
    assert told(("A", "Odd SAX."), ("B", "Odd LAX.")) == ["A: Odd SAX.", "B: Odd LAX."]
