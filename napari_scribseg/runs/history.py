"""What a training has told so far, ready to be drawn, and how it stands.

A `History` takes events one by one, so that a live curve and one read from disk are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean
from typing import Literal

from napari_scribseg.core.events import Event, Finished, Started, Stepped, Validated

_MOST_POINTS = 600
"""Of twice as many points of the loss, neighbours are averaged."""
_SPANS = 12
"""The loss is judged by its means over so many spans of the steps."""
_FEWEST_POINTS = 24
_NOTICEABLE = 0.02
"""Share of the whole fall of the loss that a span must fall to count as better."""
_CLEARLY_WORSE = 0.15
"""The same, for a rise to count as worse."""
_SCORE_LOST = 0.02
"""A score so far below the best is worse, not noise."""


@dataclass(frozen=True)
class LossPoint:
    """The loss at a step: mean step and time where points were brought together."""

    step: float
    time: float
    loss: float
    terms: Mapping[str, float]


@dataclass
class History:
    """The course of a training; `take` its events in order."""

    losses: list[LossPoint] = field(default_factory=list)
    validations: list[Validated] = field(default_factory=list)
    device: str = ""
    steps: int | None = None
    """Budget, if it is in steps."""
    latest: Stepped | None = None
    end: Finished | None = None
    """How the last session ended; None while one goes on."""
    _fresh: list[LossPoint] = field(default_factory=list)
    _together: int = 1

    @classmethod
    def of(cls, events: Iterable[Event]) -> History:
        """The history that these events tell."""
        history = cls()
        for event in events:
            history.take(event)
        return history

    def take(self, event: Event) -> None:
        """Add what an event tells."""
        match event:
            case Started():
                self.device, self.steps, self.end = event.device, event.steps, None
            case Stepped():
                self.latest = event
                self._add(LossPoint(event.step, event.time, event.loss, dict(event.terms)))
            case Validated():
                self.validations.append(event)
            case Finished():
                self.end = event
            case _:
                pass

    def _add(self, point: LossPoint) -> None:
        self._fresh.append(point)
        if len(self._fresh) < self._together:
            return
        self.losses.append(_mean_of(self._fresh))
        self._fresh = []
        if len(self.losses) >= 2 * _MOST_POINTS:
            pairs = zip(self.losses[::2], self.losses[1::2], strict=False)
            self.losses = [_mean_of(pair) for pair in pairs]
            self._together *= 2


@dataclass(frozen=True)
class Trend:
    """How a training stands, and the sentence that says so.

    Args:
        verdict: "short" = too few steps to judge, "learning" = the loss still falls and nothing
            else is known, "level" = it does not; "better", "no better" and "worse" are said of
            scores only.
        sentence: in words.
    """

    verdict: Literal["short", "learning", "level", "better", "no better", "worse"]
    sentence: str


def trend_of(
    history: History,
    scores: Mapping[int, float] | None = None,
    enough: int = 2000,
    fewest: int = 200,
) -> Trend:
    """How a training stands: by its scores, else by its steps and its loss.

    Only a score on something that was not learnt says that a training gets better: that of its
    validations, else that of its previews against a reference. A loss that falls says that
    the strokes are learnt, and one that doesn't says little, so both are told for what they are.

    Args:
        history: of the run.
        scores: mean Dice of its previews by step, where there is a reference.
        enough: steps that its method wants on such data, as its quick preset has them.
        fewest: steps below which nothing is said of the loss.
    """
    validated = [(v.step, v.mean) for v in history.validations if v.mean is not None]
    seen = sorted((scores or {}).items())
    step = history.latest.step if history.latest else 0
    so_far = _so_far(step, enough, fewest)
    if len(validated) > 1 or (validated and len(seen) < 2):
        name = "Dice" if history.validations[-1].measure == "dice" else "Agreement"
        return _by_scores(f"{name} on what is held out", validated, so_far)
    if len(seen) > 1:
        return _by_scores("Dice of the preview", seen, so_far)
    if step < fewest or len(history.losses) < _FEWEST_POINTS:
        return Trend("short", so_far)
    return _by_loss(history.losses, so_far)


def _so_far(step: int, enough: int, fewest: int) -> str:
    """How many steps of about how many, and what follows from it."""
    if step >= enough:
        return f"{step} steps, of about {enough} that are enough as a rule."
    steps = f"{step} of about {enough} steps"
    return f"{steps}: far too short." if step < fewest else f"{steps}: not done yet."


def _by_scores(name: str, scored: list[tuple[int, float]], so_far: str) -> Trend:
    best_step, highest = max(scored, key=lambda pair: pair[1])
    last, now = scored[-1]
    if len(scored) == 1:
        return Trend("short", f"{name}: {now:.3f} at step {last}. {so_far}")
    if best_step == last:
        gain = now - max(score for _, score in scored[:-1])
        return Trend("better", f"{name}: {now:.3f} at step {last}, the best so far (+{gain:.3f}).")
    was = f"it was {highest:.3f} at step {best_step}"
    if now < highest - _SCORE_LOST:
        return Trend("worse", f"{name}: {now:.3f} at step {last}; {was}.")
    since = f"no better for {last - best_step} steps"
    return Trend("no better", f"{name}: {now:.3f} at step {last}, {since}; {was}.")


def _by_loss(losses: list[LossPoint], so_far: str) -> Trend:
    """The loss is noisy, so its means over twelve equal spans of the steps are compared."""
    ends = [round(i * len(losses) / _SPANS) for i in range(_SPANS + 1)]
    spans = [losses[a:b] for a, b in pairwise(ends)]
    means = [fmean(point.loss for point in span) for span in spans]
    fall = max(means) - min(means)
    lowest, since = means[0], 0
    for i, mean in enumerate(means):
        if mean < lowest - _NOTICEABLE * fall:
            lowest, since = mean, i
    moves = fall > 0.01 * max(abs(means[0]), abs(lowest))
    if since >= _SPANS - 2 and moves:
        return Trend("learning", f"{so_far} The loss still falls, to {means[-1]:.3f}.")
    if min(means[-2:]) > lowest + _CLEARLY_WORSE * max(fall, 1e-12) and moves:
        return Trend(
            "level",
            f"{so_far} The loss rises to {means[-1]:.3f}, which is normal where a method fades in "
            "further terms: look at the preview.",
        )
    level = round(losses[-1].step - spans[since][-1].step)
    return Trend(
        "level",
        f"{so_far} The loss stays near {means[-1]:.3f} for {level} steps; how good it is only a "
        "held-out or reference score tells.",
    )


def _mean_of(points: Iterable[LossPoint]) -> LossPoint:
    some = list(points)
    names = dict.fromkeys(name for point in some for name in point.terms)
    terms = {n: fmean(p.terms[n] for p in some if n in p.terms) for n in names}
    return LossPoint(
        fmean(p.step for p in some), fmean(p.time for p in some), fmean(p.loss for p in some), terms
    )
