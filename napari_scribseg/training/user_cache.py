"""Where the engine keeps what it can compute again: the user's cache folder, shared by all runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder: SCRIBSEG_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SCRIBSEG_CACHE")
    return (
        Path(chosen) if chosen else platformdirs.user_cache_path("napari-scribseg", appauthor=False)
    )
