"""What a dry run has found, ready to be shown: obstacles, cases left out, time, disk. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_scribseg.experiment.process import Ended
from napari_scribseg.experiment.settings import Cost
from napari_scribseg.gui.batch.trials import TrialCard
from napari_scribseg.gui.widgets.numbers import duration

_MOST_TOLD = 30
"""Sentences of one kind; a dataset may have hundreds of bad cases."""


@dataclass(frozen=True)
class CheckReport:
    """Everything that a dry run told.

    Args:
        obstacles: why nothing can be started, in sentences.
        left_out: cases that take no part, and why.
        patients: whose the cases are, in a sentence.
        notes: what else was noticed.
        cards: the trials.
        open_trials: how many of them are still to be computed.
        estimate: what those will take, in sentences.
        costs: of a training of each method, as measured.
    """

    obstacles: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    patients: str = ""
    notes: tuple[str, ...] = ()
    cards: tuple[TrialCard, ...] = ()
    open_trials: int = 0
    estimate: str = ""
    costs: tuple[Cost, ...] = ()


def report_of(ended: Ended) -> CheckReport:
    """The report of a dry run that has ended."""
    document = ended.document
    if ended.ending != "answered" or "cells" not in document:
        said = document.get("obstacles") or [ended.said or "The check has ended without an answer."]
        return CheckReport(obstacles=tuple(map(str, said)))
    cards = tuple(TrialCard.planned(row) for row in document["cells"])
    return CheckReport(
        obstacles=_few(document["obstacles"]),
        left_out=_few([f"{one['case']}: {one['reason']}" for one in document["left_out"]]),
        patients=str(document.get("patients", "")),
        notes=_few(document["notes"]),
        cards=cards,
        open_trials=sum(card.state != "finished" for card in cards),
        estimate=_estimate(document["estimate"]),
        costs=tuple(Cost.model_validate(one) for one in document["estimate"]["trainings"]),
    )


def _estimate(found: dict[str, Any]) -> str:
    at_once = "1 at a time" if found["jobs"] == 1 else f"{found['jobs']} at once"
    sentences = [
        f"About {duration(found['seconds'])} with {at_once}, and "
        f"{found['bytes'] / 1e6:.0f} MB on the disk."
    ]
    sentences += [
        f"{one['label']}: a training takes about {duration(one['seconds'])} and "
        f"{one['memory_mib']:.0f} MiB of memory on {one['device']}."
        for one in found["trainings"]
    ]
    return "\n".join(sentences)


def _few(sentences: Sequence[str]) -> tuple[str, ...]:
    if len(sentences) <= _MOST_TOLD:
        return tuple(sentences)
    return (*sentences[:_MOST_TOLD], f"… and {len(sentences) - _MOST_TOLD} more.")
