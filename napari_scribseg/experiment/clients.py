"""Who works on the folder of an experiment: one client or several, on one computer or many.

A client is a process that asks for trials and waits for them. Clients of one plan share its folder,
and every trial has a lease, so nothing is computed twice. Only who works alone may change the plan.

    writing/lease-*.json           who writes the plan or the tables now, see `alone`
    clients/<token>/lease-*.json   that it is alive, see `lease`
    clients/<token>/STOP           its trials shall save and stop, wherever they are computed
    STOP                           those of all clients
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from napari_scribseg import __version__
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    RECIPE,
    STOP,
    Experiment,
    Trial,
    is_experiment,
    load_experiment,
    state_of,
    trials_of,
)
from napari_scribseg.experiment.lease import SILENCE_SECONDS, Holder, Lease, holder_of, is_gone
from napari_scribseg.experiment.recipe import Recipe, load_recipe
from napari_scribseg.io.atomic import remove_leftovers
from napari_scribseg.io.documents import save_document
from napari_scribseg.io.regular_file import open_own

OPENED: Final = "locked_list_opened.txt"
"""That the locked cases were scored; from then on the experiment can't change any more."""
_CLIENTS: Final = "clients"
_WRITING: Final = "writing"
_WRITE_SECONDS: Final = 120.0
"""Others write a plan or the tables for seconds; so long they are waited for while they live."""


def refuse_another(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder that holds something else than this recipe's experiment.

    Raises:
        InvalidInput: it holds another experiment (the message names what differs), or other files.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file; choose a folder with --out.")
    if (folder / RECIPE).is_file():
        different = load_recipe(folder / RECIPE).differences(recipe)
        if different:
            raise InvalidInput(
                f"{folder} holds another experiment; what differs is: {', '.join(different)}. "
                "Choose another folder with --out, or continue that one with "
                f"`scribseg experiment {folder}`."
            )
    elif folder.is_dir() and any(path.name != _WRITING for path in folder.iterdir()):
        raise InvalidInput(
            f"{folder} exists already and is no experiment, and nothing is overwritten: choose "
            "another place with --out."
        )


@contextmanager
def at_work(folder: Path, experiment: Experiment, command: str) -> Generator[str]:
    """The right to work on an experiment's folder, which is made or brought up to date.

    Gives the token of the client, for `trial.Manner`.

    Args:
        folder: is made if needed.
        experiment: written to it.
        command: what somebody typed, for the record.

    Raises:
        InvalidInput: somebody works there on another plan, it holds another experiment, it can't
            be written to, or its locked list was opened and trials would change now.
    """
    _refuse_foreign(folder, experiment.recipe)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"The folder {folder} can't be made: {error.strerror}.") from error
    with alone(folder) as writing:
        refuse_another(folder, experiment.recipe)
        if not _refuse_change(folder, experiment):
            _write_plan(folder, experiment, writing)
        try:
            (folder / STOP).unlink(missing_ok=True)
            _note_session(folder, command)
            lease = _registered(folder)
        except OSError as error:
            raise InvalidInput(f"{error.filename} can't be written: {error.strerror}.") from error
    try:
        yield lease.holder.token
    finally:
        lease.release()
        if not (_home(folder, lease.holder.token) / STOP).exists():  # or workers would miss it
            shutil.rmtree(_home(folder, lease.holder.token), ignore_errors=True)


@contextmanager
def client_of_one(folder: Path) -> Generator[str]:
    """A client of a planned experiment that computes a single trial; gives its token.

    A request to stop that was for others, who have stopped, is taken back.

    Raises:
        InvalidInput: the folder can't be written to, or everybody there is being stopped.
    """
    try:
        (folder / _CLIENTS).mkdir(exist_ok=True)
        if stopping(folder):
            with alone(folder):
                others = _after_a_watch(folder)
                if others:
                    raise InvalidInput(_is_being_stopped(folder, others))
                (folder / STOP).unlink(missing_ok=True)
        lease = _entry(folder)
    except OSError as error:
        raise InvalidInput(f"{error.filename} can't be written: {error.strerror}.") from error
    try:
        yield lease.holder.token
    finally:
        lease.release()
        shutil.rmtree(_home(folder, lease.holder.token), ignore_errors=True)


@contextmanager
def alone(folder: Path) -> Generator[Lease]:
    """The only process that writes the plan or the tables of an experiment; gives its lease.

    Others are waited for. One that is gone, such as with its computer, is replaced as soon as that
    can be told, see `lease`.

    Raises:
        InvalidInput: somebody does not end, or the folder can't be written to.
    """
    until = time.monotonic() + _WRITE_SECONDS
    there = folder / _WRITING
    try:
        there.mkdir(exist_ok=True)
        while isinstance(lease := Lease.take(there), Holder):
            if time.monotonic() > until:
                raise InvalidInput(
                    f"The experiment {folder} can't be worked on now: {lease} has been writing its "
                    f"plan or tables for {_WRITE_SECONDS:.0f} s. Repeat the command when it has "
                    "ended, or end it there."
                )
            time.sleep(0.1)
    except OSError as error:
        raise InvalidInput(
            f"The experiment can't be worked on now: {folder} can't be written to "
            f"({error.strerror})."
        ) from error
    with lease:
        yield lease


def clients_of(folder: Path) -> tuple[Holder, ...]:
    """The clients that work on an experiment now, as far as can be told from here."""
    found: list[Holder] = []
    for home in _homes(folder):
        holder = holder_of(home)
        if holder is not None and not is_gone(home, holder):
            found.append(holder)
    return tuple(found)


def client_is_gone(folder: Path, client: str) -> bool:
    """Whether a client has ended or is gone; ask again and again, see `lease.is_gone`."""
    home = _home(folder, client)
    holder = holder_of(home)
    return holder is None or is_gone(home, holder)


def beats_of_client(folder: Path, client: str) -> int:
    """How often a client has shown that it is alive; -1 when it has ended."""
    holder = holder_of(_home(folder, client))
    return -1 if holder is None else holder.beats


def is_worked_on(folder: Path) -> bool:
    """Whether anybody works on an experiment now, as far as can be told from here."""
    return bool(clients_of(folder))


def stopping(folder: Path, client: str = "") -> bool:
    """Whether the trials of a client shall stop; without one, those of all."""
    return (folder / STOP).exists() or (client != "" and (_home(folder, client) / STOP).exists())


def ask_to_stop(folder: Path, client: str = "") -> None:
    """Ask those who compute the trials of a client, or of all, to save and to stop.

    They may be on any computer.
    """
    home = _home(folder, client) if client else folder
    if not os.path.lexists(home / STOP):
        open_own(home / STOP, "ab").close()


def _home(folder: Path, client: str) -> Path:
    return folder / _CLIENTS / client


def _homes(folder: Path) -> list[Path]:
    try:
        return sorted((folder / _CLIENTS).iterdir())
    except OSError:
        return []


def _registered(folder: Path) -> Lease:
    """A living entry among the clients; those that are gone are removed.

    Raises:
        OSError: it can't be written.
    """
    for home in _homes(folder):
        holder = holder_of(home)
        if holder is None or is_gone(home, holder):
            shutil.rmtree(home, ignore_errors=True)
    return _entry(folder)


def _entry(folder: Path) -> Lease:
    """A living entry among the clients.

    Raises:
        OSError: it can't be written.
    """
    me = Holder.this_process()
    home = _home(folder, me.token)
    home.mkdir(parents=True)
    lease = Lease.take(home, as_holder=me)
    assert isinstance(lease, Lease), "the token is ours alone"
    return lease


def _refuse_change(folder: Path, experiment: Experiment) -> bool:
    """Whether others work on the folder, whose plan is ours then.

    Raises:
        InvalidInput: it isn't, or they are being stopped.
    """
    if not clients_of(folder):
        return False
    stopped = (folder / STOP).exists()
    there = load_experiment(folder) if is_experiment(folder) else experiment
    if not stopped and _sums(there) == _sums(experiment):
        return True
    others = _after_a_watch(folder)
    if not others:
        return False
    if stopped:
        raise InvalidInput(_is_being_stopped(folder, others))
    who = ", ".join(map(str, others))
    raise InvalidInput(
        f"The experiment {folder} can't be worked on now: {who} works on it, and by now its "
        "data, settings or version have changed. Stop that one first."
    )


def _refuse_foreign(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder of something else before anything is written to it, a lease included."""
    try:
        refuse_another(folder, recipe)
    except InvalidInput:
        # Another client may just be making it; whoever does so is writing, or is done by now.
        holder = holder_of(folder / _WRITING)
        if holder is None or is_gone(folder / _WRITING, holder):
            refuse_another(folder, recipe)


def _is_being_stopped(folder: Path, others: Iterable[Holder]) -> str:
    who = ", ".join(map(str, others))
    return f"The experiment {folder} is being stopped ({who}): repeat the command in a minute."


def _after_a_watch(folder: Path) -> tuple[Holder, ...]:
    """The clients that are there, watched until one beats or all have been silent too long."""
    until = time.monotonic() + SILENCE_SECONDS + 2
    first = {holder.token: holder.beats for holder in clients_of(folder)}
    while (others := clients_of(folder)) and time.monotonic() < until:
        if any(h.runs or h.beats != first.get(h.token, h.beats) for h in others):
            return others
        time.sleep(0.5)
    return others


def _sums(experiment: Experiment) -> dict[str, str]:
    return {name: trial.sha256 for name, trial in trials_of(experiment).items()}


def _write_plan(folder: Path, experiment: Experiment, writing: Lease) -> None:
    """Write what is planned, where it isn't there already."""
    if not writing.is_held:  # this process was stopped, or its drive away, for half a minute
        raise InvalidInput(f"Somebody else plans the experiment {folder} now: repeat the command.")
    remove_leftovers(folder)
    save_document(folder / RECIPE, experiment.recipe)
    _refuse_changes_after_opening(folder, experiment)
    if is_experiment(folder) and not (folder / EXPERIMENT).is_symlink():
        with contextlib.suppress(InvalidInput):
            if load_experiment(folder) == experiment:  # workers have read it by its time
                return
    save_document(folder / EXPERIMENT, experiment)


def _refuse_changes_after_opening(folder: Path, experiment: Experiment) -> None:
    if not (folder / OPENED).exists():
        return
    changed = _not_finished(folder, trials_of(experiment).values())
    if changed:
        raise InvalidInput(
            f"The locked cases of {folder} were opened already, and the trial {changed[0]} would "
            "be computed again because data or version have changed; its scores would be chosen "
            "with the test known. Make a new experiment in another folder."
        )


def _not_finished(folder: Path, trials: Iterable[Trial]) -> list[str]:
    return [trial.name for trial in trials if state_of(folder, trial) != "finished"]


def _note_session(folder: Path, command: str) -> None:
    noted = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "package_version": __version__,
        "command": command,
    }
    with open_own(folder / "sessions.jsonl", "ab") as file:
        file.write(json.dumps(noted).encode() + b"\n")
