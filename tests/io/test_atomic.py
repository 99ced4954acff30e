"""Old file or new file, whole, whatever fails; and nothing else in the folder."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io import read_volume, write_volume
from napari_scribseg.io.atomic import (
    remove_abandoned,
    remove_leftovers,
    replace_with,
    temporary_name,
    write_bytes,
    write_json,
    write_text,
)

OLD, NEW = b"old content", b"new content, a little longer" * 10
CALLS = ("open", "write", "fsync", "close", "replace", "chmod", "fstat")


class Faults:
    """Lets call number `k` of the file functions fail, after it was done or instead of it."""

    def __init__(self, monkeypatch, k, number, *, late=False):
        self.seen = 0
        self.names = []
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name), name, k, number, late))

    def _wrapped(self, real, name, k, number, late):
        def call(*args, **kwargs):
            self.seen += 1
            self.names.append(name)
            if self.seen != k:
                return real(*args, **kwargs)
            if late or name == "close":  # a failing close closes nevertheless
                result = real(*args, **kwargs)
                if name == "open":
                    os.close(result)
            raise OSError(number, os.strerror(number))

        return call


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_any_failing_call_leaves_old_or_new_and_no_temp_file(tmp_path, number, late):
    target = tmp_path / "a.json"
    for k in range(1, 40):
        target.write_bytes(OLD)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, k, number, late=late)
            try:
                write_bytes(target, NEW)
            except InvalidInput:
                failed = True
            else:
                failed = False
        assert target.read_bytes() in {OLD, NEW}
        if not failed:
            assert target.read_bytes() == NEW
        assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
        if faults.seen < k:
            break
    else:
        pytest.fail("never came to an end")
    assert k > 8


def test_what_a_killed_program_left_can_be_removed(tmp_path):
    (tmp_path / "a.json").write_bytes(OLD)
    code = (
        "import os, sys\n"
        "from napari_scribseg.io.atomic import write_bytes\n"
        "os.fsync = lambda fd: os._exit(9)\n"
        "write_bytes(sys.argv[1], b'new')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.json")]
    done = subprocess.run(command, check=False, timeout=60)
    assert done.returncode == 9
    assert remove_leftovers(tmp_path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_bytes() == OLD


KILLED_WRITER = (
    "import os, sys\n"
    "from napari_scribseg.io.atomic import write_bytes\n"
    "os.fsync = lambda fd: os._exit(9)\n"
    "write_bytes(sys.argv[1], b'new')"
)


def test_what_a_killed_program_left_is_removed_by_whoever_writes_there_next(tmp_path):
    for folder in (tmp_path / "a", tmp_path / "a" / "deep"):
        folder.mkdir()
        command = [sys.executable, "-c", KILLED_WRITER, str(folder / "b.json")]
        assert subprocess.run(command, check=False, timeout=60).returncode == 9
    living = tmp_path / "a" / temporary_name()
    living.write_text("somebody is writing this")
    strange = tmp_path / "a" / ".scribseg-0123abcd-1-ff.part"
    strange.write_text("of another computer")
    write_bytes(tmp_path / "a" / "b.json", NEW)
    names = {living.name, strange.name, "b.json", "deep"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(strange, (two_days_ago, two_days_ago))
    assert remove_abandoned(tmp_path / "a") == 2
    names = {living.name, "b.json", "deep"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    assert list((tmp_path / "a" / "deep").iterdir()) == []


def test_a_folder_of_a_killed_program_is_removed_with_all_that_is_in_it(tmp_path):
    code = (
        "import os, sys, tempfile\n"
        "from napari_scribseg.io.atomic import temporary_name\n"
        "folder = tempfile.mkdtemp(prefix=temporary_name('-input-'), dir=sys.argv[1])\n"
        "open(os.path.join(folder, 'image.mha'), 'w').close()\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert len(list(tmp_path.iterdir())) == 1
    assert remove_abandoned(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_short_writes_are_continued(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:7]))
    write_bytes(tmp_path / "a", NEW)
    assert (tmp_path / "a").read_bytes() == NEW


def test_what_the_disk_changed_is_not_believed(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(OLD)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, b"x" * len(data)))
    with pytest.raises(InvalidInput, match="read back"):
        write_bytes(tmp_path / "a", NEW)
    assert (tmp_path / "a").read_bytes() == OLD


def test_a_verdict_against_the_new_file_keeps_the_old(tmp_path):
    (tmp_path / "a").write_bytes(OLD)

    def refuse(temp):
        raise InvalidInput("not good")

    with pytest.raises(InvalidInput, match="not good"):
        replace_with(tmp_path / "a", lambda temp: temp.write_bytes(NEW) and None, refuse)
    assert (tmp_path / "a").read_bytes() == OLD
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupt_leaves_no_temp_file(tmp_path):
    def interrupt(temp):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_with(tmp_path / "a", interrupt, interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_permissions_are_kept_or_follow_the_umask_and_temp_files_are_private(tmp_path):
    target = tmp_path / "a"
    seen = []

    def look(temp):
        seen.append(stat.S_IMODE(temp.stat().st_mode))

    old = os.umask(0o027)
    try:
        replace_with(target, look, look)
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.chmod(0o604)
        replace_with(target, look, look)
    finally:
        os.umask(old)
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert seen == [0o600] * 4


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    real = tmp_path / "there" / "real"
    real.write_bytes(OLD)
    (tmp_path / "link").symlink_to(real)
    write_bytes(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert real.read_bytes() == NEW


def test_folders_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="not a regular file"):
        write_bytes(tmp_path, NEW)
    with pytest.raises(InvalidInput, match="does not exist"):
        write_bytes(tmp_path / "absent" / "a", NEW)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX users")
def test_a_read_only_folder_is_named():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a").write_bytes(OLD)
        folder.chmod(0o555)
        user = os.geteuid()
        try:
            if user == 0:  # nothing is read-only for root
                os.seteuid(65534)
            with pytest.raises(InvalidInput, match="read-only"):
                write_bytes(folder / "a", NEW)
        finally:
            if user == 0:
                os.seteuid(0)
            folder.chmod(0o755)
        assert (folder / "a").read_bytes() == OLD


def test_two_threads_may_save_at_once(tmp_path):
    target = tmp_path / "a"
    contents = [bytes([i]) * 5000 for i in range(2)]

    def save(content):
        for _ in range(40):
            write_bytes(target, content)

    threads = [threading.Thread(target=save, args=(c,)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_text_and_json(tmp_path):
    write_text(tmp_path / "a.txt", "a\nb\r\nGröße")
    assert (tmp_path / "a.txt").read_bytes() == "a\nb\r\nGröße".encode()
    write_json(tmp_path / "a.json", {"b": [1, 2.5], "a": "ü"})
    assert (tmp_path / "a.json").read_text("utf-8").startswith('{\n  "b": [')
    for bad in (float("nan"), np.int64(3), tmp_path, "\ud800"):
        with pytest.raises(InvalidInput):
            write_json(tmp_path / "a.json", {"x": bad})
    assert "2.5" in (tmp_path / "a.json").read_text("utf-8")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import write_volume
from napari_scribseg.io.atomic import write_json
from napari_scribseg.core.volume import Grid, Volume

folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
rng = np.random.default_rng(1)
for side, limit in ((10, 500), (60, 50_000)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    array = rng.integers(0, 255, (side, side, side)).astype(np.uint8)
    volume = Volume(array, Grid.from_spacing(array.shape, (1, 1, 1)))
    for name in ("a.nii.gz", "a.nii", "a.nrrd", "a.mha", "a.json"):
        try:
            if name == "a.json":
                write_json(folder / name, {"x": "y" * 100_000})
            else:
                write_volume(folder / name, volume)
        except InvalidInput as error:
            print(name, error)
        else:
            print(name, "SAVED")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_keeps_every_old_file_and_is_told(tmp_path):
    array = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    volume = Volume(array, Grid.from_spacing((2, 2, 2), (1, 1, 1)))
    names = ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"]
    for name in names:
        write_volume(tmp_path / name, volume)
    write_json(tmp_path / "a.json", {})
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 10
    assert all("not saved" in line and "full" in line for line in lines)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before
    for name in names:
        assert np.array_equal(read_volume(tmp_path / name).array, array)


def test_importing_loads_no_imaging_library():
    code = (
        "import sys, napari_scribseg.io; "
        "print({'SimpleITK', 'nibabel', 'pydicom', 'torch', 'napari'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "set()"
