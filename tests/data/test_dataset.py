"""Dataset folders: every layout is built here, read, and checked; what leaves the folder is not."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from phantoms import phantom_dataset, write_nifti

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, PRESETS, UNKNOWN
from napari_scribseg.core.volume import Grid
from napari_scribseg.data.dataset import LAYOUTS, check_dataset, read_dataset
from napari_scribseg.data.names import distinct_ids, distinct_slugs, path_inside
from napari_scribseg.data.patients import patient_of
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.io import read_volume, write_volume
from napari_scribseg.io.documents import read_json

SHAPE = (2, 12, 12)
GRID = Grid.from_spacing(SHAPE, (8.0, 1.5, 1.5))


def voxels(*values: int) -> np.ndarray:
    """Labels that hold exactly these values; the first one nearly everywhere."""
    array = np.full(SHAPE, values[0], np.uint8)
    array[0, 0, : len(values)] = values
    return array


def store(folder: Path, *names: str, array: np.ndarray | None = None) -> None:
    image = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    for name in names:
        write_nifti(folder / name, image if array is None else array, GRID)


def document(folder: Path, content: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(content))


def bench(folder: Path, **changes) -> Path:
    """Two patients of scribble-bench/2: one with scribbles only, one with a label only."""
    store(folder, "images/p1_ED.nii.gz", "images/p2_ED.nii.gz")
    store(folder, "scribbles/p1_ED.nii.gz", array=voxels(0, 1, 2, 3, BACKGROUND))
    store(folder, "labels/p2_ED.nii.gz", array=voxels(0, 1, 2, 3))
    names = ("background", "RV", "MYO", "LV")
    content = {
        "schema": "scribble-bench/2",
        "name": "hearts",
        "title": "Some hearts",
        "unknown": "is left alone",
        "classes": [
            {"name": name, "ground_truth": k, "scribble": k or BACKGROUND}
            for k, name in enumerate(names)
        ],
        "scribble_unlabelled": 0,
        "splits": {"train": ["p1_ED"], "val": ["p2_ED"]},
        "cases": [
            {
                "id": "p1_ED",
                "subject": "p1",
                "group": "DCM",
                "phase": "ED",
                "frame": 1,
                "split": "train",
                "image": "images/p1_ED.nii.gz",
                "scribble": "scribbles/p1_ED.nii.gz",
                "label": None,
                "shape": [12, 12, 2],
            },
            {
                "id": "p2_ED",
                "subject": "p2",
                "split": "val",
                "image": "images/p2_ED.nii.gz",
                "scribble": None,
                "label": "labels/p2_ED.nii.gz",
            },
        ],
    }
    document(folder, {**content, **changes})
    return folder


def nnunet(folder: Path, labels: dict) -> Path:
    store(folder, "imagesTr/h_1_0000.nii.gz", "imagesTr/h_2_0000.nii.gz")
    store(folder, "imagesTs/h_3_0000.nii.gz")
    for name in ("labelsTr/h_1", "labelsTr/h_2", "labelsTs/h_3"):
        store(folder, f"{name}.nii.gz", array=voxels(0, 1, 2))
    content = {"channel_names": {"0": "MRI"}, "labels": labels, "file_ending": ".nii.gz"}
    document(folder, {**content, "numTraining": 2})
    return folder


def decathlon(folder: Path, **changes) -> Path:
    store(folder, "imagesTr/liver_0.nii.gz", "imagesTs/liver_1.nii.gz")
    store(folder, "labelsTr/liver_0.nii.gz", array=voxels(0, 1, 2))
    content = {
        "name": "Liver",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "liver", "2": "cancer"},
        "training": [{"image": "./imagesTr/liver_0.nii.gz", "label": "./labelsTr/liver_0.nii.gz"}],
        "test": ["./imagesTs/liver_1.nii.gz"],
    }
    document(folder, {**content, **changes})
    return folder


def test_scribble_bench(tmp_path):
    dataset = read_dataset(bench(tmp_path))
    assert (dataset.title, dataset.layout) == ("Some hearts", "scribble-bench")
    assert dataset.schema == PRESETS["cardiac"]
    first, second = dataset.cases
    assert (first.id, first.patient, first.group, first.phase) == ("p1_ED", "p1", "DCM", "ED")
    assert (first.split, first.frame, first.convention) == ("train", None, None)
    assert first.scribbles is not None
    assert first.reference is None
    assert (second.scribbles, second.split) == (None, "val")
    assert dataset.split("val") == (second,)
    report = check_dataset(dataset)
    assert (report.n_errors, report.n_scribbled, report.n_referenced) == (0, 1, 1)


def test_scribble_bench_in_another_convention(tmp_path):
    classes = [
        {"name": "background", "ground_truth": 0, "scribble": 0},
        {"name": "RV", "ground_truth": 1, "scribble": 1},
    ]
    bench(tmp_path, classes=classes, scribble_unlabelled=2)
    store(tmp_path, "scribbles/p1_ED.nii.gz", array=voxels(2, 0, 1))
    dataset = read_dataset(tmp_path)
    scribbles = dataset.cases[0].load(dataset.schema).scribbles
    assert sorted(np.unique(scribbles)) == [0, 1, BACKGROUND]
    assert (scribbles == 0).sum() == scribbles.size - 2


def test_plain_folder_with_and_without_label_names(tmp_path):
    dataset = read_dataset(phantom_dataset(tmp_path))
    assert (dataset.layout, dataset.schema.title) == ("plain", "Two balls")
    assert [case.patient for case in dataset.split("train")] == [f"patient0{k}" for k in range(3)]
    report = check_dataset(dataset)
    assert (report.n_cases, report.n_errors, report.never_scribbled) == (3, 0, ())
    (tmp_path / "labels").rename(tmp_path / "references")
    (tmp_path / "labels.json").unlink()
    (tmp_path / "images" / ".DS_Store").write_text("junk")
    guessed = read_dataset(tmp_path)
    assert guessed.schema.n_classes == 3
    assert "labels.json" in guessed.notes[0]
    assert all(case.reference is not None for case in guessed.cases)


def test_plain_folder_refuses_what_it_would_have_to_guess(tmp_path):
    store(tmp_path, "images/a.nii.gz")
    with pytest.raises(InvalidInput, match=r"labels\.json"):
        read_dataset(tmp_path)
    store(tmp_path, "scribbles/a.nii.gz", array=voxels(4, 0, 1))
    with pytest.raises(InvalidInput, match="convention"):
        read_dataset(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "references").mkdir()
    with pytest.raises(InvalidInput, match="keep one"):
        read_dataset(tmp_path)


def test_plain_folder_with_two_images_of_one_name_or_none(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(InvalidInput, match="no volume"):
        read_dataset(tmp_path)
    store(tmp_path, "images/a.nii.gz", "images/a.nii")
    with pytest.raises(InvalidInput, match="has both"):
        read_dataset(tmp_path)


def test_foreign_scribbles_in_a_plain_folder(tmp_path):
    store(tmp_path, "images/a.nii.gz", "images/b.nii.gz")
    store(tmp_path, "scribbles/a.nii.gz", "scribbles/lone.nii.gz", array=voxels(4, 0, 1, 2, 3))
    (tmp_path / "labels.json").write_text(PRESETS["cardiac"].model_dump_json())
    dataset = read_dataset(tmp_path)
    assert "lone" in dataset.notes[0]
    assert check_dataset(dataset).n_errors == 1
    report = check_dataset(dataset.read_as(ScribbleConvention.wsl4mis))
    assert report.n_errors == 0
    assert report.cases[0].scribbled_voxels == {"RV": 1, "MYO": 1, "LV": 1, "background": 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"version": 2, "title": "t", "classes": []}', "version"),
        ('{"version": 1, "title": "t", "classes": [{"name": "a", "color": "red"}]}', "color"),
        ('{"title": "t"', "JSON"),
    ],
)
def test_an_ill_labels_json_is_named(tmp_path, content, sentence):
    store(tmp_path, "images/a.nii.gz")
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(InvalidInput, match=rf"labels\.json.*{sentence}"):
        read_dataset(tmp_path)


def test_nnunet_with_ignore_label_has_scribbles(tmp_path):
    dataset = read_dataset(nnunet(tmp_path, {"background": 0, "heart": 1, "ignore": 2}))
    assert (dataset.layout, dataset.schema.names) == ("nnU-Net raw", ("background", "heart"))
    assert dataset.splits == {"train": 2, "test": 1}
    train, test = dataset.split("train")[0], dataset.split("test")[0]
    assert (train.id, train.reference) == ("h_1", None)
    assert test.scribbles is None
    scribbles = train.load(dataset.schema).scribbles
    expected = {0: 1, 1: 1, BACKGROUND: np.prod(SHAPE) - 2}
    assert dict(zip(*np.unique(scribbles, return_counts=True), strict=True)) == expected


def test_nnunet_without_ignore_label_has_references(tmp_path):
    dataset = read_dataset(nnunet(tmp_path, {"background": 0, "a": 1, "b": 2}))
    report = check_dataset(dataset)
    assert (report.n_errors, report.n_scribbled, report.n_referenced) == (0, 0, 3)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ({"background": 0, "whole": [1, 2]}, "regions"),
        ({"background": 0, "a": 1, "ignore": 3}, "highest"),
        ({"background": 0, "a": 1, "b": 1}, "different"),
        ({"background": 0, "a": 2}, "without a gap"),
        ({"background": 0, "a": True}, "labels"),
        ({"background": 0}, "without a gap"),
    ],
)
def test_nnunet_labels_that_have_no_place_here_are_refused(tmp_path, labels, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read_dataset(nnunet(tmp_path, labels))


def test_decathlon(tmp_path):
    dataset = read_dataset(decathlon(tmp_path))
    assert dataset.schema.names == ("background", "liver", "cancer")
    assert dataset.splits == {"train": 1, "test": 1}
    report = check_dataset(dataset)
    assert (report.n_errors, report.n_referenced) == (0, 1)
    assert report.cases[1].notes == (
        "There are no scribbles and no reference: good for prediction only.",
    )


def test_decathlon_with_two_modalities_has_two_sequences(tmp_path):
    dataset = read_dataset(decathlon(tmp_path, modality={"0": "T2", "1": "ADC"}))
    files = dataset.cases[0]
    assert (files.frame, files.sequence) == (0, "T2")
    assert [(one.name, one.path, one.frame) for one in files.further] == [("ADC", files.image, 1)]
    assert dataset.sequences == ("T2", "ADC")


LEAVING = ["../x.nii.gz", "/etc/x.nii.gz", "images/../../x.nii.gz", "C:\\x.nii.gz", "C:/x", "", "."]


@pytest.mark.parametrize("name", [*LEAVING, "a\0b", "link/x.nii.gz", "//server/x", "a\\..\\b"])
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidInput, match="leads out"):
        path_inside(tmp_path / "data", name, "Somebody")


def test_paths_that_stay_are_resolved(tmp_path):
    assert path_inside(tmp_path, "./a/b.nii.gz", "I") == tmp_path.resolve() / "a" / "b.nii.gz"


@pytest.mark.parametrize("name", LEAVING)
def test_documents_can_not_name_files_elsewhere(tmp_path, name):
    with pytest.raises(InvalidInput, match="leads out"):
        read_dataset(decathlon(tmp_path, test=[name]))
    for key in ("image", "scribble", "label"):
        bench(tmp_path)
        content = read_json(tmp_path / "dataset.json")
        content["cases"][0][key] = name
        document(tmp_path, content)
        with pytest.raises(InvalidInput, match="leads out"):
            read_dataset(tmp_path)


def test_unknown_folders_get_the_list_of_layouts(tmp_path):
    with pytest.raises(InvalidInput) as no_layout:
        read_dataset(tmp_path)
    assert all(layout in str(no_layout.value) for layout in LAYOUTS)
    document(tmp_path, {"schema": "scribble-bench/9", "cases": []})
    with pytest.raises(InvalidInput, match="not a dataset folder that is understood"):
        read_dataset(tmp_path)
    with pytest.raises(InvalidInput, match="not a folder"):
        read_dataset(tmp_path / "dataset.json")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cases": "all"}, "cases"),
        ({"cases": [{"id": 7}]}, r"cases\.0\.id"),
        ({"classes": [{"name": "a", "ground_truth": "0", "scribble": 1}]}, "ground_truth"),
        ({"splits": {"train": ["p1_ED", "p9"]}}, "p9"),
        ({"splits": {"val": ["p1_ED"]}}, "more than one split: p1_ED"),
    ],
)
def test_malformed_documents_name_the_file_and_the_fault(tmp_path, changes, sentence):
    with pytest.raises(InvalidInput, match=rf"dataset\.json.*{sentence}"):
        read_dataset(bench(tmp_path, **changes))


@pytest.mark.parametrize("text", ['{"schema": ', "[1, 2]", "", '{"a": NaN}', "\xff"])
def test_broken_json_names_the_file(tmp_path, text):
    (tmp_path / "dataset.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"dataset\.json"):
        read_dataset(tmp_path)


def test_the_report_tells_everything_at_once(tmp_path):
    bench(tmp_path)
    content = read_json(tmp_path / "dataset.json")
    leak = {**content["cases"][1], "id": "P1_ed", "subject": "p1", "split": "val"}
    gone = {**content["cases"][0], "id": "gone", "image": "images/gone.nii.gz"}
    content["cases"] += [leak, gone]
    document(tmp_path, content)
    store(tmp_path, "scribbles/p1_ED.nii.gz", array=voxels(0, 1, 3))
    seen: list[tuple[int, int]] = []
    dataset = read_dataset(tmp_path)
    report = check_dataset(dataset, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert report.duplicate_ids == ("p1_ed",)
    assert report.patients_in_several_splits == {"p1": ("train", "val")}
    assert [case.ok for case in report.cases] == [True, True, True, False]
    assert "gone.nii.gz" in report.cases[3].problems[0]
    assert report.n_errors == 3
    assert report.never_scribbled == ("MYO", "background")
    first = report.cases[0]
    assert (first.shape, first.spacing_mm) == (SHAPE, pytest.approx((8.0, 1.5, 1.5)))
    assert first.scribbled_voxels == {"RV": 1, "MYO": 0, "LV": 1, "background": 0}
    assert first.labelled_share == pytest.approx(2 / np.prod(SHAPE))
    plain = json.loads(json.dumps(report.model_dump(mode="json")))
    assert plain["cases"][3]["ok"] is False
    with pytest.raises(InvalidInput):
        dataset.split("train")


@pytest.mark.parametrize(
    ("case_id", "patient"),
    [
        ("patient001_frame01", "patient001"),
        ("patient001_ED", "patient001"),
        ("patient001_es", "patient001"),
        ("patient001_ES_frame12", "patient001"),
        ("subject02", "subject02"),
        ("frame01", "frame01"),
        ("medes", "medes"),
        ("p_frame", "p_frame"),
    ],
)
def test_the_patient_of_an_id(case_id, patient):
    assert patient_of(case_id) == patient


def test_ids_of_strange_names_are_harmless_and_differ():
    assert safe_id("patient001_frame01") == "patient001_frame01"
    names = ["Ann Lee", "Ann/Lee", "../x", "é", "x" * 99, ".hidden"]
    ids = {safe_id(name) for name in names}
    assert len(ids) == len(names)
    assert all(safe_id(i) == i for i in ids)


@pytest.mark.parametrize("name", ["CON", "nul.gz", "com1", "ends."])
def test_what_is_no_file_on_some_systems_is_no_id(name):
    assert safe_id(name) != name
    assert safe_id(safe_id(name)) == safe_id(name)


def test_names_become_slugs_that_differ():
    assert distinct_slugs(("background", "RV", "left ventricle")) == (
        "background",
        "RV",
        "left-ventricle",
    )
    close = ("a b", "a/b", "A-B", "a-b")
    slugs = distinct_slugs(close)
    assert len({each.casefold() for each in slugs}) == 4
    assert all(each.startswith(("a-b", "A-B")) for each in slugs)


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (("p1/image.mha", "p2/image.mha"), ("p1_image", "p2_image")),
        (("p1/anat/t1.mha", "p2/anat/t1.mha", "x/t2.mha"), ("p1_t1", "p2_t1", "t2")),
        (("p1/a/t1.mha", "p1/b/t1.mha", "p2/b/t1.mha"), ("p1_a_t1", "p1_b_t1", "p2_b_t1")),
        (("a/t1.mha", "b/t1.mha", "b/a/t1.mha"), ("a_t1", "b_t1", "b_a_t1")),
        (("t1.mha", "b/t1.mha"), ("t1", "b_t1")),
        (("a/one.mha", "b/two.mha"), ("one", "two")),
    ],
)
def test_files_of_one_name_get_their_folders_in_front(paths, ids):
    places = [PurePosixPath(path) for path in paths]
    assert distinct_ids([place.stem for place in places], places) == ids


@pytest.mark.parametrize(
    "paths",
    [
        ("p/image.mha", "p/IMAGE.mha"),
        ("p/image.mha", "P/image.mha"),
        ("a/b_c.mha", "a_b/c.mha", "x/c.mha"),
        ("p1/image.mha", "p2/image.mha", "x/p1_image.mha"),
        ("p/image.mha", "p/image.nii", "q/image.mha"),
        ("p 1/image.mha", "p-1/image.mha", "p/1/image.mha"),
    ],
)
def test_no_two_files_have_one_id_whatever_they_are_called(paths):
    places = [PurePosixPath(path) for path in paths]
    ids = distinct_ids([place.stem for place in places], places)
    assert len({each.casefold() for each in ids}) == len(paths)
    assert all(safe_id(each) == each for each in ids)
    assert ids == distinct_ids([place.stem for place in places], places)


def test_a_document_may_list_files_of_one_name(tmp_path):
    """Each patient has a folder: two cases of two patients, not one case twice."""
    folder = decathlon(
        tmp_path,
        training=[{"image": f"./p{n}/ED.nii.gz", "label": f"./p{n}/label.nii.gz"} for n in (1, 2)],
        test=["./p2/ES.nii.gz"],
    )
    dataset = read_dataset(folder)
    assert [(c.id, c.patient) for c in dataset.split("all")] == [
        ("p1_ED", "p1"),
        ("p2_ED", "p2"),
        ("ES", "ES"),
    ]
    assert dataset.cases[1].image == (tmp_path / "p2" / "ED.nii.gz").resolve()


def data_folder() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SCRIBSEG_DATA", beside)) / "acdc"
    if not folder.is_dir():
        pytest.skip("the real volumes are not here; set SCRIBSEG_DATA to their folder")
    return folder


@pytest.mark.real_data
def test_acdc_has_140_cases_of_70_patients_and_loads():
    dataset = read_dataset(data_folder())
    assert len(dataset.cases) == 140
    assert len({case.patient for case in dataset.cases}) == 70
    assert dataset.splits == {"val": 40, "train": 100}
    assert dataset.schema == PRESETS["cardiac"]
    for files in dataset.cases[::47]:
        case = files.load(dataset.schema)
        assert case.image.spacing[0] >= 5.0 > case.image.spacing[1]
        drawn = dataset.schema.to_targets(case.scribbles)
        # The authors' strokes: 1 foreground voxel in 3800 lies outside its structure.
        assert (drawn == case.reference)[drawn > 0].mean() > 0.99


def _wide(values: tuple[int, ...]) -> np.ndarray:
    array = np.zeros(SHAPE, np.int16)
    array[0, 0, : len(values)] = values
    return array


def test_values_like_200_and_500_are_taken_in_order_and_told_of(tmp_path):
    store(tmp_path, "images/a.nii.gz")
    store(tmp_path, "labels/a.nii.gz", array=_wide((0, 200, 500, 600)))
    dataset = read_dataset(tmp_path)
    assert dataset.schema.names == ("background", "class 200", "class 500", "class 600")
    assert "200, 500, 600" in dataset.notes[0]
    case = dataset.cases[0].load(dataset.schema)
    assert case.reference is not None
    assert sorted(np.unique(case.reference)) == [0, 1, 2, 3]
    report = check_dataset(dataset)
    assert report.n_errors == 0
    assert len(report.model_dump_json()) < 3000
    (tmp_path / "labels.json").write_text(PRESETS["cardiac"].model_dump_json())
    named = read_dataset(tmp_path)
    assert "200 = RV, 500 = MYO, 600 = LV" in named.notes[0]
    assert named.cases[0].load(named.schema).reference is not None


def test_a_slip_in_one_file_is_no_class(tmp_path):
    store(tmp_path, *(f"images/{name}.nii.gz" for name in "abc"))
    body = np.zeros(SHAPE, np.int16)
    body[:, 2:-2, 2:-2] = 1
    body[:, 2:4, 2:4] = 2
    body = np.repeat(np.repeat(body, 8, 1), 8, 2)
    slip = body.copy()
    slip[0, 0, 0] = 700
    grid = Grid.from_spacing(body.shape, (8.0, 1.5, 1.5))
    for name, array in (("a", body), ("b", body), ("c", slip)):
        write_nifti(tmp_path / "images" / f"{name}.nii.gz", body, grid)
        write_nifti(tmp_path / "labels" / f"{name}.nii.gz", array, grid)
    dataset = read_dataset(tmp_path)
    assert dataset.schema.n_classes == 3
    report = check_dataset(dataset)
    assert [case.ok for case in report.cases] == [True, True, False]
    assert "700 (1 voxels)" in report.cases[2].problems[0]


def test_an_unreadable_label_file_does_not_hide_the_others(tmp_path):
    store(tmp_path, "images/a.nii.gz", "images/b.nii.gz")
    store(tmp_path, "labels/b.nii.gz", array=voxels(0, 1, 2))
    (tmp_path / "labels/a.nii.gz").write_bytes(b"no volume")
    dataset = read_dataset(tmp_path)
    assert dataset.schema.n_classes == 3
    assert [case.ok for case in check_dataset(dataset).cases] == [False, True]


def test_names_that_tools_give_are_paired_and_told_of(tmp_path):
    store(tmp_path, "images/a_0000.nii.gz", "images/b_0000.nii.gz", "images/b_0001.nii.gz")
    store(tmp_path, "labels/a.seg.nii.gz", "labels/b.seg.nii.gz", array=voxels(0, 1, 2))
    store(tmp_path, "scribbles/a.nii.gz", array=voxels(0, 1, 2, BACKGROUND))
    dataset = read_dataset(tmp_path)
    assert [case.id for case in dataset.cases] == ["a", "b"]
    assert all(case.reference for case in dataset.cases)
    assert dataset.cases[0].scribbles is not None
    assert [one.path.name for one in dataset.cases[1].further] == ["b_0001.nii.gz"]
    assert any("a.seg.nii.gz belongs to a_0000.nii.gz" in note for note in dataset.notes)


def test_labels_of_which_none_has_an_image_are_a_problem(tmp_path):
    store(tmp_path, "images/a.nii.gz")
    store(tmp_path, "labels/x.nii.gz", array=voxels(0, 1, 2))
    report = check_dataset(read_dataset(tmp_path))
    assert report.n_errors == 1
    assert "No file in labels/ belongs to an image: x there, a in images/" in report.problems[0]


def test_test_labels_of_nnunet_may_be_partial(tmp_path):
    folder = nnunet(tmp_path, {"background": 0, "a": 1, "b": 2, "ignore": 3})
    store(folder, "imagesTs/t_0000.nii.gz")
    store(folder, "labelsTs/t.nii.gz", array=voxels(3, 0, 1, 2))
    dataset = read_dataset(folder)
    case = next(c for c in dataset.cases if c.id == "t").load(dataset.schema)
    assert case.reference is not None
    assert sorted(np.unique(case.reference)) == [0, 1, 2, UNKNOWN]
    assert any("partial" in note for note in case.notes)


def test_scribbles_as_references_of_a_plain_folder_are_partial_and_told(tmp_path):
    """As `evaluate` reads them: 0 = not labelled, 255 = background."""
    folder = phantom_dataset(tmp_path / "data", 2)
    for path in (folder / "labels").iterdir():
        shutil.copyfile(folder / "scribbles" / path.name, path)
    dataset = read_dataset(folder)
    assert any("read as scribbles" in note for note in dataset.notes)
    case = dataset.cases[0].load(dataset.schema)
    drawn = case.scribbles != 0
    np.testing.assert_array_equal(case.reference == UNKNOWN, ~drawn)
    np.testing.assert_array_equal(case.reference[drawn] == 0, case.scribbles[drawn] == 255)


def test_what_is_unsure_is_no_class_of_a_folder_without_labels_json(tmp_path):
    phantom_dataset(tmp_path, 1)
    (tmp_path / "labels.json").unlink()
    (tmp_path / "labels").rename(tmp_path / "elsewhere")
    (path,) = (tmp_path / "scribbles").iterdir()
    stored = read_volume(path)
    drawn = stored.array.copy()
    drawn[0, 0, :5] = 254
    write_volume(path, replace(stored, array=drawn))
    guessed = read_dataset(tmp_path)
    assert guessed.schema.n_classes == 3
    assert set(np.unique(guessed.cases[0].load(guessed.schema).scribbles)) == {0, 1, 2, 254, 255}
