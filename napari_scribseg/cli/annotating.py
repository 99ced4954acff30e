"""annotators: who has drawn what in a project, how far people agree, and their consensus."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer, columns, refuse_existing
from napari_scribseg.cli.progress import Display
from napari_scribseg.core.errors import InvalidInput

if TYPE_CHECKING:
    from napari_scribseg.core.types import Array
    from napari_scribseg.evaluation.agreement import Agreement
    from napari_scribseg.project.folder import Project

HOWS: Final = ("majority", "staple")
"""As in `evaluation.consensus`, which takes too long to import for a help text; a test compares."""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add annotators."""
    one = commands.add_parser(
        "annotators",
        parents=[common],
        help="who has drawn what in a project, how far people agree, and their consensus",
        description="Lists who has drawn what in a project. Compares the strokes of two people, "
        "makes a consensus of several, and writes down the effort. This command is for whoever "
        "leads the work: unlike the window it hides nobody's strokes.",
    )
    one.add_argument("project", metavar="PROJECT", type=Path, help="a project folder")
    one.add_argument("--case", metavar="ID", help="one case; all of them unless given")
    one.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="two annotators, or files of segmentations of the case",
    )
    one.add_argument(
        "--consensus",
        choices=HOWS,
        help="make one set of strokes of those of several people, kept as the version 'consensus'",
    )
    one.add_argument(
        "--of",
        nargs="+",
        metavar="NAME",
        help="of whom, or of which segmentations of the case; of all annotators unless given",
    )
    one.add_argument(
        "--out", type=Path, metavar="FILE", help="a new volume: the consensus, or where two differ"
    )
    one.add_argument(
        "--effort", type=Path, metavar="FILE", help="a new CSV file with the effort per case"
    )
    one.add_argument(
        "--longest-pause",
        type=float,
        metavar="SECONDS",
        help="a longer pause between two strokes is no work with the pen; 30 unless given",
    )
    one.add_argument(
        "--apart",
        choices=("on", "off"),
        help="on: everybody draws strokes of their own, and sees those of others when done",
    )
    one.add_argument(
        "--unknown-is",
        metavar="NAME",
        help="who drew the strokes that were there before anybody took note",
    )
    one.add_argument(
        "--name", metavar="NAME", help="what you are called from now on, in all projects"
    )
    one.set_defaults(run=run_annotators)


def run_annotators(arguments: argparse.Namespace, display: Display) -> Answer:
    """List, compare, make a consensus, write the effort down."""
    from napari_scribseg.project.annotator import set_annotator
    from napari_scribseg.project.folder import Project

    _check(arguments)
    changes = arguments.consensus or arguments.apart or arguments.unknown_is
    if arguments.name is not None:
        set_annotator(arguments.name)
    with Project.open(arguments.project, read_only=not changes) as project:
        cases = _cases(project, arguments.case)
        _set_team(project, arguments)
        if arguments.compare:
            return _compared(project, cases, arguments)
        if arguments.consensus:
            return _agreed(project, cases, arguments, display)
        return _listed(project, cases, arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Raises InvalidInput when options don't go together, or a file would be written over."""
    if arguments.compare and arguments.consensus:
        raise InvalidInput("Give either --compare or --consensus, one at a time.")
    if arguments.effort and (arguments.compare or arguments.consensus):
        raise InvalidInput("--effort lists everybody: leave --compare and --consensus out.")
    if arguments.of and not arguments.consensus:
        raise InvalidInput("--of says whose strokes a consensus is made of: give --consensus, too.")
    if arguments.out and not (arguments.case and (arguments.compare or arguments.consensus)):
        raise InvalidInput(
            "--out writes one volume: give --case, and --compare or --consensus, too."
        )
    if arguments.longest_pause is not None and not 0 <= arguments.longest_pause <= 3600:
        raise InvalidInput(
            f"--longest-pause must be 0 to 3600 seconds, got {arguments.longest_pause:g}."
        )
    for path in filter(None, (arguments.out, arguments.effort)):
        refuse_existing(path)


def _cases(project: Project, wanted: str | None) -> tuple[str, ...]:
    if wanted is None:
        return project.case_ids
    project.case(wanted)
    return (wanted,)


def _set_team(project: Project, arguments: argparse.Namespace) -> None:
    """Note how people work together, where that was said."""
    from napari_scribseg.project.annotator import checked_name

    changes: dict[str, Any] = {}
    if arguments.apart is not None:
        changes["apart"] = arguments.apart == "on"
    if arguments.unknown_is is not None:
        changes["unknown_is"] = checked_name(arguments.unknown_is)
    if changes:
        project.save_team(project.team.model_copy(update=changes))


def _listed(project: Project, cases: Sequence[str], arguments: argparse.Namespace) -> Answer:
    """Who has drawn what."""
    from napari_scribseg.evaluation.tables import csv_text
    from napari_scribseg.io.atomic import write_text
    from napari_scribseg.project.annotator import annotator_name
    from napari_scribseg.project.effort import HEADING, LONGEST_PAUSE_S, effort_of
    from napari_scribseg.project.versions import strokes_of_case, versions_of

    pause = LONGEST_PAUSE_S if arguments.longest_pause is None else arguments.longest_pause
    effort, versions = [], []
    for case_id in cases:
        effort += effort_of(case_id, strokes_of_case(project.folder, case_id), pause)
        versions += [(case_id, version) for version in versions_of(project.folder, case_id)]
    if arguments.effort is not None:
        write_text(arguments.effort, csv_text([HEADING, *(one.row for one in effort)]))
    apart = project.team.apart
    table = [("case", "strokes of", "done", "made by")]
    table += [
        (case_id, v.name, "yes" if v.done else "-", v.made.how if v.made else "-")
        for case_id, v in versions
    ]
    work = [("case", "annotator", "pen min", "strokes", "slices", "voxels")]
    work += [(e.case, e.by, f"{e.minutes:.1f}", *map(str, e.row[3:6])) for e in effort]
    mode = "everybody draws apart" if apart else "all draw the same strokes"
    parts = [f"{project.title}: {mode}. You are {annotator_name()}."]
    parts += [columns(table)] if versions else ["Nobody has drawn anything yet."]
    parts += [f"Effort (pauses up to {pause:g} s count):\n{columns(work)}"] if effort else []
    parts += [f"Effort written to {arguments.effort}"] if arguments.effort else []
    document = {
        "project": project.folder,
        "annotator": annotator_name(),
        "apart": apart,
        "versions": [
            {
                "case": case_id,
                "name": v.name,
                "file": v.path.relative_to(project.folder).as_posix(),
                "done": v.done,
                "made": v.made and v.made.model_dump(),
            }
            for case_id, v in versions
        ],
        "longest_pause_s": pause,
        "effort": [dict(zip(HEADING, one.row, strict=True)) for one in effort],
        "effort_file": arguments.effort,
    }
    return Answer(document, "\n\n".join(parts))


def _compared(project: Project, cases: Sequence[str], arguments: argparse.Namespace) -> Answer:
    """How two people agree."""
    from napari_scribseg.evaluation.agreement import HEADING, agreement, agreement_map

    first, second = arguments.compare
    both = _cases_of(project, cases, arguments.compare, given=arguments.case is not None)
    found: dict[str, Agreement] = {}
    for case_id in both:
        ours, theirs = (_read(project, case_id, name) for name in arguments.compare)
        found[case_id] = agreement(ours, theirs, project.schema_of(case_id))
        if arguments.out is not None:
            _write(project, case_id, agreement_map(ours, theirs), arguments.out)
    rows = [("case", "class", f"{first}", f"{second}", "both drew it", "conflicts", "Dice")]
    rows += [
        (case_id, c.name, *map(str, (c.first, c.second, c.both, c.conflicts)), f"{c.dice:.3f}")
        for case_id, one in found.items()
        for c in one.classes
    ]
    lines = [f"{case_id}: {one.sentence(first, second)}" for case_id, one in found.items()]
    lines += [f"Where both drew: 1 = agreed, 2 = conflict, in {arguments.out}"] * bool(
        arguments.out
    )
    document = {
        "first": first,
        "second": second,
        "cases": [
            {
                "case": case_id,
                "both_drew": one.both,
                "agreed": one.agreed,
                "conflicts": one.conflicts,
                "agreement": one.share,
                "conflict_slices": one.conflict_slices,
                "classes": [dict(zip(HEADING, row, strict=True)) for row in one.rows[1:]],
            }
            for case_id, one in found.items()
        ],
        "out": arguments.out,
    }
    note = "Voxels by class; Dice among the voxels that both drew."
    return Answer(document, "\n".join([*lines, "", columns(rows), "", note]))


def _agreed(
    project: Project, cases: Sequence[str], arguments: argparse.Namespace, display: Display
) -> Answer:
    """What people's strokes come to."""
    from napari_scribseg.evaluation.consensus import TITLES, consensus
    from napari_scribseg.project.annotator import annotator_name
    from napari_scribseg.project.teamwork import save_consensus
    from napari_scribseg.project.versions import Made

    done: list[dict[str, Any]] = []
    given = arguments.case is not None
    chosen = {case_id: arguments.of or _people(project, case_id) for case_id in cases}
    several = [case_id for case_id, names in chosen.items() if len(names) > 1]
    if arguments.of:
        several = _cases_of(project, several, arguments.of, given=given)
    if not several:
        raise InvalidInput(
            "A consensus needs the strokes of two people on one case, and there is no such case. "
            f"`scribseg annotators {project.folder}` lists who has drawn what."
        )
    for n, case_id in enumerate(several):
        display.count("making a consensus, case", n, len(several))
        names = chosen[case_id]
        made = consensus(
            [_read(project, case_id, name) for name in names],
            project.schema_of(case_id),
            arguments.consensus,
        )
        how = TITLES[arguments.consensus]
        save_consensus(
            project,
            case_id,
            made.scribbles,
            Made(
                how=how,
                of=tuple(Path(name).name if Path(name).is_file() else name for name in names),
                at=datetime.now().astimezone().isoformat(timespec="seconds"),
                by=annotator_name(),
                library=made.library,
                voxels=made.counts,
            ),
        )
        if arguments.out is not None:
            _write(project, case_id, made.scribbles, arguments.out)
        done.append({"case": case_id, "how": how, "of": list(names), **made.counts})
    lines = [_consensus_line(one) for one in done]
    lines.append("Kept as the version 'consensus'; train on it with --strokes-of consensus.")
    lines += [f"Written to {arguments.out}"] if arguments.out else []
    document = {"project": project.folder, "consensus": done, "out": arguments.out}
    return Answer(document, "\n".join(lines))


def _consensus_line(one: dict[str, Any]) -> str:
    return (
        f"{one['case']}: {one['how']} of {', '.join(one['of'])}: {one['several']} voxels that "
        f"several drew, {one['conflicts']} of them differently, {one['undecided']} left open; "
        f"{one['alone']} voxels of one person."
    )


def _people(project: Project, case_id: str) -> list[str]:
    """Whose strokes a consensus is made of: of everybody, but not of an earlier consensus."""
    from napari_scribseg.project.versions import versions_of

    return [one.name for one in versions_of(project.folder, case_id) if one.made is None]


def _cases_of(
    project: Project, cases: Sequence[str], names: Sequence[str], *, given: bool
) -> list[str]:
    """The cases that all of these people have drawn on.

    Raises:
        InvalidInput: there are none, or files were given without a case.
    """
    from napari_scribseg.project.versions import names_of, versions_of

    people = [name for name in names if not Path(name).is_file()]
    if len(people) < len(names) and not given:
        raise InvalidInput("A segmentation belongs to one case: say which with --case.")
    if given:
        return [*cases]
    there = {c: {one.name for one in versions_of(project.folder, c)} for c in cases}
    found = [case_id for case_id in cases if there[case_id] >= {*people}]
    if not found:
        raise InvalidInput(
            f"There is no case with strokes of {' and '.join(people)}; there are strokes of: "
            f"{', '.join(names_of(project.folder, cases)) or 'nobody yet'}."
        )
    return found


def _read(project: Project, case_id: str, name: str) -> Array:
    """The strokes of somebody, or a file of a segmentation."""
    from napari_scribseg.project.teamwork import segmentation_strokes, strokes

    path = Path(name)
    if path.is_file():
        return segmentation_strokes(project, case_id, path)
    return strokes(project, case_id, name)


def _write(project: Project, case_id: str, array: Array, out: Path) -> None:
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.io import write_volume

    write_volume(out, Volume(array, project.case(case_id).grid))
