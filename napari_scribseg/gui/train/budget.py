"""How long to train: what fits this machine, and what a budget gives, before the click. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.gui.values import Choice
from napari_scribseg.gui.widgets.numbers import duration

SOON_MINUTES: Final = 2.0
"""What somebody waits for beside the window."""
_PATIENT_SECONDS: Final = 300.0
"""Up to here nobody is told to come back."""
_BUDGET: Final = ("steps", "minutes", "clock")
_NOT_MEASURED: Final = (*_BUDGET, "random_seed", "held_out_strokes", "patience")
"""What changes nothing of how long a step takes."""


@dataclass(frozen=True)
class Speed:
    """What a step takes on this machine, as measured just now or in an earlier training.

    Args:
        seconds_per_step: on this machine.
        memory_mib: of the training process; None = not estimated.
    """

    seconds_per_step: float
    memory_mib: float | None = None


def measured_as(choice: Choice, classes: int) -> str:
    """A word that is the same for settings whose steps take the same time.

    Args:
        choice: method and settings.
        classes: structures, without the background.
    """
    training = choice.training.model_dump(mode="json")
    kept = {name: value for name, value in training.items() if name not in _NOT_MEASURED}
    return repr((choice.method, sorted(choice.options.items()), sorted(kept.items()), classes))


def proposal(speed: Speed, training: TrainConfig, usual: int) -> dict[str, Any]:
    """The budget to propose, as settings of the engine.

    All the usual steps where they take little more than about two minutes; else those two minutes
    if something useful can come of them; else all steps, for somebody who comes back later.

    Args:
        speed: of this machine.
        training: says what a training begins with.
        usual: steps that the method wants.
    """
    whole = usual * speed.seconds_per_step
    soon = 60 * SOON_MINUTES
    if whole <= 1.5 * soon or soon / speed.seconds_per_step < training.fewest_steps(usual):
        return whole_budget(usual)
    return soon_budget()


def soon_budget() -> dict[str, Any]:
    """About two minutes."""
    return {"minutes": SOON_MINUTES}


def whole_budget(usual: int) -> dict[str, Any]:
    """All the steps that the method wants."""
    return {"minutes": None, "steps": usual}


def is_preset_budget(training: TrainConfig, preset: TrainConfig) -> bool:
    """Whether nobody has chosen a budget yet."""
    return all(getattr(training, name) == getattr(preset, name) for name in _BUDGET)


def sentence(speed: Speed, training: TrainConfig, usual: int) -> str:
    """What a budget gives on this machine, and when to come back.

    Args:
        speed: of this machine.
        training: has the budget.
        usual: steps that the method wants.
    """
    if training.minutes is None:
        steps, seconds = training.steps, training.steps * speed.seconds_per_step
    else:
        seconds = 60 * training.minutes
        steps = max(1, round(seconds / speed.seconds_per_step))
    time = duration(seconds)
    when = f"About {time} now" if seconds <= _PATIENT_SECONDS else f"Come back in {time}"
    many = f"{steps} steps" if training.minutes is None else f"some {steps} steps"
    parts = [f"{when}: {many} of {speed.seconds_per_step:.2g} s"]
    if speed.memory_mib is not None:
        parts.append(_memory(speed.memory_mib))
    text = f"{', '.join(parts)}."
    if steps >= usual:
        return text
    whole = duration(usual * speed.seconds_per_step)
    short = " Far too short." if steps < training.fewest_steps(usual) else ""
    return f"{text}{short} All of about {usual} would take {whole}."


def budget_words(training: TrainConfig) -> str:
    """A budget in two words: "2 min", "2000 steps"."""
    if training.minutes is None:
        return f"{training.steps} steps"
    return duration(60 * training.minutes)


def _memory(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB of memory" if mib >= 1024 else f"{mib:.0f} MiB of memory"
