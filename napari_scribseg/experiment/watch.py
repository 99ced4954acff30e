"""How the trials of an experiment are now, wherever they are computed: read from its folder.

A look at thousands of trials must cost next to nothing: those that have finished are not looked at
again, and of a training only what it has told since the last look is read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from napari_scribseg.core.events import Finished, Prepared, Stepped
from napari_scribseg.experiment.experiment import (
    Experiment,
    State,
    Trial,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.lease import Holder, holder_of, is_gone
from napari_scribseg.runs.summary import summary_of

Phase = Literal["starting", "preparing", "training", "scoring"]
STATES: Final = ("running", "finished", "failed", "interrupted", "outdated", "waiting")


@dataclass(frozen=True)
class RunningTrial:
    """A trial that somebody computes now.

    Args:
        name: of it.
        host: that computes it.
        phase: what is being done.
        step: of the training.
        progress: share of the training's budget, 0 to 1.
        seconds_left: of the training; None = not known yet.
    """

    name: str
    host: str
    phase: Phase
    step: int = 0
    progress: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True)
class Look:
    """All trials at one moment.

    Args:
        states: how many are in each of `STATES`.
        running: those that somebody computes.
    """

    states: Mapping[str, int]
    running: tuple[RunningTrial, ...]

    @property
    def total(self) -> int:
        """Number of all trials."""
        return sum(self.states.values())

    @property
    def is_over(self) -> bool:
        """Whether every trial has ended."""
        return self.states.get("finished", 0) + self.states.get("failed", 0) == self.total


class ExperimentWatch:
    """Looks at an experiment again and again.

    Args:
        folder: of it.
        experiment: of the folder.
    """

    def __init__(self, folder: Path, experiment: Experiment) -> None:
        self._folder = folder
        self._trials = trials_of(experiment)
        self._finished: set[str] = set()

    def look(self) -> Look:
        """How the trials are now."""
        begun = self._begun()
        states: Counter[str] = Counter()
        running: list[RunningTrial] = []
        for name, trial in self._trials.items():
            if name in self._finished:
                states["finished"] += 1
            elif name not in begun:
                states["waiting"] += 1
            else:
                state, row = self._seen(trial)
                states["running" if row is not None else state] += 1
                running += [] if row is None else [row]
        return Look({s: states[s] for s in STATES if states[s]}, tuple(running))

    def _begun(self) -> set[str]:
        try:
            return set(os.listdir(self._folder / "cells"))  # noqa: PTH208  names only
        except OSError:
            return set()

    def _seen(self, trial: Trial) -> tuple[State, RunningTrial | None]:
        state = state_of(self._folder, trial)
        if state == "finished":
            self._finished.add(trial.name)
            return state, None
        there = trial_folder(self._folder, trial.name)
        holder = holder_of(there)
        if holder is None or is_gone(there, holder):
            return state, None
        return state, _running(trial.name, there, holder)


def _running(name: str, there: Path, holder: Holder) -> RunningTrial:
    summary = summary_of(there / "run" / "events.jsonl")
    match summary.last:
        case Stepped(step=step, progress=progress, eta_seconds=left):
            return RunningTrial(name, holder.host, "training", step, progress, left)
        case Finished(outcome="completed", step=step):
            return RunningTrial(name, holder.host, "scoring", step, 1.0)
        case Prepared():
            return RunningTrial(name, holder.host, "preparing")
        case None | Finished():
            return RunningTrial(name, holder.host, "starting")
        case _:
            return RunningTrial(name, holder.host, "training", summary.last_step)
