"""Folders from a stranger: modules that tell when they are executed."""

from __future__ import annotations

import os
from pathlib import Path

MODULES = (
    *("numpy", "torch", "scipy", "pydantic", "pydantic_core", "safetensors", "nibabel"),
    *("SimpleITK", "pydicom", "skimage", "matplotlib", "rich", "jinja2", "platformdirs"),
    *("psutil", "distributed", "pydensecrf", "monai", "napari", "qtpy"),
    *("csv", "multiprocessing", "tempfile", "statistics"),
)
AT_START = ("sitecustomize", "usercustomize")
"""What Python itself looks for when it starts."""
_BODY = """
import os
with open({log!r}, "a") as log:
    log.write("{name} %d\\n" % os.getpid())
raise ImportError("a stranger's module was executed")
"""


def lay_traps(folder: Path, log: Path) -> None:
    """Put modules into a folder that write their name and process to a log when executed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*MODULES, *AT_START):
        (folder / f"{name}.py").write_text(_BODY.format(log=str(log), name=name))


def executed(log: Path) -> list[tuple[str, int]]:
    """Which modules were executed, and by which process."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def environment(python_path: str = "") -> dict[str, str]:
    """The environment, with empty and relative entries around the module path."""
    known = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(["", python_path or ".", known, ""])}
