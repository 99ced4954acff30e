"""Which process that was, and whether it still runs: told apart from a later one of the same id.

Ids are given again, clocks are set, computers are started again, and containers count for
themselves. So a process is known by its id, its start in the system's own count, and where both
of these count.
"""

from __future__ import annotations

import functools
import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Self

import psutil
from pydantic import BaseModel, ConfigDict, Field


class ProcessIdentity(BaseModel):
    """A process of some computer."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: Annotated[int, Field(ge=1)]
    started: str = ""
    """When it began, see `started_of`; "" = unknown."""
    host: str
    boot: str = ""
    """See `boot_of_this_system`; "" = unknown."""

    @classmethod
    def of(cls, pid: int) -> Self:
        """A process of this computer."""
        boot = boot_of_this_system()
        return cls(pid=pid, started=started_of(pid), host=socket.gethostname(), boot=boot)

    @property
    def runs(self) -> bool | None:
        """Whether it runs now; None when that can't be told from here.

        It can't of another computer, and not of another container on the same one. After a new
        start of the computer no process of before it runs.
        """
        if self.host != socket.gethostname():
            return None
        boot, _, names = self.boot.partition("/")
        our_boot, _, our_names = boot_of_this_system().partition("/")
        if boot and our_boot and boot != our_boot:
            return False
        if names and our_names and names != our_names:
            return None
        return runs(self.pid) and self.started in {"", started_of(self.pid)}


def runs(pid: int) -> bool:
    """Whether a process of this computer exists and has not ended.

    One that has ended stays listed until whoever started it asks for its exit code.
    """
    try:
        return psutil.Process(pid).status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.Error:
        return True


def started_of(pid: int) -> str:
    """When a process began, in a count that no change of the clock moves; "" where unknown."""
    if sys.platform == "linux":
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""
        # The name, in brackets, may hold anything; the 22nd field is the 20th behind it.
        return status.rpartition(")")[2].split()[19]
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except (psutil.Error, ValueError, OverflowError):
        return ""


@functools.cache
def boot_of_this_system() -> str:
    """Since which start of which system ids count here: "boot/namespace", "" where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115  no path of a file
    except OSError:
        return ""
