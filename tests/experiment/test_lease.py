"""Leases: one holder at a time, who is gone is told apart without comparing clocks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from napari_scribseg.experiment import lease as leases
from napari_scribseg.experiment.lease import Holder, Lease, holder_of, is_gone, is_held, still_ours


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leases, "_BEAT_SECONDS", 0.05)


def elsewhere(**changes: object) -> Holder:
    """A holder on a computer that can't be asked."""
    return Holder.this_process().model_copy(update={"host": "node7", **changes})


def write(folder, number: int, holder: Holder) -> None:
    (folder / f"lease-{number:06d}.json").write_text(holder.model_dump_json())


def test_only_one_of_many_gets_it(tmp_path):
    got: list[object] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        got.append(Lease.take(tmp_path))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mine = [one for one in got if isinstance(one, Lease)]
    assert len(mine) == 1
    assert mine[0].is_held
    mine[0].release()
    assert holder_of(tmp_path) is None
    second = Lease.take(tmp_path)
    assert isinstance(second, Lease)
    assert not mine[0].is_held
    second.release()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_process_of_this_computer_is_gone_at_once(tmp_path):
    code = (
        "import pathlib, sys, time\n"
        "from napari_scribseg.experiment.lease import Lease\n"
        "Lease.take(pathlib.Path(sys.argv[1])); print(flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    child.stdout.readline()
    assert isinstance(Lease.take(tmp_path), Holder)
    child.kill()
    child.wait()
    child.stdout.close()
    lease = Lease.take(tmp_path)
    assert isinstance(lease, Lease)
    lease.release()


@pytest.mark.parametrize("its_clock", [-86_400, 0, 86_400])
def test_one_elsewhere_is_gone_after_a_silence_whatever_its_clock(tmp_path, monkeypatch, its_clock):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.5)
    holder = elsewhere()
    write(tmp_path, 3, holder)
    moment = time.time() + its_clock
    os.utime(tmp_path / "lease-000003.json", (moment, moment))
    for beats in range(4):  # it lives as long as it beats
        write(tmp_path, 3, holder.model_copy(update={"beats": beats}))
        assert isinstance(Lease.take(tmp_path), Holder)
        time.sleep(0.3)
    time.sleep(0.6)
    lease = Lease.take(tmp_path)
    assert isinstance(lease, Lease)
    assert lease.is_held
    lease.release()


def test_a_drive_that_hangs_takes_a_lease_from_nobody(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: clock[0])
    holder = elsewhere()
    write(tmp_path, 1, holder)
    assert isinstance(Lease.take(tmp_path), Holder)
    clock[0] += 600.0  # neither could be seen nor beat
    assert isinstance(Lease.take(tmp_path), Holder)
    found = None
    while clock[0] < 640.0 and not isinstance(found, Lease):
        clock[0] += 4.0
        found = Lease.take(tmp_path)
    assert clock[0] > 620.0
    assert isinstance(found, Lease)
    found.release()


def test_a_client_that_has_watched_can_say_whose_lease_is_over(tmp_path):
    holder = elsewhere()
    write(tmp_path, 1, holder)
    assert isinstance(Lease.take(tmp_path, over="another"), Holder)
    lease = Lease.take(tmp_path, over=holder.token)
    assert isinstance(lease, Lease)
    lease.release()


def test_a_holder_that_was_cut_off_sees_that_it_has_lost(tmp_path):
    lease = Lease.take(tmp_path)
    assert isinstance(lease, Lease)
    told = lease.variables[leases.LEASE_VARIABLE]
    assert still_ours(told)
    write(tmp_path, 2, elsewhere())
    until = time.monotonic() + 20
    while not lease.is_lost and time.monotonic() < until:
        time.sleep(0.02)
    assert lease.is_lost
    assert not lease.is_held
    assert not still_ours(told)
    lease.release()
    assert not is_held(tmp_path, 1, lease.holder.token)
    assert holder_of(tmp_path).host == "node7", "what is not ours was given back"


def test_a_result_counts_while_nobody_has_taken_over_however_late_the_beat(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.1)
    folder = tmp_path / "a|b"
    folder.mkdir()
    lease = Lease.take(folder)
    assert isinstance(lease, Lease)
    lease._over.set()  # it beats no more
    lease._thread.join()
    told = lease.variables[leases.LEASE_VARIABLE]
    (file,) = folder.iterdir()
    time.sleep(0.3)
    assert still_ours(told), "silent for too long, but nobody else has it"
    file.write_text(file.read_text()[:20])
    assert still_ours(told), "half written"
    file.unlink()
    assert still_ours(told), "not shown by a shared drive"
    write(folder, 2, elsewhere())
    assert not still_ours(told)
    assert not lease.is_held


def test_a_lease_that_a_full_disk_refuses_is_nobodys(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Holder, "model_dump_json", full)
    with pytest.raises(OSError, match="No space left"):
        Lease.take(tmp_path)
    assert holder_of(tmp_path) is None


def test_a_lease_that_a_crash_has_cut_is_waited_for_and_then_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "SILENCE_SECONDS", 0.2)
    (tmp_path / "lease-000001.json").write_text("")
    assert isinstance(Lease.take(tmp_path), Holder)
    time.sleep(0.4)
    assert is_gone(tmp_path, holder_of(tmp_path))
    lease = Lease.take(tmp_path)
    assert isinstance(lease, Lease)
    lease.release()
