"""A case: scribbles and reference come onto the grid of the image by position, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case, CaseFiles, Dataset
from napari_scribseg.data.hold_out import hold_out
from napari_scribseg.data.on_grid import put_on_grid

SCHEMA = LabelSchema.of("RV", "MYO", "LV")
GRID = Grid.from_spacing((3, 5, 7), (8.0, 1.5, 1.25), origin=(10.0, -20.0, 30.0))


def some_labels(grid: Grid = GRID, *, values=(0, 1, 2, 3, BACKGROUND)) -> Volume:
    array = np.random.default_rng(0).choice(np.array(values, np.uint8), grid.shape)
    return Volume(array, grid)


def reoriented(volume: Volume, order: tuple[int, ...], flips: tuple[int, ...]) -> Volume:
    """The same labels at the same places, stored with permuted and then flipped axes."""
    array = volume.array.transpose(order)
    affine = volume.grid.affine[:, [*order, 3]]
    for axis in flips:
        affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
        affine[:, axis] *= -1
    return Volume(np.flip(array, flips), Grid(array.shape, affine))


def shifted(volume: Volume, voxels: float) -> Volume:
    affine = volume.grid.affine.copy()
    affine[:3, 3] += voxels * affine[:3, 2]
    return Volume(volume.array, Grid(volume.shape, affine))


def store(path: Path, volume: Volume, dtype=np.uint8) -> Path:
    """Write with SimpleITK alone, so that our own writer can't hide a mistake of our reader."""
    image = sitk.GetImageFromArray(volume.array.astype(dtype))
    image.SetSpacing(volume.spacing[::-1])
    image.SetDirection(volume.grid.directions[:, ::-1].ravel().tolist())
    image.SetOrigin(volume.grid.affine[:3, 3].tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


@pytest.mark.parametrize("flips", [(), (0,), (2,), (0, 1), (0, 1, 2)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_permuted_and_flipped_labels_return_to_their_places(order, flips):
    labels = some_labels()
    array, notes = put_on_grid(reoriented(labels, order, flips), GRID, "The scribbles")
    np.testing.assert_array_equal(array, labels.array)
    assert bool(notes) == (bool(flips) or order != (0, 1, 2))


def test_a_mirrored_header_of_the_same_shape_is_seen():
    """The arrays have one shape, but the header says that x points the other way."""
    labels = some_labels()
    affine = GRID.affine.copy()
    affine[:3, 2] *= -1
    with pytest.raises(InvalidInput, match="another grid") as error:
        put_on_grid(Volume(labels.array, Grid(GRID.shape, affine)), GRID, "The scribbles")
    assert "(2.5, -14, 46) mm, expected the same from (10, -20, 30) to" in str(error.value)


def test_a_small_offset_is_silent_a_larger_one_noted_a_large_one_refused():
    labels = some_labels()
    assert put_on_grid(shifted(labels, 0.009), GRID, "The scribbles")[1] == ()
    array, notes = put_on_grid(shifted(labels, 0.4), GRID, "The scribbles")
    np.testing.assert_array_equal(array, labels.array)
    assert "0.4 voxels" in notes[0]
    with pytest.raises(InvalidInput, match=r"0\.6 voxels apart"):
        put_on_grid(shifted(labels, 0.6), GRID, "The scribbles")


@pytest.mark.parametrize(
    "other",
    [
        Grid.from_spacing((3, 5, 7), (8.0, 1.5, 2.5), (10, -20, 30)),
        Grid.from_spacing((3, 5, 14), (8.0, 1.5, 1.25), (10, -20, 30)),
        Grid.from_spacing((3, 7, 5), (8.0, 1.5, 1.25), (10, -20, 30)),
    ],
    ids=["spacing", "size", "shape swapped but not the axes"],
)
def test_labels_of_another_resolution_or_region_are_refused(other):
    with pytest.raises(InvalidInput, match="Resample"):
        put_on_grid(some_labels(other), GRID, "The reference")


def test_loading_gives_all_volumes_on_the_grid_of_the_image(tmp_path):
    image = Volume(np.random.default_rng(1).integers(0, 900, GRID.shape), GRID)
    scribbles, reference = some_labels(), some_labels(values=(0, 1, 2, 3))
    files = CaseFiles(
        id="a",
        patient="a",
        image=store(tmp_path / "a.nii.gz", image, np.int16),
        scribbles=store(tmp_path / "s.nii.gz", reoriented(scribbles, (0, 2, 1), (1,))),
        reference=store(tmp_path / "r.nii.gz", reference),
    )
    case = files.load(SCHEMA)
    np.testing.assert_array_equal(case.image.array, image.array)
    np.testing.assert_array_equal(case.scribbles, scribbles.array)
    np.testing.assert_array_equal(case.reference, reference.array)
    assert case.scribbles.dtype == case.reference.dtype == np.uint8
    assert case.grid.offset_from(GRID) < 1e-3
    assert any("put in place by position" in note for note in case.notes)


def test_foreign_scribbles_are_converted_and_counted(tmp_path):
    stored = some_labels(values=(0, 1, 4))
    files = CaseFiles(
        id="a",
        patient="a",
        image=store(tmp_path / "a.nii.gz", some_labels()),
        scribbles=store(tmp_path / "s.nii.gz", stored),
        convention=ScribbleConvention.wsl4mis(3),
    )
    case = files.load(SCHEMA)
    np.testing.assert_array_equal(case.scribbles == BACKGROUND, stored.array == 0)
    np.testing.assert_array_equal(case.scribbles == 0, stored.array == 4)
    assert f"0 -> 255 ({(stored.array == 0).sum()} voxels)" in case.notes[-1]


def test_values_that_are_not_in_the_schema_are_listed_with_counts(tmp_path):
    image = store(tmp_path / "a.nii.gz", some_labels())
    strange = some_labels(values=(0, 1, 9))
    path = store(tmp_path / "s.nii.gz", strange)
    message = rf"9 \({(strange.array == 9).sum()} voxels\)"
    with pytest.raises(InvalidInput, match=message):
        CaseFiles(id="a", patient="a", image=image, scribbles=path).load(SCHEMA)
    with pytest.raises(InvalidInput, match=message):
        CaseFiles(id="a", patient="a", image=image, reference=path).load(SCHEMA)
    with pytest.raises(InvalidInput, match=r"The scribbles of case a: .* no meaning"):
        CaseFiles(
            id="a",
            patient="a",
            image=image,
            scribbles=path,
            convention=ScribbleConvention.nnunet_ignore(3),
        ).load(SCHEMA)


def test_a_frame_is_taken_from_a_series_and_ignored_for_a_single_volume(tmp_path):
    frames = [sitk.GetImageFromArray(np.full((3, 4, 5), k, np.int16)) for k in (10, 20, 30)]
    series = tmp_path / "cine.nii.gz"
    sitk.WriteImage(sitk.JoinSeries(frames), str(series))
    single = tmp_path / "single.nii.gz"
    sitk.WriteImage(sitk.JoinSeries(frames[:1]), str(single))
    assert (
        CaseFiles(id="a", patient="a", image=series, frame=1).load(SCHEMA).image.array == 20
    ).all()
    alone = CaseFiles(id="a", patient="a", image=single, frame=1).load(SCHEMA)
    assert alone.image.shape == (3, 4, 5)
    with pytest.raises(InvalidInput):
        CaseFiles(id="a", patient="a", image=series).load(SCHEMA)
    with pytest.raises(InvalidInput):
        CaseFiles(id="a", patient="a", image=single, scribbles=series).load(SCHEMA)


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a b", ".a", "a\n", "x" * 65])
def test_ids_that_can_not_be_file_names_are_refused(name):
    with pytest.raises(ValueError, match="id"):
        CaseFiles(id=name, patient="a", image=Path("a.nii.gz"))


def test_a_case_of_volumes_of_different_shapes_is_refused():
    with pytest.raises(InvalidInput, match="one grid"):
        Case("a", "a", some_labels(), scribbles=np.zeros((3, 7, 5), np.uint8))


def test_the_content_hash_tells_scribbles_apart():
    one, other = some_labels(), np.zeros(GRID.shape, np.uint8)
    plain = Case("a", "a", one).content_hash
    hashes = {
        plain,
        Case("a", "a", one, other).content_hash,
        Case("a", "a", one, other + 1).content_hash,
    }
    assert len(hashes) == 3
    assert Case("b", "b", one).content_hash == plain


def of_patients(patients, splits=None) -> tuple[CaseFiles, ...]:
    splits = splits or ["train"] * len(patients)
    return tuple(
        CaseFiles(id=f"c{k}", patient=patient, image=Path("x.nii.gz"), split=split)
        for k, (patient, split) in enumerate(zip(patients, splits, strict=True))
    )


def test_splits_are_by_name_and_an_unknown_one_lists_the_known():
    cases = of_patients("aabc", ["train", "train", "val", None])
    dataset = Dataset("hearts", "plain", Path(), SCHEMA, cases)
    assert dataset.splits == {"train": 2, "val": 1}
    assert [case.id for case in dataset.split("train")] == ["c0", "c1"]
    assert dataset.split("all") == cases
    with pytest.raises(InvalidInput, match="no split 'test'; there are: all, train, val"):
        dataset.split("test")


def test_a_patient_on_both_sides_is_refused_by_name():
    cases = of_patients(["p1", "p2", "p2"], ["train", "train", "val"])
    dataset = Dataset("hearts", "plain", Path(), SCHEMA, cases)
    assert dataset.patients_in_several_splits == {"p2": ("train", "val")}
    with pytest.raises(InvalidInput, match="p2"):
        dataset.split("train")


def test_two_cases_of_one_id_are_refused():
    case = of_patients("a")[0]
    twin = case.model_copy(update={"id": "C0"})
    with pytest.raises(InvalidInput, match="c0"):
        Dataset("hearts", "plain", Path(), SCHEMA, (case, twin)).split("all")


@given(
    st.lists(st.sampled_from("abcdefghij"), max_size=30),
    st.floats(0, 0.99),
    st.integers(0, 2**32),
)
def test_held_out_patients_never_part(patients, share, random_seed):
    cases = of_patients(patients)
    train, validate = hold_out(cases, share, random_seed)
    assert sorted((*train, *validate), key=lambda c: int(c.id[1:])) == list(cases)
    assert not {case.patient for case in train} & {case.patient for case in validate}
    assert bool(validate) == (len(set(patients)) >= 5 and share > 0)
    assert bool(train) == bool(cases)
    assert hold_out(cases, share, random_seed) == (train, validate)


def test_another_seed_holds_out_other_patients():
    cases = of_patients("abcdefghij")
    assert len({hold_out(cases, 0.2, seed)[1] for seed in range(10)}) > 3
    assert len(hold_out(cases, 0.2, 0)[1]) == 2
    with pytest.raises(InvalidInput, match="share"):
        hold_out(cases, 1.0, 0)
