"""What a method makes of every case once, before training: computed in processes, kept by content.

A map is recomputed only when the case or an option that it depends on has changed. The cache is
the user's, shared by all runs; a broken entry is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from napari_scribseg.cases import Case
from napari_scribseg.config import MethodConfig
from napari_scribseg.errors import InvalidInput
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.methods.base import Maps, Method

_VERSION = 1
"""Part of every key; raised when a `prepare` of the package computes something else."""
_MOST_WORKERS = 61
"""Windows can't wait for more processes than this."""


@dataclass(frozen=True)
class PreparedCase:
    """A case and its maps; `cached` tells that nothing had to be computed."""

    case: Case
    maps: Maps
    cached: bool


def cache_folder() -> Path:
    """Where maps are kept: SCRIBSEG_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SCRIBSEG_CACHE")
    return (
        Path(chosen) if chosen else platformdirs.user_cache_path("napari-scribseg", appauthor=False)
    )


def prepare_cases(
    method: type[Method],
    options: MethodConfig,
    cases: Iterable[Case],
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[PreparedCase]:
    """The cases with their maps, in order.

    Args:
        method: whose `prepare` is called.
        options: its options.
        cases: taken only a few ahead of what was handed out, to spare memory.
        cancelled: asked between cases; ends the iteration early when true.
    """
    if method.prepare.__func__ is Method.prepare.__func__:
        for case in cases:
            if cancelled():
                return
            yield PreparedCase(case, {}, cached=True)
        return
    workers = min(_cores(), _MOST_WORKERS)
    context = multiprocessing.get_context("spawn")  # a fork of a threaded process may hang
    pool = ProcessPoolExecutor(workers, context, initializer=_begin_worker)
    try:
        yield from _in_order(method, options, cases, cancelled, pool, workers)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _in_order(
    method: type[Method],
    options: MethodConfig,
    cases: Iterable[Case],
    cancelled: Callable[[], bool],
    pool: Executor,
    ahead: int,
) -> Iterator[PreparedCase]:
    waiting: deque[tuple[Case, Path, Maps | Future[Maps]]] = deque()
    for case in cases:
        entry = cache_folder() / "maps" / f"{cache_key(method, options, case)}.safetensors"
        known = _read(entry)
        waiting.append((case, entry, known or pool.submit(method.prepare, case, options)))
        while len(waiting) > 2 * ahead:
            if cancelled():
                return
            yield _result(*waiting.popleft())
    while waiting and not cancelled():
        yield _result(*waiting.popleft())


def cache_key(method: type[Method], options: MethodConfig, case: Case) -> str:
    """A name that changes with the case and with every option that the maps depend on."""
    settings = {name: getattr(options, name) for name in method.prepared_from}
    text = json.dumps([_VERSION, method.name, settings, case.content_hash], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _result(case: Case, entry: Path, maps: Maps | Future[Maps]) -> PreparedCase:
    if not isinstance(maps, Future):
        return PreparedCase(case, maps, cached=True)
    computed = maps.result()
    # The cache only saves time: a full or read-only disk under it must not end a training.
    with contextlib.suppress(OSError, InvalidInput):
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(entry, save(computed))
    return PreparedCase(case, computed, cached=False)


def _read(entry: Path) -> Maps | None:
    try:
        return load_file(entry)
    except (OSError, SafetensorError):
        return None


def _cores() -> int:
    """Cores that this process may use: a cluster grants fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    torch.set_num_threads(1)
