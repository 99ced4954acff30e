"""What is noted of a trial beside its scores: what it was computed with, and that it has failed.

The notes (timing.json) are written when a trial begins, so that others can compare themselves with
it, and again when it ends. A training that goes on elsewhere has what both places are (`JOINED`).
"""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Started, Warned
from napari_scribseg.data.pseudonyms import without_paths
from napari_scribseg.experiment.case_facts import paths_of, without_folder
from napari_scribseg.experiment.data_now import DataNow, data_now
from napari_scribseg.experiment.experiment import (
    JOINED,
    RESULT,
    TIMING,
    Experiment,
    Trial,
    TrialResult,
    trial_folder,
)
from napari_scribseg.experiment.lease import Lease
from napari_scribseg.experiment.place import parts_here
from napari_scribseg.io.atomic import write_text
from napari_scribseg.io.documents import read_json, save_document
from napari_scribseg.runs.folder import RunFolder

_LOOK_SECONDS: Final = 1.0
"""Between two looks at the memory of a child."""


@dataclass
class TrialNotes:
    """The notes of a trial that is being computed.

    Args:
        there: folder of the trial.
        trial: that is computed.
        lease: of it; nothing is written when it is lost.
    """

    there: Path
    trial: Trial
    lease: Lease
    _began: float = field(default_factory=time.time)
    _trained: float = 0.0
    _noted: dict[str, Any] = field(default_factory=dict[str, Any])
    _peak_bytes: int = 0
    _next_look: float = 0.0

    def begin(self, run: RunFolder) -> None:
        """The trial begins, or goes on from a checkpoint of its run.

        Raises:
            OSError: the note can't be written.
        """
        self._began = time.time()
        now = {**parts_here(), **_of_data(self._data())}
        earlier = notes_of(self.there) if run.checkpoint("last").exists() else {}
        self._noted = {name: _then(earlier.get(name), value) for name, value in now.items()}
        self._noted["host"] = socket.gethostname()
        self._write({})

    def trained(self, run: RunFolder) -> None:
        """The training has ended; before the scores, so that no result is without a note."""
        self._trained = time.time()
        self.ended(run)

    def ended(self, run: RunFolder) -> None:
        """The trial has ended: data that has changed meanwhile is noted, too."""
        for name, value in _of_data(self._data()).items():
            self._noted[name] = _then(self._noted.get(name), value)
        events = list(run.events())
        started = [event for event in events if isinstance(event, Started)]
        smaller = [event.batch_size for event in events if isinstance(event, Warned)]
        sizes = [self.trial.training.batch_size, *(size for size in smaller if size)]
        self._write(
            {
                "train_seconds": round(self._trained - self._began, 3),
                "score_seconds": round(time.time() - self._trained, 3),
                "device": joined(event.device for event in started),
                "precision": joined(event.precision for event in started),
                "batch_size": joined(str(size) for size in sizes),
                "peak_memory_mib": round(self._peak_bytes / 2**20),
            }
        )

    def look_at_memory(self, pid: int) -> None:
        """Remember the most memory that a child has had; to be called again and again."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self._peak_bytes = max(self._peak_bytes, _memory_of(pid))

    def _data(self) -> DataNow:
        return data_now((*self.trial.train, *self.trial.test))

    def _write(self, more: dict[str, Any]) -> None:
        if not self.lease.is_held:
            return
        try:
            write_text(self.there / TIMING, json.dumps({**self._noted, **more}))
        except InvalidInput as error:  # of the disk, so of the place
            raise OSError(errno.EIO, str(error), str(self.there / TIMING)) from error


def notes_of(there: Path) -> dict[str, Any]:
    """What is noted in the folder of a trial; nothing where there is no note, or a damaged one."""
    try:
        return read_json(there / TIMING)
    except InvalidInput:
        return {}


def joined(values: Iterable[str]) -> str:
    """What a training was computed with; one that went on elsewhere may have several."""
    return JOINED.join(dict.fromkeys(values))


def _then(earlier: Any, now: str) -> str:
    """What a part was, and is now; "" and no earlier note are nothing."""
    known = str(earlier).split(JOINED) if earlier else []
    return joined([*known, now] if now else known)


def _of_data(data: DataNow) -> dict[str, str]:
    return {"data_sha256": data.sha256, "changed_data": ", ".join(data.changed)}


def _memory_of(pid: int) -> int:
    """Bytes that a process and its helpers have in memory now."""
    total = 0
    with contextlib.suppress(psutil.Error):
        family = [psutil.Process(pid)]
        family += family[0].children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def save_failure(
    folder: Path, experiment: Experiment, trial: Trial, text: str, step: int = 0
) -> None:
    """Note that a trial has failed, which is its result.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        trial: that has failed.
        text: why, in a sentence.
        step: of its training.

    Raises:
        InvalidInput: it can't be written.
    """
    text = without_paths(text, paths_of([case.files for case in (*trial.train, *trial.test)]))
    for path in (Path(experiment.recipe.dataset), trial_folder(folder, trial.name), folder):
        text = without_folder(text, path)
    voxels, slices, share = _effort_of(trial)
    result = TrialResult(
        sha256=trial.sha256,
        outcome="failed",
        reason=text,
        step=step,
        scribbled_voxels=voxels,
        scribbled_slices=slices,
        labelled_share=share,
    )
    save_document(trial_folder(folder, trial.name) / RESULT, result)


def _effort_of(trial: Trial) -> tuple[int, int, float]:
    """What was drawn for a trial; of thinned strokes this is what there was before."""
    voxels = sum(sum(case.scribbled_voxels.values()) for case in trial.train)
    slices = sum(case.scribbled_slices for case in trial.train)
    return voxels, slices, voxels / max(sum(case.voxels for case in trial.train), 1)
