"""predict: from a trained run to segmentations of images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scribseg.cli import unfinished
from napari_scribseg.cli.answer import Answer, refuse_existing
from napari_scribseg.cli.inputs import items_of
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.runs import add_frame
from napari_scribseg.cli.segmenting import predict_into
from napari_scribseg.cli.wanted_maps import Wanted
from napari_scribseg.core.region import Region
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.runs.model_file import described

if TYPE_CHECKING:
    from napari_scribseg.cli.segmenting import Loader


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add predict."""
    predict = commands.add_parser(
        "predict",
        parents=[common],
        help="segment images with a trained run or a model file",
        description="Segment images with a trained run or a model file: <case id>.nii.gz on the "
        "grid of the image; images of one name get their folders in front, p1_image.nii.gz and "
        "p2_image.nii.gz. "
        "An image that can't be segmented does not stop the others (exit code 1 then). Repeating a "
        "command that was killed, interrupted or failed in part makes only what is missing.",
    )
    predict.add_argument("folder", metavar="RUN", type=Path, help="a run folder or a model file")
    predict.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        type=Path,
        help="image files, folders of them or of one DICOM series, dataset or project folders",
    )
    predict.add_argument("--out", required=True, type=Path, help="a new folder")
    predict.add_argument("--split", default="all", help="part of a dataset folder; default: all")
    add_frame(predict)
    predict.add_argument(
        "--probabilities", action="store_true", help="also write one map per class, 0 to 1"
    )
    predict.add_argument("--uncertainty", action="store_true", help="also write a map, 0 to 1")
    _add_clean_up(predict)
    predict.add_argument(
        "--test-time-augmentation",
        action="store_true",
        help="also show every image turned by 10 degrees either way, and average: often a little "
        "better, three times as slow",
    )
    predict.add_argument(
        "--slice", type=int, metavar="N", help="only this slice (from 0), as of the whole volume"
    )
    predict.add_argument(
        "--region",
        type=Region.parse,
        metavar="Z0:Z1,Y0:Y1,X0:X1",
        help="everything outside this box of voxels is background (from 0, the ends not included); "
        "default: the region of interest that a project knows of a case",
    )
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    predict.set_defaults(run=run_predict)


def _add_clean_up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clean-up",
        choices=("anatomy", "none"),
        default="anatomy",
        help="anatomy (default) removes what contradicts the anatomy that labels.json states: "
        "further pieces of a structure that is one piece, and what should lie inside another; "
        "none leaves the segmentation as predicted, which is always so with --slice",
    )
    parser.add_argument(
        "--largest-component",
        action="store_true",
        help="keep only the largest piece of each class (off unless given)",
    )
    parser.add_argument(
        "--fill-holes",
        action="store_true",
        help="fill background that a slice's structures enclose (off unless given)",
    )


def run_predict(
    arguments: argparse.Namespace, display: Display, load: Loader | None = None
) -> Answer:
    """Segment the inputs; `load` as in `predict_into`."""
    record, _ = described(arguments.folder)  # before torch is loaded
    if not unfinished.is_unfinished(arguments.out):
        refuse_existing(arguments.out)
    return predict_into(
        arguments.folder,
        items_of(arguments.inputs, arguments.split, arguments.frame, record.sequences),
        arguments.out,
        display,
        Wanted(
            probabilities=arguments.probabilities,
            uncertainty=arguments.uncertainty,
            z=arguments.slice,
            region=arguments.region,
            augmented=arguments.test_time_augmentation,
            cleaning=PostProcessing(
                # What one slice shows as two pieces may be one in the volume.
                anatomy=arguments.clean_up == "anatomy" and arguments.slice is None,
                largest_component=arguments.largest_component,
                fill_holes=arguments.fill_holes,
            ),
        ),
        device=arguments.device,
        load=load,
    )
