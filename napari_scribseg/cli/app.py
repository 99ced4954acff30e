"""app: open the window."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.progress import Display


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add app."""
    app = commands.add_parser(
        "app",
        parents=[common],
        help="open napari with the dock at its side",
        description="Open napari with the dock at its side, and in it a volume, a DICOM folder, a "
        "dataset folder or a project. Waits until the window is closed.",
    )
    app.add_argument(
        "path", type=Path, nargs="?", metavar="PATH", help="what to open; the synthetic heart"
    )
    app.set_defaults(run=run_app)


def run_app(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """Open the window, and wait."""
    from napari_scribseg.gui.launch import run_window

    path = None if arguments.path is None else arguments.path.resolve()
    run_window(path)
    return Answer({"opened": path or "sample"}, "")
