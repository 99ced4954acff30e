"""The next batch is made in a thread while the current one is learnt from."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.batches.slices import Batch
from napari_scribseg.training.learner import Learner


class BatchesAhead:
    """The batches of a learner, one made ahead; to be used in a `with` statement.

    Args:
        slices: what batches are made of.
        learner: its step, batch size and progress decide what comes next.
    """

    def __init__(self, slices: SampleSet, learner: Learner) -> None:
        self._slices = slices
        self._learner = learner
        self._pool = ThreadPoolExecutor(1)
        self._next: tuple[tuple[int, int], Future[Batch]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def take(self) -> Batch:
        """The batch of the learner's next step."""
        step, size = self._learner.step + 1, self._learner.batch_size
        wanted = (step, size)
        waiting = self._next
        future = waiting[1] if waiting and waiting[0] == wanted else self._make(step, size)
        batch = future.result()
        self._next = ((step + 1, size), self._make(step + 1, size))
        return replace(batch, progress=self._learner.progress)

    def forget(self) -> None:
        """Drop the batch made ahead, because the targets have changed."""
        self._next = None

    def _make(self, step: int, size: int) -> Future[Batch]:
        config = self._learner.config.model_copy(update={"batch_size": size})
        return self._pool.submit(
            self._slices.batch, step, config, 0.0, self._learner.machine.device
        )
