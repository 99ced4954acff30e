"""The stroke journal: every stroke that was acknowledged comes back, voxel for voxel."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.project import journal, journals
from napari_scribseg.project.journal import Journal
from napari_scribseg.project.journal_records import JournalHeader

SHAPE = (6, 40, 50)


def header(project: Path, case: str = "patient00", **more) -> JournalHeader:
    return JournalHeader.begin(project, case, SHAPE, TWO_BALLS, **more)


def stroke(rng: np.random.Generator, scribbles: np.ndarray) -> None:
    """A square of one value, sometimes an eraser, sometimes across slices."""
    z, y, x = (rng.integers(0, n) for n in scribbles.shape)
    value = rng.choice([1, 2, BACKGROUND, 0])
    scribbles[z : z + rng.integers(1, 3), y : y + 4, x : x + 9] = value


@pytest.fixture
def begun(tmp_path):
    """A journal over scribbles that are not empty, after five strokes; and the scribbles."""
    rng = np.random.default_rng(3)
    scribbles = np.zeros(SHAPE, np.uint8)
    stroke(rng, scribbles)
    one = Journal(tmp_path / "strokes", header(tmp_path / "project"), scribbles)
    for _ in range(5):
        stroke(rng, scribbles)
        one.record(scribbles)
    return one, scribbles


def test_what_was_recorded_comes_back_without_any_other_file(begun):
    one, scribbles = begun
    restored = journals.read(one.path)
    np.testing.assert_array_equal(restored.scribbles, scribbles)
    assert restored.header.case == "patient00"
    assert restored.labels == TWO_BALLS
    assert not restored.is_cut
    assert 1 <= restored.strokes <= 5


def test_nothing_is_written_until_something_is_drawn(tmp_path):
    scribbles = np.zeros(SHAPE, np.uint8)
    one = Journal(tmp_path / "strokes", header(tmp_path), scribbles)
    assert one.record(scribbles).voxels == 0
    assert not (tmp_path / "strokes").exists()
    scribbles[0, 0, :3] = 1
    assert one.record(scribbles).voxels == 3
    assert one.record(scribbles).voxels == 0
    assert one.is_pending


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_folder_and_the_file_are_private(begun, tmp_path):
    one, _ = begun
    assert stat.S_IMODE((tmp_path / "strokes").stat().st_mode) == 0o700
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
    assert "patient00" in one.path.name
    assert str(tmp_path) not in one.path.name


def test_saving_ends_a_journal_and_the_next_stroke_begins_one(begun):
    one, scribbles = begun
    before = one.path
    saved = scribbles.copy()
    scribbles[1, 1, 1] = 2
    one.settle(saved)
    assert not before.exists()
    assert not one.is_pending
    scribbles[1, 1, 2:4] = 2
    assert one.record(scribbles).voxels == np.count_nonzero(scribbles != saved)
    assert one.path != before
    np.testing.assert_array_equal(journals.read(one.path).scribbles, scribbles)


def test_other_structures_come_back_too(begun):
    one, scribbles = begun
    more = LabelSchema.of("one", "two", "three")
    scribbles[0, 0, 0] = 3
    one.record(scribbles, more)
    assert journals.read(one.path).labels == more
    assert one.record(scribbles, more).voxels == 0


def test_every_cut_gives_the_state_after_some_whole_record(tmp_path):
    rng = np.random.default_rng(0)
    scribbles = np.zeros(SHAPE, np.uint8)
    one = Journal(tmp_path, header(tmp_path), scribbles)
    states, ends = [scribbles.copy()], []
    for _ in range(6):
        stroke(rng, scribbles)
        one.record(scribbles)
        states.append(scribbles.copy())
        ends.append(one.path.stat().st_size)
    content = one.path.read_bytes()
    cut = tmp_path / "cut.strokes"
    refused = 0
    for length in range(0, len(content), 3):
        cut.write_bytes(content[:length])
        try:
            restored = journals.read(cut)
        except InvalidInput:
            refused += 1
            assert length < ends[0]
            continue
        whole = sum(length >= end for end in ends)
        np.testing.assert_array_equal(restored.scribbles, states[whole])
        assert restored.is_cut == (length not in ends) or whole == 0
    assert refused > 0


def test_a_flipped_byte_never_makes_up_strokes(begun, tmp_path):
    one, scribbles = begun
    content = bytearray(one.path.read_bytes())
    known = {journals.read(one.path).scribbles.tobytes()}
    damaged = tmp_path / "damaged.strokes"
    states = set()
    for at in range(0, len(content), 7):
        content[at] ^= 0x10
        damaged.write_bytes(content)
        content[at] ^= 0x10
        try:
            restored = journals.read(damaged)
        except InvalidInput:
            continue
        states.add(restored.scribbles.tobytes())
        assert restored.is_cut
    assert scribbles.tobytes() in known
    assert len(states) <= 6, "only states between two records"


@pytest.mark.parametrize("content", [b"", b"not a journal", b"SJh1" + b"\xff" * 40])
def test_strange_files_are_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "x.strokes"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="no journal"):
        journals.read(path)
    assert journals.pending(tmp_path) == ()
    assert path.exists()


def test_a_full_disk_is_told_and_the_next_record_holds_everything(begun, monkeypatch):
    one, scribbles = begun
    whole = one.path.read_bytes()
    write = os.write

    def half(descriptor, data):
        if len(data) > 5:
            return write(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    scribbles[2, 3, 4:9] = 1
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(InvalidInput, match=r"in memory only.*full"):
            one.record(scribbles)
    assert one.path.read_bytes() == whole, "no half record"
    scribbles[3, 3, 4:9] = 2
    one.record(scribbles)
    restored = journals.read(one.path)
    np.testing.assert_array_equal(restored.scribbles, scribbles)
    assert not restored.is_cut


def test_a_full_disk_at_the_first_stroke_leaves_no_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    scribbles = np.ones(SHAPE, np.uint8)
    one = Journal(tmp_path / "s", header(tmp_path), np.zeros(SHAPE, np.uint8))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InvalidInput, match="full"):
            one.record(scribbles)
    assert list((tmp_path / "s").iterdir()) == []
    assert one.record(scribbles).voxels == scribbles.size


def test_a_file_that_vanished_is_written_anew_and_whole(begun):
    one, scribbles = begun
    one.path.unlink()
    scribbles[0, 0, 0] = 2
    one.record(scribbles)
    np.testing.assert_array_equal(journals.read(one.path).scribbles, scribbles)


def test_a_slow_drive_is_told(begun, monkeypatch):
    one, scribbles = begun
    monkeypatch.setattr(journal, "_SLOW_SECONDS", 0.0)
    scribbles[0, 0, 0] = 2
    assert "is slow" in one.record(scribbles).note


def test_scribbles_that_do_not_fit_are_refused(begun):
    one, scribbles = begun
    with pytest.raises(InvalidInput, match="shape"):
        one.record(scribbles[:2])
    with pytest.raises(InvalidInput, match="0 to 255"):
        one.record(scribbles.astype(np.int32) + 256)
    with pytest.raises(InvalidInput, match="0 to 255"):
        one.record(scribbles - 1.5)


def test_pending_leaves_out_what_a_running_process_writes(begun, tmp_path):
    one, scribbles = begun
    (mine,) = journals.pending(tmp_path / "strokes")
    assert mine.path == one.path
    content = header(tmp_path)
    other = content.model_copy(
        update={"writer": content.writer.model_copy(update={"pid": 1, "started": _started(1)})}
    )
    Journal(tmp_path / "strokes", other, np.zeros(SHAPE, np.uint8)).record(scribbles)
    assert [found.path for found in journals.pending(tmp_path / "strokes")] == [one.path]
    journals.discard(one.path)
    assert journals.pending(tmp_path / "strokes") == ()


def _started(pid: int) -> str:
    from napari_scribseg.core.process_identity import started_of as started

    return started(pid)


_KILLS = 100
_ZYGOTE = '''
"""Forks children that draw and journal, and kills each at a random moment."""
import json, os, random, signal, sys, time
from pathlib import Path
import numpy as np
from napari_scribseg.project.journal import Journal
from napari_scribseg.project.journal_records import JournalHeader
from napari_scribseg.core.labels import LabelSchema
from strokes_of_a_seed import SHAPE, draw

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
labels = LabelSchema.of("one", "two")
clock = random.Random(1)
for seed in range(kills):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        rng = np.random.default_rng(seed)
        scribbles = np.zeros(SHAPE, np.uint8)
        case = JournalHeader.begin(folder, f"case{seed}", SHAPE, labels)
        journal = Journal(folder / str(seed), case, scribbles)
        os.write(write_end, b"r")
        while True:
            draw(rng, scribbles)
            journal.record(scribbles)
            os.write(write_end, b".")
    os.close(write_end)
    os.read(read_end, 1)
    time.sleep(clock.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged = 0
    while piece := os.read(read_end, 65536):
        acknowledged += len(piece)
    os.close(read_end)
    print(json.dumps([seed, acknowledged]))
'''
_DRAWING = '''
import numpy as np

SHAPE = (8, 96, 96)


def draw(rng, scribbles):
    """Paint, or erase, a square of one value; always changes something."""
    z, y, x = (int(rng.integers(0, n - 8 if n > 8 else n)) for n in SHAPE)
    value = int(rng.choice([1, 2, 255, 0]))
    scribbles[z, y : y + 4, x : x + 8] = value
    scribbles[z, 95, 95] = scribbles[z, 95, 95] % 2 + 1
'''


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_any_moment_every_acknowledged_stroke_comes_back(tmp_path):
    (tmp_path / "strokes_of_a_seed.py").write_text(_DRAWING)
    namespace: dict = {}
    exec(_DRAWING, namespace)
    folder = tmp_path / "journals"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _ZYGOTE, str(folder), str(_KILLS)],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == _KILLS
    strokes_in_all = 0
    for seed, acknowledged in answers:
        rng = np.random.default_rng(seed)
        scribbles = np.zeros(namespace["SHAPE"], np.uint8)
        found = journals.pending(folder / str(seed))
        restored = found[0].scribbles if found else scribbles.copy()
        strokes = found[0].strokes if found else 0
        assert acknowledged <= strokes <= acknowledged + 1, "the one under way may be there"
        for _ in range(strokes):
            namespace["draw"](rng, scribbles)
        np.testing.assert_array_equal(restored, scribbles)
        strokes_in_all += acknowledged
    assert strokes_in_all > 2 * _KILLS
