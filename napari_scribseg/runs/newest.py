"""Which run of a project predicts by itself: the newest with weights for the same structures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.runs.folder import RunFolder


def newest_run(project: Path, names: Sequence[str]) -> Path | None:
    """The run of a project whose weights were written last, if it knows these structures.

    Args:
        project: its folder.
        names: of the classes, background first.
    """
    runs: list[tuple[int, Path]] = []
    for weights in (project / "runs").glob("*/checkpoints/*.safetensors"):
        try:
            runs.append((weights.stat().st_mtime_ns, weights.parents[1]))
        except OSError:
            continue  # replaced at this moment
    for _, path in sorted(runs, reverse=True):
        try:
            run = RunFolder.open(path)
        except ScribsegError:
            continue
        if list(run.schema.names) == list(names):
            return path
    return None
