"""export: cases for other programs, as NIfTI files or as an nnU-Net dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from napari_scribseg.cli.answer import Answer, refuse_existing, with_notes
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.runs import add_frame
from napari_scribseg.core.errors import InvalidInput

_LAYOUTS: Final = ("nifti", "nnunet")
"""As in `export`, which takes too long to import for a help text; a test compares the two."""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add export."""
    export = commands.add_parser(
        "export",
        parents=[common],
        help="write cases for other programs, as NIfTI files or an nnU-Net dataset",
        description="Write images, scribbles, references and predictions with the geometry of the "
        "image, and nothing else of their headers. nnunet: scribbles become labels with an ignore "
        "label. A case that can't be written does not stop the others (exit code 1 then).",
    )
    export.add_argument("source", metavar="PROJECT", type=Path, help="a project or dataset folder")
    export.add_argument("--layout", choices=_LAYOUTS, default="nifti", help="nifti unless given")
    export.add_argument("--out", required=True, type=Path, help="a new folder")
    export.add_argument("--case", action="append", help="only this case; may be repeated")
    export.add_argument(
        "--predictions",
        action="append",
        type=Path,
        metavar="FOLDER",
        help="also write the segmentations <case id>.nii.gz of this folder; may be repeated",
    )
    export.add_argument(
        "--reference-images",
        action="store_true",
        help="list where the images are in images.json instead of copying them",
    )
    add_frame(export)
    export.set_defaults(run=run_export)


def run_export(arguments: argparse.Namespace, display: Display) -> Answer:
    """Export a project or a dataset."""
    from napari_scribseg.data.export import export
    from napari_scribseg.project.folder import cases_in

    refuse_existing(arguments.out)
    done = export(
        cases_in(arguments.source, arguments.frame),
        arguments.out,
        arguments.layout,
        cases=arguments.case,
        predictions=_named(arguments.predictions or []),
        copy_images=not arguments.reference_images,
        progress=lambda n, of: display.count("exporting", n, of),
    )
    document = {
        "out": done.folder,
        "layout": done.layout,
        "written": done.written,
        "failed": done.failed,
        "notes": done.notes,
    }
    problems = tuple(f"{case}: {reason}" for case, reason in done.failed.items())
    text = f"{len(done.written)} cases written to {done.folder} ({done.layout})."
    return Answer(document, with_notes(text, done.notes), problems, 1 if problems else 0)


def _named(folders: list[Path]) -> dict[str, dict[str, Path]]:
    """Segmentations by case id, by the name of their folder.

    Raises:
        InvalidInput: a folder is not there, or two have one name.
    """
    from napari_scribseg.data.names import volumes_in
    from napari_scribseg.io import EXTENSIONS

    named: dict[str, dict[str, Path]] = {}
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"{folder} is not a folder; expected one with segmentations.")
        name = folder.resolve().name
        if name in named:
            raise InvalidInput(f"Two folders of predictions are called {name}; rename one.")
        named[name] = volumes_in(folder, EXTENSIONS)
    return named
