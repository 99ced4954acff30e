"""Saving into a project what an earlier sitting left in a journal."""

from __future__ import annotations

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.project import journals
from napari_scribseg.project.folder import Project
from napari_scribseg.project.journals import Restored
from napari_scribseg.project.strokes_ledger import Stroke, found_strokes


def save_left(project: Project, left: Restored) -> str:
    """Save the strokes of a journal and end it; gives what is to be told, or "".

    Scribbles that were saved since that sitting began are put into a file beside.

    Raises:
        InvalidInput: the project has no such case or can't be changed; nothing is lost.
    """
    case_id, of, note = left.header.case, left.header.annotator, ""
    if case_id not in project.case_ids:
        raise InvalidInput(
            f"Case {case_id} is not in the project {project.title}; its strokes are kept."
        )
    saved = project.scribbles_sha256(case_id, of)
    if saved is not None and saved != left.header.scribbles_sha256:
        name = project.copy_scribbles_aside(case_id, of)
        note = f"What was saved since then is in {name} beside the scribbles."
    project.save_scribbles(
        case_id,
        left.scribbles,
        schema=left.labels,
        annotator=of,
        strokes=left.ledger or (_told_by_journal(left),),
    )
    journals.discard(left.path)
    return note


def _told_by_journal(left: Restored) -> Stroke:
    """What a journal without strokes of its own tells: who wrote it."""
    by = left.header.writer.user
    return found_strokes(left.scribbles, left.changed, by, left.header.annotator)
