"""The automatic mask while somebody draws: a random walk from the strokes, or a network.

Every candidate is asked for strokes that it has not seen (`annotation.held_out`); the best one
answers.
torch is loaded only when there is a network to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from napari_scribseg.annotation.held_out import Fold, folds, mean_dice, stroke_dice
from napari_scribseg.annotation.outer_background import empty_slices, is_empty_slice
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.propagate.volume_walk import Walked, walk_volume
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import weights_of

if TYPE_CHECKING:
    from napari_scribseg.training.predict import Model

WALK: Final = "walk"
NETWORK: Final = "network"


@dataclass(frozen=True, eq=False)
class Mask:
    """An automatic mask.

    Args:
        labels: (z, y, x) or (y, x) class indices.
        sureness: likewise, probability of that class.
        source: which candidate made it.
        scores: Dice of every candidate at held-out strokes; empty when there were too few.
        step: of the network's weights, None without one.
    """

    labels: Array
    sureness: Array
    source: str
    scores: dict[str, float]
    step: int | None = None
    said: Array | None = None
    """(z, y, x): what the network says, also where something else was drawn."""


class Candidate(Protocol):
    """Something that makes a mask of a volume out of strokes."""

    name: str

    def answer(self, targets: Array) -> Walked | None:
        """The mask (z, y, x), given these strokes (class index or IGNORE); None = it has none."""
        ...


class Automatic:
    """Makes automatic masks, and remembers networks and what they said of the volume."""

    def __init__(self) -> None:
        self.models = WarmModels()
        self._said: tuple[tuple[Any, ...], Walked, int] | None = None

    def of_slice(self, image: Volume, z: int, drawn: Array, first: int, source: str) -> Mask | None:
        """The mask of one slice (y, x); None = nothing can be said yet.

        Args:
            image: the volume.
            z: index of the slice.
            drawn: (n, y, x) scribbles of the slice and its neighbours, which a walk goes through.
            first: index of the first of them.
            source: who made the newest mask of the volume: its network, if it was one, answers.
        """
        slab, at = targets_of(drawn), z - first
        if is_empty_slice(drawn[at]):
            nothing = np.zeros(slab[at].shape, np.uint8)
            return Mask(nothing, np.ones(nothing.shape, np.float32), source or WALK, {})
        if (
            source == NETWORK
            and self._said is not None
            and self._said[1].labels.shape == image.shape
        ):
            said = self._said[1]
            return _with_strokes(said.labels[z], said.sureness[z], slab[at], NETWORK)
        image_slab = image.array[first : first + len(slab)]
        walked = walk_volume(image_slab, slab, image.spacing)
        return None if walked is None else Mask(walked.labels[at], walked.sureness[at], WALK, {})

    def of_volume(
        self,
        image: Volume,
        drawn: Array,
        *,
        key: str,
        run: Path | None = None,
        case: str = "",
        device: str = "auto",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Mask | None:
        """The mask of the volume, by the candidate that is best at held-out strokes.

        Args:
            image: the volume.
            drawn: (z, y, x) scribbles.
            key: changes when the image does.
            run: a run with weights, of the same structures; None = there is none.
            case: the id of this case in that run, if it learnt from it.
            device: where the network computes.
            cancelled: asked now and then.
        """
        targets = targets_of(drawn)
        walk = _Walk(image, cancelled)
        network = None if run is None else self._network(image, key, run, device)
        walked = _without_empty(walk.answer(targets), drawn)
        if network is None or run is None:
            return None if walked is None else Mask(walked.labels, walked.sureness, WALK, {})
        scores = scores_of((walk, network), folds(targets, _learnt(run, case, image.shape)))
        is_better = bool(scores) and scores[NETWORK] > scores.get(WALK, 0.0)
        if walked is not None and not is_better:
            return Mask(walked.labels, walked.sureness, WALK, scores, network.step)
        said = network.said
        said = _without_empty(said, drawn) or said
        chosen = _with_strokes(said.labels, said.sureness, targets, NETWORK)
        known = network.said.labels
        return Mask(chosen.labels, chosen.sureness, NETWORK, scores, network.step, known)

    def _network(self, image: Volume, key: str, run: Path, device: str) -> _Network | None:
        """What the run's newest weights say of the volume; None = they can't be used now."""
        try:
            stamp = (key, *stamp_of(weights_of(run)))
            if self._said is None or self._said[0] != stamp:
                model = self.models.get(run, device)
                self._said = (stamp, _predicted(model, image), model.step)
        except (ScribsegError, OSError):
            return None
        return _Network(self._said[1], self._said[2])


class WarmModels:
    """The networks that were used last, ready to predict."""

    _MOST: Final = 2

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], Model] = {}

    def get(self, source: RunFolder | Path | str, device: str = "auto") -> Model:
        """As `predict.load_model`; weights that did not change are not read again."""
        from napari_scribseg.training.predict import load_model

        key = (*stamp_of(weights_of(source)), device)
        model = self._kept.pop(key, None) or load_model(source, device)
        self._kept[key] = model
        while len(self._kept) > self._MOST:
            del self._kept[next(iter(self._kept))]
        return model


def stamp_of(path: Path) -> tuple[str, int, int]:
    """A file and what changes when it is written anew.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size


def scores_of(candidates: tuple[Candidate, ...], held: tuple[Fold, ...]) -> dict[str, float]:
    """Dice of every candidate at held-out strokes; empty when those are too few."""
    if not held:
        return {}
    scores: dict[str, float] = {}
    for candidate in candidates:
        answers = [(candidate.answer(fold.given), fold.held) for fold in held]
        parts = [stroke_dice(a.labels, strokes) for a, strokes in answers if a is not None]
        scores[candidate.name] = mean_dice(parts) if len(parts) == len(held) else 0.0
    return scores


class _Walk:
    """The random walk in the volume."""

    name = WALK

    def __init__(self, image: Volume, cancelled: Callable[[], bool]) -> None:
        self._image, self._cancelled = image, cancelled

    def answer(self, targets: Array) -> Walked | None:
        image = self._image
        return walk_volume(image.array, targets, image.spacing, cancelled=self._cancelled)


class _Network:
    """A network, whatever the strokes are now."""

    name = NETWORK

    def __init__(self, said: Walked, step: int) -> None:
        self.said, self.step = said, step

    def answer(self, targets: Array) -> Walked | None:  # noqa: ARG002
        return self.said


def _predicted(model: Model, image: Volume) -> Walked:
    from napari_scribseg.training.predict import predict_case

    found = predict_case(model, image, uncertainty=False)
    assert found.probabilities is not None
    return Walked(found.segmentation, found.probabilities.max(0))


def _learnt(run: Path, case: str, shape: tuple[int, ...]) -> Array | None:
    """The strokes (class index or IGNORE) of this case that a run has learnt from."""
    folder = RunFolder.open(run)
    for files in folder.files("train"):
        if files.id == case and files.scribbles is not None:
            scribbles = files.load(folder.schema).scribbles
            if scribbles is not None and scribbles.shape == shape:
                return targets_of(scribbles)
    return None


def _without_empty(made: Walked | None, drawn: Array) -> Walked | None:
    """A mask that has nothing on slices that were marked as background as a whole."""
    if made is None or not (empty := empty_slices(drawn)).any():
        return made
    labels, sureness = made.labels.copy(), made.sureness.copy()
    labels[empty], sureness[empty] = 0, 1.0
    return Walked(labels, sureness)


def _with_strokes(labels: Array, sureness: Array, targets: Array, source: str) -> Mask:
    """What was drawn is as it was drawn, whatever somebody says."""
    drawn = targets != IGNORE
    return Mask(
        np.where(drawn, targets, labels).astype(np.uint8),
        np.where(drawn, 1.0, sureness).astype(np.float32),
        source,
        {},
    )
