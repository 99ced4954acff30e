"""A prediction that was killed goes on when its command is repeated.

While a folder of predictions is not complete it holds unfinished.json, which says what was asked
for. The same command then makes only what is missing; any other one is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from napari_scribseg.cli.answer import new_folder
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.atomic import remove_leftovers
from napari_scribseg.io.documents import load_document, save_document

DOCUMENT: Final = "unfinished.json"


class Asked(BaseModel):
    """The document unfinished.json: what the segmentations of a folder are made with and of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    weights_sha256: str
    """Of the checkpoint that predicts."""
    options: dict[str, Any]
    images: dict[str, str]
    """By id: a check sum of path, size and time of change."""


def sum_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, "" when it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def image_sum(path: Path | None, frame: int | None) -> str:
    """What tells an image from another one without reading it; "" for an image without a file."""
    if path is None:
        return ""
    try:
        stat = path.stat()
    except OSError:
        return ""
    text = f"{path.absolute()}|{stat.st_size}|{stat.st_mtime_ns}|{frame}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_unfinished(folder: Path) -> bool:
    """Whether this is a folder of predictions that is not complete."""
    return (folder / DOCUMENT).is_file()


def begin(folder: Path, asked: Asked, files: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Make the folder of predictions, or go on with it; gives the ids that are done already.

    Args:
        folder: a new one, or one that the same command was killed in.
        asked: what is asked for now.
        files: by id, the names of the files that are written of an image.

    Raises:
        InvalidInput: something else is in the folder, or it can't be written.
    """
    if not is_unfinished(folder):
        save_document(new_folder(folder) / DOCUMENT, asked)
        return ()
    before = load_document(folder / DOCUMENT, Asked)
    if before != asked:
        raise InvalidInput(
            f"{folder} holds a prediction that was not finished, {_difference(before, asked)}. "
            "Repeat the command that began it to finish it, or choose another place with --out."
        )
    remove_leftovers(folder)
    return tuple(i for i, names in files.items() if all((folder / n).is_file() for n in names))


def finish(folder: Path) -> None:
    """Say that everything that was asked for is there."""
    (folder / DOCUMENT).unlink(missing_ok=True)


def _difference(before: Asked, now: Asked) -> str:
    if before.weights_sha256 != now.weights_sha256:
        return "made with other weights than the run has now"
    changed = [name for name in now.options if before.options.get(name) != now.options[name]]
    if changed:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        return f"made with other options ({names})"
    return "of other images"
