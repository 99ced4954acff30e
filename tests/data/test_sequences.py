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
