"""Patients' names in file and folder names reach no file that is given away.

A name is looked for in every byte that was written, in several encodings, and unpacked. Left out
are only the documents that must say where the images are (cases.json and its kind): they stay with
the data, and the documentation says so.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case

from napari_scribseg.cli import main
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.patients import patient_of
from napari_scribseg.data.pseudonyms import renamed_from, safe_id, safe_title, without_paths
from napari_scribseg.project.folder import Project
from napari_scribseg.project.store import ProjectStore
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.worker import record

SECRETS = ("DOE^JANE", "Müller", "ller Hans", "Doe_Ann", "Mustermann", "Erika")
NAMES = ("DOE^JANE", "Müller Hans_ED", "Müller Hans_ES", "Doe_Ann", "Mustermann, Erika")
WHERE = frozenset({"cases.json", "run.json", "experiment.json", "recipe.json", "project.json"})
"""Documents that say where the images are."""
TINY = ("patch=48,48", "batch_size=4", "precision=float32")
BUDGET = ("--steps", "2")


@pytest.fixture
def data(tmp_path) -> Path:
    """A plain dataset whose folder and files are called like patients."""
    folder = phantom_dataset(tmp_path / "Müller, Hans", len(NAMES))
    for kind in ("images", "scribbles", "labels"):
        for n, name in enumerate(NAMES):
            (folder / kind / f"patient{n:02d}.nii.gz").rename(folder / kind / f"{name}.nii.gz")
    return folder


def _bytes_of(path: Path) -> bytes:
    content = path.read_bytes()
    with contextlib.suppress(gzip.BadGzipFile, EOFError):
        content += gzip.decompress(content)
    return content


def leaks(folder: Path, left_out: frozenset[str] = WHERE) -> list[str]:
    """Where a secret is in the name or the content of a file of a folder."""
    forms: set[bytes] = set()
    for secret in SECRETS:
        for text in (secret, unicodedata.normalize("NFD", secret), json.dumps(secret)[1:-1]):
            forms |= {text.encode(), text.encode("utf-16-le")}
    found: list[str] = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        content = _bytes_of(path) if path.is_file() and path.name not in left_out else b""
        found += [f"{relative}: {form!r}" for form in forms if form in relative.encode() + content]
    return sorted(found)


def options() -> list[str]:
    return [*BUDGET, *(word for setting in TINY for word in ("--set", setting))]


def test_names_of_files_of_public_sets_stay():
    for name in (
        *("patient001_ED", "patient001_frame12", "subject0_C0", "subject12_DE", "case_a", "a"),
        *("BraTS20_Training_001", "la_003", "hippocampus_001", "Prostate3T-01-0001", "p_frame"),
        *("sub-01_ses-02_T1w", "Case00", "img0001", "heart", "left_atrium", "x.y-z_1"),
    ):
        assert safe_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("DOE^JANE", "Müller Hans", "Doe_Jane", "Doe-Jane", "JaneDoe", "Doe_Jane_19700101"),
        *("Müller", "jane.doe", "Doe,Jane", "../Jane", "山田太郎", "Jane Doe 12", "J\nDoe"),
    ],
)
@pytest.mark.parametrize("ending", ["", "_ED", "_frame01"])
def test_names_of_people_become_hashes_that_keep_phase_and_patient(name, ending):
    case = safe_id(name + ending)
    assert case.startswith("case-")
    assert case.endswith(ending)
    assert case == safe_id(name + ending) == safe_id(case), "always the same"
    assert patient_of(case) == safe_id(name)
    assert not {word.casefold() for word in ("doe", "jane", "hans")} & set(
        case.casefold().split("-")
    )


def test_a_folder_of_a_series_keeps_its_name_only_if_it_can_name_nobody():
    for name in ("patient001", "series 3", "scan_12", "SE0003", "12", "CT"):
        assert safe_id(name, series=True).startswith(name.replace(" ", "-"))
    for name in ("Mueller", "Doe12_Jane", "12345678", "1.2.840.113619.2.1", "xyz_001", "19700101"):
        assert safe_id(name, series=True).startswith("case-")


def test_the_name_on_the_disk_is_known_for_the_screen():
    assert renamed_from(safe_id("DOE^JANE"), Path("x/DOE^JANE.nii.gz")) == "DOE^JANE.nii.gz"
    assert renamed_from("patient001", Path("x/patient001.nii.gz")) == ""
    assert renamed_from("patient001", Path("cases/patient001/image.nii.gz")) == ""
    assert renamed_from(safe_id("Mueller", series=True), Path("x/Mueller")) == "Mueller"


def test_titles_of_datasets_may_have_spaces_but_no_persons():
    assert safe_title("Prostate study 2") == "Prostate study 2"
    assert safe_title("Müller, Hans").startswith("data-")


def test_sentences_for_logs_call_files_by_their_case(tmp_path):
    image = tmp_path / "Hans Müller" / "DOE^JANE.nii.gz"
    for sentence in (
        f"{image} can't be read.",
        f"No such file: {str(image)!r}.",
        f"{image.parent}/other.nii.gz is cut, unlike DOE^JANE.nii.gz.",
    ):
        told = without_paths(sentence, {"case-1": [image, None]})
        assert "JANE" not in told
        assert "Müller" not in told
        assert "case-1" in told


def test_ids_and_patients_of_a_dataset_name_nobody(data):
    dataset = read_dataset(data)
    text = repr([(c.id, c.patient) for c in dataset.cases]) + dataset.title + dataset.schema.title
    assert not [secret for secret in SECRETS if secret in text]
    assert len({c.patient for c in dataset.cases}) == len(NAMES) - 1, "Hans has two phases"


def test_training_predicting_evaluating_and_exporting_leak_no_name(data, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["train", str(data), "--method", "partial_ce", "--out", str(out / "run")]
    assert main([*words, *options()]) == 0
    assert main(["predict", str(out / "run"), str(data), "--out", str(out / "p")]) == 0
    assert "DOE^JANE.nii.gz" in capsys.readouterr().out, "told on the screen"
    one = str(data / "images" / "DOE^JANE.nii.gz")
    assert main(["predict", str(out / "run"), one, "--out", str(out / "one")]) == 0
    for references in (data, data / "labels"):
        scores = str(out / f"scores-{references.name == 'labels'}")
        assert main(["evaluate", str(out / "p"), str(references), "--out", scores]) == 0
    for layout in ("nifti", "nnunet"):
        words = ["export", str(data), "--layout", layout, "--out", str(out / layout)]
        assert main(words) == 0
    strokes = str(out / "strokes")
    assert main(["simulate", str(data), "--out", strokes]) == 0
    assert main(["export-model", str(out / "run"), str(out / "model.scribseg")]) == 0
    assert leaks(out) == []


def test_what_we_have_written_of_an_image_is_found_beside_it(data, tmp_path):
    out = tmp_path / "strokes"
    assert main(["simulate", str(data), "--out", str(out)]) == 0
    shutil.rmtree(data / "scribbles")
    shutil.copytree(out, data / "scribbles", ignore=shutil.ignore_patterns("*.json"))
    dataset = read_dataset(data)
    assert all(case.scribbles is not None for case in dataset.cases)
    assert dataset.notes == ()


def test_a_failing_training_leaks_no_name_into_events_and_log(data, tmp_path):
    words = ["train", str(data), "--method", "partial_ce", *options()]
    assert main([*words, "--out", str(tmp_path / "out" / "good")]) == 0
    (data / "images" / "DOE^JANE.nii.gz").write_bytes(b"cut")
    assert main([*words, "--out", str(tmp_path / "out" / "bad")]) != 0
    run = RunFolder.open(tmp_path / "out" / "bad")

    def crash():
        yield from ()
        raise ValueError(f"Something in {run.cases[0].files.image}")

    list(record(run, crash()))
    assert len(run.events()) >= 2
    assert leaks(tmp_path / "out") == []
    assert run.cases[0].files.id in run.log_path.read_text()


def test_a_damaged_segmentation_is_told_without_its_name(data, tmp_path):
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for name in NAMES:
        (predictions / f"{name}.nii.gz").write_bytes(b"cut")
    out = tmp_path / "out"
    words = ["evaluate", str(predictions), str(data / "labels"), "--out", str(out / "scores")]
    assert main(words) == 1
    assert leaks(out) == []


def test_the_journal_and_the_project_keep_strokes_under_an_id(tmp_path):
    case = two_ball_case()
    with Project.create(tmp_path / "project", TWO_BALLS):
        pass
    store = ProjectStore(tmp_path / "journals")
    store.ensure_project(tmp_path / "project", TWO_BALLS)
    kept = store.keep(None, "DOE^JANE", np.asarray(case.scribbles), TWO_BALLS)
    assert kept.case == safe_id("DOE^JANE")
    store.close()
    assert list((tmp_path / "journals").iterdir())
    assert leaks(tmp_path, frozenset()) == []


@pytest.mark.slow
def test_an_experiment_and_its_report_leak_no_name(data, tmp_path):
    (data / "images" / "Mustermann, Erika.nii.gz").write_bytes(b"cut")
    out = tmp_path / "out"
    words = ["experiment", str(data), "--method", "partial_ce", "--folds", "2", "--jobs", "1"]
    code = main([*words, "--out", str(out), *options()])
    assert code == 1, "one case is left out"
    assert (out / "report.html").is_file()
    assert leaks(out) == []
