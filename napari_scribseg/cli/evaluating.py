"""evaluate: from segmentations to scores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_scribseg.cli.answer import Answer, columns, refuse_existing
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.runs import add_frame
from napari_scribseg.core.conventions import CONVENTIONS


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add evaluate."""
    evaluate = commands.add_parser(
        "evaluate",
        parents=[common],
        help="compare segmentations with references",
        description="Compare segmentations with references: Dice, HD95, ASSD, precision, recall "
        "and volume per class and case. A missing segmentation counts as Dice 0, a reference that "
        "can't be used is left out of the means; both are listed (exit code 1).",
    )
    evaluate.add_argument("predictions", metavar="PREDICTIONS", type=Path, help="the segmentations")
    evaluate.add_argument(
        "references",
        metavar="REFERENCES",
        type=Path,
        help="a dataset folder, or a folder of label files of the same names",
    )
    evaluate.add_argument("--out", required=True, type=Path, help="a new folder for the tables")
    evaluate.add_argument("--split", default="all", help="part of a dataset folder; default: all")
    evaluate.add_argument(
        "--convention",
        choices=tuple(CONVENTIONS),
        help="how the references are written, if they are scribbles or label only some of the "
        "voxels; scores are then of the labelled voxels alone",
    )
    add_frame(evaluate)
    evaluate.set_defaults(run=run_evaluate)


def run_evaluate(arguments: argparse.Namespace, display: Display) -> Answer:
    """Score a folder of segmentations."""
    return evaluate_into(
        arguments.predictions,
        arguments.references,
        arguments.out,
        display,
        split=arguments.split,
        convention=arguments.convention,
        frame=arguments.frame,
    )


def evaluate_into(
    predictions: Path,
    references: Path,
    out: Path,
    display: Display,
    *,
    split: str,
    convention: str | None = None,
    frame: int | None = None,
) -> Answer:
    """Score a folder of segmentations, with tables in a new folder."""
    from napari_scribseg.evaluation.folders import evaluate_folders
    from napari_scribseg.evaluation.tables import (
        discard_unfinished,
        document,
        is_unfinished,
        save_evaluation,
        sentences,
        table,
    )
    from napari_scribseg.project.folder import cases_in
    from napari_scribseg.project.open_document import is_project

    if not is_unfinished(out):
        refuse_existing(out)
    evaluation = evaluate_folders(
        predictions,
        cases_in(references, frame) if is_project(references) else references,
        split=split,
        convention=convention,
        frame=frame,
        progress=lambda done, total: display.count("comparing", done, total),
    )
    discard_unfinished(out)
    save_evaluation(evaluation, out)
    problems = (
        *(f"{f.case}: {f.reason}" for f in evaluation.failures),
        *(f"{u.case} has no usable reference: {u.reason}" for u in evaluation.unusable),
    )
    text = "\n".join(
        [
            columns(table(evaluation)),
            "",
            *sentences(evaluation),
            f"The tables are in {out}.",
        ]
    )
    answer = {**document(evaluation), "out": out}
    return Answer(answer, text, problems, 1 if problems else 0)
