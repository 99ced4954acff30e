"""The trials of an experiment on a Dask cluster: same plan, same folder, other computers.

A task is the name of a trial; everything else it finds in the folder, which all workers must see
under the same path. When a worker dies, the scheduler gives its trial to another one, and that one
continues from what the folder holds. Needs the extra `cluster` (dask.distributed).
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.experiment.experiment import Experiment, State, trials_of
from napari_scribseg.experiment.schedule import Done, ask_to_stop, reason_of
from napari_scribseg.experiment.trial import Programs, compute_trial

_CONNECT_SECONDS = 30


def compute_on_cluster(
    address: str,
    folder: Path,
    experiment: Experiment,
    names: Sequence[str],
    *,
    retry: bool = False,
    programs: Programs | None = None,
) -> Iterator[Done]:
    """Compute trials on the workers of a scheduler; gives each when it is done with.

    Left early (Ctrl-C), the workers are asked to save and to stop.

    Args:
        address: of the scheduler, such as "tcp://10.0.0.1:8786".
        folder: of the experiment; the workers must see it under this path.
        experiment: of the folder.
        names: of the trials.
        retry: also compute again what has failed.
        programs: the children of the workers; None = our command line.

    Raises:
        InvalidInput: dask.distributed is not installed.
        RunError: nobody answers at the address.
    """
    trials = trials_of(experiment)
    with _client(address) as (client, as_completed):
        token = secrets.token_hex(4)  # or a repeated command would be given the old answers
        futures = {
            client.submit(
                compute_trial,
                str(folder.absolute()),
                name,
                retry=retry,
                programs=programs,
                key=f"{name}-{token}",
            ): name
            for name in names
        }
        waiting = set(names)
        try:
            for future in as_completed(list(futures), loop=client.loop):
                trial = trials[futures[future]]
                waiting.discard(trial.name)
                error = future.exception()
                if error is not None:
                    yield Done(trial.name, "failed", _sentence(error))
                    continue
                state: State = future.result()
                yield Done(trial.name, state, reason_of(folder, trial) if state == "failed" else "")
        finally:
            if waiting:
                ask_to_stop(folder)


@contextmanager
def _client(address: str) -> Generator[tuple[Any, Any]]:
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise InvalidInput(
            "--scheduler needs dask.distributed: pip install 'napari-scribseg[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(
            f"No scheduler answers at {address}: {error}. Start one with `dask scheduler`, and "
            "give the address that it prints."
        ) from error
    with client:
        yield client, as_completed


def _sentence(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if type(error).__name__ == "KilledWorker":
        return "Several workers died while they computed it, most likely because memory ran out."
    return text
