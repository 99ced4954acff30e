"""What a training does when the disk is full: it says so, waits for room, and goes on.

Nothing is lost meanwhile: what could not be written is still in memory, and what was written
before is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Final

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import Event, Warned
from napari_scribseg.io.atomic import is_disk_full

_TRY_SECONDS: Final = 5.0
"""Between two attempts to write."""
_LOOK_SECONDS: Final = 0.2
"""Between two looks at whether somebody asks to end."""


def written_when_there_is_room(
    write: Callable[[], object],
    given_up: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Event, None, float | None]:
    """Write something, after waiting for room if the disk is full; tells when it waits.

    Args:
        write: called until it succeeds.
        given_up: whether somebody asks to end, so that there is no waiting any more.
        clock: counts the seconds.

    Returns:
        How long it has waited for room; None when it was given up, and nothing is written.

    Raises:
        ScribsegError: writing failed for another reason; so does an OSError.
    """
    since: float | None = None
    while True:
        tried = clock()
        try:
            write()
        except (ScribsegError, OSError) as error:
            if not is_disk_full(error):
                raise
            if since is None:
                since = tried
                yield Warned(
                    message=f"{error} The training waits until there is room, and goes on by "
                    "itself then; when it is stopped, the last checkpoint stays."
                )
        else:
            if since is None:
                return 0.0
            waited = tried - since
            yield Warned(message="There is room on the disk again: the training goes on.")
            return waited
        again = time.monotonic() + _TRY_SECONDS
        while time.monotonic() < again:
            if given_up():
                return None
            time.sleep(_LOOK_SECONDS)
