"""The store: strokes go to the journal at once and to the project on saving; none is lost."""

from __future__ import annotations

import os
import runpy

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.io import read_labels, write_volume
from napari_scribseg.project import private_files, scribble_files
from napari_scribseg.project.store import ProjectStore


@pytest.fixture
def store(tmp_path):
    one = ProjectStore(tmp_path / "journals")
    one.ensure_project(tmp_path / "project", TWO_BALLS)
    yield one
    one.close()


@pytest.fixture
def files(tmp_path):
    return read_dataset(phantom_dataset(tmp_path / "data", 2)).cases


def test_an_image_is_brought_in_once(store, files):
    assert store.bring_in(files[0], TWO_BALLS) == "patient00"
    assert store.bring_in(files[0], TWO_BALLS) == "patient00"
    same_name = files[1].model_copy(update={"id": "patient00"})
    assert store.bring_in(same_name, TWO_BALLS) == "patient00-2"
    assert [case.id for case in store.state().cases] == ["patient00", "patient00-2"]


def test_drawn_kept_saved_and_loaded(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    scribbles = store.load(case_id).case.scribbles.copy()
    assert not store.differs(case_id, scribbles)
    scribbles[0, 0, :5] = 2
    assert store.differs(case_id, scribbles)
    kept = store.keep(case_id, case_id, scribbles, TWO_BALLS)
    assert (kept.case, kept.unsaved) == (case_id, True)
    assert kept.voxels > 0
    assert store.pending() == (), "what is being drawn now is not offered"
    assert not store.save(case_id, scribbles, TWO_BALLS).unsaved
    assert not store.differs(case_id, scribbles)
    assert list((tmp_path / "journals").iterdir()) == []
    np.testing.assert_array_equal(store.load(case_id).case.scribbles, scribbles)


def test_a_sitting_that_ended_without_saving_is_offered_and_restored(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    scribbles = store.load(case_id).case.scribbles.copy()
    scribbles[1, :3] = 1
    store.keep(case_id, case_id, scribbles, TWO_BALLS)
    store.close()
    later = ProjectStore(tmp_path / "journals")
    (left,) = later.pending()
    np.testing.assert_array_equal(left.scribbles, scribbles)
    assert later.restore(left) == (case_id, "")
    assert later.pending() == ()
    np.testing.assert_array_equal(later.load(case_id).case.scribbles, scribbles)
    later.close()


def test_drawing_over_an_offer_loses_neither(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    first = store.load(case_id).case.scribbles.copy()
    first[0, :2] = 1
    store.keep(case_id, case_id, first, TWO_BALLS)
    store.close()
    later = ProjectStore(tmp_path / "journals")
    later.open_project(tmp_path / "project")
    second = later.load(case_id).case.scribbles.copy()
    second[2, :2] = 2
    later.keep(case_id, case_id, second, TWO_BALLS)
    (left,) = later.pending()
    np.testing.assert_array_equal(left.scribbles, first)
    later.save(case_id, second, TWO_BALLS)
    _, note = later.restore(left)
    (aside,) = (tmp_path / "project" / "cases" / case_id).glob("scribbles.until-*")
    assert aside.name in note
    np.testing.assert_array_equal(read_labels(aside).array, second)
    np.testing.assert_array_equal(later.load(case_id).case.scribbles, first)
    assert later.pending() == ()
    later.close()


def test_a_case_that_is_opened_again_shows_what_could_not_be_saved(store, files, monkeypatch):
    case_id = store.bring_in(files[0], TWO_BALLS)
    first = store.load(case_id).case.scribbles.copy()
    first[0, 0, :5] = 1
    store.keep(case_id, case_id, first, TWO_BALLS)
    with monkeypatch.context() as full:
        full.setattr(scribble_files, "write_labels", no_room)
        with pytest.raises(InvalidInput, match="no room"):
            store.save(case_id, first, TWO_BALLS)
    again = store.load(case_id)
    np.testing.assert_array_equal(again.case.scribbles, first)
    assert "Its strokes are shown as they were drawn last, which is not saved yet." in again.notes
    second = again.case.scribbles.copy()
    second[1, 0, :5] = 2
    store.keep(case_id, case_id, second, TWO_BALLS)
    assert not store.save(case_id, second, TWO_BALLS).unsaved
    saved = store.load(case_id)
    np.testing.assert_array_equal(saved.case.scribbles, second)
    assert not any("not saved yet" in note for note in saved.notes)


def test_what_is_kept_beside_strokes_of_others_stays_to_be_restored(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    theirs = store.load(case_id).case.scribbles.copy()
    ours = theirs.copy()
    ours[0, 0, :5] = 1
    store.keep(case_id, case_id, ours, TWO_BALLS)
    path = tmp_path / "project/cases" / case_id / "scribbles.nii.gz"
    theirs[2, 0, :5] = 2
    write_volume(path, Volume(theirs, read_labels(path).grid))
    np.testing.assert_array_equal(store.load(case_id).case.scribbles, theirs)
    theirs[2, 1, :5] = 2
    store.keep(case_id, case_id, theirs, TWO_BALLS)
    store.save(case_id, theirs, TWO_BALLS)
    (left,) = store.pending()
    np.testing.assert_array_equal(left.scribbles, ours)


def no_room(*_):
    raise InvalidInput("There is no room.")


def test_a_case_from_elsewhere_is_kept_before_it_is_in_the_project(store):
    case = two_ball_case(case_id="layer")
    scribbles = np.zeros(case.image.shape, np.uint8)
    scribbles[0, 0, 0] = 1
    kept = store.keep(None, "A layer", scribbles, TWO_BALLS)
    assert kept.unsaved
    assert store.add_drawn(kept.case, Case("x", "x", case.image), TWO_BALLS)
    assert not store.add_drawn(kept.case, Case("x", "x", case.image), TWO_BALLS)
    store.save(kept.case, scribbles, TWO_BALLS)
    np.testing.assert_array_equal(store.load(kept.case).case.scribbles, scribbles)
    again = store.keep(None, "A layer", scribbles, TWO_BALLS)
    assert again.case != kept.case, "it never replaces what was drawn before"


def test_what_can_not_be_saved_stays_in_the_journal(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    scribbles = store.load(case_id).case.scribbles.copy()
    scribbles[0, 0, :5] = 2
    (tmp_path / "project" / "project.lock").unlink()
    with pytest.raises(InvalidInput, match="taken over"):
        store.save(case_id, scribbles, TWO_BALLS)
    assert store.differs(case_id, scribbles)
    store.close()
    (left,) = ProjectStore(tmp_path / "journals").pending()
    np.testing.assert_array_equal(left.scribbles, scribbles)


def test_a_second_window_reads_only(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    second = ProjectStore(tmp_path / "journals")
    state = second.open_project(tmp_path / "project")
    assert state.read_only
    assert "open elsewhere" in state.notes[0]
    opened = second.load(case_id)
    assert opened.read_only
    with pytest.raises(InvalidInput, match="read-only"):
        second.bring_in(files[1], TWO_BALLS)


def test_a_reference_that_is_given_later_belongs_to_the_case(store, files, tmp_path):
    case_id = store.bring_in(files[0], TWO_BALLS)
    before = store.load(case_id).case
    other = np.zeros(before.image.shape, np.uint8)
    other[1, 2:5, 2:5] = 2
    other[0] = 255  # partial: nothing is known of the first slice
    store.keep_reference(case_id, other)
    again = store.load(case_id).case
    np.testing.assert_array_equal(again.reference, other)
    np.testing.assert_array_equal(again.scribbles, before.scribbles)
    (aside,) = (tmp_path / "project" / "cases" / case_id).glob("reference.until-*.nii.gz")
    np.testing.assert_array_equal(read_labels(aside).array, before.reference)
    with pytest.raises(InvalidInput, match="7"):
        store.keep_reference(case_id, np.full_like(other, 7))
    with pytest.raises(InvalidInput, match="shape"):
        store.keep_reference(case_id, other[:1])
    np.testing.assert_array_equal(store.load(case_id).case.reference, other)


def test_marks_come_back_in_the_state(store, files):
    case_id = store.bring_in(files[0], TWO_BALLS)
    state = store.mark(case_id, progress="reviewed", flagged=True, phase="ED")
    assert (state.cases[0].progress, state.cases[0].status) == ("reviewed", "flagged")
    assert state.cases[0].phase == "ED"


def test_other_structures_are_saved_with_the_case(store, files):
    more = LabelSchema.of("one", "two", "three")
    case_id = store.bring_in(files[0], TWO_BALLS)
    scribbles = store.load(case_id).case.scribbles.copy()
    scribbles[0, 0, 0] = 3
    store.save(case_id, scribbles, more)
    assert store.load(case_id).schema == more


def test_without_a_project_it_says_so(tmp_path):
    with pytest.raises(InvalidInput, match="No project is open"):
        ProjectStore(tmp_path).load("x")


def test_strokes_that_come_late_go_to_their_project_and_the_other_one_stays_open(
    store, files, tmp_path
):
    case_id = store.bring_in(files[0], TWO_BALLS)
    first = store.folder
    store.ensure_project(tmp_path / "other", TWO_BALLS)
    with store.at(first, TWO_BALLS) as late:
        assert late is not store
        strokes = np.zeros(late.load(case_id).case.image.shape, np.uint8)
        strokes[0, 2, 2:5] = 1
        assert late.keep(case_id, case_id, strokes, TWO_BALLS).unsaved
        late.save(case_id, strokes, TWO_BALLS)
    assert store.folder == (tmp_path / "other").resolve()
    assert store.pending() == ()
    store.open_project(first)
    assert (store.load(case_id).case.scribbles == strokes).all()


def test_a_case_is_added_to_the_project_that_is_meant_only(store, files, tmp_path):
    case = files[0].load(TWO_BALLS)
    with pytest.raises(InvalidInput, match="belongs to the project elsewhere: open"):
        store.add_drawn("new", case, TWO_BALLS, folder=tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="belongs to the project elsewhere: open"):
        store.bring_in(case, TWO_BALLS, tmp_path / "elsewhere")
    assert store.state().cases == ()


def test_journals_are_opened_in_binary_mode(monkeypatch):
    monkeypatch.setattr(os, "O_BINARY", 32768, raising=False)
    assert runpy.run_path(private_files.__file__)["BINARY"] == 32768
