"""What is to be computed on a cluster, and how much of it a worker computes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_scribseg.experiment.cluster_workers import Worker
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.trial import Manner, Programs
from napari_scribseg.runs import gpu_slots


@dataclass(frozen=True)
class ClusterWork:
    """What is to be computed on a cluster, and how.

    Args:
        address: of the scheduler, such as "tcp://10.0.0.1:8786".
        folder: of the experiment; the workers must see it under this path.
        experiment: of the folder.
        names: of the trials.
        manner: how they are computed; where it is strict, a worker that has another torch, code,
            device or arithmetic is given nothing.
        programs: the children of the workers; None = our command line.
        wait_minutes: how long to wait while no worker can compute.
        tell: is given sentences for people.
        look: is called now and then.
        trial_mib: memory that a trial takes; 0 = unknown.
    """

    address: str
    folder: Path
    experiment: Experiment
    names: Sequence[str]
    manner: Manner = Manner()  # noqa: RUF009  frozen
    programs: Programs | None = None
    wait_minutes: float = 60.0
    tell: Callable[[str], None] = lambda _: None
    look: Callable[[], None] = lambda: None
    trial_mib: float = 0.0


def capacity(worker: Worker, work: ClusterWork) -> int:
    """How many trials a worker computes at once.

    One per thread, or per `threads` of the recipe; not more than it has GPUs, where every training
    wants one; and not more than fit its memory, which Dask does not watch for children.
    """
    recipe, place = work.experiment.recipe, worker.place
    most = worker.threads // max(1, recipe.threads)
    wants = all(gpu_slots.wants_any(s.training.device) for s in work.experiment.settings)
    on_gpus = place.slots if place.slots is not None else place.gpus if wants else 0
    if on_gpus:
        most = min(most, on_gpus * work.manner.per_gpu)
    if place.memory_bytes and work.trial_mib:
        most = min(most, int(place.memory_bytes / 2**20 // work.trial_mib))
    return max(1, most)
