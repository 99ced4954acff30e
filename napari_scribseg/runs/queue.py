"""Runs that wait for their turn: prepared run folders, trained one after another.

The order is a document beside the runs, so that it outlives the window that made it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.runs.folder import RunFolder


class _Waiting(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    runs: tuple[str, ...] = ()


class RunQueue:
    """The waiting runs of a folder of runs.

    Args:
        folder: holds the run folders; gets `queue.json`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "queue.json"

    def waiting(self) -> list[Path]:
        """The runs that wait, the next one first: those that are still there and untrained.

        Raises:
            InvalidInput: the document is damaged or newer.
        """
        if not self._path.exists():
            return []
        names = load_document(self._path, _Waiting).runs
        return [self._folder / name for name in names if _is_waiting(self._folder / name)]

    def add(self, *runs: Path) -> None:
        """Let these runs wait behind the others.

        Raises:
            InvalidInput: one is not in the folder, or the document can't be written.
        """
        for run in runs:
            if run.parent != self._folder:
                raise InvalidInput(f"{run} is not in {self._folder}, so it can't wait there.")
        self._save([*self.waiting(), *runs])

    def remove(self, run: Path) -> None:
        """Let a run wait no more."""
        self._save([one for one in self.waiting() if one != run])

    def clear(self) -> list[Path]:
        """Let no run wait any more; gives those that did, none of which was ever trained."""
        waiting = self.waiting()
        self._save([])
        return waiting

    def take(self) -> Path | None:
        """The run whose turn it is, which waits no more; None when none waits."""
        waiting = self.waiting()
        if not waiting:
            return None
        self._save(waiting[1:])
        return waiting[0]

    def _save(self, runs: list[Path]) -> None:
        names = tuple(dict.fromkeys(run.name for run in runs))
        save_document(self._path, _Waiting(runs=names))


def _is_waiting(path: Path) -> bool:
    try:
        return RunFolder.open(path).status == "created"
    except InvalidInput:
        return False
