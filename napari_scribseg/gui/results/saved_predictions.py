"""The segmentations that lie in the folders of runs: found again, read, and kept. No Qt, no napari.

A run keeps what it has predicted in `predictions/<time>_<4 letters>/output`, one file per case,
with the maps of the case beside it. What was corrected by hand lies there like any other, with a
`corrected.json` beside it, so whatever takes the newest segmentation takes the corrected one.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.names import segmentations_in
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.gui.project_cases import project_of
from napari_scribseg.gui.values import Prediction, Snapshot
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.io.atomic import remove_abandoned, write_text
from napari_scribseg.io.regular_file import refuse_links
from napari_scribseg.runs.model_file import described

CORRECTED: Final = "corrected.json"
"""Tells which of the segmentations beside it somebody has corrected by hand."""


def newest_predictions(run: Path) -> dict[str, Path]:
    """The newest segmentation of every case that a run has predicted as a whole.

    By the id that the case has for this run: see `CaseKey.id_among`.
    """
    newest: dict[str, Path] = {}
    for out in sorted((run / "predictions").glob("*/output")):
        newest |= segmentations_in(out)
    return newest


def saved_prediction(run: Path, snapshot: Snapshot) -> Prediction:
    """The newest segmentation of a snapshot's case that lies in the run's folder.

    Raises:
        InvalidInput: there is none, or it lies on another grid than the image.
    """
    case_id = snapshot.stored.id_among(project_of(run))
    path = newest_predictions(run).get(case_id)
    if path is None:
        raise InvalidInput(f"{run.name} has no saved prediction of {snapshot.case}: predict it.")
    return _read(run, path, case_id, snapshot)


def newest_of_case(project: Path, snapshot: Snapshot) -> Prediction | None:
    """The newest segmentation of a snapshot's case by any run of a project; None = there is none.

    What can't be read, or lies on another grid than the image, is passed over.
    """
    found: list[tuple[str, Path, Path, str]] = []
    for run in {folder.parent for folder in (project / "runs").glob("*/predictions")}:
        case_id = snapshot.stored.id_among(project_of(run))
        path = newest_predictions(run).get(case_id)
        if path is not None:
            found.append((path.parent.parent.name, run, path, case_id))
    for _, run, path, case_id in sorted(found, reverse=True):
        with contextlib.suppress(ScribsegError, OSError):
            return _read(run, path, case_id, snapshot)
    return None


def is_corrected(path: Path) -> bool:
    """Whether somebody has corrected this segmentation by hand."""
    return (path.parent / CORRECTED).is_file()


def corrected_file(run: Path) -> Path:
    """A new place among the predictions of a run for a segmentation that is corrected by hand.

    Raises:
        InvalidInput: the folder of the run can't be written.
    """
    try:
        return new_predictions(run, "output")
    except OSError as error:
        raise InvalidInput(f"{run} can't be written: {error.strerror}.") from error


def keep_corrected(prediction: Prediction, snapshot: Snapshot, out: Path) -> Path:
    """Write a segmentation that was corrected by hand; what its run has predicted stays.

    Args:
        prediction: the corrected segmentation.
        snapshot: of its case.
        out: from `corrected_file`; the same one again replaces what was kept there.

    Returns:
        The file.

    Raises:
        InvalidInput: it can't be written.
    """
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{out} can't be written: {error.strerror}.") from error
    case_id = snapshot.stored.id_among(project_of(prediction.run))
    grid = snapshot.image.grid
    # The mark first: a segmentation without it would pass for what the run itself has said.
    write_text(out / CORRECTED, json.dumps({"version": 1, "cases": [case_id]}) + "\n")
    path = out / f"{case_id}.nii.gz"
    write_volume(path, Volume(prediction.segmentation.array.astype(np.uint8), grid))
    if prediction.uncertainty is not None:
        maps = out / f"{case_id}_uncertainty.nii.gz"
        write_volume(maps, Volume(prediction.uncertainty.array, grid))
    return path


def _read(run: Path, path: Path, case_id: str, snapshot: Snapshot) -> Prediction:
    grid = snapshot.image.grid
    array, _ = put_on_grid(read_labels(path), grid, f"The saved prediction of {snapshot.case}")
    beside = path.with_name(f"{case_id}_uncertainty.nii.gz")
    unsure = Volume(read_volume(beside).array, grid) if beside.is_file() else None
    return Prediction(
        case=snapshot.case,
        segmentation=Volume(array.astype(np.uint8), grid, frame=snapshot.image.frame),
        uncertainty=unsure,
        schema=described(run)[1],
        run=run,
        corrected=is_corrected(path),
    )


def new_predictions(run: Path, kind: str) -> Path:
    """A path for new predictions of a run, whose parent exists."""
    stamp = f"{datetime.now().astimezone():%Y-%m-%dT%H-%M-%S}_{secrets.token_hex(2)}"
    folder = run / "predictions" / stamp
    refuse_links(folder)
    with contextlib.suppress(OSError):
        remove_abandoned(run / "predictions")  # by predictions that were killed
    folder.mkdir(parents=True)
    return folder / kind
