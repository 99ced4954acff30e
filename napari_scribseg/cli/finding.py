"""find: which cases are in files and folders of any kind."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scribseg.cli.answer import Answer, columns
from napari_scribseg.cli.progress import Display

if TYPE_CHECKING:
    from napari_scribseg.data.found import Found, FoundCase


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add find."""
    find = commands.add_parser(
        "find",
        parents=[common],
        help="list the cases in any files and folders, and what belongs together",
        description="List the cases in files and folders of any kind: trees of NIfTI, NRRD or "
        "MetaImage files, DICOM exports, datasets. Says what belongs to each image, whose it is, "
        "what was left out and why. Nothing is changed; the window's Open shows the same list.",
    )
    find.add_argument("paths", metavar="PATH", type=Path, nargs="+", help="a file or folder")
    find.set_defaults(run=run_find)


def run_find(arguments: argparse.Namespace, display: Display) -> Answer:
    """Find cases."""
    from napari_scribseg.data.find import find_cases

    display.say("Looking for cases …")
    found = find_cases(arguments.paths)
    text = "\n".join(
        [
            found.summary(),
            *(["", _table(found)] if found.cases else []),
            *_listed("", [one.sentence() for one in found.values]),
            *_listed("Notes:", found.notes),
            *_listed("Left out:", found.left_out_sentences()),
            *_listed("Projects:", map(str, found.projects)),
        ]
    )
    return Answer(_document(found), text)


def _table(found: Found) -> str:
    rows = [("case", "patient", "voxels z y x", "mm z y x", "kind", "belongs to it", "remark")]
    rows += [_row(case) for case in found.cases]
    return columns(rows)


def _row(case: FoundCase) -> tuple[str, ...]:
    return (
        case.files.id,
        case.files.patient,
        case.size,
        case.spacing_text,
        case.modality or "-",
        case.belongings or "-",
        case.remark,
    )


def _listed(title: str, sentences: Any) -> list[str]:
    lines = list(sentences)
    return ["", *([title] if title else []), *lines] if lines else []


def _document(found: Found) -> dict[str, Any]:
    return {
        "title": found.title,
        "summary": found.summary(),
        "cases": [
            {
                **case.files.model_dump(mode="json", include=_FIELDS),
                "shape": case.shape,
                "spacing_mm": case.spacing,
                "frames": case.n_frames,
                "modality": case.modality,
                "sequence": case.sequence,
                "series": case.series,
                "ticked": case.is_ticked,
                "remark": case.remark,
            }
            for case in found.cases
        ],
        "values": [{"kind": one.kind, "voxels": dict(one.counts)} for one in found.values],
        "left_out": [{"name": one.name, "why": one.why} for one in found.left_out],
        "projects": list(found.projects),
        "notes": list(found.notes),
    }


_FIELDS = {"id", "patient", "image", "scribbles", "reference", "phase", "frame"}
