"""The trials of an experiment on a Dask cluster: same plan, same folder, other computers.

A task is the name of a trial; everything else it finds in the folder, which all workers must see
under the same path. Trials are handed out one by one, to workers that were asked what they are.
When a worker dies, its trial goes to another one, which continues from what the folder holds. Needs
the extra `cluster` (dask.distributed).
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment.attempts import (
    Attempt,
    attempts_of,
    given_up,
    is_given_up,
    note_attempt,
)
from napari_scribseg.experiment.clients import ask_to_stop, stopping
from napari_scribseg.experiment.cluster_work import ClusterWork, capacity
from napari_scribseg.experiment.cluster_workers import Crew, Worker
from napari_scribseg.experiment.experiment import (
    Trial,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.lease import holder_of, is_gone
from napari_scribseg.experiment.schedule import Done, done_of
from napari_scribseg.experiment.strict import Agreement
from napari_scribseg.experiment.trial import PROGRAMS, Computed
from napari_scribseg.experiment.trial_notes import save_failure
from napari_scribseg.io.regular_file import reason
from napari_scribseg.runs.dask_client import dask_client
from napari_scribseg.runs.summary import summary_of

_POLL_SECONDS = 0.2
_PAUSE_SECONDS = 5.0
"""Before a trial is tried again on a host: what took its memory may end."""
_HELD_SECONDS = 2.0
_STOP_SECONDS = 30.0
"""Time that running trials have to save."""
_SAY_SECONDS = 3.0
_SAY_AGAIN_SECONDS = 60.0
_GATHER_SECONDS = 20.0
_WAITING: Final = "scribseg-waits-for-a-worker"
"""A resource that no worker has: tasks that want it tell `adapt` how many trials wait."""
_TASK: Final = (
    "__import__('napari_scribseg.experiment.worker_task', fromlist=['x'])"
    ".compute_for_client(*arguments)"
)
"""What a worker evaluates. A word of Python's own is sent, so that a worker without our package
gives an error instead of closing itself."""


def compute_on_cluster(work: ClusterWork) -> Generator[Done]:
    """Compute trials on the workers of a scheduler; gives each when it is done with.

    Left early (Ctrl-C), the workers are asked to save and to stop, and waited for.

    Raises:
        InvalidInput: dask.distributed is not installed.
        RunError: nobody answers at the address, the scheduler is gone, or there was no worker that
            can compute for too long. No trial fails for it.
    """
    with dask_client(work.address) as client:
        agreement = Agreement(work.folder, work.experiment) if work.manner.strict else None
        inspect = (work.programs or PROGRAMS).inspect
        crew = Crew(client, work.folder, inspect, work.tell, agreement)
        try:
            yield from _Dispatch(work, client, crew).done()
        finally:
            crew.close()
            if agreement is not None:
                agreement.release()


@dataclass
class _Flight:
    """A trial that a worker has been given."""

    trial: str
    worker: Worker
    future: Any


@dataclass
class _Dispatch:
    """Hands out trials one by one."""

    work: ClusterWork
    client: Any
    crew: Crew
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    flights: list[_Flight] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)
    """Trials and the tokens of their dead holders."""
    again: dict[str, float] = field(default_factory=dict)
    """Trials that were tried by us before, and when that has ended."""
    waiting: deque[str] = field(default_factory=deque)
    demand: list[Any] = field(default_factory=list)
    trials: dict[str, Trial] = field(default_factory=dict)
    _idle_since: float = field(default_factory=time.monotonic)
    _next_say: float = field(default_factory=lambda: time.monotonic() + _SAY_SECONDS)
    _next_held: float = 0.0
    _sent: int = 0

    def done(self) -> Iterator[Done]:
        """Every trial when it is done with."""
        self.trials = trials_of(self.work.experiment)
        self.waiting.extend(self.work.names)
        try:
            while self.waiting or self.flights or self.held:
                if self._stopping and not self.flights:
                    break
                for worker in self._look():
                    yield from self._lost(worker)
                self._ask_again()
                self._send()
                yield from self._landed()
                self.work.look()
                self._say_why_idle()
                time.sleep(_POLL_SECONDS)
            for name in [*self.waiting, *self.held]:
                yield Done(name, state_of(self.work.folder, self.trials[name]))
        finally:
            self.demand.clear()
            if self.flights:
                self._stop()

    @property
    def _stopping(self) -> bool:
        return stopping(self.work.folder, self.work.manner.client)

    def _look(self) -> list[Worker]:
        try:
            return self.crew.look()
        except RunError as error:
            raise RunError(
                f"{error}: nobody answers at {self.work.address} any more. What is finished stays, "
                "and trainings that were running are saved. Start `dask scheduler` and its workers "
                f"again, then repeat the command: scribseg experiment {self.work.folder} "
                f"--scheduler {self.work.address}"
            ) from error

    def _send(self) -> None:
        """Give every free worker a trial."""
        if self._stopping:
            return
        for name in list(self.waiting):  # in their order: whole comparisons are finished early
            worker = self._free_worker(name)
            if worker is not None:
                self.waiting.remove(name)
                self._submit(name, worker)
            elif not any(self._free(w) > 0 for w in self.crew.ready):
                break
        self._ask_for_workers()

    def _submit(self, name: str, worker: Worker) -> None:
        manner = dataclasses.replace(self.work.manner, over=self.over.pop(name, ""), elsewhere=True)
        arguments = (str(self.work.folder.absolute()), name, manner, self.work.programs)
        self._sent += 1
        future = self.client.submit(
            eval,
            _TASK,
            {"arguments": arguments},
            key=f"{name}-{self._sent}-{self.token}",  # or it would be given an old answer
            workers=[worker.address],
            allow_other_workers=False,
            pure=False,
        )
        self.flights.append(_Flight(name, worker, future))

    def _free_worker(self, name: str) -> Worker | None:
        """The worker with the most room, of a host where no attempt at the trial has ended."""
        tried = self._tried(name)
        able = [w for w in self.crew.ready if self._free(w) > 0]
        fresh = [w for w in able if w.host not in tried]
        if not fresh and any(w.host not in tried for w in self.crew.ready):
            return None  # it waits for another host
        if not fresh and time.monotonic() - self.again.get(name, 0.0) < _PAUSE_SECONDS:
            return None
        return max(fresh or able, key=self._free, default=None)

    def _attempts(self, name: str) -> tuple[Attempt, ...]:
        return attempts_of(trial_folder(self.work.folder, name), self.work.manner.client)

    def _tried(self, name: str) -> set[str]:
        """Hosts where an attempt at a trial has ended by their fault."""
        return {one.host for one in self._attempts(name)} if name in self.again else set()

    def _free(self, worker: Worker) -> int:
        own = sum(flight.worker.address == worker.address for flight in self.flights)
        others = self.crew.others_tasks(worker.address, self.token)
        return capacity(worker, self.work) - own - others

    def _landed(self) -> Iterator[Done]:
        if self.client.status != "running":
            return  # Dask has cancelled all of them: of the cut connection, not of their workers
        for flight in [f for f in self.flights if f.future.done()]:
            self.flights.remove(flight)
            try:
                computed: Computed = flight.future.result(timeout=_GATHER_SECONDS)
            except Exception as error:  # noqa: BLE001  of the worker, of Dask, of the network
                yield from self._broken(flight, error)
                continue
            yield from self._ended(flight, computed)

    def _ended(self, flight: _Flight, computed: Computed) -> Iterator[Done]:
        name = flight.trial
        if computed.fault:
            self.waiting.appendleft(name)
            self.crew.set_aside(flight.worker.address, computed.fault)
        elif computed.doubt:
            yield from self._tried_again(flight, computed.doubt)
        elif computed.held_by and not self._stopping:
            self.held[name] = computed.held_by
        else:
            yield done_of(self.work.folder, self.trials[name], computed)

    def _broken(self, flight: _Flight, error: Exception) -> Iterator[Done]:
        """A task that has ended in an error: the worker's or the trial's?"""
        name, text = flight.trial, str(error) or type(error).__name__
        if flight.worker.address not in self.crew.workers or "Cancelled" in type(error).__name__:
            yield from self._given_back(flight)
        elif isinstance(error, ImportError | AttributeError):
            if any(one.reason == text for one in self._attempts(name)):  # there, too
                save_failure(self.work.folder, self.work.experiment, self.trials[name], text)
                yield Done(name, "failed", text)
                return
            self.crew.ask_again(flight.worker.address)  # one that lacks our package is set aside
            self._note(flight, text)
            yield from self._tried_again(flight, text)
        else:
            yield Done(name, "failed", text)

    def _lost(self, worker: Worker) -> Iterator[Done]:
        """A worker is gone: its trials go to others."""
        for flight in [f for f in self.flights if f.worker.address == worker.address]:
            self.flights.remove(flight)
            with contextlib.suppress(Exception):
                flight.future.release()
            yield from self._given_back(flight)

    def _given_back(self, flight: _Flight) -> Iterator[Done]:
        """A worker is gone: whether by its time, a kill or for want of memory, nobody knows."""
        if state_of(self.work.folder, self.trials[flight.trial]) != "finished":
            self._note(flight, "its worker is gone")
        yield from self._tried_again(flight, "", until_free=True)

    def _note(self, flight: _Flight, text: str) -> None:
        there = trial_folder(self.work.folder, flight.trial)
        step = summary_of(there / "run" / "events.jsonl").last_step
        client = self.work.manner.client
        try:
            note_attempt(
                there, Attempt(host=flight.worker.host, step=step, reason=text, client=client)
            )
        except OSError as error:
            raise RunError(f"{there} can't be written to here ({reason(error)}).") from error

    def _tried_again(
        self, flight: _Flight, why: str, *, until_free: bool = False
    ) -> Iterator[Done]:
        """A place was at fault: another attempt, unless the trial gets no further anywhere."""
        name, host = flight.trial, flight.worker.host
        self.again[name] = time.monotonic()
        attempts = self._attempts(name)
        state = state_of(self.work.folder, self.trials[name])
        if is_given_up(attempts) and state != "finished":
            yield Done(name, state, given_up(attempts))
        elif until_free:
            self.work.tell(f"The worker on {host} is gone; {name} goes on elsewhere.")
            self.held[name] = host  # until its lease is free
        else:
            self.work.tell(f"{name} on {host}: {why} It is tried again, elsewhere if it can be.")
            self.waiting.appendleft(name)

    def _ask_again(self) -> None:
        """Take back those that nobody computes any more, as far as we have watched."""
        if time.monotonic() < self._next_held:
            return
        self._next_held = time.monotonic() + _HELD_SECONDS
        for name in list(self.held):
            there = trial_folder(self.work.folder, name)
            holder = holder_of(there)
            if holder is None or is_gone(there, holder) or self._stopping:
                self.over[name] = "" if holder is None else holder.token
                del self.held[name]
                self.waiting.append(name)

    def _ask_for_workers(self) -> None:
        """Keep as many tasks waiting as make `adapt` start a worker for every waiting trial."""
        wanted = min(10 * len(self.waiting), 1000) if not self._stopping else 0
        if wanted < len(self.demand):
            del self.demand[wanted:]
        for number in range(len(self.demand), wanted):
            self.demand.append(
                self.client.submit(
                    eval,
                    "None",
                    key=f"scribseg-waits-{number}-{secrets.token_hex(4)}-{self.token}",
                    resources={_WAITING: 1},
                    pure=False,
                )
            )

    def _say_why_idle(self) -> None:
        """Nobody can compute: say so within seconds, and what to do; end after the time given."""
        now = time.monotonic()
        if self.crew.ready or self.flights:
            self._idle_since, self._next_say = now, now + _SAY_SECONDS
            return
        if self.waiting and now - self._idle_since > 60 * self.work.wait_minutes:
            raise RunError(f"{self._why_idle()} Nobody came in {self.work.wait_minutes:g} min.")
        if now >= self._next_say and (self.waiting or self.held):
            self._next_say = now + _SAY_AGAIN_SECONDS
            self.work.tell(f"{self._why_idle()} Waiting; Ctrl-C ends, and the command continues.")

    def _why_idle(self) -> str:
        aside = [w for w in self.crew.workers.values() if w.state == "set aside"]
        if aside and len(aside) == len(self.crew.workers):
            told = "; ".join(dict.fromkeys(f"{w.host}: {w.fault}" for w in aside))
            return f"No worker can compute: {told}. Mend that, or start other workers."
        if self.crew.workers:
            hosts = ", ".join(dict.fromkeys(w.host for w in self.crew.workers.values()))
            return f"The workers are asked for version, data and device: {hosts}."
        if not self.waiting:
            who = ", ".join(dict.fromkeys(self.held.values()))
            return f"All other trials are computed by others: {who}."
        return (
            f"The scheduler at {self.work.address} has no workers"
            f"{' any more' if self._sent else ''}: start some on the computers that shall compute, "
            f"`dask worker {self.work.address} --nworkers 1 --nthreads 1`."
        )

    def _stop(self) -> None:
        """Ask the workers to save and to stop, and wait until they have."""
        ask_to_stop(self.work.folder, self.work.manner.client)
        self.work.tell(f"Waiting for {len(self.flights)} trial(s) to be saved ...")
        until = time.monotonic() + _STOP_SECONDS
        client = self.work.manner.client
        places = [trial_folder(self.work.folder, flight.trial) for flight in self.flights]
        while time.monotonic() < until:
            holders = [(there, holder_of(there)) for there in places]
            if not any(h and h.client == client and not is_gone(p, h) for p, h in holders):
                return
            time.sleep(_POLL_SECONDS)
