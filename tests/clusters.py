"""A scheduler and workers of Dask on this computer, each worker a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")

WORKER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
{before}
from distributed.cli.dask_worker import main
main({words!r})
"""


@contextlib.contextmanager
def scheduler_here() -> Generator[str]:
    """A scheduler without workers; gives its address."""
    import distributed

    with distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


@contextlib.contextmanager
def worker(address: str, name: str, before: str = "") -> Generator[subprocess.Popen[bytes]]:
    """A worker process of its own, on a host that calls itself `name`.

    Args:
        address: of the scheduler.
        name: of the host.
        before: Python that it runs before it begins.
    """
    words = [address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    before = f"import socket; socket.gethostname = lambda: {name!r}\n{before}"
    code = WORKER.format(root=str(ROOT), tests=str(ROOT / "tests"), before=before, words=words)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
