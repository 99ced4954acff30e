"""import-segmentation: what other programs have outlined on a DICOM series."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scribseg.cli.answer import Answer, refuse_existing, with_notes
from napari_scribseg.cli.progress import Display
from napari_scribseg.core.errors import InvalidInput

if TYPE_CHECKING:
    from napari_scribseg.core.labels import LabelSchema


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add import-segmentation."""
    command = commands.add_parser(
        "import-segmentation",
        parents=[common],
        help="make a label file of a DICOM SEG or RTSTRUCT file and its series",
        description="Write the structures of a DICOM SEG or RTSTRUCT file as numbers, voxel by "
        "voxel on the DICOM series that they were drawn on, and their names beside it in "
        "labels.json. Nothing is resampled: a file of another series, space or patient is refused. "
        "No name or number of the patient is written.",
    )
    command.add_argument("file", metavar="FILE", type=Path, help="a DICOM SEG or RTSTRUCT file")
    command.add_argument(
        "--series", metavar="FOLDER", type=Path, required=True, help="the series of the image"
    )
    command.add_argument("--out", metavar="FILE", type=Path, required=True, help="NAME.nii.gz")
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--structure",
        metavar="NAME",
        action="append",
        help="only this structure; may be repeated, the first one becomes 1",
    )
    which.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help="a labels.json: its structures with its numbers, for several patients alike",
    )
    command.add_argument(
        "--later-covers",
        action="store_true",
        help="where structures overlap, the later one counts; otherwise that is refused",
    )
    command.set_defaults(run=run_import)


def run_import(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """Write what another program has outlined as labels."""
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.data.segmentation_import import import_segmentation
    from napari_scribseg.io import EXTENSIONS, extension_of, write_volume
    from napari_scribseg.io.documents import load_document, save_document

    if extension_of(arguments.out) not in EXTENSIONS:
        raise InvalidInput(f"{arguments.out} has no ending of a volume: use NAME.nii.gz.")
    refuse_existing(arguments.out)
    done = import_segmentation(
        arguments.file,
        arguments.series,
        structures=arguments.structure,
        schema=load_document(arguments.labels, LabelSchema) if arguments.labels else None,
        later_covers=arguments.later_covers,
    )
    names = arguments.out.with_name("labels.json")
    _refuse_other_names(names, done.schema)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_volume(arguments.out, done.volume)
    if not names.exists():
        save_document(names, done.schema)
    voxels = {
        name: int((done.volume.array == number).sum())
        for number, name in enumerate(done.schema.names)
        if number
    }
    listing = ", ".join(f"{k} = {name}" for k, name in enumerate(voxels, start=1))
    document = {"out": arguments.out, "labels": names, "voxels": voxels, "notes": done.notes}
    return Answer(document, with_notes(f"Written to {arguments.out}: {listing}.", list(done.notes)))


def _refuse_other_names(path: Path, schema: LabelSchema) -> None:
    """Refuse to write numbers beside a document that gives them other names."""
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.io.documents import load_document

    if not path.exists():
        return
    there = load_document(path, LabelSchema)
    if there.names != schema.names:
        raise InvalidInput(
            f"{path} names other structures ({', '.join(there.names[1:])}) than the file "
            f"({', '.join(schema.names[1:])}), and nothing is overwritten: give --labels {path} to "
            "write in its numbers, or another folder with --out."
        )
