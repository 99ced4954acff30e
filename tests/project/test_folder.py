"""A project folder: what goes in comes out, one writer at a time, nothing is written over."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from phantoms import (
    TWO_BALLS,
    phantom_dataset,
    two_ball_case,
    two_sequence_case,
    two_sequence_dataset,
    write_nifti,
)

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.data.case import Case, CaseFiles
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.patients import patient_of
from napari_scribseg.io import read_labels
from napari_scribseg.io.documents import read_json
from napari_scribseg.io.lock import LOCK_NAME, FolderLock
from napari_scribseg.project.folder import Project


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p", TWO_BALLS, "Two patients") as project:
        yield project


@pytest.fixture
def files(tmp_path):
    return read_dataset(phantom_dataset(tmp_path / "data", 2)).cases


def rewrite(project: Project, **changes) -> None:
    """Change project.json behind the project's back."""
    path = project.folder / "project.json"
    path.write_text(json.dumps({**read_json(path), **changes}))


@pytest.mark.parametrize("copy", [True, False])
def test_cases_come_out_as_they_went_in(project, files, copy):
    project.add_case(files[0], copy=copy)
    project.add_case(two_ball_case(seed=5))
    project.close()
    again = Project.open(project.folder, read_only=True)
    assert (again.title, again.schema, again.revision) == ("Two patients", TWO_BALLS, 3)
    assert again.case_ids == ("patient00", "phantom5")
    assert (project.folder / "cases/patient00/image.nii.gz").exists() == copy
    for original, stored in (
        (files[0].load(TWO_BALLS), again.load_case("patient00")),
        (two_ball_case(seed=5), again.load_case("phantom5")),
    ):
        np.testing.assert_array_equal(stored.image.array, original.image.array)
        np.testing.assert_array_equal(stored.scribbles, original.scribbles)
        np.testing.assert_array_equal(stored.reference, original.reference)
        assert stored.patient == original.patient
        assert stored.grid.offset_from(original.grid) < 1e-4
    dataset = again.dataset()
    assert (dataset.layout, len(dataset.split("all"))) == ("project", 2)


def test_scribbles_are_saved_and_count_the_revision(project):
    project.add_case(two_ball_case())
    scribbles = np.zeros((4, 48, 48), np.int64)
    scribbles[1, 2:4, 5], scribbles[0, 0, 0] = 2, BACKGROUND
    before = project.revision
    project.save_scribbles("phantom0", scribbles)
    assert project.revision == before + 1
    np.testing.assert_array_equal(project.load_case("phantom0").scribbles, scribbles)
    stored = project.folder / "cases/phantom0/scribbles.nii.gz"
    assert [p.name for p in stored.parent.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("scribbles", "sentence"),
    [
        (np.zeros((4, 48, 47), np.uint8), "shape"),
        (np.zeros((4, 48, 48), np.float32), "whole numbers"),
        (np.full((4, 48, 48), 3), "3 \\(9216 voxels\\)"),
        (np.full((4, 48, 48), 256 + 1), "257"),
    ],
)
def test_scribbles_that_do_not_fit_leave_the_old_ones(project, scribbles, sentence):
    project.add_case(two_ball_case())
    with pytest.raises(InvalidInput, match=sentence):
        project.save_scribbles("phantom0", scribbles)
    np.testing.assert_array_equal(
        project.load_case("phantom0").scribbles, two_ball_case().scribbles
    )
    with pytest.raises(InvalidInput, match="there are: phantom0"):
        project.save_scribbles("other", scribbles)


def test_a_replaced_image_is_noticed_and_the_scribbles_are_kept(project, files):
    project.add_case(files[0], copy=False)
    case = two_ball_case(seed=9)
    write_nifti(files[0].image, case.image.array, case.grid)
    with pytest.raises(InvalidInput, match="not the one that was added"):
        project.load_case("patient00")
    with pytest.raises(InvalidInput, match="patient00"):
        project.dataset()
    assert (project.folder / "cases/patient00/scribbles.nii.gz").exists()
    files[0].image.unlink()
    with pytest.raises(InvalidInput, match="moved"):
        project.load_case("patient00")


def test_an_id_is_taken_once_whatever_its_case(project):
    project.add_case(two_ball_case())
    with pytest.raises(InvalidInput, match="already"):
        project.add_case(two_ball_case(case_id="PHANTOM0"))
    with pytest.raises(InvalidInput, match="only in memory"):
        project.add_case(two_ball_case(seed=1), copy=False)
    with pytest.raises(InvalidInput, match="id"):
        project.add_case(two_ball_case(case_id="../../out"))
    assert not list(project.folder.glob("cases/.adding*"))


def test_a_failed_addition_leaves_nothing(project, files):
    (files[0].image).write_bytes(b"not a volume")
    with pytest.raises(InvalidInput):
        project.add_case(files[0])
    assert list((project.folder / "cases").iterdir()) == []
    assert project.revision == 1


def test_what_a_crash_left_is_set_aside_or_removed(project):
    left = project.folder / "cases" / "phantom0"
    left.mkdir()
    (left / "scribbles.nii.gz").write_bytes(b"maybe somebody's work")
    (project.folder / "cases" / ".adding-1").mkdir()
    project.close()
    with Project.open(project.folder) as again:
        again.add_case(two_ball_case())
        assert "orphan-phantom0" in again.notes[0]
        (aside,) = (again.folder / "cases").glob(".orphan-phantom0-*")
        assert (aside / "scribbles.nii.gz").read_bytes() == b"maybe somebody's work"
        assert not (again.folder / "cases" / ".adding-1").exists()


def test_the_second_writer_learns_who_and_where_and_may_read(project):
    project.add_case(two_ball_case())
    with pytest.raises(InvalidInput, match=rf"process {os.getpid()}.*read-only"):
        Project.open(project.folder)
    reader = Project.open(project.folder, read_only=True)
    assert reader.load_case("phantom0").id == "phantom0"
    for change in (
        lambda: reader.save_scribbles("phantom0", np.zeros((4, 48, 48), np.uint8)),
        lambda: reader.add_case(two_ball_case(seed=1)),
    ):
        with pytest.raises(InvalidInput, match="read-only"):
            change()
    reader.close()
    assert (project.folder / LOCK_NAME).exists()
    project.close()
    assert not (project.folder / LOCK_NAME).exists()
    with pytest.raises(InvalidInput, match="read-only"):
        project.save_scribbles("phantom0", np.zeros((4, 48, 48), np.uint8))
    Project.open(project.folder).close()


def test_a_revision_that_moved_on_is_not_written_over(project):
    project.add_case(two_ball_case())
    stored = project.folder / "cases/phantom0/scribbles.nii.gz"
    before = stored.read_bytes()
    rewrite(project, revision=7)
    with pytest.raises(InvalidInput, match="revision is 7, expected 2"):
        project.save_scribbles("phantom0", np.zeros((4, 48, 48), np.uint8))
    with pytest.raises(InvalidInput, match="revision is 7"):
        project.add_case(two_ball_case(seed=1))
    assert stored.read_bytes() == before
    assert read_json(project.folder / "project.json")["revision"] == 7


def test_a_writer_whose_lock_was_taken_does_not_write(project):
    project.add_case(two_ball_case())
    (project.folder / LOCK_NAME).unlink()
    with Project.open(project.folder) as other:
        with pytest.raises(InvalidInput, match="taken over"):
            project.save_scribbles("phantom0", np.zeros((4, 48, 48), np.uint8))
        project.close()
        assert (other.folder / LOCK_NAME).exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "newer"),
        ({"version": None}, "version"),
        ({"revision": True}, "revision"),
        ({"revision": "1"}, "revision"),
        ({"revision": 0}, "revision"),
        ({"title": 5}, "title"),
        ({"extra": 1}, "extra"),
        ({"cases": {}}, "cases"),
        ({"labels": {"title": "t", "classes": []}}, "classes"),
    ],
)
def test_documents_of_wrong_types_or_versions_are_refused(project, changes, sentence):
    rewrite(project, **changes)
    project.close()
    with pytest.raises(InvalidInput, match=rf"project\.json.*{sentence}"):
        Project.open(project.folder)
    assert not (project.folder / LOCK_NAME).exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", "../../out"),
        ("image", "../../out.nii.gz"),
        ("image", "cases/../../out.nii.gz"),
        ("image_sha256", "0"),
        ("shape", [4, 48]),
        ("shape", [4, 48, -48]),
        ("affine", [[1, 0, 0, 0]] * 3),
        ("frame", "1"),
    ],
)
def test_case_entries_of_wrong_types_or_places_are_refused(project, key, value):
    project.add_case(two_ball_case())
    entry = read_json(project.folder / "project.json")["cases"][0]
    rewrite(project, cases=[{**entry, key: value}])
    project.close()
    with pytest.raises(InvalidInput):
        Project.open(project.folder)


def test_nothing_is_written_through_a_link_out_of_the_project(project, tmp_path):
    project.add_case(two_ball_case())
    inside, outside = project.folder / "cases/phantom0", tmp_path / "outside"
    inside.rename(outside)
    inside.symlink_to(outside)
    before = (outside / "scribbles.nii.gz").read_bytes()
    with pytest.raises(InvalidInput, match="leads out"):
        project.save_scribbles("phantom0", np.zeros((4, 48, 48), np.uint8))
    assert (outside / "scribbles.nii.gz").read_bytes() == before


def test_only_an_empty_folder_becomes_a_project(project, tmp_path):
    with pytest.raises(InvalidInput, match="not empty"):
        Project.create(project.folder, TWO_BALLS)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="can't be made a project"):
        Project.create(tmp_path / "file", TWO_BALLS)
    with pytest.raises(InvalidInput, match="not a project"):
        Project.open(tmp_path)


def test_a_folder_of_runs_is_listed_once_it_is_a_run(project):
    path = project.folder / "runs" / "2026-07-01T10-00-00_effdnet_1"
    path.mkdir(parents=True)
    assert project.runs() == ()
    (path / "run.json").write_text("{}")
    assert project.runs() == (path,)


def in_other_process(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


TAKE_AND_DIE = """
import os, sys, pathlib
from napari_scribseg.io.lock import FolderLock
FolderLock.take(pathlib.Path(sys.argv[1]))
os._exit(9)
"""


def test_the_lock_of_a_dead_process_is_taken_over_with_a_note(project):
    project.close()
    dead = in_other_process(TAKE_AND_DIE, project.folder)
    assert dead.wait(60) == 9
    dead.communicate()
    with Project.open(project.folder) as again:
        assert f"process {dead.pid}" in again.notes[0]
        again.add_case(two_ball_case())


def test_a_used_again_process_id_does_not_keep_a_lock_alive(tmp_path):
    lock = FolderLock.take(tmp_path)
    if lock.holder.started == "":
        pytest.skip("this system does not tell when a process began")
    stale = lock.holder.model_copy(update={"started": "1", "token": "of an earlier process"})
    (tmp_path / LOCK_NAME).write_text(stale.model_dump_json())
    assert "taken over" in (FolderLock.take(tmp_path).note or "")


@pytest.mark.parametrize("content", ["other computer", "not understood"])
def test_a_lock_that_can_not_be_judged_is_respected(tmp_path, content):
    lock = FolderLock.take(tmp_path)
    if content == "other computer":
        holder = lock.holder.model_copy(update={"host": "elsewhere", "token": "another"})
        content = holder.model_dump_json()
    (tmp_path / LOCK_NAME).write_text(content)
    with pytest.raises(InvalidInput, match=r"elsewhere.*project\.lock"):
        FolderLock.take(tmp_path)
    lock.release()
    assert (tmp_path / LOCK_NAME).read_text() == content


def test_an_empty_lock_is_what_a_crash_left(tmp_path):
    (tmp_path / LOCK_NAME).write_bytes(b"")
    assert "unknown" in (FolderLock.take(tmp_path).note or "")


RACE = """
import sys, pathlib
from napari_scribseg.io.lock import FolderLock
from napari_scribseg.core.errors import InvalidInput
for line in sys.stdin:
    folder = pathlib.Path(line.strip())
    try:
        lock = FolderLock.take(folder)
        print("writer", flush=True)
    except InvalidInput:
        print("refused", flush=True)
"""


@pytest.mark.parametrize("stale", [False, True], ids=["free", "left by a dead process"])
def test_of_two_processes_exactly_one_becomes_the_writer(tmp_path, stale):
    dead = in_other_process(TAKE_AND_DIE, tmp_path)
    assert dead.wait(60) == 9
    dead.communicate()
    content = (tmp_path / LOCK_NAME).read_text()
    racers = [in_other_process(RACE), in_other_process(RACE)]
    try:
        for number in range(20):
            folder = tmp_path / str(number)
            folder.mkdir()
            if stale:
                (folder / LOCK_NAME).write_text(content)
            for racer in racers:
                racer.stdin.write(f"{folder}\n")
                racer.stdin.flush()
            answers = sorted(racer.stdout.readline().strip() for racer in racers)
            assert answers == ["refused", "writer"]
    finally:
        for racer in racers:
            racer.communicate()


def test_a_case_of_the_wrong_classes_does_not_get_in(project):
    case = two_ball_case()
    strange = Case(case.id, case.patient, case.image, scribbles=np.full_like(case.scribbles, 9))
    with pytest.raises(InvalidInput, match="not in the schema"):
        project.add_case(strange)


def test_a_second_window_reads_and_is_told_who_writes(project):
    project.add_case(two_ball_case())
    second = Project.open_or_read_only(project.folder)
    assert second.read_only
    assert f"process {os.getpid()}" in second.notes[0]
    assert second.load_case("phantom0").id == "phantom0"
    project.close()
    with Project.open_or_read_only(project.folder) as third:
        assert not third.read_only


def test_a_project_is_made_where_only_runs_were(tmp_path):
    (tmp_path / "runs" / "one").mkdir(parents=True)
    with Project.open_or_create(tmp_path, TWO_BALLS) as project:
        project.add_case(two_ball_case())
    with Project.open_or_create(tmp_path, LabelSchema.of("other")) as again:
        assert again.schema == TWO_BALLS
        assert again.case_ids == ("phantom0",)
    assert (tmp_path / "runs" / "one").is_dir()


def test_progress_flags_and_phases_are_remembered(project, files):
    empty = two_ball_case(seed=3, case_id="empty")
    project.add_case(Case("empty", "p", empty.image))
    project.add_case(files[0], copy=False)
    assert [case.status for case in project.cases] == ["untouched", "scribbled"]
    project.save_scribbles("empty", two_ball_case().scribbles)
    project.set_progress("empty", "predicted", only_up=True)
    project.set_progress("empty", "scribbled", only_up=True)
    project.set_progress("patient00", "reviewed")
    project.set_flagged("patient00", flagged=True)
    project.set_phase("empty", "ED")
    project.close()
    with Project.open(project.folder) as again:
        assert [case.status for case in again.cases] == ["predicted", "flagged"]
        assert again.case("empty").phase == "ED"
        again.set_flagged("patient00", flagged=False)
        again.set_progress("patient00", "scribbled")
        assert again.case("patient00").status == "scribbled"


def test_a_document_of_before_opens_and_its_scribbles_count(project):
    project.add_case(two_ball_case())
    entry = read_json(project.folder / "project.json")["cases"][0]
    old = {k: v for k, v in entry.items() if k not in ("labels", "progress", "flagged")}
    rewrite(project, cases=[old])
    project.close()
    with Project.open(project.folder) as again:
        assert again.case("phantom0").status == "scribbled"


def test_frames_of_a_time_series_are_cases_and_one_of_them_is_ed(project, tmp_path):
    case = two_ball_case()
    frames = np.stack([case.image.array + k for k in range(3)])
    cine = write_cine(tmp_path / "cine.nii.gz", frames, case.grid)
    for frame in (0, 2):
        files = CaseFiles(id=f"cine_frame{frame:02d}", patient="cine", image=cine, frame=frame)
        project.add_case(files, copy=False)
    project.set_phase("cine_frame00", "ED")
    project.set_phase("cine_frame02", "ED")
    phases = {one.frame: one.phase for one in project.frames_of(cine).values()}
    assert phases == {0: None, 2: "ED"}
    assert project.case_with_image(cine, 2) == "cine_frame02"
    assert project.case_with_image(cine, 1) is None
    loaded = project.load_case("cine_frame02")
    np.testing.assert_array_equal(loaded.image.array, frames[2])


def test_structures_may_differ_from_case_to_case(project):
    more = LabelSchema.of("one", "two", "three")
    other = two_ball_case(seed=1)
    scribbles = other.scribbles.copy()
    scribbles[0, 0, 0] = 3
    project.add_case(two_ball_case())
    project.add_case(Case("three", "p", other.image, scribbles), schema=more)
    assert project.schema_of("three") == more
    np.testing.assert_array_equal(project.load_case("three").scribbles, scribbles)
    project.save_scribbles("phantom0", scribbles, schema=more)
    assert project.schema_of("phantom0") == more
    dataset = project.dataset()
    assert dataset.cases == ()
    assert "2 case(s)" in dataset.notes[0]
    project.save_scribbles("phantom0", two_ball_case().scribbles, schema=TWO_BALLS)
    assert project.schema_of("phantom0") == TWO_BALLS


def test_ids_and_images_that_are_there_are_found(project, files):
    project.add_case(files[0], copy=False)
    assert project.free_id("patient00") == "patient00-2"
    assert project.free_id("PATIENT00") == "PATIENT00-2"
    assert project.free_id("new") == "new"
    assert project.case_with_image(files[0].image) == "patient00"
    assert project.case_with_image(files[1].image) is None


@pytest.mark.parametrize("how", ["file", "revision", "lock"])
def test_a_conflict_keeps_both_and_names_where(project, how):
    project.add_case(two_ball_case())
    project.load_case("phantom0")
    folder = project.folder / "cases/phantom0"
    if how == "file":
        (folder / "scribbles.nii.gz").write_bytes(b"somebody else's")
    elif how == "revision":
        rewrite(project, revision=9)
    else:
        (project.folder / LOCK_NAME).unlink()
    before = (folder / "scribbles.nii.gz").read_bytes()
    for row in (1, 2):  # an autosave comes again and again
        mine = np.zeros((4, 48, 48), np.uint8)
        mine[0, row] = 1
        with pytest.raises(InvalidInput, match=r"What you drew is in scribbles\.conflict-\w+"):
            project.save_scribbles("phantom0", mine)
    (beside,) = folder.glob("scribbles.conflict-*")
    np.testing.assert_array_equal(read_labels(beside).array, mine)
    assert (folder / "scribbles.nii.gz").read_bytes() == before


def test_saving_again_and_again_is_no_conflict(project):
    project.add_case(two_ball_case())
    project.load_case("phantom0")
    for row in range(3):
        scribbles = np.zeros((4, 48, 48), np.uint8)
        scribbles[0, row] = 1
        project.save_scribbles("phantom0", scribbles)
    assert list(project.folder.rglob("*conflict*")) == []


def write_cine(path, frames, grid):
    """A NIfTI time series of arrays (t, z, y, x), written by nibabel alone."""
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine = to_ras @ grid.affine @ np.eye(4)[[2, 1, 0, 3]]
    image = nibabel.Nifti1Image(frames.transpose(3, 2, 1, 0), affine)
    image.header.set_xyzt_units("mm", "msec")
    nibabel.save(image, path)
    return path


def test_further_sequences_are_kept_and_known_by_their_bytes(tmp_path):
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 2))
    with Project.create(tmp_path / "project", dataset.schema) as project:
        project.add_case(dataset.cases[0], copy=False)
        project.add_case(two_sequence_case(1, case_id="copied"))
    with Project.open(tmp_path / "project", read_only=True) as project:
        for case_id in project.case_ids:
            assert project.load_case(case_id).image.sequences == ("T2", "ADC")
        adc = dataset.cases[0].further[0].path
        adc.write_bytes((tmp_path / "project/cases/copied/sequence-2.nii.gz").read_bytes())
        with pytest.raises(InvalidInput, match=r"patient00_0001\.nii\.gz was replaced or changed"):
            project.load_case("patient00")


def test_copies_of_one_second_keep_all_that_was_there(project):
    project.add_case(two_ball_case())
    place = project.folder / "cases/phantom0"
    drawn = [project.saved_scribbles("phantom0")]
    references = [read_labels(place / "reference.nii.gz").array]
    for k in range(3):
        names = [project.copy_scribbles_aside("phantom0")]
        drawn.append(np.roll(drawn[-1], 1 + k, axis=2))
        references.append(np.roll(references[-1], 1 + k, axis=2))
        project.save_scribbles("phantom0", drawn[-1])
        project.save_reference("phantom0", references[-1])
        assert (place / names[0]).is_file()
    for stem, written in (("scribbles", drawn), ("reference", references)):
        kept = {read_labels(path).array.tobytes() for path in place.glob(f"{stem}.until-*")}
        assert kept == {array.tobytes() for array in written[:-1]}


def test_what_could_not_be_saved_outlives_the_next_conflict(project):
    project.add_case(two_ball_case())
    path = project.folder / "cases/phantom0/scribbles.nii.gz"
    theirs, ours = path.read_bytes(), []
    for k in (1, 2):
        ours.append(np.roll(project.load_case("phantom0").scribbles, k, axis=2))
        path.write_bytes(theirs + bytes(k))
        with pytest.raises(InvalidInput, match="changed on the disk by something else"):
            project.save_scribbles("phantom0", ours[-1])
        path.write_bytes(theirs)
    kept = {read_labels(one).array.tobytes() for one in path.parent.glob("scribbles.conflict-*")}
    assert kept == {array.tobytes() for array in ours}


def test_cases_that_come_one_by_one_are_of_the_patients_that_all_names_tell(project):
    ids = ("p1_visit1", "p2_visit1", "p1_visit2", "p2_visit2", "p3")
    for seed, case_id in enumerate(ids):
        case = two_ball_case(seed=seed, case_id=case_id, patient=patient_of(case_id))
        project.add_case(case)
    project.add_case(two_ball_case(seed=9, case_id="p2_visit3", patient="somebody"))
    told = ["p1", "p2", "p1", "p2", "p3", "somebody"]
    assert [case.patient for case in project.cases] == told
    assert [case.patient for case in project.dataset().cases] == told
    assert project.case("p1_visit2").patient == project.load_case("p1_visit2").patient == "p1"
