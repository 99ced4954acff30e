"""What a training has told so far, ready to be drawn, and whether it still gets better.

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
"""The loss is judged by its means over so many spans of the time."""
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
    """Whether a training still gets better, and the sentence that says so."""

    verdict: Literal["early", "improving", "flat", "worse"]
    sentence: str


def trend_of(history: History) -> Trend:
    """Whether the training still gets better: by its validations, else by its loss.

    Scores are judged by the best one: how long ago it was, and how far below it the last one is.
    The loss is noisy, so its means over twelve equal spans of time are compared.
    """
    scored = [(v, v.mean) for v in history.validations if v.mean is not None]
    if len(scored) >= 2:
        return _by_scores(scored)
    if len(history.losses) < _FEWEST_POINTS:
        return Trend("early", "Too early to say whether it improves.")
    return _by_loss(history.losses)


def _by_scores(scored: list[tuple[Validated, float]]) -> Trend:
    best, highest = max(scored, key=lambda pair: pair[1])
    last, now = scored[-1]
    name = "Dice" if last.measure == "dice" else "Stroke agreement"
    if best.step == last.step:
        gain = now - max(score for _, score in scored[:-1])
        return Trend("improving", f"Improving: {name} {now:.3f} is the best so far (+{gain:.3f}).")
    since = _minutes(last.time - best.time)
    if now < highest - _SCORE_LOST:
        return Trend(
            "worse",
            f"Worse than at its best: {name} {now:.3f}, it was {highest:.3f} at step {best.step}, "
            f"{since} ago. The best weights are kept.",
        )
    return Trend("flat", f"Flat for {since}: {name} {now:.3f}, {highest:.3f} at step {best.step}.")


def _by_loss(losses: list[LossPoint]) -> Trend:
    ends = [round(i * len(losses) / _SPANS) for i in range(_SPANS + 1)]
    spans = [losses[a:b] for a, b in pairwise(ends)]
    means = [fmean(point.loss for point in span) for span in spans]
    fall = max(means) - min(means)
    lowest, since = means[0], 0
    for i, mean in enumerate(means):
        if mean < lowest - _NOTICEABLE * fall:
            lowest, since = mean, i
    minutes = _minutes(losses[-1].time - spans[since][-1].time)
    if since >= _SPANS - 2 and fall > 0.01 * abs(means[0]):
        return Trend("improving", f"Improving: the loss still falls, to {means[-1]:.3f}.")
    if min(means[-2:]) > lowest + _CLEARLY_WORSE * max(fall, 1e-12) and fall > 0.01 * abs(lowest):
        return Trend(
            "worse",
            f"The loss rises: {means[-1]:.3f}, its lowest mean was {lowest:.3f} {minutes} ago. "
            "That is normal where a method fades in further terms; look at the preview.",
        )
    return Trend("flat", f"Flat for {minutes}: the loss stays near {means[-1]:.3f}.")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _mean_of(points: Iterable[LossPoint]) -> LossPoint:
    some = list(points)
    names = dict.fromkeys(name for point in some for name in point.terms)
    terms = {n: fmean(p.terms[n] for p in some if n in p.terms) for n in names}
    return LossPoint(
        fmean(p.step for p in some), fmean(p.time for p in some), fmean(p.loss for p in some), terms
    )
