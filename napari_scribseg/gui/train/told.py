"""What an event of a training says to its watcher, and why a training can't begin. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_scribseg.annotation.checklist import listed
from napari_scribseg.core.events import (
    Event,
    Finished,
    Prepared,
    Relabelled,
    Started,
    Stepped,
    Validated,
    Warned,
)
from napari_scribseg.gui.train.screen import Phase
from napari_scribseg.gui.values import Inputs, Level
from napari_scribseg.gui.widgets.numbers import duration, progress_text
from napari_scribseg.runs.history import History

_MOST_WARNINGS = 3
"""The tab shows the latest warnings, not a scrolling log."""


@dataclass(frozen=True)
class Told:
    """What follows from an event.

    Args:
        sentence: for the status line, "" = none.
        changes: of the screen.
        device: what computes, None = as before.
        draws: whether the curves have grown.
    """

    sentence: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    draws: bool = False


def told_of(event: Event, history: History, warnings: Sequence[str]) -> Told:
    """What an event says to whoever watches the training.

    Args:
        event: just happened.
        history: of the run, with the event.
        warnings: that are shown already.
    """
    match event:
        case Started():
            return Told(_beginning(event), device=f"{event.device}, {event.precision}")
        case Prepared():
            text = f"Preparing {event.case} ({event.done} of {event.total})"
            share = event.done / max(1, event.total)
            return Told(changes={"share": share, "progress_text": text})
        case Stepped():
            text = progress_text(event, history.steps)
            return Told(changes={"share": event.progress, "progress_text": text}, draws=True)
        case Validated() if event.mean is not None:
            best = ", the best so far" if event.best else ""
            name = "Dice" if event.measure == "dice" else "agreement with held-out strokes"
            return Told(f"Step {event.step}: {name} {event.mean:.3f}{best}.", draws=True)
        case Relabelled():
            return Told(f"New pseudo-labels at step {event.step}: {event.changed:.0%} changed.")
        case Warned():
            known = [w for w in warnings if w != event.message]
            return Told(changes={"warnings": (*known, event.message)[-_MOST_WARNINGS:]})
        case _:
            return Told()


def _beginning(event: Started) -> str:
    many = f"{event.slices} slice{'s' if event.slices != 1 else ''}"
    text = f"Training on {event.device} ({event.precision}), {many}."
    if not event.enclosed_slices:
        return text
    return (
        f"{text} On {event.enclosed_slices} of them strokes tell where everything ends: what lies "
        "outside counts as background, too."
    )


def ending_of(event: Finished, title: str, *, waits: bool) -> tuple[str, Level]:
    """How a training has ended, in a sentence.

    Args:
        event: its last.
        title: of the method.
        waits: whether other runs would have followed.
    """
    took = duration(event.seconds)
    if event.outcome == "completed":
        early = "early" in event.message
        trained = event.message if early else f"trained {event.step} steps in {took}."
        return f"{title}: {trained}", "good"
    if event.outcome == "stopped":
        rest = " The runs that wait stay where they are." if waits else ""
        return f"{title}: stopped after {event.step} steps ({took}).{rest}", "info"
    return event.message, "error"


def before_and_after(history: History) -> tuple[str, float, float] | None:
    """What is measured, before the first step and of the best weights after; None = nothing is."""
    scored = [v for v in history.validations if v.mean is not None]
    start = next((v for v in scored if v.step == 0), None)
    later = [v.mean for v in scored if v.step > 0 and v.mean is not None]
    if start is None or start.mean is None or not later:
        return None
    measure = "Dice" if start.measure == "dice" else "Agreement"
    return f"{measure} on what is held out", start.mean, max(later)


def why_not_train(phase: Phase, inputs: Inputs | None, *, ready: bool) -> str | None:
    """Why no training can begin, in a sentence; None = it can.

    Args:
        phase: what is going on.
        inputs: the chosen layers.
        ready: whether the methods are loaded.
    """
    if phase is not Phase.IDLE:
        return _busy(phase)
    if not ready:
        return "The list of methods is still loading."
    if inputs is None or inputs.image is None:
        return "Choose an image, or open a case."
    if inputs.problem is not None:
        return inputs.problem
    if inputs.scribbles is None:
        return "There are no scribbles yet: press New and draw some strokes."
    if inputs.drawn is None:
        return "The strokes are being counted."
    drawn = inputs.drawn
    missing = [
        name for value, name in inputs.schema.scribble_values.items() if not drawn.get(value)
    ]
    if missing:
        return (
            f"Draw at least one stroke of {listed(missing)}: every class, background "
            "included, must be drawn."
        )
    return None


def _busy(phase: Phase) -> str:
    doing = {
        Phase.PREPARING: "A training is being prepared",
        Phase.TRAINING: "A training is running",
        Phase.STOPPING: "A training is being stopped",
    }
    return f"{doing[phase]}; wait until it has ended."
