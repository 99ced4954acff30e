"""Which cases of a patient are end diastole and end systole of one heart, at one examination.

A patient may have been examined more than once, and an ejection fraction of two examinations is
none. A patient with one case of each phase has one heart, unless the names of both differ by more
than the phase. Of several, those belong together that are frames of one file, or whose names
differ by the phase alone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from napari_scribseg.data.case import CaseFiles

PHASES: Final = ("ed", "es")
"""End diastole and end systole, as `CaseFiles.phase` has them in lower case."""
UNTOLD: Final = (
    "no ejection fraction: by the names of this patient's cases it can't be told which two are the "
    "phases of one examination; name them alike but for ED and ES"
)
_WORDS: Final = re.compile(
    r"(?:^|(?<=[ _.-]))(?:ED|ES|frame[_-]?\d+|(?:end[_-]?)?(?:dia|sys)(?:tol\w*)?)(?=$|[ _.-])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Hearts:
    """The hearts among some cases.

    Args:
        of: by the id of a case the ids of the two that are one heart, end diastole first.
        untold: ids of the cases that are a phase of an unknown one of several examinations.
    """

    of: dict[str, tuple[str, str]]
    untold: frozenset[str]


def hearts_of(cases: Iterable[CaseFiles]) -> Hearts:
    """The hearts among cases, by their patients, phases and names."""
    patients: dict[str, list[CaseFiles]] = defaultdict(list)
    for case in cases:
        if phase_of(case):
            patients[case.patient].append(case)
    of: dict[str, tuple[str, str]] = {}
    untold: set[str] = set()
    for members in patients.values():
        if len({phase_of(case) for case in members}) < len(PHASES):
            continue
        pairs = _pairs(members)
        of |= {one: pair for pair in pairs for one in pair}
        untold |= {case.id for case in members} - of.keys()
    return Hearts(of, frozenset(untold))


def phase_of(case: CaseFiles) -> str:
    """The phase of a heart that a case is, one of `PHASES`; "" = of none."""
    phase = (case.phase or "").casefold()
    return phase if phase in PHASES else ""


def _pairs(members: list[CaseFiles]) -> list[tuple[str, str]]:
    """The hearts of one patient, of whom both phases are there."""
    if len(members) == len(PHASES) and not all(_WORDS.search(case.id) for case in members):
        return [_pair(members)]  # names that don't speak of phases don't speak of visits either
    groups: dict[str, list[CaseFiles]] = defaultdict(list)
    files = [case.image for case in members]
    for case in members:
        is_frame = case.frame is not None and files.count(case.image) > 1
        groups[f"/{case.image}" if is_frame else _WORDS.sub("", case.id).casefold()].append(case)
    whole = [group for group in groups.values() if sorted(map(phase_of, group)) == [*PHASES]]
    return [_pair(group) for group in whole]


def _pair(group: list[CaseFiles]) -> tuple[str, str]:
    one, other = sorted(group, key=phase_of)
    return one.id, other.id
