"""demo: the whole job on the sample that comes with the package."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer, new_folder
from napari_scribseg.cli.evaluating import evaluate_into
from napari_scribseg.cli.inputs import dataset_items
from napari_scribseg.cli.progress import Display, duration
from napari_scribseg.cli.segmenting import predict_into
from napari_scribseg.cli.training import train_run
from napari_scribseg.training.new_run import prepare_run

if TYPE_CHECKING:
    from napari_scribseg.data.case import Dataset

METHOD: Final = "partial_ce_dice"
STEPS: Final = 200
"""Half a minute of one quiet core; a slower machine takes longer, not less."""
BATCH: Final = 6
"""Slices per step: half of the usual, for twice the steps in so short a time."""
EXPECTED_DICE: Final = 0.85
"""Mean Dice below which something is wrong; on a CPU these steps gave 0.94."""
SPLIT: Final = "val"
"""Patients that training does not see."""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add demo."""
    demo = commands.add_parser(
        "demo",
        parents=[common],
        help="train, predict and evaluate on the embedded sample; takes about a minute",
        description=f"Train {METHOD} for {STEPS} steps on the scribbles of the embedded "
        "synthetic hearts, segment hearts it has not seen, and compare with their references.",
    )
    demo.add_argument(
        "--out", type=Path, default=Path("scribseg-demo"), help="a new folder; %(default)s"
    )
    demo.set_defaults(run=run_demo)


def run_demo(arguments: argparse.Namespace, display: Display) -> Answer:
    """Train, predict, evaluate, draw."""
    from napari_scribseg.core.samples import sample_folder
    from napari_scribseg.data.dataset import read_dataset

    begun = time.monotonic()
    out = new_folder(arguments.out)
    dataset = read_dataset(sample_folder("cardiac"))
    display.say(f"1/4  Training {METHOD} on {dataset.title}, {STEPS} steps")
    changes = {"steps": STEPS, "batch_size": BATCH}
    run = prepare_run(dataset, out / "run", method=METHOD, changes=changes)
    trained = train_run(run, display)
    if trained.exit_code:
        return trained
    display.say("2/4  Segmenting hearts that training has not seen")
    items = dataset_items(dataset, SPLIT)
    predicted = predict_into(run, items, out / "predictions", display)
    if predicted.exit_code:
        return predicted
    display.say("3/4  Comparing with the references")
    evaluated = evaluate_into(
        out / "predictions", dataset.folder, out / "evaluation", display, split=SPLIT
    )
    display.say("4/4  Drawing a picture")
    _draw(dataset, out)
    seconds = time.monotonic() - begun
    warning = _warning(evaluated.document["mean_dice"])
    document = {
        "expected_dice": EXPECTED_DICE,
        "warning": warning or None,
        "run": run.path,
        "predictions": out / "predictions",
        "overlay": out / "overlay.png",
        "evaluation": evaluated.document,
        "seconds": seconds,
    }
    text = "\n".join(
        [
            evaluated.text,
            "",
            f"Done in {duration(seconds)}. See:",
            f"  {out / 'overlay.png'}  scribbles, segmentation and reference of one heart",
            f"  {out / 'predictions'}  the segmentations",
            f"  {out / 'evaluation'}  the scores of every case",
            f"  {out / 'run'}  the trained run, good for `scribseg predict`",
        ]
    )
    problems = (*evaluated.problems, *([warning] if warning else []))
    return Answer(document, text, problems, 1 if warning else evaluated.exit_code)


def _warning(mean_dice: float) -> str:
    """A sentence when the result is not what this training gives; "" when it is."""
    if mean_dice >= EXPECTED_DICE:
        return ""
    return (
        f"Mean Dice is {mean_dice:.2f}; {STEPS} steps give {EXPECTED_DICE:g} or more here. This "
        "installation does not compute what it should: install it again, try the versions in "
        "constraints.txt, and else report it with the output of `scribseg --version`."
    )


def _draw(dataset: Dataset, out: Path) -> None:
    from napari_scribseg.evaluation.figures import overlay_figure, save_figure
    from napari_scribseg.io import read_labels

    files = dataset.split(SPLIT)[0]
    case = files.load(dataset.schema)
    figure = overlay_figure(
        case.image.array,
        dataset.schema,
        case.image.spacing,
        title=f"{dataset.title}: {case.id}, not seen in training",
        segmentation=read_labels(out / "predictions" / f"{case.id}.nii.gz").array,
        scribbles=case.scribbles,
        reference=case.reference,
    )
    save_figure(figure, out / "overlay.png")
