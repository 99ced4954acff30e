"""Whether the data of a trial is still what was planned: images, scribbles and references.

A plan holds the check sum of every file. Whoever computes a trial reads them again, before it and
after it; a file whose size and times have not changed since this process summed it is not read
again, so a look costs next to nothing for all trials but the first.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.case_facts import CaseFacts
from napari_scribseg.project.document import sha256_of

_PARTS: Final = ("image", "scribbles", "reference")
_MOST_SUMS: Final = 65_536

Stamp = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class DataNow:
    """The data of some cases as it is on the disk.

    Args:
        sha256: over the check sums of all its files.
        changed: what is not as planned, such as "p01 scribbles".
    """

    sha256: str
    changed: tuple[str, ...]


def data_now(cases: Iterable[CaseFacts]) -> DataNow:
    """How the data of cases is now, beside how it was planned.

    Args:
        cases: of a trial.
    """
    digest, changed = hashlib.sha256(), list[str]()
    for case in cases:
        for part in _PARTS:
            path: Path | None = getattr(case.files, part)
            if path is None:
                continue
            found = _sum_now(path)
            digest.update(f"{case.files.id}\0{part}\0{found}\n".encode())
            if found != getattr(case, f"{part}_sha256"):
                changed.append(f"{case.files.id} {part}")
        for one, planned in zip(case.files.further, case.further_sha256, strict=True):
            found = _sum_now(one.path)
            digest.update(f"{case.files.id}\0{one.name}\0{found}\n".encode())
            if found != planned:
                changed.append(f"{case.files.id} {one.name}")
    return DataNow(digest.hexdigest(), tuple(changed))


def _sum_now(path: Path) -> str:
    """Check sum of a file or of a folder of DICOM files, "" where it can't be read."""
    try:
        return _summed(path, _stamp(path))
    except (InvalidInput, OSError):
        return ""


@lru_cache(_MOST_SUMS)
def _summed(path: Path, stamp: Stamp) -> str:  # noqa: ARG001  another stamp is another content
    return sha256_of(path)


def _stamp(path: Path) -> Stamp:
    """Sizes and times of a file, or of all files of a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = ((file, os.stat(file)) for file in files)  # noqa: PTH116  follows links, as reading does
    return tuple(
        (file.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for file, status in found
        if stat.S_ISREG(status.st_mode)
    )
