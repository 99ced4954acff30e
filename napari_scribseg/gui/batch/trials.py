"""The trials of an experiment as the window shows them, read from its folder. No Qt, no napari.

A look at hundreds of trials must cost next to nothing, so trials that have ended are
not looked at again, and of a training only what it has told since the last look is read.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final, Literal, get_args

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Finished, Prepared, Stepped
from napari_scribseg.evaluation.case_scores import score_of_row
from napari_scribseg.evaluation.summaries import summarise
from napari_scribseg.experiment.clients import is_worked_on
from napari_scribseg.experiment.experiment import (
    EXPERIMENT,
    Experiment,
    Trial,
    TrialResult,
    load_experiment,
    patients_and_cases,
    result_of,
    state_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.plan import estimate
from napari_scribseg.experiment.schedule import default_jobs
from napari_scribseg.experiment.settings import Cost
from napari_scribseg.io.regular_file import open_own
from napari_scribseg.runs.folder import RunFolder

CardState = Literal[
    "waiting", "preparing", "running", "scoring", "finished", "failed", "interrupted", "outdated"
]
ENDED: Final = frozenset[CardState]({"finished", "failed"})
AT_WORK: Final = frozenset[CardState]({"preparing", "running", "scoring"})
_STATES: Final[dict[str, CardState]] = {state: state for state in get_args(CardState)}
_TRAINED_SHARE: Final = 0.9
"""Of a trial's time, when it is trained and not scored yet."""


@dataclass(frozen=True)
class TrialCard:
    """One trial, ready to be shown.

    Args:
        name: of the trial.
        label: the method's name in the experiment.
        fold: name of the fold.
        random_seed: of the training.
        share: of the annotation, in percent.
        train: what it learns from ("4 patients, 8 cases").
        test: what it is tested on.
        budget: of its training ("400 steps").
        state: how it is now.
        progress: of its training, 0 to 1.
        dice: mean over the classes of its test cases; NaN = there is none.
        reason: why it has failed, or which of its test cases have.
    """

    name: str
    label: str
    fold: str
    random_seed: int
    share: float
    train: str = ""
    test: str = ""
    budget: str = ""
    state: CardState = "waiting"
    progress: float = 0.0
    dice: float = math.nan
    reason: str = ""

    @classmethod
    def planned(cls, row: Mapping[str, str]) -> TrialCard:
        """The card of a trial that a dry run has told of."""
        label, _, rest = row["cell"].partition("-")
        fold, seed, share = rest.rsplit("-", 2)
        return cls(
            row["cell"],
            label,
            fold,
            int(seed.removeprefix("seed")),
            float(share),
            row["train"],
            row["test"],
            row["budget"],
            state=_STATES[row["state"]],
        )

    @classmethod
    def of(cls, trial: Trial) -> TrialCard:
        """The card of a trial that nobody has looked at yet."""
        return cls(
            trial.name,
            trial.label,
            trial.fold,
            trial.random_seed,
            100 * trial.share,
            patients_and_cases(trial.train),
            patients_and_cases(trial.test),
            trial.budget,
        )

    @property
    def state_text(self) -> str:
        """How it is, in a word or two."""
        if self.state == "running":
            return f"running {self.progress:.0%}"
        return self.state

    @property
    def done(self) -> float:
        """Share of the work that is done, 0 to 1."""
        if self.state in ENDED:
            return 1.0
        return _TRAINED_SHARE if self.state == "scoring" else _TRAINED_SHARE * self.progress


@dataclass(frozen=True)
class Progress:
    """How far an experiment is.

    Args:
        cards: all of its trials.
        seconds_left: about how long the rest takes; None = nobody works on it.
        is_worked_on: whether a process works on it now.
    """

    cards: tuple[TrialCard, ...]
    seconds_left: float | None = None
    is_worked_on: bool = False

    def count(self, *states: CardState) -> int:
        """How many trials are in one of these states."""
        return sum(card.state in states for card in self.cards)

    @property
    def share(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return fmean([card.done for card in self.cards]) if self.cards else 0.0


class TrialsWatch:
    """Looks at the trials of an experiment again and again.

    Args:
        folder: of the experiment.
        jobs: trials at once; None = as many as fit the computer.
        costs: of a training of each method, where they were measured.

    Raises:
        InvalidInput: the folder is no experiment.
    """

    def __init__(self, folder: Path, jobs: int | None = None, costs: Sequence[Cost] = ()) -> None:
        self.folder = folder
        self._jobs, self._costs = jobs, {cost.label: cost for cost in costs}
        self._stamp = _stamp(folder)
        self.experiment: Experiment = load_experiment(folder)
        self._trials: dict[str, Trial] = {}
        self._cards: dict[str, TrialCard] = {}
        self._trainings: dict[str, _Training] = {}
        self._trial_seconds, self._estimated_for = 0.0, -1
        self._begin()

    def look(self, *, again: bool = False) -> Progress:
        """How the trials are now.

        Args:
            again: also look at failed trials again, which are being repeated.
        """
        stamp = _stamp(self.folder)
        if stamp != self._stamp:  # continued, perhaps with other data or another version
            self._stamp, self.experiment = stamp, load_experiment(self.folder)
            self._begin()
        worked_on = is_worked_on(self.folder)
        for name, card in self._cards.items():
            if card.state not in ENDED or (again and card.state == "failed"):
                self._cards[name] = self._seen(self._trials[name], card, worked_on)
        cards = tuple(self._cards.values())
        return Progress(cards, self._seconds_left(cards) if worked_on else None, worked_on)

    def _begin(self) -> None:
        """Forget what is known of the trials."""
        self._trials = trials_of(self.experiment)
        self._cards = {name: TrialCard.of(trial) for name, trial in self._trials.items()}
        self._trainings, self._estimated_for = {}, -1

    def _seen(self, trial: Trial, card: TrialCard, worked_on: bool) -> TrialCard:
        state = state_of(self.folder, trial)
        if state in ENDED:
            self._trainings.pop(trial.name, None)
            dice = math.nan
            if state == "finished":
                dice = _mean_dice(trial_folder(self.folder, trial.name))
            reason = _reason(result_of(self.folder, trial))
            return replace(card, state=state, progress=1.0, dice=dice, reason=reason)
        fresh = replace(card, state=state, dice=math.nan, reason="")
        if state != "interrupted":
            return replace(fresh, progress=0.0)
        training = self._trainings.setdefault(
            trial.name, _Training(trial_folder(self.folder, trial.name) / "run")
        )
        now, progress = training.look()
        return replace(fresh, state=now if worked_on else "interrupted", progress=progress)

    def _seconds_left(self, cards: Sequence[TrialCard]) -> float:
        to_do = [card for card in cards if card.state not in ENDED]
        if not to_do:
            return 0.0
        if len(to_do) != self._estimated_for:
            trials = [self._trials[card.name] for card in to_do]
            seconds = estimate(self.folder, self.experiment, trials, self._costs).seconds
            self._estimated_for, self._trial_seconds = len(to_do), seconds / len(to_do)
        jobs = self._jobs or default_jobs(self.experiment.recipe.threads)
        at_once = min(jobs, len(to_do))
        return self._trial_seconds * sum(1 - card.done for card in to_do) / at_once


class _Training:
    """What the run of a trial has told so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._run: RunFolder | None = None
        self._position = 0
        self._progress, self._is_trained = 0.0, False

    def look(self) -> tuple[CardState, float]:
        """How it is, if somebody works on it, and how far."""
        run = self._opened()
        if run is None:
            return "preparing", 0.0
        position = run.position
        if position < self._position:  # repeated from the start
            self._position, self._progress, self._is_trained = 0, 0.0, False
        if position > self._position:
            events = list(run.follow(0.0, lambda: True, since=self._position))
            self._position = position
            for event in events:
                if isinstance(event, Stepped):
                    self._progress = event.progress
                if isinstance(event, Stepped | Prepared | Finished):
                    self._is_trained = isinstance(event, Finished) and event.outcome == "completed"
        if self._is_trained:
            return "scoring", 1.0
        heart = run.heart
        if heart is None or not heart.lives:
            return "interrupted", self._progress
        return ("running" if self._progress else "preparing"), self._progress

    def _opened(self) -> RunFolder | None:
        if self._run is None:
            try:
                self._run = RunFolder.open(self._path)
            except InvalidInput:  # not written yet
                return None
        return self._run


def _stamp(folder: Path) -> int:
    """Changes when the document of an experiment is written again."""
    try:
        return (folder / EXPERIMENT).stat().st_mtime_ns
    except OSError:  # a network drive that comes back
        return -1


def _reason(result: TrialResult | None) -> str:
    """Why a trial has failed, or which of its test cases have no segmentation."""
    if result is None or result.reason:
        return "" if result is None else result.reason
    told = [f"{failure.case}: {failure.reason}" for failure in result.failures]
    told += [f"{one.case} has no usable reference: {one.reason}" for one in result.unusable]
    return " ".join(told)


def _mean_dice(folder: Path) -> float:
    """The mean Dice of a trial as cells.csv has it; NaN when its table can't be read."""
    try:
        with open_own(folder / "scores.csv", "rb") as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            scores = [score_of_row(row) for row in csv.DictReader(text)]
    except (OSError, KeyError, ValueError, InvalidInput):
        return math.nan
    means = [found.dice.mean for found in summarise(scores) if found.dice.n]
    return fmean(means) if means else math.nan
