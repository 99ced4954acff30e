"""Which run of a project predicts by itself: the newest with weights for the same structures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.runs.folder import RunFolder


def newest_run(project: Path, names: Sequence[str]) -> Path | None:
    """The run of a project whose weights were written last, if it knows these structures.

    Weights that a run starts from are not its own: it may never have been trained.

    Args:
        project: its folder.
        names: of the classes, background first.
    """
    runs: list[tuple[int, Path]] = []
    for which in ("last", "best"):
        for weights in (project / "runs").glob(f"*/checkpoints/{which}.safetensors"):
            with contextlib.suppress(OSError):  # replaced at this moment
                runs.append((weights.stat().st_mtime_ns, weights.parents[1]))
    for _, path in sorted(runs, reverse=True):
        try:
            run = RunFolder.open(path)
        except ScribsegError:
            continue
        if list(run.schema.names) == list(names):
            return path
    return None
