"""What the Train tab shows of a training, as plain values. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Phase(Enum):
    """What is going on."""

    IDLE = auto()
    PREPARING = auto()
    TRAINING = auto()
    STOPPING = auto()


@dataclass(frozen=True)
class TrainingScreen:
    """Everything that is shown of the training and is not a form.

    Args:
        phase: what is going on.
        title: of the method that is trained, "" = nothing is or was.
        share: progress, 0 to 1; None = something is going on, for an unknown time.
        progress_text: steps of about how many, time left, loss.
        warnings: the latest, each kind once.
        why_not_train: why no training can begin, in a sentence; None = it can.
        can_stop: whether a training can be paused, finished or aborted now.
        paused: whether it waits.
        estimate: about what a training with the shown settings takes.
        waiting: runs that wait for their turn.
        queue_on: whether they follow by themselves, since the user has said so in this window.
        result: how the last training ended, until the next one begins.
    """

    phase: Phase = Phase.IDLE
    title: str = ""
    share: float | None = 0.0
    progress_text: str = ""
    warnings: tuple[str, ...] = ()
    why_not_train: str | None = None
    can_stop: bool = False
    paused: bool = False
    estimate: str = ""
    waiting: int = 0
    queue_on: bool = False
    result: str = ""
