"""The connection to a scheduler of Dask; the package is imported late, since few need it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from napari_scribseg.core.errors import InvalidInput, RunError

_CONNECT_SECONDS = 30


@contextmanager
def dask_client(address: str) -> Generator[Any]:
    """A client of a scheduler.

    Raises:
        InvalidInput: dask.distributed is not installed.
        RunError: nobody answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidInput(
            "A cluster needs dask.distributed: pip install 'napari-scribseg[cluster]'."
        ) from error
    # A scheduler that is gone is told in a sentence of ours, not in Dask's traceback.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(
            f"No scheduler answers at {address}: {error}. Start one with `dask scheduler`, and "
            "give the address that it prints."
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # it may be gone
            client.close(timeout=2)
