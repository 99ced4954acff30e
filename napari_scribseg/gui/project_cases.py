"""The other scribbled cases of a project, to train on them together with the shown one. No Qt."""

from __future__ import annotations

import os
from pathlib import Path

from napari_scribseg.data.case import CaseFiles, CaseKey
from napari_scribseg.gui.values import Snapshot
from napari_scribseg.io import read_labels
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.folder import RunCase


def other_cases(project: Path, shown: Snapshot, data: Path) -> dict[Path, RunCase]:
    """The cases with strokes, other than the shown one, of the same structures.

    Their scribbles are to be copied, so that drawing on does not change what a run was trained
    on; their images stay where they are.

    Args:
        project: a project folder; one without a document has no cases.
        shown: its case is left out, its structures are asked for.
        data: where the copies will be.

    Returns:
        The cases with the copied scribbles, by the files that are to be copied.

    Raises:
        InvalidInput: an image was replaced since it was added, or a file can't be read.
    """
    if not (project / "project.json").is_file():
        return {}
    found: dict[Path, RunCase] = {}
    with Project.open(project, read_only=True) as opened:
        for files in opened.dataset().cases:
            drawn = files.scribbles
            same = opened.schema_of(files.id).names == shown.schema.names
            if (
                drawn is None
                or not same
                or _is_shown(files, CaseKey.in_project(project, files.id), shown)
            ):
                continue
            if not read_labels(drawn).array.any():
                continue
            copy = data / f"{files.id}_{drawn.name}"
            taken = files.model_copy(update={"scribbles": copy, "reference": None})
            found[drawn] = RunCase(files=taken, role="train")
    return found


def _is_shown(files: CaseFiles, case: CaseKey, shown: Snapshot) -> bool:
    """Whether a case of the project is the shown one, or has the very image that is shown."""
    same_file = shown.file is not None and os.path.realpath(files.image) == str(shown.file)
    return case == shown.stored or (same_file and files.frame == shown.image.frame)


def project_of(run: Path) -> Path:
    """The project that a run belongs to, if it belongs to one."""
    return run.absolute().parent.parent
