"""A place that computes trials: what it is, and why it can't, before it is given any.

Faults of a place (no data there, another version, a full disk) tell nothing of a method and are
never a score: the trial goes to another place, and this one is named. A place is asked before its
first trial, and again when a trial has failed on it. Nothing here needs torch; which device would
be used is asked of a child process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import platform
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from napari_scribseg import __version__
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    Experiment,
    library_versions,
    load_experiment,
)
from napari_scribseg.io.regular_file import reason
from napari_scribseg.project.document import sha256_of
from napari_scribseg.runs import children, gpu_slots

InspectCommand = Callable[[Path], Sequence[str]]
"""experiment -> the command line that tells which device every method would use."""

_ASK_SECONDS: Final = 300.0
"""A cold import of torch from a slow network drive takes minutes."""
_SPARE_BYTES: Final = 100_000_000
_SILENT_SECONDS = 120.0
"""A drive that has not opened the next file for so long hangs."""
_TASK_MODULE: Final = "napari_scribseg.experiment.worker_task"
_At = Callable[[Path], None]
"""Is told which file or folder is looked at now."""


class Place(BaseModel):
    """What a computer that computes trials is.

    What may differ from place to place and change numbers is in `parts`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    package_version: str = __version__
    parts: dict[str, str] = {}
    """By the names that timing.csv has for them: code_sha256, torch, python, devices."""
    gpus: int = 0
    memory_bytes: int = 0
    """That the trials may take together; 0 = nobody says."""
    slots: int | None = None
    """Trials at once, where somebody has declared it (the Dask resource GPU)."""
    fault: str = ""
    """Why nothing can be computed there, in a sentence; "" = it can."""


def inspect_command(folder: Path) -> list[str]:
    """The command line that tells which device every method of an experiment would use."""
    return [*children.PROGRAM, "experiment", str(folder), "--place", "--json", "--lifeline"]


@cache
def code_sum() -> str:
    """A sum over the package's sources below the window and the command line.

    The version decides which trials are finished; this tells whether one version meant one code,
    which it doesn't where somebody develops methods.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in {"gui", "cli"} and name.parts[:2] != ("experiment", "report"):
            digest.update(name.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def _torch_version() -> str:
    return library_versions().get("torch", "")


def parts_here() -> dict[str, str]:
    """What may differ from place to place and is known without torch."""
    return {
        "code_sha256": code_sum(),
        "package_version": __version__,
        "python": platform.python_version(),
        "torch": _torch_version(),
    }


def inspected(
    folder: Path, plan_sha256: str = "", *, command: InspectCommand | None = inspect_command
) -> Place:
    """This computer as a place for the trials of an experiment.

    Args:
        folder: of the experiment.
        plan_sha256: of the document experiment.json as the client has it; "" = any.
        command: asks for the devices; None = they are not asked for.
    """
    host = socket.gethostname()
    fault = _in_time(folder, lambda at: _fault(folder, plan_sha256, at))
    if fault:
        return Place(host=host, fault=fault)
    parts = parts_here()
    if command is not None:
        try:
            parts["devices"] = _devices(command(folder))
        except (ScribsegError, OSError, ValueError) as error:
            return Place(host=host, parts=parts, fault=str(error))
    return Place(host=host, parts=parts, gpus=len(gpu_slots.gpus()))


def fault_of_place(folder: Path, experiment: Experiment) -> str:
    """Why nothing of an experiment can be computed here, in a sentence; "" = it can.

    Cheap enough to be asked after every failure; which device there is, is not asked. A drive that
    hangs is a fault, too, and named.
    """
    return _in_time(folder, lambda at: _fault_of(folder, experiment, at))


def _in_time(folder: Path, look: Callable[[_At], str]) -> str:
    """What a look at files finds; that one of them does not answer, when it gets no further."""
    now = folder, time.monotonic()
    found: list[str] = []
    errors: list[Exception] = []

    def at(path: Path) -> None:
        nonlocal now
        now = path, time.monotonic()

    def body() -> None:
        try:
            found.append(look(at))
        except Exception as error:  # noqa: BLE001  raised where it is asked for
            errors.append(error)

    thread = threading.Thread(target=body, name="look at the drive", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        path, since = now
        if thread.is_alive() and time.monotonic() - since > _SILENT_SECONDS:
            return (
                f"{path} has not answered for {_SILENT_SECONDS:.0f} s: a network drive that hangs, "
                "or the computer is overloaded"
            )
    if errors:
        raise errors[0]
    return found[0]


def _fault_of(folder: Path, experiment: Experiment, at: _At) -> str:
    if experiment.package_version != __version__:
        return (
            f"the experiment was planned by napari-scribseg {experiment.package_version}, and this "
            f"computer has {__version__}: install the same version everywhere"
        )
    at(folder)
    return _unwritable(folder) or _full(folder, experiment) or _unreadable(experiment, at)


def _fault(folder: Path, plan_sha256: str, at: _At) -> str:
    try:
        experiment = load_experiment(folder)
    except (ScribsegError, OSError) as error:
        return f"the experiment can't be read there: {error}"
    with contextlib.suppress(OSError):
        there = hashlib.sha256((folder / EXPERIMENT).read_bytes()).hexdigest()
        if plan_sha256 not in {"", there}:
            return (
                f"{folder} holds another experiment there than here: mount the same folder "
                "everywhere"
            )
    return _fault_of(folder, experiment, at)


def _unwritable(folder: Path) -> str:
    trials = folder / "cells"
    path = trials / f".place-{secrets.token_hex(8)}"
    try:
        trials.mkdir(exist_ok=True)
        path.touch(exist_ok=False)
        path.unlink()
    except OSError as error:
        return f"{trials} can't be written to ({reason(error)})"
    return ""


def _full(folder: Path, experiment: Experiment) -> str:
    needed = _SPARE_BYTES + max(16 * settings.parameters for settings in experiment.settings)
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return ""
    return f"the disk of {folder} has {free / 1e6:.0f} MB left; a trial needs {needed / 1e6:.0f} MB"


def _unreadable(experiment: Experiment, at: _At) -> str:
    """Whether all files can be opened, and are those of this dataset and not of another.

    One image that has changed since the plan is no fault of the place, see `data_now`; but where
    the two smallest ones have, another folder lies under the same path.
    """
    images: dict[Path, tuple[int, str]] = {}
    for case in experiment.cases:
        for path in case.files.paths:
            at(path)
            try:
                with Path(path).open("rb") as file:
                    file.read(1)
                    size = file.seek(0, 2)
            except IsADirectoryError:  # a DICOM series
                continue
            except OSError as error:
                where = experiment.recipe.dataset
                return f"the data can't be read: {path} ({reason(error)}), of the dataset {where}"
            if path == case.files.image:
                images[path] = (size, case.image_sha256)
    smallest = sorted(images, key=lambda path: images[path])[:2]
    for path in smallest:
        at(path)
        try:
            if sha256_of(path) == images[path][1]:
                return ""
        except (ScribsegError, OSError) as error:
            return f"the data can't be read: {error}"
    if not smallest:
        return ""
    return f"{smallest[0]} is another image than when the experiment was planned"


def _devices(words: Sequence[str]) -> str:
    """Device and arithmetic of every method there: "cpu float32", or a list of them.

    Raises:
        RunError: nothing can be trained, such as for want of the GPU that is asked for.
    """
    from napari_scribseg.core.errors import RunError

    answer = children.ask(words, seconds=_ASK_SECONDS)
    if answer.code is None:
        raise RunError(f"torch can't be loaded in {_ASK_SECONDS:.0f} s")
    try:
        document: dict[str, Any] = json.loads(answer.output)
        found: list[str] = document["devices"]
    except (ValueError, KeyError) as error:
        said = answer.last_line.removeprefix("scribseg: ")
        raise RunError(f"nothing can be trained: {said or 'no answer'}") from error
    return "; ".join(found)


_inspections: dict[str, Place | None] = {}
_lock = threading.Lock()


def begin_inspection(
    key: str,
    folder: str,
    plan_sha256: str,
    command: InspectCommand | None = inspect_command,
    dask_worker: Any = None,
) -> None:
    """Begin to inspect this computer in a thread; `inspection` gives what was found.

    Args:
        key: of this inspection.
        folder: of the experiment.
        plan_sha256: see `inspected`.
        command: see `inspected`.
        dask_worker: the worker that is asked, filled in by Dask.
    """
    with _lock:
        if key in _inspections:
            return
        _inspections[key] = None

    def body() -> None:
        try:
            importlib.import_module(_TASK_MODULE)  # or every trial there would fail for want of it
            place = inspected(Path(folder), plan_sha256, command=command)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a place has to be told
            text = f"{type(error).__name__}: {error}"
            place = Place(host=socket.gethostname(), fault=f"it can't be asked ({text})")
        _inspections[key] = place.model_copy(update=_declared(dask_worker))

    threading.Thread(target=body, name="inspection", daemon=True).start()


def inspection(key: str) -> dict[str, Any] | None:
    """What an inspection has found, as a document; None while it goes on."""
    place = _inspections.get(key)
    return None if place is None else place.model_dump()


def _declared(worker: Any) -> dict[str, Any]:
    """What was said of a worker when it was started: its memory, and how many GPUs it has."""
    found: dict[str, Any] = {}
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        found["memory_bytes"] = int(worker.memory_manager.memory_limit or 0)
    with contextlib.suppress(AttributeError, TypeError, ValueError, KeyError):
        found["slots"] = int(worker.state.total_resources["GPU"])
    return found
