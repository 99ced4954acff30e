"""Names: paths that stay inside a folder, ids that can be file names.

Every name of the outside world becomes (part of) a file name here and nowhere else: `safe_id` (in
pseudonyms.py) for a name alone, `distinct_ids` and `distinct_slugs` where several must stay apart,
`slug` where something else makes the name unique. Upper and lower case count as equal, as on most
disks.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.pseudonyms import digest, is_device, safe_id

TRAIN: Final = "train"
"""Split of every case of a folder that has no splits."""
TEST: Final = "test"
"""Split of cases that a folder sets apart for testing."""
_MAP: Final = re.compile(r"_(?:uncertainty|probabilities_[A-Za-z0-9._-]+)$")
"""Ends the name of a map that lies beside a segmentation."""


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


def slug(name: str, longest: int = 64) -> str:
    """A readable part of a file name for any name; several names may have the same."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:longest].rstrip("._-")
    return f"case-{plain}"[:longest] if is_device(plain) else plain or "case"


def distinct_slugs(names: Sequence[str]) -> tuple[str, ...]:
    """A readable part of a file name for each of some names, no two of them the same."""
    short = [slug(name) for name in names]
    known = Counter(each.casefold() for each in short)
    return _without_twins(
        [
            each if known[each.casefold()] == 1 else safe_id(n)
            for n, each in zip(names, short, strict=True)
        ],
        names,
    )


def told_apart(names: Sequence[str], places: Sequence[PurePath]) -> tuple[str, ...]:
    """What to call files whose names are not all different: p1/image and p2/image.

    Args:
        names: of the files, without ending.
        places: their paths.

    Returns:
        Each name, with those of its folders in front that tell it from the others of that name;
        files of one name in one folder keep it.
    """
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name.casefold(), []).append(index)
    found = list(names)
    for group in groups.values():
        folders = {index: _folders_of(places[index]) for index in group}
        if len(set(folders.values())) < 2:
            continue
        kept = _telling_folders(list(folders.values()))
        for index, parts in zip(group, kept, strict=True):
            found[index] = "/".join((*parts, names[index]))
    return tuple(found)


def distinct_ids(
    names: Sequence[str], places: Sequence[PurePath], series: Collection[str] = ()
) -> tuple[str, ...]:
    """An id for each of some files; those of one name get folders in front: p1_image, p2_image.

    Args:
        names: of the files, without ending.
        places: their paths, which are all different.
        series: the names that are folders with DICOM files, see `safe_id`.
    """
    called = distinct_names(names, places)
    ids = [safe_id(c, series=n in series) for n, c in zip(names, called, strict=True)]
    return _without_twins(ids, [str(place) for place in places])


def distinct_names(names: Sequence[str], places: Sequence[PurePath]) -> tuple[str, ...]:
    """What `distinct_ids` makes ids of; may be names of persons, so it goes into no file."""
    return tuple(name.replace("/", "_") for name in told_apart(names, places))


def _without_twins(ids: Sequence[str], origins: Sequence[str]) -> tuple[str, ...]:
    """The ids, with a hash of where they are from behind all that are not alone."""
    known = Counter(each.casefold() for each in ids)
    found = [
        each if known[each.casefold()] == 1 else f"{each[:55].rstrip('.')}-{digest(origin)}"
        for each, origin in zip(ids, origins, strict=True)
    ]
    taken: set[str] = set()
    for index, each in enumerate(found):
        number, free = 1, each
        while free.casefold() in taken:  # somebody has named a file like our hash
            number += 1
            free = f"{each[:58]}-{number}"
        taken.add(free.casefold())
        found[index] = free
    return tuple(found)


def _folders_of(place: PurePath) -> tuple[str, ...]:
    parts = place.parent.parts
    return parts[1:] if place.anchor else parts


def _telling_folders(folders: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The last folders of each that tell it from the others, without those that all share."""
    deepest = max(map(len, folders))
    apart = _n_different(folders, deepest)
    depth = next(d for d in range(1, deepest + 1) if _n_different(folders, d) == apart)
    shared = [
        level
        for level in range(1, depth + 1)
        if all(len(parts) >= level and parts[-level] == folders[0][-level] for parts in folders)
    ]
    return [
        tuple(
            p
            for level, p in zip(range(len(f), 0, -1), f, strict=True)
            if level <= depth and level not in shared
        )
        for f in folders
    ]


def _n_different(folders: Iterable[tuple[str, ...]], depth: int) -> int:
    return len({"/".join(parts[-depth:]).casefold() for parts in folders})


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


def segmentations_in(folder: Path) -> dict[str, Path]:
    """The segmentations in a folder of predictions by id, without the maps that lie beside them.

    Raises:
        InvalidInput: two files have one name.
    """
    names = volumes_in(folder, (".nii.gz",))
    # A case may be called like a map; a map lies beside the segmentation it belongs to.
    return {name: path for name, path in names.items() if not _is_map(name, names)}


def _is_map(name: str, names: Collection[str]) -> bool:
    return (base := _MAP.sub("", name)) != name and base in names


def stem_of(name: str, endings: Sequence[str]) -> str | None:
    """A file name without its ending; None when it has none of these endings."""
    for ending in sorted(endings, key=len, reverse=True):
        if name.lower().endswith(ending.lower()) and len(name) > len(ending):
            return name[: -len(ending)]
    return None


def few(names: Collection[str]) -> str:
    """The first eight of some names, sorted, for a sentence."""
    return ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
