"""Cases of several sequences: read by name, brought to one grid, chosen, and missing ones told."""

from __future__ import annotations

import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from phantoms import two_sequence_case, two_sequence_dataset, write_nifti

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.dataset import check_dataset, read_dataset
from napari_scribseg.data.export import export
from napari_scribseg.data.orientation import Turn
from napari_scribseg.data.sequence_files import on_grid_of
from napari_scribseg.data.sequences import (
    channel_names,
    in_sequences,
    same_sequences,
    sequence_note,
    sequences_of,
    with_sequences,
)


def test_channels_of_nnunet_are_read_by_name(tmp_path):
    dataset = read_dataset(two_sequence_dataset(tmp_path))
    case = dataset.cases[0].load(dataset.schema)
    made = two_sequence_case(0).image
    assert sequences_of(dataset) == case.image.sequences == ("T2", "ADC")
    np.testing.assert_array_equal(case.image.array, made.array)
    np.testing.assert_array_equal(case.image.further["ADC"], made.further["ADC"])
    assert check_dataset(dataset).sequences == ("T2", "ADC")


def test_a_sequence_on_another_grid_is_resampled_and_told(tmp_path):
    dataset = read_dataset(two_sequence_dataset(tmp_path, coarse_adc=True))
    case = dataset.cases[0].load(dataset.schema)
    assert case.image.further["ADC"].shape == case.image.shape
    assert "ADC of case patient00: resampled linearly" in " ".join(case.notes)
    made = two_sequence_case(0)
    inside = case.image.further["ADC"][made.reference == 2].mean()
    assert inside > 1000 > case.image.further["ADC"][made.reference == 0].mean()


def test_resampling_is_exact_for_values_that_are_linear_in_place():
    fine = Grid.from_spacing((4, 20, 20), (5.0, 1.0, 1.0), (3.0, 2.0, 10.0))
    coarse = Grid.from_spacing((6, 16, 16), (4.0, 1.5, 1.5), (0.0, 0.0, 8.0))

    def ramp(grid: Grid) -> np.ndarray:
        index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1)
        return (grid.position(index) @ [1.0, 2.0, 3.0]).astype(np.float32)

    array, notes = on_grid_of(Volume(ramp(coarse), coarse), fine, "ADC of case A")
    np.testing.assert_allclose(array, ramp(fine), atol=1e-3)
    assert len(notes) == 1


def test_a_sequence_stored_with_other_axes_lands_where_it_belongs():
    image = two_sequence_case(0).image
    turned = Turn((2, 0, 1), (True, False, True)).volume(image)
    array, _ = on_grid_of(Volume(turned.further["ADC"], turned.grid), image.grid, "ADC")
    np.testing.assert_allclose(array, image.further["ADC"], atol=1e-2)


def test_what_a_sequence_does_not_cover_gets_its_lowest_value_and_is_told():
    image = two_sequence_case(0).image
    half = Volume(image.array[:, :24], Grid((4, 24, 48), image.grid.affine))
    array, notes = on_grid_of(half, image.grid, "ADC of case A")
    assert (array[:, 25:] == half.array.min()).all()
    np.testing.assert_allclose(array[:, :24], half.array, atol=1e-3)
    assert "covers 50%" in notes[-1]


def test_a_sequence_that_lies_elsewhere_is_refused(tmp_path):
    folder = two_sequence_dataset(tmp_path)
    path = folder / "imagesTr" / "patient00_0001.nii.gz"
    stored = io.read_volume(path)
    affine = stored.grid.affine.copy()
    affine[0, 3] += 500
    write_nifti(path, stored.array, Grid(stored.shape, affine))
    dataset = read_dataset(folder)
    with pytest.raises(InvalidInput, match="ADC of case patient00: it lies elsewhere"):
        dataset.cases[0].load(dataset.schema)


def test_a_missing_sequence_is_told_by_case_and_name(tmp_path):
    folder = two_sequence_dataset(tmp_path)
    (folder / "imagesTr" / "patient01_0001.nii.gz").unlink()
    dataset = read_dataset(folder)
    assert any("patient01 has no ADC" in note for note in check_dataset(dataset).notes)
    with pytest.raises(InvalidInput, match="case patient01 has no ADC.*--sequences T2"):
        same_sequences(dataset.cases, dataset.sequences)


def test_a_missing_first_sequence_is_no_reason_to_take_another_for_it(tmp_path):
    folder = two_sequence_dataset(tmp_path)
    (folder / "imagesTr" / "patient01_0001.nii.gz").unlink()
    chosen = in_sequences(read_dataset(folder), ("ADC",))
    with pytest.raises(InvalidInput, match="patient01 has no ADC"):
        same_sequences(chosen.cases, chosen.sequences)


def test_chosen_sequences_come_in_the_order_asked_for(tmp_path):
    dataset = in_sequences(read_dataset(two_sequence_dataset(tmp_path)), ("adc", "T2"))
    image = dataset.cases[0].read_image()
    assert image.sequences == dataset.sequences == ("ADC", "T2")
    one = in_sequences(dataset, ("T2",)).cases[0]
    assert one.further == ()
    assert one.read_image().sequences == ("T2",)
    with pytest.raises(InvalidInput, match="no sequence DWI; there are: ADC, T2"):
        in_sequences(dataset, ("DWI",))


def test_no_two_sequences_get_one_name():
    told = channel_names({"0": "a", "1": "a 3", "2": "A", "3": "Spa\u0308t", "4": "Sp\u00e4t"})
    assert list(told.values()) == ["a", "a 3", "A 4", "Sp\u00e4t", "Sp\u00e4t 5"]


def test_upper_and_lower_case_of_two_cases_are_one_sequence(tmp_path):
    dataset = read_dataset(two_sequence_dataset(tmp_path))
    first, *others = dataset.cases
    first = first.model_copy(update={"sequence": "t2"})
    mixed = replace(dataset, cases=(first, *others), sequences=())
    assert sequences_of(mixed) == ("t2", "ADC")
    assert [len(files.further) for files in same_sequences(mixed.cases)] == [1, 1, 1]


def test_channels_that_no_case_reads_are_told(tmp_path):
    folder = two_sequence_dataset(tmp_path)
    (folder / "imagesTr" / "patient01_0000.nii.gz").unlink()
    notes = " ".join(read_dataset(folder).notes)
    assert "1 file(s) in imagesTr/ were left out" in notes
    assert "patient01_0001.nii.gz" in notes
    document = json.loads((folder / "dataset.json").read_text())
    document["channel_names"] = {"0": "T2"}
    (folder / "dataset.json").write_text(json.dumps(document))
    notes = " ".join(read_dataset(folder).notes)
    assert "channel_names of dataset.json lacks their channel" in notes
    assert "patient02_0001.nii.gz" in notes
    document["channel_names"] = {"0": "T2", "2": "ADC"}
    (folder / "dataset.json").write_text(json.dumps(document))
    with pytest.raises(InvalidInput, match=r"dataset\.json: Channels must be numbered"):
        read_dataset(folder)


def test_frames_that_are_no_modality_are_told(tmp_path):
    array = np.random.default_rng(0).random((8, 8, 3, 3), dtype=np.float32)
    (tmp_path / "imagesTr").mkdir()
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / "imagesTr" / "a.nii.gz")
    document = {
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "lesion"},
        "training": [{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    assert "a.nii.gz has 3 frames" in " ".join(read_dataset(tmp_path).notes)
    document["modality"]["2"] = "DWI"
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    assert read_dataset(tmp_path).notes == ()


def test_a_plain_folder_of_channels_also_has_cases_without_labels(tmp_path):
    case = two_sequence_case(0)
    for name in ("a_0000", "a_0001", "b_0000", "b_0001", "c_0001"):
        write_nifti(tmp_path / "images" / f"{name}.nii.gz", case.image.array, case.grid)
    write_nifti(tmp_path / "labels" / "a.nii.gz", case.reference, case.grid)
    dataset = read_dataset(tmp_path)
    assert [(files.id, len(files.further)) for files in dataset.cases] == [("a", 1), ("b", 1)]
    assert any("c_0001" in note and "left out" in note for note in dataset.notes)


def test_a_frame_is_taken_of_every_sequence_that_is_a_series(tmp_path):
    folder = two_sequence_dataset(tmp_path)
    path = folder / "imagesTr" / "patient00_0001.nii.gz"
    image = nibabel.load(path)
    stack = np.stack([image.get_fdata(), image.get_fdata() + 7], axis=-1).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(stack, image.affine), path)
    dataset = read_dataset(folder)
    with pytest.raises(InvalidInput, match="ADC of case patient00: .*series of 2 frames"):
        dataset.cases[0].read_image()
    shown = dataset.at_frame(1).cases[0].read_image()
    made = two_sequence_case(0).image
    np.testing.assert_allclose(shown.further["ADC"], made.further["ADC"] + 7, rtol=1e-6)
    np.testing.assert_array_equal(shown.array, made.array)


def test_a_doubt_about_a_sequence_names_it(tmp_path):
    folder = two_sequence_dataset(tmp_path)
    case = two_sequence_case(0)
    path = folder / "imagesTr" / "patient00_0001.nii.gz"
    write_nifti(path, np.zeros(case.grid.shape, np.float32), case.grid)
    notes = read_dataset(folder).cases[0].read_image().notes
    assert notes == ("ADC of case patient00: All voxels have the same value, 0.",)


def test_sequences_that_only_have_numbers_are_taken_in_the_order_of_the_network():
    image = two_sequence_case(0).image
    plain = replace(image, sequence="sequence 1", further={"sequence 2": image.further["ADC"]})
    shown = with_sequences(plain, ("T2", "ADC"))
    np.testing.assert_array_equal(shown.further["ADC"], image.further["ADC"])
    assert "sequence 2 for ADC" in sequence_note(plain, ("T2", "ADC"))
    turned = with_sequences(plain, ("sequence 2", "sequence 1"))
    np.testing.assert_array_equal(turned.array, image.further["ADC"])
    assert sequence_note(plain, ("sequence 2", "sequence 1")) == ""
    with pytest.raises(InvalidInput, match="case1_0000, case1_0001, case1_0002"):
        with_sequences(plain, ("T2", "ADC", "DWI"))
    with pytest.raises(InvalidInput, match="has no DWI"):
        with_sequences(image, ("T2", "DWI"))


def test_an_export_for_nnunet_leaves_no_case_half_written(tmp_path):
    folder = two_sequence_dataset(tmp_path / "data")
    (folder / "imagesTr" / "patient01_0001.nii.gz").unlink()
    written = export(read_dataset(folder), tmp_path / "out", layout="nnunet")
    assert "patient01" in written.failed
    images = sorted(path.name for path in (tmp_path / "out" / "imagesTr").iterdir())
    assert images == ["patient00_0000.nii.gz", "patient00_0001.nii.gz"]
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["numTraining"] == 1


def test_a_network_is_shown_its_sequences_by_name():
    image = two_sequence_case(0).image
    turned = with_sequences(image, ("ADC", "T2"))
    assert turned.sequences == ("ADC", "T2")
    assert turned.array is image.further["ADC"]
    assert with_sequences(image, ("ADC",)).channels == (image.further["ADC"],)
    assert with_sequences(image, ()).channels == (image.array,)
    unnamed = Volume(image.array, image.grid)
    assert with_sequences(unnamed, ("T2",)) is unnamed
    with pytest.raises(InvalidInput, match=r"has no DWI \(it has: T2, ADC\)"):
        with_sequences(image, ("T2", "DWI"))
    with pytest.raises(InvalidInput, match="has no T2, ADC"):
        with_sequences(unnamed, ("T2", "ADC"))
    with pytest.raises(InvalidInput, match=r"has no ADC \(it has: T2\)"):
        with_sequences(replace(image, further={}), ("ADC",))


def test_channels_with_one_name_are_told_apart_and_gaps_refused():
    assert channel_names({"0": "MR", "1": "MR", "2": ""}) == {0: "MR", 1: "MR 2", 2: "sequence 3"}
    with pytest.raises(InvalidInput, match="without a gap"):
        channel_names({"0": "T2", "2": "ADC"})


def test_the_hash_of_a_case_is_of_all_sequences():
    case = two_sequence_case(0)
    other = replace(case.image, further={"ADC": case.image.further["ADC"] + 1})
    assert replace(case, image=other).content_hash != case.content_hash


def test_two_sequences_of_one_name_or_other_size_are_refused():
    image = two_sequence_case(0).image
    with pytest.raises(InvalidInput, match="Two sequences are called 'T2'"):
        replace(image, further={"T2": image.array})
    with pytest.raises(InvalidInput, match="does not fit a grid"):
        replace(image, further={"ADC": image.array[1:]})


def test_channels_in_a_plain_folder_have_numbers_for_names(tmp_path):
    image = two_sequence_case(0)
    for name, array in (("a_0000", image.image.array), ("a_0001", image.image.further["ADC"])):
        write_nifti(tmp_path / "images" / f"{name}.nii.gz", array, image.grid)
    write_nifti(tmp_path / "labels" / "a.nii.gz", np.asarray(image.reference), image.grid)
    dataset = read_dataset(tmp_path)
    assert sequences_of(dataset) == ("sequence 1", "sequence 2")
    assert len(dataset.cases) == 1


def test_frames_of_a_decathlon_file_are_its_sequences(tmp_path):
    image, affine = two_sequence_case(0).image, np.diag([1.5, 1.5, 8, 1])
    stacked = np.stack([array.transpose(2, 1, 0) for array in image.channels], -1)
    for name in ("imagesTr", "labelsTr"):
        (tmp_path / name).mkdir()
    nibabel.save(
        nibabel.Nifti1Image(stacked, np.diag([1.5, 1.5, 8, 1])), tmp_path / "imagesTr/a.nii"
    )
    label = np.zeros(stacked.shape[:3], np.uint8)
    nibabel.save(nibabel.Nifti1Image(label, affine), tmp_path / "labelsTr/a.nii")
    document = {
        "modality": {"0": "T2", "1": "ADC"},
        "labels": {"0": "background", "1": "bright"},
        "training": [{"image": "./imagesTr/a.nii", "label": "./labelsTr/a.nii"}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    case = read_dataset(tmp_path).cases[0].read_image()
    np.testing.assert_array_equal(case.array, image.array)
    np.testing.assert_array_equal(case.further["ADC"], image.further["ADC"])


def test_an_export_for_nnunet_has_every_channel(tmp_path):
    dataset = read_dataset(two_sequence_dataset(tmp_path / "in"))
    done = export(dataset, tmp_path / "out", layout="nnunet")
    assert done.failed == {}
    again = read_dataset(tmp_path / "out")
    assert sequences_of(again) == ("T2", "ADC")
    np.testing.assert_array_equal(
        again.cases[0].read_image().further["ADC"], dataset.cases[0].read_image().further["ADC"]
    )
    plain = export(dataset, tmp_path / "plain", layout="nifti")
    assert any("ADC of patient00 was left out" in note for note in plain.notes)
