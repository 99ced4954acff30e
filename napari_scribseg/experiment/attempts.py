"""Attempts at a trial that have ended by the fault of the place where it was computed.

    cells/<name>/attempts.jsonl   one line per such end: where, at which step, how

A process that was killed, memory that ran out, a GPU that failed, a worker that is gone: they tell
nothing of a method and are never a score. The trial is tried again, elsewhere where there is an
elsewhere, and given up for this time when it did not get any further in `MOST_ATTEMPTS` attempts
of one command. Whoever computes trials (a command here, one trial of an array, a cluster) notes
them in the same way.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_scribseg.core.wording import counted
from napari_scribseg.data.names import few
from napari_scribseg.experiment.experiment import Experiment, trial_folder, trials_of
from napari_scribseg.io.regular_file import open_own

MOST_ATTEMPTS: Final = 4
"""A trial that has not got any further in so many attempts of one command is given up by it."""
_FILE: Final = "attempts.jsonl"
_OF_THE_PLACE: Final = (
    *("was killed, most likely because memory ran out", "crashed in native code"),
    *("was ended from outside", "ended with code 130", "Memory ran out", "Memory of "),
    *("OutOfMemoryError", "MemoryError", "out of memory", "not enough memory"),
    *("can't allocate memory", "cannot allocate memory", "unable to allocate", "fit into memory"),
    *("CUDA error", "CUDA driver", "CUDA unknown error", "No CUDA GPUs", "cuDNN error"),
    *("CUDNN_STATUS", "CUBLAS_STATUS", "AcceleratorError", "NVIDIA driver", "MPS backend"),
    *("PyTorch sees 0 CUDA", "cannot open shared object", "can't start new thread"),
    *("Input/output error", "Stale file handle", "Disk quota", "temporarily unavailable"),
)
"""Ends of a process that are the place's fault."""
_OF_THE_METHOD: Final = ("device-side assert",)
"""But these are not: a kernel was given numbers that it must not have."""
_OF_AN_INSTALLATION: Final = (
    *("(ImportError)", "(ModuleNotFoundError)"),
    *("Unexpected ImportError", "Unexpected ModuleNotFoundError"),
)
"""Ends that a computer without some package has; a method that everywhere has them, has failed."""


class Attempt(BaseModel):
    """An attempt at a trial that has ended by the fault of a place."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str = Field(default_factory=socket.gethostname)
    step: int = 0
    """That the training had reached."""
    reason: str
    client: str = ""
    """Token of the command that had asked for it, see `clients`."""


def is_of_the_place(text: str) -> bool:
    """Whether a process that has ended so tells of its place and not of the method.

    Args:
        text: how it ended, in a sentence.
    """
    return _has(text, _OF_THE_PLACE) and not _has(text, _OF_THE_METHOD)


def is_of_an_installation(text: str) -> bool:
    """Whether something can't be imported: by the installation's fault, or by the method's."""
    return _has(text, _OF_AN_INSTALLATION)


def note_attempt(there: Path, attempt: Attempt) -> None:
    """Note an attempt in the folder of its trial.

    Args:
        there: the folder, which is made if needed.
        attempt: that has ended.

    Raises:
        OSError: it can't be written.
    """
    there.mkdir(parents=True, exist_ok=True)
    with open_own(there / _FILE, "ab") as file:
        file.write(b"\n" + attempt.model_dump_json().encode() + b"\n")  # after a line cut off


def attempts_of(there: Path, client: str | None = None) -> tuple[Attempt, ...]:
    """The attempts at the trial of a folder, oldest first.

    Args:
        there: the folder.
        client: only those that this command has asked for.
    """
    try:
        with open_own(there / _FILE, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    found: list[Attempt] = []
    for line in lines:
        with contextlib.suppress(ValidationError):  # cut by a full disk
            found.append(Attempt.model_validate_json(line))
    return tuple(one for one in found if client is None or one.client == client)


def is_given_up(attempts: Sequence[Attempt]) -> bool:
    """Whether the attempts of one command show that a trial gets no further.

    Every attempt that reached a later step than all before it makes a new beginning: a worker whose
    time is over again and again is no omen.
    """
    furthest, count = 0, 0
    for one in attempts:
        count = 1 if one.step > furthest else count + 1
        furthest = max(furthest, one.step)
    return count >= MOST_ATTEMPTS


def given_up(attempts: Sequence[Attempt]) -> str:
    """Why a trial is given up for this time, in a sentence that names the computers."""
    last = attempts[-1]
    return (
        f"It was given up after {counted(len(attempts), 'attempt')} ({_by_host(attempts)}), the "
        f"last one on {last.host}: {last.reason.rstrip('.')}. That is no failure of the method and "
        "no score: mend it or choose other computers, then repeat the command."
    )


def told(folder: Path, experiment: Experiment) -> tuple[str, ...]:
    """That trials were tried again, and where, in a sentence; nothing where none was.

    Args:
        folder: of the experiment.
        experiment: of the folder.
    """
    by_trial = {name: attempts_of(trial_folder(folder, name)) for name in trials_of(experiment)}
    names = [name for name, attempts in by_trial.items() if attempts]
    if not names:
        return ()
    every = [one for name in names for one in by_trial[name]]
    return (
        f"{counted(len(names), 'trial')} had to be tried again because of a computer and not of a "
        f"method ({_by_host(every)}; such as {few(names)}); how is in attempts.jsonl of each.",
    )


def _by_host(attempts: Sequence[Attempt]) -> str:
    counts: dict[str, int] = {}
    for one in attempts:
        counts[one.host] = counts.get(one.host, 0) + 1
    return ", ".join(f"{host}: {counted(count, 'time')}" for host, count in counts.items())


def _has(text: str, words: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(word.casefold() in folded for word in words)
