"""What the trials of an experiment are computed with, agreed by all who refuse mixtures (--strict).

Trials that are finished or have begun say it by their notes. While there are none yet, who comes
first decides: it holds a lease in `strict/` that names its parts, and the jobs of an array that
start together compare themselves with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.lease import Holder, Lease
from napari_scribseg.experiment.mixtures import different_parts, reference_parts

_FOLDER: Final = "strict"
_READ_SECONDS: Final = 10.0
"""Time for whoever came first to write down what it is."""


class Agreement:
    """What all trials of an experiment are to be computed with. Safe to use from several threads.

    Args:
        folder: of the experiment.
        experiment: of the folder.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self._folder, self._experiment = folder, experiment
        self._ours: Lease | None = None
        self._lock = threading.Lock()

    def objection(self, parts: Mapping[str, str]) -> str:
        """How a place differs from what is agreed, such as "another torch (2.6.0 and 2.7.1)".

        "" = in nothing; where nothing was agreed, it is on these parts from now on.

        Args:
            parts: of the place, see `Place.parts`.

        Raises:
            OSError: the folder can't be written to.
        """
        with self._lock:
            known = reference_parts(self._folder, self._experiment)
            said = different_parts(known, parts)
            return said or different_parts(self._first(parts), parts)

    def release(self) -> None:
        """Those who came first have ended: from now on their trials say it."""
        if self._ours is not None:
            self._ours.release()

    def _first(self, parts: Mapping[str, str]) -> Mapping[str, str]:
        """The parts of who came first, us included."""
        if self._ours is not None:
            return self._ours.holder.parts
        there = self._folder / _FOLDER
        there.mkdir(exist_ok=True)
        me = Holder.this_process().model_copy(update={"parts": dict(parts)})
        until = time.monotonic() + _READ_SECONDS
        while True:
            took = Lease.take(there, as_holder=me)
            if isinstance(took, Lease):
                self._ours = took
                return parts
            if took.parts or time.monotonic() > until:
                return took.parts
            time.sleep(0.1)
