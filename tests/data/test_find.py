"""Cases in trees of files: what is an image, what belongs to it, whose it is, what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import SHAPE, VOXELS, write_slice, write_stack
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case, write_nifti

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.find import find_cases
from napari_scribseg.io import write_volume
from napari_scribseg.project.folder import Project

CASE = two_ball_case((3, 24, 20))
IMAGE, SCRIBBLES, REFERENCE = CASE.image.array, CASE.scribbles, CASE.reference


def put(path, array=IMAGE, grid=CASE.grid):
    return write_nifti(path, array, grid)


def paths_of(case, root):
    files = case.files
    return tuple(
        None if path is None else path.relative_to(root).as_posix()
        for path in (files.image, files.scribbles, files.reference)
    )


def reasons(found):
    return {one.name: one.why for one in found.left_out}


def test_a_folder_per_patient_whose_files_have_one_name(tmp_path):
    for patient in ("p1", "p2"):
        put(tmp_path / patient / "image.nii.gz")
        put(tmp_path / patient / "seg.nii.gz", REFERENCE)
        (tmp_path / patient / "notes.txt").write_text("x", encoding="utf-8")
    found = find_cases([tmp_path])
    assert [paths_of(case, tmp_path) for case in found.cases] == [
        ("p1/image.nii.gz", None, "p1/seg.nii.gz"),
        ("p2/image.nii.gz", None, "p2/seg.nii.gz"),
    ]
    assert [case.files.patient for case in found.cases] == ["p1", "p2"]
    assert found.cases[0].shape == (3, 24, 20)
    assert found.cases[0].spacing == pytest.approx((8.0, 1.5, 1.5))
    assert found.summary() == "2 cases of 2 patients (told by the folders), 2 with a reference."
    assert found.left_out_sentences() == ("p1/notes.txt, p2/notes.txt: text, not images.",)


def test_the_original_folders_of_acdc(tmp_path):
    """patientNNN/ with frames, their references, the cine and an Info.cfg."""
    for patient, es in (("patient001", 12), ("patient002", 10)):
        folder = tmp_path / "training" / patient
        for frame in (1, es):
            put(folder / f"{patient}_frame{frame:02d}.nii.gz")
            put(folder / f"{patient}_frame{frame:02d}_gt.nii.gz", REFERENCE)
        (folder / "Info.cfg").write_text(f"ED: 1\nES: {es}\nGroup: DCM\n", encoding="utf-8")
    found = find_cases([tmp_path])
    assert [(c.files.id, c.files.patient, c.files.phase) for c in found.cases] == [
        ("patient001_frame01", "patient001", "ED"),
        ("patient001_frame12", "patient001", "ES"),
        ("patient002_frame01", "patient002", "ED"),
        ("patient002_frame10", "patient002", "ES"),
    ]
    assert all(case.files.reference is not None for case in found.cases)
    assert found.left_out == ()


def test_folders_of_kinds_without_any_document(tmp_path):
    """images/, scribbles/ and masks/ without a labels.json; subject3 has two sequences."""
    for name in ("subject1_C0", "subject3_C0", "subject3_DE"):
        put(tmp_path / "images" / f"{name}.nii.gz")
        put(tmp_path / "scribbles" / f"{name}.nii.gz", SCRIBBLES)
        put(tmp_path / "masks" / f"{name}.nii.gz", REFERENCE)
    found = find_cases([tmp_path])
    assert paths_of(found.cases[2], tmp_path) == (
        "images/subject3_DE.nii.gz",
        "scribbles/subject3_DE.nii.gz",
        "masks/subject3_DE.nii.gz",
    )
    assert [case.files.patient for case in found.cases] == ["subject1", "subject3", "subject3"]
    assert [case.sequence for case in found.cases] == ["C0", "C0", "DE"]
    scribbles, reference = found.values_of("scribbles"), found.values_of("reference")
    assert scribbles.values == (0, 1, 2, 255)
    assert scribbles.special() == {0: UNLABELLED, 255: BACKGROUND}
    assert reference.classes == (1, 2)
    assert scribbles.counts[1] == 3 * int((SCRIBBLES == 1).sum())


def test_silent_names_are_looked_into_and_strokes_told_from_a_reference(tmp_path):
    put(tmp_path / "vol7.nii.gz")
    thin = np.zeros_like(REFERENCE)
    thin[1, 5, 3:9], thin[1, 9, 3:9], thin[1, 20, 3:9] = 1, 2, BACKGROUND
    put(tmp_path / "vol7-label.nii.gz", thin)  # drawn, though it only says label
    put(tmp_path / "other.nii.gz", REFERENCE)  # says nothing, and is no image
    found = find_cases([tmp_path])
    assert [paths_of(case, tmp_path) for case in found.cases] == [
        ("vol7.nii.gz", "vol7-label.nii.gz", "other.nii.gz")
    ]


def test_labels_on_other_voxels_are_left_out_with_the_reason(tmp_path):
    put(tmp_path / "a.nii.gz")
    moved = Grid.from_spacing((3, 24, 20), (8.0, 1.5, 1.5), (50.0, 0.0, 0.0))
    put(tmp_path / "a_seg.nii.gz", REFERENCE, moved)
    found = find_cases([tmp_path])
    assert found.cases[0].files.reference is None
    assert reasons(found) == {"a_seg.nii.gz": "does not lie on the voxels of a.nii.gz"}


def test_one_segmentation_of_several_sequences_belongs_to_all(tmp_path):
    for name in ("B1_t1", "B1_flair"):
        put(tmp_path / "B1" / f"{name}.nii.gz")
    put(tmp_path / "B1" / "B1_seg.nii.gz", REFERENCE)
    found = find_cases([tmp_path])
    assert [paths_of(case, tmp_path)[2] for case in found.cases] == ["B1/B1_seg.nii.gz"] * 2
    assert {case.files.patient for case in found.cases} == {"B1"}


def test_further_channels_are_sequences_and_predictions_runs_and_damaged_files_no_cases(tmp_path):
    for channel in (0, 1):
        put(tmp_path / "imagesTr" / f"case3_{channel:04d}.nii.gz")
    put(tmp_path / "labelsTr" / "case3.nii.gz", REFERENCE)
    put(tmp_path / "predictions" / "case3.nii.gz", REFERENCE)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "bad.nrrd").write_bytes(b"NRRD0004\n")
    (tmp_path / "scan.zip").write_bytes(b"PK")
    found = find_cases([tmp_path])
    assert [case.files.id for case in found.cases] == ["case3"]
    (further,) = found.cases[0].files.further
    assert (further.name, further.path.name) == ("sequence 2", "case3_0001.nii.gz")
    told = reasons(found)
    assert told["predictions/case3.nii.gz"] == "named as a prediction, not as a reference"
    assert told["run"] == "a training run"
    assert told["scan.zip"] == "packed; unpack it first"
    assert told["bad.nrrd"].startswith("not readable (The header is cut off")


def test_a_time_series_becomes_its_ed_and_es_or_asks_for_a_frame(tmp_path):
    import nibabel

    frames = np.stack([IMAGE + k for k in range(4)]).transpose(3, 2, 1, 0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        nibabel.save(
            nibabel.Nifti1Image(frames, np.diag([-2.0, -2.0, 8.0, 1.0])),
            tmp_path / name / "cine.nii.gz",
        )
    (tmp_path / "a" / "Info.cfg").write_text("ED: 1\nES: 3\n", encoding="utf-8")
    found = find_cases([tmp_path])
    assert [(c.files.frame, c.files.phase) for c in found.cases] == [
        (0, "ED"),
        (2, "ES"),
        (None, None),
    ]
    asked = found.cases[2]
    assert asked.is_series
    assert asked.size == "3 x 24 x 20, 4 frames"
    assert asked.at_frame(1).files.id.endswith("_frame02")
    assert asked.at_frame(1).files.frame == 1


def test_a_dataset_brings_its_classes_and_a_project_is_opened(tmp_path):
    phantom_dataset(tmp_path / "data", 2)
    Project.create(tmp_path / "own", TWO_BALLS).close()
    found = find_cases([tmp_path])
    assert [case.files.id for case in found.cases] == ["patient00", "patient01"]
    assert found.schema.names == TWO_BALLS.names
    assert found.values == ()
    assert found.projects == (tmp_path / "own",)


def test_a_dicom_export_with_several_patients(tmp_path):
    """Patients by their headers; nothing that names them is in an id."""
    for person, number in (("DOE^JANE", "77"), ("ROE^RICHARD", "78")):
        who = {"PatientName": person, "PatientID": number}
        for series in ("sax", "localizer"):
            folder = tmp_path / person.replace("^", "_") / "study" / series
            folder.mkdir(parents=True)
            uid = f"1.2.3.{number}.{1 if series == 'sax' else 2}"
            write_stack(folder, SeriesInstanceUID=uid, SeriesDescription=series, **who)
    (tmp_path / "DOE_JANE" / "report.pdf").write_bytes(b"%PDF")
    found = find_cases([tmp_path])
    assert len(found.cases) == 4
    assert len(found.ticked) == 2
    assert len({case.files.patient for case in found.cases}) == 2
    told = " ".join(f"{case.files.id} {case.files.patient}" for case in found.cases)
    assert not any(name in told for name in ("DOE", "JANE", "ROE", "77", "78"))
    one = found.ticked[0]
    assert (one.modality, one.sequence, one.shape) == ("MR", "sax", SHAPE)
    assert one.given() is one.files
    assert found.patients_from == "told by the DICOM headers"


def test_a_patient_is_one_however_the_name_is_spelt(tmp_path):
    """By the number, else by the name; where both are blank, by the folder."""
    people = (
        ("a1", "17", "DOE^JANE"),
        ("a2", "17", "Doe^Jane"),
        ("a3", "17 ", ""),
        ("b1", "", "Roe^John"),
        ("b2", "", "ROE^JOHN^^"),
        ("c/1", "", ""),
        ("c/2", "", " "),
        ("d/1", "", ""),
        ("e1", "ANON", "Poe^Ann"),  # words that stand for nobody
        ("e2", "anonymized", "POE^ANN"),
        ("f/1", "000", "Anonymous"),
        ("f/2", "Unknown", "N/A"),
    )
    for number, (place, patient, name) in enumerate(people):
        (tmp_path / place).mkdir(parents=True)
        who = {"PatientID": patient, "PatientName": name}
        write_stack(tmp_path / place, SeriesInstanceUID=f"1.2.{number}", **who)
    found = find_cases([tmp_path])
    patients = {case.name: case.files.patient for case in found.cases}
    groups = [{patients[place] for place in patients if place[0] == letter} for letter in "abcdef"]
    assert [len(group) for group in groups] == [1] * 6
    assert len(set.union(*groups)) == 6
    assert "told by the folders where DICOM headers are blank" in found.patients_from
    for place in ("c/1", "c/2"):
        for path in (tmp_path / place).iterdir():
            path.rename(tmp_path / f"{place[-1]}{path.name}")
    alone = find_cases(sorted(tmp_path.glob("*.dcm"))[:1] + sorted(tmp_path.glob("*.dcm"))[-1:])
    assert len({case.series for case in alone.cases}) == 2
    assert len({case.files.patient for case in alone.cases}) == 1
    assert alone.patients_from == "told by the folders where DICOM headers are blank"


def test_series_that_share_a_folder_and_one_in_two_folders(tmp_path):
    flat, first, second = (tmp_path / name for name in ("flat", "split/1", "split/2"))
    for folder in (flat, first, second):
        folder.mkdir(parents=True)
    for k in range(SHAPE[0]):
        write_slice(flat, k, f"a{k}.dcm", SeriesInstanceUID="1.5.1")
        write_slice(flat, k, f"b{k}.dcm", SeriesInstanceUID="1.5.2", voxels=VOXELS[k] + 1)
        write_slice(first if k < 3 else second, k, f"{k}.dcm", SeriesInstanceUID="1.5.3")
    found = find_cases([tmp_path])
    volumes = {case.series: case.given().image.array for case in found.cases}
    np.testing.assert_array_equal(volumes["1.5.1"], VOXELS)
    np.testing.assert_array_equal(volumes["1.5.2"], VOXELS + 1)
    np.testing.assert_array_equal(volumes["1.5.3"], VOXELS)
    alone = find_cases([flat / "b0.dcm"])
    assert [case.series for case in alone.cases] == ["1.5.2"]


def test_files_are_taken_once_however_they_are_given(tmp_path):
    image = put(tmp_path / "d" / "x.nii.gz")
    put(tmp_path / "d" / "x_seg.nii.gz", REFERENCE)
    assert len(find_cases([tmp_path, image, image.parent]).cases) == 1
    only = find_cases([tmp_path / "d" / "x_seg.nii.gz"])
    assert only.cases == ()
    assert [path.name for path in only.lone_labels] == ["x_seg.nii.gz"]
    both = find_cases([image, tmp_path / "d" / "x_seg.nii.gz"])
    assert both.cases[0].files.reference is not None
    with pytest.raises(InvalidInput, match="nowhere"):
        find_cases([tmp_path / "nowhere"])


def test_a_patients_table_is_believed(tmp_path):
    for name in ("scan1", "scan2"):
        put(tmp_path / f"{name}.nii.gz")
    (tmp_path / "patients.csv").write_text("case,patient\nscan1,A\nscan2,A\n", encoding="utf-8")
    found = find_cases([tmp_path])
    assert [case.files.patient for case in found.cases] == ["A", "A"]
    assert found.patients_from == "by the table patients.csv"


def test_names_of_people_don_t_become_ids(tmp_path):
    for name in ("Jane Doe", "Richard Roe"):
        write_volume_at(tmp_path / f"{name}.mha")
    found = find_cases([tmp_path])
    assert {case.name for case in found.cases} == {"Jane Doe.mha", "Richard Roe.mha"}
    told = " ".join(f"{case.files.id} {case.files.patient}" for case in found.cases)
    assert "Jane" not in told
    assert "Roe" not in told


def write_volume_at(path):
    write_volume(path, Volume(IMAGE, CASE.grid))


def test_labels_of_a_part_belong_to_no_image_of_the_other(tmp_path):
    """Folders of nnU-Net without their document, with one name in both parts."""
    for folder, array in (("imagesTr", IMAGE), ("imagesTs", IMAGE + 1), ("labelsTs", REFERENCE)):
        put(tmp_path / folder / "x1.nii.gz", array)
    found = find_cases([tmp_path])
    assert [paths_of(case, tmp_path) for case in found.cases] == [
        ("imagesTr/x1.nii.gz", None, None),
        ("imagesTs/x1.nii.gz", None, "labelsTs/x1.nii.gz"),
    ]
