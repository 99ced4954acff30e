"""Versions of strokes: a project of one stays as it was, people apart are kept apart."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.io import read_labels
from napari_scribseg.project import journals, teamwork
from napari_scribseg.project.folder import Project, cases_in
from napari_scribseg.project.store import ProjectStore
from napari_scribseg.project.versions import Made, names_of, strokes_of_case, versions_of

CASE = "patient00"
MADE = Made(how="majority vote", of=("Ana", "Ben"), at="2026-01-02T10:00:00+00:00")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def store(tmp_path, folder):
    """A project with one case without strokes, worked on by Ana."""
    one = ProjectStore(tmp_path / "journals")
    one.work_as("Ana")
    one.ensure_project(folder, TWO_BALLS)
    (files,) = read_dataset(phantom_dataset(tmp_path / "data", 1)).cases
    one.bring_in(files.model_copy(update={"scribbles": None}), TWO_BALLS)
    yield one
    one.close()


def draw(store: ProjectStore, name: str, row: int, value: int = 1) -> np.ndarray:
    """Somebody opens the case, draws a line, saves it; what is there afterwards."""
    store.work_as(name)
    opened = store.load(CASE)
    scribbles = np.zeros(opened.case.image.shape, np.uint8)
    if opened.case.scribbles is not None:
        scribbles = opened.case.scribbles.copy()
    scribbles[1, row, 2:8] = value
    store.keep(CASE, CASE, scribbles, TWO_BALLS, of=opened.strokes_of, seconds=1.5)
    store.save(CASE, scribbles, TWO_BALLS, of=opened.strokes_of)
    return scribbles


def test_a_project_of_one_has_one_file_as_ever_and_knows_who_drew(store, folder):
    drawn = draw(store, "Ana", 2)
    files = {path.name for path in (folder / "cases" / CASE).iterdir()}
    assert files == {"scribbles.nii.gz", "reference.nii.gz", "strokes.jsonl"}
    (version,) = versions_of(folder, CASE)
    assert (version.name, version.is_shared) == ("Ana", True)
    (stroke,) = strokes_of_case(folder, CASE)
    assert (stroke.by, stroke.slices, stroke.drawn, stroke.seconds) == ("Ana", (1,), {1: 6}, 1.5)
    store.set_apart(apart=True)
    opened = store.load(CASE)
    np.testing.assert_array_equal(opened.case.scribbles, drawn)
    assert opened.strokes_of == "", "what one has drawn alone stays one's own"


def test_people_who_draw_the_same_strokes_are_told_apart_in_the_ledger(store, folder):
    draw(store, "Ana", 2)
    both = draw(store, "Ben", 4)
    (version,) = versions_of(folder, CASE)
    assert version.name == "together"
    assert [one.by for one in strokes_of_case(folder, CASE)] == ["Ana", "Ben"]
    assert np.count_nonzero(both) == 12


def test_apart_each_has_own_strokes_and_sees_others_only_when_done(store, folder):
    store.set_apart(apart=True)
    ana, ben = draw(store, "Ana", 2), draw(store, "Ben", 4, 2)
    assert np.count_nonzero(ana) == np.count_nonzero(ben) == 6
    np.testing.assert_array_equal(store.load(CASE).case.scribbles, ben)
    team = store.team_of(CASE)
    assert team.names == ("Ana", "Ben")
    assert (team.hidden("Ana"), team.hidden("Ben")) == (True, False)
    for look in (store.strokes_of, store.load):
        with pytest.raises(InvalidInput, match="hidden until Ben is done"):
            look(CASE, "Ana")
    store.set_own_done(CASE, done=True)
    np.testing.assert_array_equal(store.strokes_of(CASE, "Ana"), ana)
    opened = store.load(CASE, "Ana")
    assert (opened.strokes_of, opened.is_own) == ("Ana", False)
    store.work_as("Ana")
    with pytest.raises(InvalidInput, match="hidden until Ana is done"):
        store.strokes_of(CASE, "Ben")
    store.work_as("Ben")
    store.set_own_done(CASE, done=False)
    assert store.team_of(CASE).hidden("Ana")


def test_who_draws_apart_is_blind_until_done_where_somebody_else_has_drawn(store, folder):
    draw(store, "Ana", 2)
    assert not teamwork.hides_others(folder, CASE, "Ben"), "all draw the same strokes"
    store.set_apart(apart=True)
    draw(store, "Ana", 2)
    assert not teamwork.hides_others(folder, CASE, "Ana"), "nobody else has drawn"
    assert teamwork.hides_others(folder, CASE, "Ben")
    store.work_as("Ben")
    store.set_own_done(CASE, done=True)
    assert not teamwork.hides_others(folder, CASE, "Ben")


def test_what_was_drawn_together_stays_when_people_draw_apart(store, folder):
    draw(store, "Ana", 2)
    together = draw(store, "Ben", 4)
    store.set_apart(apart=True)
    assert store.load(CASE).case.scribbles is None, "Ben begins with nothing"
    draw(store, "Ben", 6)
    assert names_of(folder, [CASE]) == ("together", "Ben")
    np.testing.assert_array_equal(
        read_labels(folder / "cases" / CASE / "scribbles.nii.gz").array, together
    )
    store.set_apart(apart=False)
    np.testing.assert_array_equal(store.load(CASE).case.scribbles, together)


@pytest.mark.parametrize(
    "names", [("Ana", "ana"), ("Dr. Ä", "Dr. Ö"), ("a/b", "a.b"), ("..", "con")]
)
def test_no_two_names_share_a_file_and_none_leaves_the_project(store, folder, names):
    store.set_apart(apart=True)
    for row, name in enumerate(names, 2):
        draw(store, name, row)
    places = {version.path for version in versions_of(folder, CASE)}
    assert len(places) == 2
    assert all(place.is_relative_to(folder / "cases" / CASE / "annotators") for place in places)


def test_strokes_of_an_old_project_are_of_unknown_authors_until_they_get_a_name(store, folder):
    drawn = draw(store, "Ana", 2)
    (folder / "cases" / CASE / "strokes.jsonl").unlink()  # as an old version left it
    (version,) = versions_of(folder, CASE)
    assert version.name == "unknown"
    np.testing.assert_array_equal(store.load(CASE).case.scribbles, drawn)
    draw(store, "Ben", 5)
    assert [one.by for one in strokes_of_case(folder, CASE)] == ["unknown", "Ben"]
    assert versions_of(folder, CASE)[0].name == "together"
    with Project.open(folder, read_only=True) as project:
        team = project.team
    assert team.unknown_is == ""
    store.close()
    with Project.open(folder) as project:
        project.save_team(team.model_copy(update={"unknown_is": "Ben"}))
    assert [one.by for one in strokes_of_case(folder, CASE)] == ["Ben", "Ben"]
    assert versions_of(folder, CASE)[0].name == "Ben"


def test_the_project_that_the_first_version_made_opens_as_before(tmp_path):
    old = shutil.copytree(Path(__file__).parents[1] / "made_by_0_1_0/project", tmp_path / "old")
    before = {p: p.read_bytes() for p in old.rglob("*.nii.gz")}
    with Project.open(old) as project:
        drawn = [i for i in project.case_ids if (old / "cases" / i / "scribbles.nii.gz").is_file()]
        assert drawn
        assert {v.name for i in drawn for v in versions_of(project.folder, i)} == {"unknown"}
        assert not project.team.apart
        taken = {case.id for case in project.dataset().cases if case.scribbles}
        assert taken == {*drawn}
    assert {p: p.read_bytes() for p in old.rglob("*.nii.gz")} == before


def test_a_killed_sitting_comes_back_into_the_version_it_was_drawn_in(store, folder, tmp_path):
    store.set_apart(apart=True)
    ana = draw(store, "Ana", 2)
    store.work_as("Ben")
    opened = store.load(CASE)
    ben = np.zeros_like(ana)
    ben[0, 3, 3:6] = 2
    store.keep(CASE, CASE, ben, TWO_BALLS, of=opened.strokes_of, seconds=2)
    store.close()
    later = ProjectStore(tmp_path / "journals")
    later.work_as("Cas")
    (left,) = later.pending()
    assert (left.header.version, left.header.annotator) == (2, "Ben")
    later.restore(left)
    assert later.pending() == ()
    np.testing.assert_array_equal(teamwork.strokes(later._project, CASE, "Ben"), ben)
    np.testing.assert_array_equal(teamwork.strokes(later._project, CASE, "Ana"), ana)
    assert [one.by for one in strokes_of_case(folder, CASE)] == ["Ana", "Ben"]
    later.close()


def test_a_journal_of_shared_strokes_is_one_that_older_programs_read(store, tmp_path):
    opened = store.load(CASE)
    scribbles = np.zeros(opened.case.image.shape, np.uint8)
    scribbles[0, 0] = 1
    store.keep(CASE, CASE, scribbles, TWO_BALLS)
    (path,) = (tmp_path / "journals").glob("*.strokes")
    header = json.loads(journals.read(path).header.json_text())
    assert header["version"] == 1
    assert "annotator" not in header


def test_an_old_journal_tells_its_writer(store, folder, tmp_path, monkeypatch):
    opened = store.load(CASE)
    scribbles = np.zeros(opened.case.image.shape, np.uint8)
    scribbles[0, 0, :4] = 1
    store.keep(CASE, CASE, scribbles, TWO_BALLS)
    store.close()
    later = ProjectStore(tmp_path / "journals")
    (left,) = later.pending()
    writer = left.header.writer.model_copy(update={"user": "old-login"})
    header = left.header.model_copy(update={"writer": writer})
    later.restore(dataclasses.replace(left, header=header, ledger=()))
    (stroke,) = strokes_of_case(folder, CASE)
    assert (stroke.by, stroke.drawn) == ("old-login", {1: 4})
    later.close()


def test_a_consensus_is_a_version_that_says_how_it_was_made(store, folder):
    store.set_apart(apart=True)
    ana = draw(store, "Ana", 2)
    draw(store, "Ben", 4)
    store.save_consensus(CASE, ana, MADE)
    last = versions_of(folder, CASE)[-1]
    assert (last.name, last.made) == ("consensus", MADE)
    store.save_consensus(CASE, ana * 2, MADE)
    (aside,) = last.path.parent.glob("scribbles.until-*.nii.gz")
    np.testing.assert_array_equal(read_labels(aside).array, ana)
    with pytest.raises(InvalidInput, match="shape"):
        store.save_consensus(CASE, ana[:1], MADE)
    store.set_own_done(CASE, done=True)
    opened = store.load(CASE, "consensus")
    assert (opened.is_own, opened.strokes_of) == (False, "consensus")


def test_training_takes_own_strokes_where_people_draw_apart_and_what_is_chosen(
    store, folder, monkeypatch
):
    store.set_apart(apart=True)
    ana, ben = draw(store, "Ana", 2), draw(store, "Ben", 4)
    store.save_consensus(CASE, ana + ben, MADE)
    monkeypatch.setattr("napari_scribseg.project.reading.annotator_name", lambda: "Ben")

    def taken(name=None):
        (case,) = cases_in(folder, strokes_of=name).cases
        return case.load(TWO_BALLS).scribbles

    np.testing.assert_array_equal(taken(), ben)
    np.testing.assert_array_equal(taken("Ana"), ana)
    np.testing.assert_array_equal(taken("consensus"), ana + ben)
    assert "those of Ana are taken" in cases_in(folder, strokes_of="Ana").notes[0]
    with pytest.raises(InvalidInput, match="Nobody called 'Eve'.*Ana, Ben, consensus"):
        taken("Eve")
    store.set_apart(apart=False)
    assert cases_in(folder).cases[0].scribbles is None, "all share none yet"


def test_a_folder_that_is_no_project_has_no_annotators(tmp_path):
    data = phantom_dataset(tmp_path / "plain", 1)
    with pytest.raises(InvalidInput, match="no project"):
        cases_in(data, strokes_of="Ana")


def test_effort_of_a_training_counts_what_it_learns_from(store, folder):
    store.set_apart(apart=True)
    ana, _ = draw(store, "Ana", 2), draw(store, "Ben", 4)
    version = next(v for v in versions_of(folder, CASE) if v.name == "Ana")
    place = teamwork.place_in_project(version.path)
    assert place == (folder, CASE, "Ana")
    text = teamwork.effort_text([place])
    assert text == "strokes: 0.0 min of pen, 1 annotator, 1 slice, 6 voxels"
    store.save_consensus(CASE, ana, MADE)
    of_both = teamwork.effort_text([place._replace(of="consensus")])
    assert "2 annotators" in of_both
    assert teamwork.effort_of_files([version.path, None, folder / "elsewhere"]) == text
    assert teamwork.minutes_behind(version.path) == pytest.approx(1.5 / 60)
    assert teamwork.minutes_behind(folder / "elsewhere" / "scribbles.nii.gz") is None
    assert teamwork.place_in_project(folder / "elsewhere" / "scribbles.nii.gz") is None
    assert teamwork.effort_text([]) == ""


def test_two_people_at_once_the_second_looks_only_and_loses_nothing(store, folder, tmp_path):
    """One folder, one writer: the second is told who writes, and what was drawn is kept."""
    store.set_apart(apart=True)
    ana = draw(store, "Ana", 2)
    second = ProjectStore(tmp_path / "journals")
    second.work_as("Ben")
    state = second.open_project(folder)
    assert state.read_only
    assert "open elsewhere" in state.notes[-1]
    opened = second.load(CASE)
    assert opened.read_only
    ben = np.zeros(ana.shape, np.uint8)
    ben[0, 1, 1:4] = 2
    kept = second.keep(CASE, CASE, ben, TWO_BALLS, of=opened.strokes_of)
    assert kept.unsaved
    for refused in (
        lambda: second.save(CASE, ben, TWO_BALLS, of=opened.strokes_of),
        lambda: second.set_own_done(CASE, done=True),
        lambda: second.set_apart(apart=False),
        lambda: second.save_consensus(CASE, ben, MADE),
    ):
        with pytest.raises(InvalidInput, match="read-only"):
            refused()
    more = draw(store, "Ana", 3)
    store.close()
    second.close()
    later = ProjectStore(tmp_path / "journals")
    (left,) = later.pending()
    later.restore(left)
    np.testing.assert_array_equal(teamwork.strokes(later._project, CASE, "Ben"), ben)
    np.testing.assert_array_equal(teamwork.strokes(later._project, CASE, "Ana"), more)
    later.close()


def test_leaving_a_case_notes_no_stroke_that_nobody_drew(store, folder):
    """What is followed no more is compared with what is saved, not with nothing."""
    drawn = draw(store, "Ana", 2)
    store._followed.clear()
    assert not store.keep(CASE, CASE, drawn, TWO_BALLS).unsaved
    assert len(strokes_of_case(folder, CASE)) == 1


def test_what_could_not_be_noted_is_noted_with_the_next_save(store, folder, monkeypatch):
    opened = store.load(CASE)
    scribbles = np.zeros(opened.case.image.shape, np.uint8)
    scribbles[0, 0, :4] = 1
    store.keep(CASE, CASE, scribbles, TWO_BALLS)

    def full(path, strokes):
        raise InvalidInput("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("napari_scribseg.project.strokes_ledger.append", full)
        with pytest.raises(InvalidInput, match="full"):
            store.save(CASE, scribbles, TWO_BALLS)
    assert store.differs(CASE, scribbles), "the journal stays"
    store.save(CASE, scribbles, TWO_BALLS)
    assert [one.drawn for one in strokes_of_case(folder, CASE)] == [{1: 4}]


def test_a_version_that_changed_on_the_disk_is_not_written_over(store, folder):
    store.set_apart(apart=True)
    draw(store, "Ben", 2)
    opened = store.load(CASE)
    (place,) = [v.path for v in versions_of(folder, CASE)]
    place.write_bytes(place.read_bytes() + b"x")
    other = opened.case.scribbles.copy()
    other[2, 2, 2] = 1
    store.keep(CASE, CASE, other, TWO_BALLS, of="Ben")
    with pytest.raises(InvalidInput, match="drawn by ben-.*changed on the disk"):
        store.save(CASE, other, TWO_BALLS, of="Ben")
    (beside,) = place.parent.glob("scribbles.conflict-*.nii.gz")
    np.testing.assert_array_equal(read_labels(beside).array, other)
