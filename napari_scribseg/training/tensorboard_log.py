"""TensorBoard as a logger of runs: curves of many of them, side by side in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_scribseg.core.errors import InvalidInput


class TensorBoardLogger:
    """Writes what `tensorboard --logdir FOLDER` shows; see `runs.loggers.RunLogger`.

    Args:
        folder: of the logs; every run gets a folder of its name in it.
        writer: makes a writer of a folder; None = torch's, which needs the package tensorboard.

    Raises:
        InvalidInput: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, writer: Any = None) -> None:
        if writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter as writer  # noqa: N813
            except ImportError as error:
                raise InvalidInput(
                    "TensorBoard is not installed: pip install 'napari-scribseg[tensorboard]'."
                ) from error
        self._folder, self._writer = folder, writer
        self._writers: dict[str, Any] = {}

    def begin(self, run: str, settings: Mapping[str, Any]) -> None:
        """See `RunLogger`."""
        self._writers[run] = self._writer(str(self._folder / run))
        rows = "\n".join(f"    {name}: {value}" for name, value in settings.items())
        self._writers[run].add_text("settings", rows)

    def numbers(self, run: str, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """See `RunLogger`."""
        for name, value in values.items():
            self._writers[run].add_scalar(name, value, step, walltime=seconds)
        self._writers[run].flush()

    def end(self, run: str, outcome: str) -> None:
        """See `RunLogger`."""
        self._writers[run].add_text("outcome", outcome)

    def close(self) -> None:
        """See `RunLogger`."""
        for writer in self._writers.values():
            writer.close()
