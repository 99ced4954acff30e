"""export, export-segmentation, export-model, card: what is given to other programs and people."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from napari_scribseg.cli.answer import Answer, refuse_existing, with_notes
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.runs import add_frame
from napari_scribseg.core.errors import InvalidInput

_LAYOUTS: Final = ("nifti", "nnunet", "msd", "bids")
"""As in `export`, which takes too long to import for a help text; a test compares the two."""
_SEGMENTATIONS: Final = ("nifti", "dicom-seg", "seg.nrrd")
"""As in `segmentation_export`, likewise."""
_NETWORKS: Final = ("onnx", "torchscript", "monai-bundle")
"""As in `network_export`, likewise."""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add export, export-model and card."""
    _add_cases(commands, common)
    _add_segmentation(commands, common)
    _add_model(commands, common)
    card = commands.add_parser(
        "card",
        parents=[common],
        help="print the model card of a run or a model file",
        description="Print what a model does, what it has learnt from (counts only), how it was "
        "trained, and its limits, as Markdown.",
    )
    card.add_argument("model", metavar="MODEL", type=Path, help="a model file or a run folder")
    card.add_argument("--out", metavar="FILE", type=Path, help="a new file to write it to instead")
    card.set_defaults(run=run_card)


def _add_cases(commands: Any, common: argparse.ArgumentParser) -> None:
    export = commands.add_parser(
        "export",
        parents=[common],
        help="write cases for other programs: NIfTI files, or a dataset of nnU-Net, MSD or BIDS",
        description="Write images, scribbles, references and predictions with the geometry of the "
        "image, and nothing else of their headers. nnunet: scribbles become labels with an ignore "
        "label. msd: dense references only. bids: images in sub-*/anat, the others in "
        "derivatives/. A case that can't be written does not stop the others (exit code 1 then).",
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
    export.add_argument(
        "--bids-suffix", metavar="WORD", help="what the images are, for the layout bids: T2w, ..."
    )
    add_frame(export)
    export.set_defaults(run=run_export)


def _add_model(commands: Any, common: argparse.ArgumentParser) -> None:
    model = commands.add_parser(
        "export-model",
        parents=[common],
        help="write the model of a run as one file that can be given away",
        description="Write the weights of a run with all that prediction needs (structures, pixel "
        "size, method, numbers) and a model card as one file. It predicts as the run does, and "
        "holds no ids, names, paths or images of the data.",
    )
    model.add_argument("folder", metavar="RUN", type=Path, help="a run folder")
    model.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="a new file NAME.scribseg"
    )
    model.add_argument(
        "--format",
        choices=("scribseg", *_NETWORKS),
        default="scribseg",
        help="scribseg unless given; the others hold the network alone, for other programs: "
        "NAME.onnx, NAME.ts, or NAME.zip for MONAI (RUN may be a model file, too)",
    )
    model.add_argument("--out", metavar="FILE", type=Path, help="the same, as an option")
    model.set_defaults(run=run_export_model)


def _add_segmentation(commands: Any, common: argparse.ArgumentParser) -> None:
    segmentation = commands.add_parser(
        "export-segmentation",
        parents=[common],
        help="write one segmentation as DICOM SEG, for 3D Slicer, or as NIfTI",
        description="Write a segmentation with the names and colours of its structures. A DICOM "
        "SEG belongs to a DICOM series and has the patient's name and number in it, as the series "
        "has; the other formats have neither.",
    )
    segmentation.add_argument("file", metavar="FILE", type=Path, help="a segmentation")
    segmentation.add_argument("--format", choices=_SEGMENTATIONS, required=True)
    segmentation.add_argument("--out", metavar="FILE", type=Path, required=True)
    segmentation.add_argument(
        "--labels",
        metavar="SOURCE",
        type=Path,
        help="names the structures: a labels.json, a run or a model file; left out, the "
        "labels.json beside FILE",
    )
    segmentation.add_argument(
        "--series", metavar="FOLDER", type=Path, help="the DICOM series of the image (dicom-seg)"
    )
    segmentation.add_argument(
        "--by-hand", action="store_true", help="somebody has corrected it (dicom-seg)"
    )
    add_frame(segmentation)
    segmentation.set_defaults(run=run_export_segmentation)


def run_export_segmentation(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """Write a segmentation for other programs."""
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.data.segmentation_export import export_segmentation, with_ending
    from napari_scribseg.io import read_labels
    from napari_scribseg.io.dicom_seg import Origin
    from napari_scribseg.io.documents import load_document
    from napari_scribseg.runs.model_file import described

    refuse_existing(with_ending(arguments.out, arguments.format))
    labels = arguments.labels or arguments.file.with_name("labels.json")
    if labels.suffix != ".json":
        schema = described(labels)[1]
    elif labels.is_file():
        schema = load_document(labels, LabelSchema)
    else:
        raise InvalidInput(
            f"{labels} is not there, so the structures have no names: give a labels.json, a run or "
            "a model file with --labels."
        )
    volume = read_labels(arguments.file)
    path = export_segmentation(
        arguments.out,
        volume.array,
        volume.grid,
        schema,
        file_format=arguments.format,
        source=arguments.series,
        frame=arguments.frame,
        origin=Origin(by_hand=arguments.by_hand),
    )
    text = f"The segmentation is {path} ({arguments.format})."
    if arguments.format == "dicom-seg":
        text += " It has the patient's name and number in it, as its series has."
    document = {"out": path, "format": arguments.format, "notes": volume.notes}
    return Answer(document, with_notes(text, list(volume.notes)))


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
        bids_suffix=arguments.bids_suffix,
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


def run_export_model(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """Write the model of a run as one file."""
    from napari_scribseg.runs.folder import RunFolder

    given = [path for path in (arguments.file, arguments.out) if path is not None]
    if len(given) != 1:
        raise InvalidInput("Give the file to write once, such as `heart.scribseg`.")
    if arguments.format != "scribseg":
        return _export_network(arguments.folder, given[0], arguments.format)
    run = RunFolder.open(arguments.folder)

    from napari_scribseg.training.model_export import export_model

    path = export_model(run, given[0])
    size = path.stat().st_size
    text = (
        f"The model is {path} ({size / 1e6:.1f} MB). It holds no ids, names, paths or images of "
        f"the data; read its card before you give it away: scribseg card {path}"
    )
    return Answer({"out": path, "bytes": size}, text)


def _export_network(source: Path, file: Path, file_format: Any) -> Answer:
    """Write the network of a run or a model file for other programs."""
    from napari_scribseg.runs.model_file import described

    described(source)  # before torch is loaded

    from napari_scribseg.training.network_export import TOLERANCE, export_network

    path = export_network(source, file, file_format)
    size = path.stat().st_size
    text = (
        f"The network is {path} ({size / 1e6:.1f} MB, {file_format}). It gives the run's "
        f"probabilities to {TOLERANCE:g}, for prepared slices: what to do with an image before "
        "and after is written in it."
    )
    document = {"out": path, "bytes": size, "format": file_format, "tolerance": TOLERANCE}
    return Answer(document, text)


def run_card(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """Print or write a model card."""
    from napari_scribseg.runs.model_file import described

    described(arguments.model)  # before torch is loaded
    if arguments.out is not None and arguments.out.exists():
        raise InvalidInput(f"{arguments.out} exists already: choose another name for the card.")

    from napari_scribseg.io.atomic import write_text
    from napari_scribseg.training.model_export import card_of

    card = card_of(arguments.model)
    if arguments.out is None:
        return Answer({"card": card}, card.rstrip())
    write_text(arguments.out, card)
    return Answer({"card": card, "out": arguments.out}, f"The card is {arguments.out}.")


def _named(folders: list[Path]) -> dict[str, dict[str, Path]]:
    """Segmentations by case id, by the name of their folder.

    Folders of one name get those above them in front: a_output and b_output.

    Raises:
        InvalidInput: a folder is not there.
    """
    from napari_scribseg.data.names import distinct_ids, volumes_in
    from napari_scribseg.io import EXTENSIONS

    places = list(dict.fromkeys(folder.resolve() for folder in folders))
    for folder in places:
        if not folder.is_dir():
            raise InvalidInput(f"{folder} is not a folder; expected one with segmentations.")
    names = distinct_ids([folder.name for folder in places], places)
    return {
        name: volumes_in(folder, EXTENSIONS) for name, folder in zip(names, places, strict=True)
    }
