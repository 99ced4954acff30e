"""The DICOM files of a folder, or of the folders inside it, sorted into series."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.dicom import LeftOut, Slice, read_headers
from napari_scribseg.io.regular_file import reason, shown

MAX_FILES: Final = 20_000
_SAME_DIRECTION: Final = 1e-3


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Args:
        series: slices by the name of their series: its UID, with "#1", "#2", ... behind it where
            one series has several stacks.
        left_out: DICOM files that give no slices.
        n_other: files that are not DICOM.
    """

    series: dict[str, list[Slice]]
    left_out: tuple[LeftOut, ...]
    n_other: int

    @property
    def n_patients(self) -> int:
        """Number of patients whose slices lie here."""
        return len({item.patient for slices in self.series.values() for item in slices})

    def problems_of(self, uid: str) -> list[str]:
        """Why a series is not whole: sentences about files that could be a part of it."""
        own = uid.partition("#")[0]
        folders = {item.path.parent for item in self.series.get(uid, ())}
        return [
            one.problem
            for one in self.left_out
            if one.problem
            and (one.series == own or (not one.series and one.path.parent in folders))
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What lies there and is no slice."""
        notes: list[str] = []
        kinds = Counter(one.kind for one in self.left_out)
        if kinds:
            listing = ", ".join(f"{kind} ({n})" for kind, n in sorted(kinds.items()))
            notes.append(
                f"{len(self.left_out)} DICOM file(s) in the folder were left out: {listing}."
            )
        if self.n_other:
            notes.append(f"{self.n_other} other file(s) in the folder were not read.")
        return tuple(notes)


def scan(folder: Path) -> Found:
    """The DICOM images in a folder; in those below it, too, when it has none of its own.

    Args:
        folder: or one file, of which only that file is looked at.

    Raises:
        InvalidInput: the folder can't be read or has too many files.
    """
    if folder.is_file():
        return _sorted_out([folder])
    own = _sorted_out(_files(folder, deep=False))
    if own.series or own.left_out:
        return own
    deep = _sorted_out(_files(folder, deep=True))
    return deep if deep.series or deep.left_out else own


def scan_own(folder: Path) -> Found:
    """The DICOM images that lie in a folder itself.

    Raises:
        InvalidInput: the folder can't be read or has too many files.
    """
    return _sorted_out(_files(folder, deep=False))


def _files(folder: Path, *, deep: bool) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise InvalidInput(f"{shown(folder)} can't be read: {reason(error)}.") from error

    paths: list[Path] = []
    for where, below, names in os.walk(folder, onerror=refuse):
        below[:] = sorted(name for name in below if deep and not name.startswith("."))
        inside = (Path(where, name) for name in sorted(names) if not name.startswith("."))
        paths += [path for path in inside if path.is_file()]
        if len(paths) > MAX_FILES:
            raise InvalidInput(
                f"{shown(folder)} has {len(paths)} files or more, expected at most {MAX_FILES}; "
                "choose a folder inside it."
            )
    return paths


def _sorted_out(paths: Sequence[Path]) -> Found:
    slices: dict[str, list[Slice]] = {}
    left_out: list[LeftOut] = []
    n_other = 0
    for path in paths:
        if path.name.upper() == "DICOMDIR":
            continue
        found = read_headers(path)
        if found is None:
            n_other += 1
        elif isinstance(found, LeftOut):
            left_out.append(found)
        else:
            slices.setdefault(found[0].series, []).extend(found)
    series: dict[str, list[Slice]] = {}
    for uid, items in slices.items():
        stacks = _stacks(items)
        names = [uid] if len(stacks) == 1 else [f"{uid}#{k}" for k in range(1, len(stacks) + 1)]
        series.update(zip(names, stacks, strict=True))
    return Found(series, tuple(left_out), n_other)


def _stacks(items: list[Slice]) -> list[list[Slice]]:
    """The stacks of an enhanced series; files of one slice each are always one stack."""
    if any(item.frame is None for item in items):
        return [items]
    stacks = _grouped(items, lambda a, b: _parallel(a, b) and a.stack == b.stack)
    # Some programs number the slices of one stack in StackID.
    return stacks if min(map(len, stacks)) > 1 else _grouped(items, _parallel)


def _grouped(items: list[Slice], alike: Callable[[Slice, Slice], bool]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for item in items:
        own = next((group for group in groups if alike(group[0], item)), None)
        if own is None:
            groups.append([item])
        else:
            own.append(item)
    return groups


def _parallel(a: Slice, b: Slice) -> bool:
    return bool(np.abs(a.axes - b.axes).max() <= _SAME_DIRECTION)
