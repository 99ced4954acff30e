"""What a worker of a cluster does for a client: one trial, and the tables where nobody else will.

A client that dies leaves its trials to the workers, which bring them to their ends. So that tables
are never older than results, a worker writes them when the client is not there to do it.
"""

from __future__ import annotations

import threading
from pathlib import Path

from napari_scribseg.experiment.clients import alone, client_is_gone
from napari_scribseg.experiment.experiment import load_experiment
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.trial import Computed, Manner, Programs, compute_trial

_LOOK_SECONDS = 2.0


def compute_for_client(
    folder: str, name: str, manner: Manner, programs: Programs | None = None
) -> Computed:
    """Bring a trial to its end, and write the tables where the client is gone by then.

    Args:
        folder: of the experiment.
        name: of the trial.
        manner: how.
        programs: the children; None = our command line.

    Raises:
        ScribsegError: the folder is no experiment.
    """
    over, gone = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            if client_is_gone(Path(folder), manner.client):
                gone.set()
                return

    threading.Thread(target=watch, name="client", daemon=True).start()
    try:
        computed = compute_trial(folder, name, manner, programs=programs)
    finally:
        over.set()
    if gone.is_set() and computed.state in {"finished", "failed"} and not manner.locked:
        with alone(Path(folder)):
            write_results(Path(folder), load_experiment(Path(folder)))
    return computed
