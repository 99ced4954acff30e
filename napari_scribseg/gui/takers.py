"""Who takes what is opened through napari: the dock in the viewer that is used, if there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Taker = Callable[[Sequence[Path]], None]

_takers: list[tuple[Any, Taker]] = []
"""Viewers with an open dock, and what takes what is opened there."""


def take_for(viewer: Any, taker: Taker) -> Callable[[], None]:
    """Let a dock take what is opened or dropped in its viewer; gives what ends that."""
    entry = (viewer, taker)
    _takers.append(entry)

    def end() -> None:
        if entry in _takers:
            _takers.remove(entry)

    return end


def taker_here() -> Taker | None:
    """What takes what is opened in the viewer that is used now."""
    if not _takers:
        return None
    from napari import current_viewer

    viewer = current_viewer()
    return next((taker for owner, taker in reversed(_takers) if owner is viewer), None)
