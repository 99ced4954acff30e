"""Names: paths that stay inside a folder, ids that can be file names."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from napari_scribseg.core.errors import InvalidInput

TRAIN: Final = "train"
"""Split of every case of a folder that has no splits."""
TEST: Final = "test"
"""Split of cases that a folder sets apart for testing."""

_PHASE: Final = re.compile(r"(?:[_-](?:frame\d+|ED|ES))+$", re.IGNORECASE)
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def path_inside(folder: Path, name: str, where: str) -> Path:
    """The path of a name given relative to a folder, links resolved, surely inside the folder.

    Args:
        folder: an existing folder.
        name: with forward slashes, as documents store it; need not exist.
        where: what gave the name, for the sentence.

    Raises:
        InvalidInput: the name is empty, absolute, has "..", a drive, a backslash or a NUL, or a
            link on the way leads out of the folder.
    """
    root = os.path.realpath(folder)
    parts = PurePosixPath(name).parts
    strange = "\0" in name or "\\" in name or ".." in parts or not parts
    if not strange and not name.startswith("/") and not PureWindowsPath(name).drive:
        path = os.path.realpath(os.path.join(root, *parts))  # noqa: PTH118
        if path != root and os.path.commonpath([root, path]) == root:
            return Path(path)
    raise InvalidInput(
        f"{where}: the path {name!r} leads out of the folder or is not a plain relative path; "
        "expected something like images/case1.nii.gz."
    )


def examination_of(case_id: str) -> str:
    """Which examination a case is of: endings for phase and frame (_ED, _ES, _frameNN) cut off."""
    return _PHASE.sub("", case_id) or case_id


def safe_id(name: str) -> str:
    """An id for any name: the name itself where it is harmless, else a slug with a hash."""
    if _ID.fullmatch(name):
        return name
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:48] or "case"
    return f"{slug}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def volumes_in(folder: Path, endings: Sequence[str], *, folders: bool = False) -> dict[str, Path]:
    """Volumes of a folder by name without ending, sorted; hidden files are left out.

    Raises:
        InvalidInput: two files have one name (a.nii.gz and a.mha).
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        stem = path.name if folders and path.is_dir() else stem_of(path.name, endings)
        if stem is None or path.name.startswith("."):
            continue
        if stem in found:
            raise InvalidInput(f"{folder} has both {found[stem].name} and {path.name}; keep one.")
        found[stem] = path
    return found


def stem_of(name: str, endings: Sequence[str]) -> str | None:
    """A file name without its ending; None when it has none of these endings."""
    for ending in sorted(endings, key=len, reverse=True):
        if name.lower().endswith(ending.lower()) and len(name) > len(ending):
            return name[: -len(ending)]
    return None


def few(names: Collection[str]) -> str:
    """The first eight of some names, sorted, for a sentence."""
    return ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
