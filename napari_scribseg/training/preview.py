"""Previews: what the current weights make of the case that somebody is looking at.

They are for the eye and change nothing: randomness is put back as it was, and the time they take
is not taken from the budget. Together they take at most a tenth of the time.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Event, Previewed, Warned
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.orientation import Orientation, view_of
from napari_scribseg.data.sequences import with_sequences
from napari_scribseg.io import write_volume
from napari_scribseg.io.regular_file import refuse_links
from napari_scribseg.runs.documents import PreviewRequest
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.predict import turned_segmentation

_SHARE = 0.1
"""The most of the time that previews may take."""


class Previews:
    """The previews of one session of a run.

    Args:
        run: its `preview_request` says what to show; looked up again for every preview.
        spacing_mm: in-plane pixel size that the network is shown.
        orientation: in which the network sees every image; None = as stored.
    """

    def __init__(
        self, run: RunFolder, spacing_mm: float, orientation: Orientation | None = None
    ) -> None:
        self._run = run
        self._orientation = orientation
        self._spacing_mm = spacing_mm
        self._case: tuple[PreviewRequest, Volume] | None = None
        self._looked = time.monotonic()
        self._cost = 0.0
        self._given_up = False

    def make(self, learner: Learner, *, last: bool = False) -> Event | None:
        """A preview if somebody asked for one and it is time, and what to tell about it.

        What can't be previewed is told once, and is no reason to end the training.

        Args:
            learner: its averaged weights predict.
            last: the training is over, so that this is the last chance.
        """
        waited = time.monotonic() - self._looked
        if self._given_up or (waited < self._cost * (1 - _SHARE) / _SHARE and not last):
            return None
        try:
            request = self._run.preview_request
            if request is None or (waited < request.every_seconds and not last):
                return None
            path = self._run.path / "previews" / request.case.id / f"{learner.step}.nii.gz"
            if path.exists():
                return None
            began = time.monotonic()
            self._write(learner, self._image(request), path, request.most)
        except (InvalidInput, OSError, torch.OutOfMemoryError, MemoryError) as error:
            self._given_up = True
            return Warned(message=f"There will be no previews: {_reason(error)}")
        self._looked = time.monotonic()
        self._cost = self._looked - began
        return Previewed(
            step=learner.step,
            case=request.case.id,
            path=path.relative_to(self._run.path).as_posix(),
            seconds=self._cost,
        )

    def _image(self, request: PreviewRequest) -> Volume:
        """The image of the wish; read again when it names another one."""
        if self._case is None or self._case[0] != request:
            image = with_sequences(request.case.read_image(), self._run.record.sequences)
            self._case = request, image
        return self._case[1]

    def _write(self, learner: Learner, image: Volume, path: Path, most: int) -> None:
        # What a method draws while predicting must not be missing from its training.
        devices = [learner.machine.device] if learner.machine.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            segmentation = turned_segmentation(
                learner.predictor.eval(),
                image,
                view_of(self._orientation, image).turn,
                self._spacing_mm,
                learner.machine,
            )
        refuse_links(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(path, Volume(segmentation, image.grid))
        known = self._run.previews(path.parent.name)
        for step in superfluous(list(known), most):
            with contextlib.suppress(OSError):  # Windows: somebody is reading it
                known[step].unlink(missing_ok=True)


def superfluous(steps: Sequence[int], most: int) -> list[int]:
    """Which previews to drop so that at most so many are left, evenly over the training.

    The first and the last one stay. The one that leaves the smallest gap goes first.

    Args:
        steps: ascending.
        most: at least 2.
    """
    kept = list(steps)
    while len(kept) > most:
        gaps = [after - before for before, after in zip(kept, kept[2:], strict=False)]
        del kept[1 + gaps.index(min(gaps))]
    return sorted(set(steps) - set(kept))


def _reason(error: Exception) -> str:
    if isinstance(error, InvalidInput):
        return str(error)
    if isinstance(error, OSError):
        return f"they can't be written ({error.strerror})."
    return "memory ran out while predicting."
