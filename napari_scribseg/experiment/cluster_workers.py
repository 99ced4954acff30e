"""The workers of a Dask scheduler: each is asked what it is before it is given any trial.

Nothing of ours is sent to a worker that may not have it: first it is asked for our package by words
that every Python understands, then our package there is asked for the rest. A worker that can't
compute is set aside and named; it is asked again after some minutes.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from napari_scribseg import __version__
from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment.experiment import EXPERIMENT
from napari_scribseg.experiment.mixtures import different_parts
from napari_scribseg.experiment.place import InspectCommand, Place
from napari_scribseg.experiment.strict import Agreement
from napari_scribseg.io.regular_file import reason

_LOOK_SECONDS = 1.0
_ASK_SECONDS = 0.5
_MOST_ASK_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 300.0
"""A worker that was set aside is asked again after this time."""
_ANSWER_SECONDS = 600.0
"""A worker that has not said for so long what it is, is set aside until it does: longer than the
slowest import of torch that `place` waits for."""
_SILENT_SECONDS = 60.0
"""A scheduler that does not answer for so long is gone."""
_CUT_SECONDS = 5.0
"""So is one to which the connection is cut for so long."""

_HOST: Final = "__import__('socket').gethostname()"
_VERSION: Final = "__import__('napari_scribseg').__version__"


@dataclass
class Worker:
    """A worker that the scheduler knows.

    Args:
        address: of it.
        threads: that it was given.
        state: asked for what it is; ready for trials; or set aside.
        place: what it is, once it is known.
        fault: why it was set aside.
        since: when it got into this state, in our monotonic time.
        greeting: the thread that asks it.
    """

    address: str
    threads: int
    state: Literal["asked", "ready", "set aside"] = "asked"
    place: Place = field(default_factory=lambda: Place(host=""))
    fault: str = ""
    since: float = field(default_factory=time.monotonic)
    greeting: threading.Thread | None = None

    @property
    def host(self) -> str:
        """Name of its computer, or its address while that isn't known."""
        return self.place.host or self.address


@dataclass
class _Seen:
    """What the scheduler has said last, and when."""

    threads: Mapping[str, int] = field(default_factory=dict)
    busy: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moment: float = field(default_factory=time.monotonic)


class Crew:
    """All workers of a scheduler; asks them by threads of its own, so that no call waits.

    Args:
        client: of Dask.
        folder: of the experiment.
        inspect: asks a worker for its devices; None = it isn't asked.
        tell: is given sentences for people.
        agreement: on the parts that a place has to have; None = mixtures are told only.
    """

    def __init__(
        self,
        client: Any,
        folder: Path,
        inspect: InspectCommand | None,
        tell: Callable[[str], None],
        agreement: Agreement | None = None,
    ) -> None:
        self.workers: dict[str, Worker] = {}
        self._client, self._folder, self._inspect = client, folder, inspect
        self._tell, self._agreement = tell, agreement
        self._first: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._plan = hashlib.sha256((folder / EXPERIMENT).read_bytes()).hexdigest()
        self._seen, self._over = _Seen(), threading.Event()
        self._connected = time.monotonic()
        threading.Thread(target=self._watch, name="scheduler", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._over.set()

    @property
    def ready(self) -> list[Worker]:
        """Those that may be given trials."""
        return [worker for worker in self.workers.values() if worker.state == "ready"]

    def others_tasks(self, address: str, own: str) -> int:
        """How many tasks of other clients a worker has.

        Args:
            address: of the worker.
            own: how the keys of our tasks end.
        """
        return sum(not str(key).endswith(own) for key in self._seen.busy.get(address, ()))

    def look(self) -> list[Worker]:
        """Notice who has come and gone; gives those that are gone.

        Raises:
            RunError: the scheduler is gone.
        """
        now = time.monotonic()
        self._connected = now if self._client.status == "running" else self._connected
        cut, silent = now - self._connected, now - self._seen.moment
        if cut > _CUT_SECONDS or silent > _SILENT_SECONDS:
            raise RunError("The scheduler is gone")
        there = self._seen.threads
        gone = [worker for address, worker in self.workers.items() if address not in there]
        for worker in gone:
            del self.workers[worker.address]
        for address, threads in there.items():
            known = self.workers.get(address)
            if known is None or self._is_to_be_asked_again(known, now):
                self._ask(address, threads)
            elif known.state == "asked" and now - known.since > _ANSWER_SECONDS:
                self._put_aside(
                    known,
                    f"it has not said for {_ANSWER_SECONDS / 60:g} min what it is; a drive may "
                    "hang there, or it is overloaded",
                )
        return gone

    def _is_to_be_asked_again(self, worker: Worker, now: float) -> bool:
        """Whether a worker was set aside long ago; one that never answered is still being asked."""
        asked = worker.greeting is not None and worker.greeting.is_alive()
        return worker.state == "set aside" and not asked and now - worker.since > _AGAIN_SECONDS

    def ask_again(self, address: str) -> None:
        """Give a worker no trial before it has said again what it is."""
        worker = self.workers.get(address)
        if worker is not None and worker.state == "ready":
            self._ask(address, worker.threads)

    def set_aside(self, address: str, fault: str) -> None:
        """Give a worker no trials for some minutes, and say why; its neighbours are asked again."""
        worker = self.workers.get(address)
        if worker is None or worker.state == "set aside":
            return
        self._put_aside(worker, fault)
        for other in self.ready:
            if other.host == worker.host:
                self._ask(other.address, other.threads)

    def _put_aside(self, worker: Worker, fault: str) -> None:
        worker.state, worker.fault, worker.since = "set aside", fault, time.monotonic()
        if self._told.get(worker.address) != fault:  # it is asked every few minutes, for days
            self._told[worker.address] = fault
            self._tell(f"Set aside: {worker.host} ({worker.address}): {fault}.")

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS if self._seen.threads else _ASK_SECONDS):
            try:
                threads, busy = self._client.nthreads(), self._client.processing()
            except Exception:  # noqa: BLE001, S112  it will be asked again, and its silence noticed
                continue
            self._seen = _Seen(dict(threads), dict(busy))

    def _ask(self, address: str, threads: int) -> None:
        worker = Worker(address, threads)
        self.workers[address] = worker
        worker.greeting = threading.Thread(
            target=self._asked, args=(worker,), name="greeting", daemon=True
        )
        worker.greeting.start()

    def _asked(self, worker: Worker) -> None:
        """Ask a worker, and decide about it."""
        try:
            place = self._place_of(worker)
        except Exception as error:  # noqa: BLE001  whatever it is, the worker can't compute
            text = f"{type(error).__name__}: {error}".strip().rstrip(".")
            place = worker.place.model_copy(update={"fault": f"it can't be asked ({text})"})
        worker.place = place
        if self._over.is_set() or self.workers.get(worker.address) is not worker:
            return  # we end, it is gone, or asked again
        try:
            fault = place.fault or self._mixed(worker)
        except OSError as error:
            fault = f"what others compute with can't be read here ({reason(error)})"
        if fault:
            self._put_aside(worker, fault)
        else:
            worker.state, worker.since = "ready", time.monotonic()
            self._told.pop(worker.address, None)

    def _mixed(self, worker: Worker) -> str:
        """That a worker has another torch or the like, where that is refused; else it is told."""
        parts = worker.place.parts
        if self._agreement is not None:
            said = self._agreement.objection(parts)
            return f"--strict refuses {said}" if said else ""
        said = different_parts(self._first, parts)
        self._first = self._first or parts
        if said:
            self._tell(f"Note: {worker.host} has {said}: numbers may differ by that.")
        return ""

    def _place_of(self, worker: Worker) -> Place:
        host = str(self._run(worker, eval, _HOST))
        worker.place = Place(host=host)
        try:
            version = str(self._run(worker, eval, _VERSION))
        except ImportError as error:
            return Place(
                host=host,
                fault=f"napari-scribseg can't be imported there ({error}): install the same "
                "version everywhere, in the environment that the worker is started from",
            )
        if version != __version__:
            return Place(
                host=host,
                package_version=version,
                fault=f"it has napari-scribseg {version} and here is {__version__}: install the "
                "same version everywhere",
            )
        from napari_scribseg.experiment.place import begin_inspection, inspection

        key = secrets.token_hex(8)
        folder = str(self._folder.absolute())
        self._run(worker, begin_inspection, key, folder, self._plan, self._inspect)
        wait = _ASK_SECONDS
        while True:
            found: dict[str, Any] | None = self._run(worker, inspection, key)
            if found is not None:
                return Place.model_validate(found)
            time.sleep(wait)
            wait = min(_MOST_ASK_SECONDS, 1.5 * wait)  # each is a line in the worker's log

    def _run(self, worker: Worker, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function gives on a worker, whatever else that computes."""
        answers = self._client.run(function, *arguments, workers=[worker.address])
        return answers[worker.address]
