"""What is shown of the people who work on a case. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_scribseg.core.wording import counted
from napari_scribseg.project.annotator import CONSENSUS
from napari_scribseg.project.effort import Effort
from napari_scribseg.project.teamwork import CaseTeam
from napari_scribseg.project.versions import Version


@dataclass(frozen=True)
class PeopleScreen:
    """Everything that the part "People" shows.

    Args:
        title: of the fold.
        rows: who has drawn what, a line each.
        own: what the user is called.
        apart: whether everybody draws strokes of their own.
        done: whether the user is done with the case.
        offered: whose strokes may be opened now.
        shown: whose strokes are shown.
        others: with whom the user may be compared now.
        why_not_done: why the user can't be done; "" = can.
        why_not_compare: why nothing can be compared; "" = something can.
        why_not_consensus: why there can be no consensus; "" = there can.
        read_only: whether nothing of this can be changed.
    """

    title: str
    rows: tuple[str, ...]
    own: str
    apart: bool = False
    done: bool = False
    offered: tuple[str, ...] = ()
    shown: str = ""
    others: tuple[str, ...] = ()
    why_not_done: str = ""
    why_not_compare: str = ""
    why_not_consensus: str = ""
    read_only: bool = False


def screen_of(team: CaseTeam | None, own: str, shown: str, *, read_only: bool) -> PeopleScreen:
    """What is to be shown.

    Args:
        team: who has drawn what; None = no case of a project is open.
        own: what the user is called.
        shown: whose version is shown, see `Version.of`.
        read_only: whether the project can't be changed.
    """
    if team is None:
        why = "Open a case of a project first."
        nothing = PeopleScreen(f"People: {own}", (), own, read_only=True)
        return replace(nothing, why_not_done=why, why_not_compare=why, why_not_consensus=why)
    hidden = [v.name for v in team.versions if team.hidden(v.name)]
    seen = [v.name for v in team.versions if not team.hidden(v.name)]
    offered = tuple(dict.fromkeys([own, *seen])) if team.apart else tuple(seen)
    there = [v for v in team.versions if v.of == shown]
    name_shown = there[0].name if there else (shown or own)
    drawn = [v.name for v in team.versions if v.made is None]
    others = tuple(name for name in seen if name != name_shown)
    wait = f"Hidden until you are done: {', '.join(hidden)}." if hidden else ""
    alone = "Nobody else has strokes of this case."
    several = len(drawn) > 1
    return PeopleScreen(
        title=f"People: {own}{', everybody apart' if team.apart else ''}",
        rows=tuple(_row(v, team) for v in team.versions) or ("Nobody has drawn here yet.",),
        own=own,
        apart=team.apart,
        done=team.own_done,
        offered=offered,
        shown=name_shown,
        others=others,
        why_not_done="" if team.apart else "Only where everybody draws apart.",
        why_not_compare="" if others else wait or alone,
        why_not_consensus=wait or ("" if several else alone),
        read_only=read_only,
    )


def _row(version: Version, team: CaseTeam) -> str:
    """Who has drawn what, in a line."""
    name = version.name
    if version.made is not None:
        return f"{name}: {version.made.how} of {', '.join(version.made.of)}"
    parts = [_work(one) for one in team.effort if one.by == name]
    if not parts and name != CONSENSUS:  # drawn by several into one file
        parts = [f"{one.by} {_work(one)}" for one in team.effort]
    done = ", done" if version.done else ""
    hidden = ", hidden" if team.hidden(name) else ""
    return f"{name}: {'; '.join(parts) or 'nothing noted'}{done}{hidden}"


def _work(effort: Effort) -> str:
    minutes = f"{effort.minutes:.1f} min of pen" if effort.minutes else "time unknown"
    voxels = f"{sum(effort.voxels.values())} voxels"
    return f"{counted(effort.slices, 'slice')}, {voxels}, {minutes}"
