"""The scribbles files of a project: which ones we know, and what happens when they are others."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.io.regular_file import read_regular
from napari_scribseg.project.document import sha256_of


class ScribblesFiles:
    """Writes scribbles, but never over those that something else has written meanwhile."""

    def __init__(self) -> None:
        self._known: dict[Path, str | None] = {}
        """SHA-256 of the files as they were read or written last; None = there was none."""
        self._sitting = secrets.token_hex(3)

    def look_at(self, path: Path) -> None:
        """Note that this file is read now.

        Raises:
            InvalidInput: it can't be read.
        """
        self._known[path] = sum_of(path)
        self._sitting = secrets.token_hex(3)  # what could not be saved before keeps its file

    def replace(self, path: Path, scribbles: Array, grid: Grid, check: Callable[[], None]) -> None:
        """Write scribbles over the ones that we know.

        Args:
            path: the file.
            scribbles: (z, y, x) whole numbers 0..255.
            grid: their geometry.
            check: raises InvalidInput if nothing may be written at all.

        Raises:
            InvalidInput: the file could not be written (the old one is untouched); or the check
                failed or the file was changed: the scribbles are in one beside it then.
        """
        try:
            check()
            self._check_known(path)
        except InvalidInput as conflict:
            beside = path.with_name(f"scribbles.conflict-{self._sitting}.nii.gz")
            write_labels(beside, scribbles, grid)
            raise InvalidInput(
                f"{conflict} What you drew is in {beside.name} beside it."
            ) from conflict
        write_labels(path, scribbles, grid)
        self._known[path] = sha256_of(path)

    def _check_known(self, path: Path) -> None:
        if path not in self._known:
            return  # never looked at: the caller replaces them on purpose
        there = sum_of(path)
        if there is not None and there != self._known[path]:
            raise InvalidInput(
                f"The scribbles {_words(path)} were changed on the disk by something else since "
                "they were opened; that file was left as it is."
            )


def _words(path: Path) -> str:
    """Whose scribbles lie here: of a case, or in it of an annotator."""
    if path.parent.parent.name != "annotators":
        return f"of case {path.parent.name}"
    return f"of case {path.parents[2].name}, drawn by {path.parent.name},"


def write_labels(path: Path, array: Array, grid: Grid) -> None:
    """Write scribbles or a reference as bytes.

    Raises:
        InvalidInput: the file could not be written; what was there before is untouched.
    """
    io.write_volume(path, Volume(array.astype(np.uint8), grid))


def copy_aside(path: Path) -> str:
    """Keep a copy of a file of scribbles, or of a reference, beside it; gives its name.

    Raises:
        InvalidInput: there is no such file, or the copy can't be written.
    """
    now = datetime.now().astimezone()
    stem = f"{path.name.partition('.')[0]}.until-{now:%Y-%m-%dT%H-%M-%S}"
    aside, number = path.with_name(f"{stem}.nii.gz"), 1
    while aside.exists():  # of the same second; that one is kept, too
        number += 1
        aside = path.with_name(f"{stem}-{number}.nii.gz")
    write_bytes(aside, read_regular(path))
    return aside.name


def sum_of(path: Path) -> str | None:
    """SHA-256 of a file; None = there is none.

    Raises:
        InvalidInput: it can't be read.
    """
    return sha256_of(path) if path.is_file() else None
