"""What a run is called on the screen, the same in every list: its method's title and when it began.

No Qt, no napari.
"""

from __future__ import annotations

from datetime import datetime

from napari_scribseg.methods.registry import title_of


def run_title(method: str, created: str) -> str:
    """The title of a run: "EFFDNet · 20 Nov 21:03".

    Args:
        method: its name, as in the record of the run.
        created: as in the record of the run, ISO 8601.

    Raises:
        ValueError: it is no date.
    """
    return f"{title_of(method)} · {datetime.fromisoformat(created).astimezone():%d %b %H:%M}"
