"""Numbers as the dock words them: progress, lengths of time, the table of scores. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from napari_scribseg.core.events import Stepped
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.metrics import ClassScore


@dataclass(frozen=True)
class Row:
    """One line of the table of scores, ready to be shown."""

    name: str
    color: str
    dice: str
    hd95_mm: str
    volume_ml: str
    assd_mm: str = ""
    precision: str = ""
    recall: str = ""


def progress_text(event: Stepped, steps: int | None) -> str:
    """Where the training is, of about how many steps, and how long it still takes, in one line."""
    parts = [f"Step {event.step}" + (f" of {steps}" if steps else "")]
    if not steps and event.progress:
        parts[0] += f" of about {round(event.step / event.progress)}"
    if event.eta_seconds is not None:
        parts.append(f"{duration(event.eta_seconds)} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """A length of time as somebody would say it: 40 s, 3 min, 2 h 05 min."""
    if not math.isfinite(seconds) or seconds < 0:
        return "unknown time"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def score_rows(scores: Sequence[ClassScore], schema: LabelSchema) -> list[Row]:
    """The table of scores: one row per structure, and the mean when there are several."""
    rows = [
        Row(
            name=score.name,
            color=schema.segmentation_colors[score.index],
            dice=_number(score.dice, 3),
            hd95_mm=_number(score.hd95_mm, 1),
            volume_ml=volume_text(score.volume_ml),
            assd_mm=_number(score.assd_mm, 1),
            precision=_number(score.precision, 2),
            recall=_number(score.recall, 2),
        )
        for score in scores
    ]
    if len(scores) > 1:
        rows.append(
            Row(
                "mean",
                "",
                mean_dice(scores),
                _mean_distance([s.hd95_mm for s in scores]),
                "",
                assd_mm=_mean_distance([s.assd_mm for s in scores]),
                precision=_number(_mean_known([s.precision for s in scores]), 2),
                recall=_number(_mean_known([s.recall for s in scores]), 2),
            )
        )
    return rows


def volume_text(millilitres: float) -> str:
    """A volume in mL: with a decimal below 1000, where it means something."""
    return _number(millilitres, 1 if abs(millilitres) < 999.95 else 0)


def mean_dice(scores: Sequence[ClassScore]) -> str:
    """Mean Dice over the structures that are there, as text."""
    return _number(_mean_known([s.dice for s in scores]), 3)


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return "\N{EN DASH}"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _mean_known(values: Sequence[float]) -> float:
    """Mean of those that exist."""
    return _mean([value for value in values if not math.isnan(value)])


def _mean_distance(distances: Sequence[float]) -> str:
    """Mean over the finite ones, with the number of infinite ones beside it."""
    lost = sum(math.isinf(d) for d in distances)
    if lost and lost == sum(not math.isnan(d) for d in distances):
        return "∞"
    text = _number(_mean([d for d in distances if math.isfinite(d)]), 1)
    return f"{text} +{lost}∞" if lost else text
