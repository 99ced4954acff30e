"""Which GPU a training computes on: every child is given one that no other child of ours uses.

A slot is a file in a folder of this computer, locked while a child computes; the system gives
it back when its holder dies. So trials of all workers, jobs and experiments, and the runs of the
window and the command line, share the GPUs of a computer for one user, each on its own. The child
sees its GPU alone (`CUDA_VISIBLE_DEVICES`). A trial waits for a GPU; a run that somebody has just
started does not, but says that it shares one. A job of a batch system shares with nobody: its GPUs
are its own, and often all jobs know theirs as number 0.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from napari_scribseg.runs import children

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
"""What tells CUDA which GPUs there are; numbers or names."""
_JOBS: Final = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
"""Variables by which SLURM, PBS, LSF and SGE name a job."""
_GIVEN: Final = "SCRIBSEG_GPU_GIVEN"
"""Tells a child that its starter has taken the slot for it."""
_MOST_BYTES: Final = 200
_ASK_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.5


def gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, by the names that `CUDA_VISIBLE_DEVICES` knows."""
    given = os.environ.get(VISIBLE)
    if given is not None:
        words = [word.strip() for word in given.split(",")]
        # As CUDA does: what comes after a wrong one is not there.
        end = next((i for i, word in enumerate(words) if word in {"", "-1"}), len(words))
        return tuple(words[:end])
    return _installed()


def slots(device: str, per_gpu: int = 1) -> int | None:
    """How many trials may compute on GPUs at once; None where none of them needs a GPU.

    Args:
        device: what a training asks for.
        per_gpu: trials that share one.
    """
    return len(gpus()) * per_gpu if wants_any(device) and gpus() else None


@contextlib.contextmanager
def a_gpu(
    device: str,
    per_gpu: int = 1,
    *,
    over: Callable[[], bool] = lambda: False,
    waiting: Callable[[str], None] = lambda _: None,
    folder: Path | None = None,
) -> Generator[dict[str, str] | None]:
    """A GPU for one child: the variables that give it to the child.

    Waits until one is free. A training that needs none, or that names its GPU by number, gets no
    variables.

    Args:
        device: what the training asks for.
        per_gpu: trials that share one.
        over: whether nobody waits any more; then None is given.
        waiting: is told once, when it has to wait, who has them.
        folder: of the locks; None = one of this user on this computer.
    """
    names = gpus() if wants_any(device) else ()
    if not names:
        yield {}
        return
    place, told = folder or _folder(), False
    while True:
        slot = _free(place, names, per_gpu)
        if slot is not None:
            name, descriptor = slot
            try:
                yield {VISIBLE: name, _GIVEN: "1"}
            finally:
                os.close(descriptor)
            return
        if over():
            yield None
            return
        if not told:
            told = True
            waiting(taken_by(place, names, per_gpu))
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def own_gpu(device: str, *, folder: Path | None = None) -> Generator[str]:
    """A GPU for the training that this process is about to begin, without waiting for one.

    Until the end this process sees that GPU alone, so nothing may have asked for GPUs before. A
    trial of an experiment has been given one already. Gives a note for people where all of them
    are taken, so that this training shares one; else "".

    Args:
        device: what the training asks for.
        folder: see `a_gpu`.
    """
    names = gpus() if wants_any(device) and _GIVEN not in os.environ else ()
    if not names:
        yield ""
        return
    place = folder or _folder()
    slot = _free(place, names)
    if slot is None:
        yield (
            f"Every GPU that this training may use is taken {taken_by(place, names)}, so it "
            "shares one: both are slower, and memory may run out."
        )
        return
    name, descriptor = slot
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = name
    try:
        yield ""
    finally:
        os.close(descriptor)
        os.environ.pop(VISIBLE)
        if before is not None:
            os.environ[VISIBLE] = before


def taken_by(place: Path, names: Sequence[str], per_gpu: int = 1) -> str:
    """Who uses these GPUs, as far as that is noted: "by process 71, process 80"."""
    holders: list[str] = []
    for name in _shared(names, per_gpu):
        with contextlib.suppress(OSError):
            path = _path(place, name)
            holders.append(path.read_bytes()[:_MOST_BYTES].decode(errors="replace"))
    known = ", ".join(dict.fromkeys(one for one in holders if one))
    return f"by {known or 'others'}"


def _free(place: Path, names: Sequence[str], per_gpu: int = 1) -> tuple[str, int] | None:
    """The name of a GPU that is free and the descriptor that holds its slot."""
    for name in _shared(names, per_gpu):
        descriptor = _locked(_path(place, name))
        if descriptor is not None:
            return name.rpartition("#")[0], descriptor
    return None


def _path(place: Path, name: str) -> Path:
    return place / name.replace("/", "_")


def _shared(names: Sequence[str], per_gpu: int) -> list[str]:
    """Slots in the order they are tried: every GPU once, before any is shared."""
    return [f"{name}#{turn}" for turn in range(per_gpu) for name in names]


def wants_any(device: str) -> bool:
    """Whether a training takes any GPU that there is."""
    return device in {"auto", "cuda"}


@cache
def _installed() -> tuple[str, ...]:
    """All GPUs of this computer, as the driver counts them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        answer = children.ask(
            [program, "--query-gpu=uuid", "--format=csv,noheader"], seconds=_ASK_SECONDS
        )
    except OSError:
        return ()
    told = answer.output.decode(errors="replace") if answer.code == 0 else ""
    return tuple(line.strip() for line in told.splitlines() if line.strip())


def _folder() -> Path:
    """Where this user's locks are on this computer; never a shared drive."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    # Tasks of an SGE array have one number together.
    job = [os.environ.get(name, "") for name in (*_JOBS, "SGE_TASK_ID", "LSB_JOBINDEX")]
    own = "".join(f"-{re.sub(r'[^A-Za-z0-9]', '_', part)}" for part in job if part)
    place = Path(tempfile.gettempdir()) / f"scribseg-gpus-{user}{own}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock of a slot; None when somebody else has it."""
    try:
        import fcntl
    except ImportError:  # Windows: no lock, so trials of several processes may meet on a GPU
        return os.open(os.devnull, os.O_RDWR)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}".encode())
    return descriptor
