"""What a worker of a cluster does for a client: one trial, and the tables where nobody else will.

A client that dies leaves its trials to the workers, which bring them to their ends. So that tables
are never older than results, a worker writes them when the client is not there to do it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from napari_scribseg.experiment.clients import beats_of_client, client_is_gone
from napari_scribseg.experiment.experiment import load_experiment
from napari_scribseg.experiment.outcome import write_all
from napari_scribseg.experiment.trial import Computed, Manner, Programs, compute_trial

_LOOK_SECONDS = 2.0


def compute_for_client(
    folder: str, name: str, manner: Manner, programs: Programs | None = None
) -> Computed:
    """Bring a trial to its end, and write tables and report where the client is gone by then.

    Args:
        folder: of the experiment.
        name: of the trial.
        manner: how.
        programs: the children; None = our command line.

    Raises:
        ScribsegError: the folder is no experiment.
    """
    watch = _Watch(Path(folder), manner.client)
    try:
        computed = compute_trial(folder, name, manner, programs=programs)
    except BaseException:
        watch.ended(wanted=False)
        raise
    watch.ended(wanted=computed.state in {"finished", "failed"} and not manner.locked)
    return computed


class _Watch:
    """Watches a client while its trial is computed, and after that until it has shown a beat.

    Args:
        folder: of the experiment.
        client: its token.
    """

    def __init__(self, folder: Path, client: str) -> None:
        self._folder, self._client = folder, client
        self._over, self._gone = threading.Event(), threading.Event()
        self._wanted, self._beats = False, -1
        self._thread = threading.Thread(target=self._look, name="client", daemon=True)
        self._thread.start()

    def ended(self, *, wanted: bool) -> None:
        """The trial is over.

        Args:
            wanted: whether there is something new for the tables. Where the client is known to be
                gone they are written before this returns, else as soon as that is known.
        """
        self._wanted = wanted
        # Now and not by the thread, which may come to it when the client has ended in order.
        self._beats = beats_of_client(self._folder, self._client)
        self._over.set()
        if self._gone.is_set():
            self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            if client_is_gone(self._folder, self._client):
                self._gone.set()
                self._over.wait()
        if self._wanted and (self._gone.is_set() or self._has_died()):
            write_all(self._folder, load_experiment(self._folder))

    def _has_died(self) -> bool:
        """Whether the client, watched from now on, is dead: it writes no tables any more."""
        first = self._beats  # at the end of the trial
        if first < 0:
            return True  # it had ended before the trial did
        while not client_is_gone(self._folder, self._client):
            time.sleep(_LOOK_SECONDS)
            if beats_of_client(self._folder, self._client) != first:
                return False
        return beats_of_client(self._folder, self._client) == first  # or it has ended in order
