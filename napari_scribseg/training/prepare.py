"""What a method makes of every case once, before training: computed in processes, kept by content.

A map is recomputed only when the case or an option that it depends on has changed. The cache is
the user's, shared by all runs; a broken entry is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from napari_scribseg.batches.patches import PatchSet, SampleSet
from napari_scribseg.batches.slices import SliceSet
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import Case
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.methods.base import Maps, Method
from napari_scribseg.runs.children import helper_pool
from napari_scribseg.training.user_cache import cache_folder

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


def empty_samples(
    method: type[Method], options: MethodConfig, schema: LabelSchema, spacing_mm: float
) -> SampleSet:
    """Where the cases go that the method learns from: as slices, or as volumes for patches.

    Args:
        method: decides which.
        options: its options, `fitted`.
        schema: the structures.
        spacing_mm: in-plane pixel size that the network is shown.
    """
    if method.sample == "slice":
        return SliceSet(schema, spacing_mm)
    return PatchSet(schema, spacing_mm, method.patch_depth(options))


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

    Raises:
        RunError: a process was killed.
    """
    if method.prepare.__func__ is Method.prepare.__func__:
        for case in cases:
            if cancelled():
                return
            yield PreparedCase(case, {}, cached=True)
        return
    workers = min(_cores(), _MOST_WORKERS)
    try:
        with helper_pool(workers, _begin_helper) as pool:
            yield from _in_order(method, options, cases, cancelled, pool, workers)
    except BrokenExecutor as error:
        if cancelled():  # a request to terminate has reached all processes
            return
        raise RunError(
            "A process that prepares the cases was killed, most likely because memory ran out. "
            "Close other programs, then train again: what was prepared is kept."
        ) from error


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
        with _deaf_to_interrupts():
            maps = known or pool.submit(method.prepare, case, options)
        waiting.append((case, entry, maps))
        while len(waiting) > 2 * ahead:
            if cancelled():
                return
            yield _result(*waiting.popleft())
    while waiting and not cancelled():
        yield _result(*waiting.popleft())


def cache_key(method: type[Method], options: MethodConfig, case: Case) -> str:
    """A name that changes with the case and with every option that the maps depend on."""
    settings = {name: getattr(options, name) for name in method.prepared_from}
    text = json.dumps([_VERSION, method.spec.name, settings, case.content_hash], sort_keys=True)
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


@contextlib.contextmanager
def _deaf_to_interrupts() -> Generator[None]:
    """Processes started within never hear Ctrl-C, not even while they load: we answer it."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_helper() -> None:
    torch.set_num_threads(1)
