"""Whether a prediction fits into the memory that is free, said before it is begun."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Channels, channels_of

_FLOAT: Final = 4
_NETWORK_BYTES: Final = 1100
"""That a network takes per pixel it is shown at once: Scribble2D5 about so much, `random_walker`
in bfloat16 about half (peaks measured on a CPU); a wider network takes more."""
_SLICES_AT_ONCE: Final = 8
_PIXELS_AT_ONCE: Final = 8 * 256 * 256
"""Fewer large slices at once: what a network keeps of them is what takes most of the memory."""
_CGROUP: Final = (
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
"""Of a container, in both versions of Linux's control groups: the folder, its files of limit and
use, and what of the use, by its name in `memory.stat`, is read files that are kept while there is
room."""


def slices_at_once(shape: tuple[int, int]) -> int:
    """How many slices of this shape (y, x) are shown to a network at once."""
    return max(1, min(_SLICES_AT_ONCE, _PIXELS_AT_ONCE // (shape[0] * shape[1])))


def prediction_bytes(
    image: Channels,
    n_classes: int,
    shown: tuple[int, int, int],
    *,
    n_voxels: int,
    probabilities: bool,
    uncertainty: bool,
    patch_depth: int = 1,
    window: tuple[int, int] | None = None,
    turned: bool = False,
) -> int:
    """About how much memory a prediction takes beside the image itself.

    Args:
        image: (z, y, x), or several sequences, in memory already.
        n_classes: background included.
        shown: shape (z, y, x) of the volume as the network sees it.
        n_voxels: of the image, that are wanted.
        probabilities: whether they are kept.
        uncertainty: whether it is kept.
        patch_depth: slices that the network sees at once; 1 = it sees slices.
        window: size (y, x) of what it sees of them at once; None = all of it.
        turned: whether the network sees the axes in another order than they are stored in.
    """
    channels = channels_of(image)
    sizes = [c.size * max(_FLOAT, c.itemsize) + turned * c.nbytes for c in channels]
    # Those of several sequences are put behind each other.
    normalised = sum(sizes) * (1 if len(sizes) == 1 else 2)
    kept = n_voxels * (1 + _FLOAT * (n_classes * probabilities + uncertainty))
    in_plane = shown[1] * shown[2]
    maps = 4 * _FLOAT * n_classes
    if patch_depth == 1:
        pixels = slices_at_once((shown[1], shown[2])) * in_plane
        return normalised + kept + pixels * (_NETWORK_BYTES + maps)
    # As it is shown, and with air around it.
    normalised += len(sizes) * 2 * _FLOAT * shown[0] * in_plane
    seen = in_plane if window is None else window[0] * window[1]
    return normalised + kept + patch_depth * (seen * _NETWORK_BYTES + max(seen, in_plane) * maps)


def refuse_too_large(
    image: Channels,
    n_classes: int,
    shown: tuple[int, int, int],
    *,
    n_voxels: int,
    probabilities: bool,
    uncertainty: bool,
    patch_depth: int = 1,
    window: tuple[int, int] | None = None,
    turned: bool = False,
) -> None:
    """Raises InvalidInput when a prediction needs more memory than is free, and says what helps.

    Arguments are those of `prediction_bytes`.
    """
    free = free_bytes()

    def needed(*, maps: bool) -> int:
        return prediction_bytes(
            image,
            n_classes,
            shown,
            n_voxels=n_voxels,
            probabilities=probabilities and maps,
            uncertainty=uncertainty and maps,
            patch_depth=patch_depth,
            window=window,
            turned=turned,
        )

    if free is None or needed(maps=True) <= free:
        return
    size = " x ".join(map(str, channels_of(image)[0].shape))
    helps = "Close other programs, or predict on a computer with more memory."
    if needed(maps=False) <= free:
        helps = (
            f"Without the maps of probability and uncertainty it takes {_gb(needed(maps=False))}: "
            "leave them out, or close other programs."
        )
    raise InvalidInput(
        f"Segmenting this image of {size} voxels (z, y, x) takes about {_gb(needed(maps=True))} of "
        f"memory, and {_gb(free)} are free. {helps}"
    )


def free_bytes() -> int | None:
    """Memory that can be had now without pushing others out, None where it isn't known."""
    known = [size for size in (_of_system(), _of_container()) if size is not None]
    return min(known, default=None)


def _of_system() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(ImportError):
        import psutil

        return int(psutil.virtual_memory().available)
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container() -> int | None:
    for folder, limit, used, cached in _CGROUP:
        with contextlib.suppress(OSError, ValueError):  # "max" = no limit
            left = _number(folder, limit) - _number(folder, used) + _cached(folder, cached)
            return max(left, 0)
    return None


def _number(folder: str, name: str) -> int:
    return int((Path(folder) / name).read_text(encoding="ascii"))


def _cached(folder: str, name: str) -> int:
    with contextlib.suppress(OSError):
        for line in (Path(folder) / "memory.stat").read_text(encoding="ascii").splitlines():
            known, _, size = line.partition(" ")
            if known == name:
                return int(size)
    return 0


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
