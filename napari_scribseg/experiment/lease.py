"""Lease: who computes a trial now, told apart from somebody who is gone, on any computer.

    lease-000001.json   process, computer and token of who took it, and how often it has beaten

The highest number counts. Who takes it over makes the next number, in one step that only one can
do; so a holder that was cut off and comes back sees that it has lost. No clock of one computer is
compared with that of another: a holder whose process can't be asked for is gone when somebody
has *watched* its file for `SILENCE_SECONDS` of their own time and it did not beat.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
import time
from pathlib import Path
from typing import Final, Self

from pydantic import Field, ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.process_identity import ProcessIdentity
from napari_scribseg.io.regular_file import open_own, read_regular

SILENCE_SECONDS: Final = 30.0
_LONGEST_GAP_SECONDS: Final = 5.0
"""As much as a gap between two looks may count for silence."""
"""A holder that was watched for this long and did not beat is gone."""
LEASE_VARIABLE: Final = "SCRIBSEG_LEASE"
"""Tells a child for which lease it works: "folder of the lease|number|token"."""
_BEAT_SECONDS: Final = 2.0
_MOST_BYTES: Final = 4096
_NAME: Final = re.compile(r"lease-(\d{6})\.json")


class Holder(ProcessIdentity):
    """Who holds a lease."""

    token: str
    client: str = ""
    """Token of the client that asked for the work, see `clients`."""
    beats: int = 0
    released: bool = False
    parts: dict[str, str] = Field(default_factory=dict)
    """What it computes with, where that was agreed on, see `strict`."""

    @classmethod
    def this_process(cls, client: str = "") -> Self:
        """This process, with a fresh token."""
        us = ProcessIdentity.of(os.getpid())
        return cls(**us.model_dump(), token=secrets.token_hex(8), client=client)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class Lease:
    """The right to work on a folder; a context manager that beats until it is left."""

    def __init__(self, folder: Path, number: int, holder: Holder) -> None:
        self.holder = holder
        self._folder = folder
        self._number = number
        self._path = _path(folder, number)
        self._over, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    @classmethod
    def take(
        cls, folder: Path, client: str = "", *, over: str = "", as_holder: Holder | None = None
    ) -> Lease | Holder:
        """The lease of a folder, or who else holds it.

        Args:
            folder: must exist.
            client: token of whoever asked for the work.
            over: token of a holder that somebody else has watched long enough.
            as_holder: who takes it; None = this process with a fresh token.

        Raises:
            OSError: the folder can't be written to.
        """
        number, holder = _newest(folder)
        if holder is not None and holder.token != over and not is_gone(folder, holder):
            return holder
        me = as_holder or Holder.this_process(client)
        path = _path(folder, number + 1)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:  # somebody was faster
            return _read(path) or _UNKNOWN
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(me.model_dump_json().encode())
        except OSError:  # a full disk; nobody shall wait for a holder that isn't there
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        if _newest_number(folder) > number + 1:  # what we saw was old: others have had it since
            with contextlib.suppress(OSError):
                path.unlink()
            return _newest(folder)[1] or _UNKNOWN
        for old in range(max(1, number - 1), number + 1):
            # Its holder sees at its next beat that its file is gone.
            with contextlib.suppress(OSError):
                _path(folder, old).unlink()
        return cls(folder, number + 1, me)

    @property
    def is_held(self) -> bool:
        """Whether it is still ours."""
        return not self._lost.is_set() and is_held(self._folder, self._number, self.holder.token)

    @property
    def is_lost(self) -> bool:
        """Whether somebody else was seen to have it; costs nothing to ask."""
        return self._lost.is_set()

    @property
    def variables(self) -> dict[str, str]:
        """What children are told, see `LEASE_VARIABLE`."""
        return {LEASE_VARIABLE: f"{self._folder}|{self._number}|{self.holder.token}"}

    def release(self) -> None:
        """Give it back; nothing happens when it isn't ours any more."""
        if self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        if self.is_held:
            with contextlib.suppress(OSError):
                self._write(self.holder.model_copy(update={"released": True}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _beat(self) -> None:
        beats = 0
        while not self._over.wait(_BEAT_SECONDS):
            beats += 1
            with contextlib.suppress(OSError):  # a drive that is away for a moment tells nothing
                if not is_held(self._folder, self._number, self.holder.token):
                    self._lost.set()
                    return
                self._write(self.holder.model_copy(update={"beats": beats}))

    def _write(self, holder: Holder) -> None:
        with open_own(self._path, "r+b") as file:
            # Over the old text, so that it needs no new room on a full disk.
            file.write(holder.model_dump_json().encode())
            file.truncate()


def holder_of(folder: Path) -> Holder | None:
    """Who holds the lease of a folder, alive or not; None when it is free."""
    holder = _newest(folder)[1]
    return None if holder is None or holder.released else holder


def is_held(folder: Path, number: int, token: str) -> bool:
    """Whether a lease of a folder is still that of this token.

    It is until somebody has made the next number, or it was given back: a file that is half
    written, not shown yet by a shared drive or long without a beat takes it from nobody.
    """
    try:
        if _newest_number(folder) > number:
            return False
        holder = _read(_path(folder, number))
        if holder is None:  # or it was removed by whoever has just taken it over
            return _newest_number(folder) <= number
    except OSError:  # a drive that is away for a moment tells nothing
        return True
    return holder.token == token and not holder.released


def is_gone(folder: Path, holder: Holder) -> bool:
    """Whether a holder has given its lease back or is gone, as far as we can tell by now.

    Of a process of another computer this needs several looks, `SILENCE_SECONDS` apart.
    """
    if holder.released:
        return True
    alive = holder.runs if holder is not _UNKNOWN else None
    if alive is not None:
        return not alive
    return _watch.silence(folder, holder) > SILENCE_SECONDS


def gone_when_watched(folder: Path, holder: Holder) -> bool:
    """Whether a holder is gone, watched for as long as that takes to tell.

    Of a process of this computer it is known at once, of one elsewhere at its next beat.
    """
    until = time.monotonic() + SILENCE_SECONDS + 2 * _BEAT_SECONDS
    with contextlib.suppress(OSError):  # a drive that is away for a moment tells nothing
        while not is_gone(folder, holder):
            if holder.runs is not None or time.monotonic() > until:
                return False
            time.sleep(min(1.0, _BEAT_SECONDS))
            now = holder_of(folder)
            if now != holder:  # it beats, has given it back, or somebody else has it
                return now is None
        return True
    return False


def still_ours(told: str | None) -> bool:
    """Whether a child's starter still holds its lease; True for a child without one.

    Args:
        told: the value of `LEASE_VARIABLE`.
    """
    if not told:
        return True
    folder, number, token = told.rsplit("|", 2)
    return is_held(Path(folder), int(number), token)


class _Watch:
    """For how long the files of holders have not changed, by our own clock."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[str, int, float, float]] = {}
        self._lock = threading.Lock()

    def silence(self, folder: Path, holder: Holder) -> float:
        """Seconds for which this holder was seen with its present number of beats.

        A gap between two looks counts little: while a drive hangs nobody can beat on it.
        """
        now = time.monotonic()
        with self._lock:
            token, beats, looked, silent = self._seen.get(folder, ("", -1, now, 0.0))
            same = (token, beats) == (holder.token, holder.beats)
            silent = silent + min(now - looked, _LONGEST_GAP_SECONDS) if same else 0.0
            self._seen[folder] = (holder.token, holder.beats, now, silent)
        return silent


_watch: Final = _Watch()
_UNKNOWN: Final = Holder(pid=1, host="another computer", token="unreadable")  # noqa: S106
"""Of a lease that is being written just now, or was cut by a crash."""


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease-{number:06d}.json"


def _newest(folder: Path) -> tuple[int, Holder | None]:
    """The highest number, 0 without one, and who has it."""
    number = _newest_number(folder)
    if not number:
        return 0, None
    holder = _read(_path(folder, number))
    return number, _UNKNOWN if holder is None else holder


def _newest_number(folder: Path) -> int:
    numbers = (int(found[1]) for name in _names(folder) if (found := _NAME.fullmatch(name)))
    return max(numbers, default=0)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names only, of many folders
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> Holder | None:
    """What a lease says; None while it is being written."""
    for _ in range(3):  # a beat may be half written
        try:
            return Holder.model_validate_json(read_regular(path, _MOST_BYTES))
        except (InvalidInput, ValidationError):
            time.sleep(0.02)
    return None
