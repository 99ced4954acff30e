"""Effort: how long somebody had the pen in the hand, and what was drawn, from the ledger.

Minutes with the pen are the time in which the pen moved plus the pauses between two strokes that
are no longer than `LONGEST_PAUSE_S`; a longer pause (a telephone call, reading) counts as nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from napari_scribseg.core.wording import counted
from napari_scribseg.project.annotator import UNKNOWN_AUTHOR
from napari_scribseg.project.strokes_ledger import Stroke

LONGEST_PAUSE_S: Final = 30.0
"""A longer pause between two strokes is no work with the pen."""
HEADING: Final = (
    *("case", "annotator", "pen_minutes", "strokes", "slices", "voxels", "erased_voxels"),
    *("first", "last"),
)
"""Of the rows of a table of effort."""


@dataclass(frozen=True)
class Effort:
    """What one annotator has done for one case.

    Args:
        case: its id.
        by: who drew.
        minutes: with the pen.
        strokes: how many.
        slices: how many different ones were drawn on.
        voxels: how many were drawn, by scribble value; one that was drawn twice counts twice.
        erased: how many were erased.
        first: when the first stroke ended, ISO 8601.
        last: when the last one ended.
    """

    case: str
    by: str
    minutes: float
    strokes: int
    slices: int
    voxels: Mapping[int, int]
    erased: int
    first: str
    last: str

    @property
    def row(self) -> tuple[str | float | int, ...]:
        """As in `HEADING`."""
        minutes = round(self.minutes, 2)
        counts = (self.strokes, self.slices, sum(self.voxels.values()), self.erased)
        return (self.case, self.by, minutes, *counts, self.first, self.last)


def pen_minutes(strokes: Iterable[Stroke], longest_pause_s: float = LONGEST_PAUSE_S) -> float:
    """Minutes with the pen in strokes of one person, however they are sorted.

    Args:
        strokes: of one annotator; of several cases, too.
        longest_pause_s: pauses up to this many seconds count.
    """
    spans = sorted((stroke.end - stroke.seconds, stroke.end) for stroke in strokes)
    total, last = 0.0, float("-inf")
    for begin, end in spans:
        pause = begin - last
        total += max(0.0, end - max(begin, last))
        if 0 < pause <= longest_pause_s:
            total += pause
        last = max(last, end)
    return total / 60


def effort_of(
    case: str, strokes: Sequence[Stroke], longest_pause_s: float = LONGEST_PAUSE_S
) -> tuple[Effort, ...]:
    """The effort for one case, an entry per annotator in the order in which they began.

    Args:
        case: its id.
        strokes: of its ledger.
        longest_pause_s: see `pen_minutes`.
    """
    return tuple(
        _effort(case, by, [stroke for stroke in strokes if stroke.by == by], longest_pause_s)
        for by in dict.fromkeys(stroke.by for stroke in strokes)
    )


def effort_sentence(by_case: Mapping[str, Sequence[Stroke]]) -> str:
    """The effort behind a training, in a line; "" where nothing is known of its strokes.

    Nobody is named, since runs are given away.

    Args:
        by_case: the strokes that were learnt from, by case.
    """
    every = [stroke for strokes in by_case.values() for stroke in strokes]
    known = [stroke for stroke in every if stroke.by != UNKNOWN_AUTHOR]
    if not every:
        return ""
    people = sorted({stroke.by for stroke in known})
    minutes = sum(pen_minutes(s for s in known if s.by == who) for who in people)
    slices = sum(len({z for one in strokes for z in one.slices}) for strokes in by_case.values())
    voxels = sum(sum(stroke.drawn.values()) for stroke in every)
    parts = [counted(slices, "slice"), counted(voxels, "voxel")]
    if known:
        parts = [f"{_minutes(minutes)} of pen", counted(len(people), "annotator"), *parts]
    if len(known) < len(every):
        parts.append("some of unknown authors" if known else "of unknown authors")
    return f"strokes: {', '.join(parts)}"


def _effort(case: str, by: str, strokes: Sequence[Stroke], longest_pause_s: float) -> Effort:
    voxels: dict[int, int] = {}
    for stroke in strokes:
        for value, count in stroke.drawn.items():
            voxels[value] = voxels.get(value, 0) + count
    return Effort(
        case=case,
        by=by,
        minutes=pen_minutes(strokes, longest_pause_s),
        strokes=len(strokes),
        slices=len({z for stroke in strokes for z in stroke.slices}),
        voxels=voxels,
        erased=sum(stroke.erased for stroke in strokes),
        first=strokes[0].at,
        last=strokes[-1].at,
    )


def _minutes(minutes: float) -> str:
    return f"{minutes:.1f} min" if minutes < 10 else f"{minutes:.0f} min"
