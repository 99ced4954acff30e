"""Models as single files: taken into a project, and written to be given away. No Qt, no napari."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.io.regular_file import read_regular
from napari_scribseg.runs.commands import Children
from napari_scribseg.runs.model_file import ENDING, IN_FOLDER, read_model_file


def export_model(run: Path, path: Path, children: Children) -> Path:
    """Write the model of a run as one file that can be given away; gives its path.

    A file of that name is replaced, once the new one is whole: whoever chose it was asked.

    Raises:
        RunError: the child failed; the message is the child's.
    """
    named = path if path.suffix == ENDING else path.with_name(f"{path.name}{ENDING}")
    if not named.exists():
        children.run(["export-model", str(run), str(named), "--json"])
        return named
    beside = named.with_name(f".{uuid4().hex}{ENDING}")
    try:
        children.run(["export-model", str(run), str(beside), "--json"])
        beside.replace(named)
    finally:
        beside.unlink(missing_ok=True)
    return named


def take_model(project: Path, path: Path) -> Path:
    """Copy a model file into a folder among the runs of a project, where it predicts like one.

    A model that is there already is not copied again.

    Raises:
        InvalidInput: it is no model file, or damaged or newer, or the folder can't be written.
    """
    read_model_file(path)
    content = read_regular(path)
    stem = safe_id(path.name.removesuffix(ENDING))
    number, folder = 1, project / "runs" / stem
    while folder.exists():
        there = folder / IN_FOLDER
        if there.is_file() and there.read_bytes() == content:
            return folder
        number += 1
        folder = folder.with_name(f"{stem}-{number}")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InvalidInput(f"{folder} can't be made: {error.strerror}.") from error
    write_bytes(folder / IN_FOLDER, content)
    return folder
