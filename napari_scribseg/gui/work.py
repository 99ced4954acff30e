"""The slow work behind the dock, as plain functions for a background thread. No Qt, no napari.

Nothing here touches a layer: what is to be written or measured comes in as a `Snapshot`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import platformdirs

from napari_scribseg.cases import CaseFiles
from napari_scribseg.engine.run import RunCase, RunFolder
from napari_scribseg.errors import InvalidInput, RunError
from napari_scribseg.gui.values import Choice, Outcome, Snapshot
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.labels import UNLABELLED
from napari_scribseg.metrics import score_case
from napari_scribseg.project import run_folder_name
from napari_scribseg.volume import Array, Volume


def default_project() -> Path:
    """The folder that holds the runs of somebody who chose none."""
    return platformdirs.user_data_path("napari-scribseg", appauthor=False) / "projects" / "default"


def case_id(name: str) -> str:
    """A case id out of the name of a layer: only characters that are harmless in file names."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64]
    return plain or "case"


def write_run(project: Path, snapshot: Snapshot, choice: Choice) -> RunFolder:
    """A run folder in a project, with the volumes of a snapshot as its training case.

    Raises:
        InvalidInput: the folder can't be written, or the snapshot has no scribbles.
    """
    if snapshot.scribbles is None:
        raise InvalidInput("There are no scribbles to train on: draw some strokes first.")
    snapshot.schema.check_scribbles(snapshot.scribbles)
    folder = project / "runs" / run_folder_name(choice.method)
    image, scribbles = (folder / "data" / f"{name}.mha" for name in ("image", "scribbles"))
    files = CaseFiles(id=snapshot.case, patient=snapshot.case, image=image, scribbles=scribbles)
    run = RunFolder.create(
        folder,
        method=choice.method,
        options=dict(choice.options),
        training=choice.training,
        schema=snapshot.schema,
        cases=(RunCase(files=files, role="train"),),
        preset=choice.preset,
        dataset="napari",
    )
    image.parent.mkdir()
    write_volume(image, _storable(snapshot.image))
    write_volume(scribbles, Volume(snapshot.scribbles, snapshot.image.grid))
    return run


def predict(run: Path, snapshot: Snapshot, children: Children) -> Outcome:
    """The segmentation of a snapshot's image by a run, from a child process, and its scores.

    Raises:
        RunError: the child failed; the message is the child's.
    """
    stamp = f"{datetime.now().astimezone():%Y-%m-%dT%H-%M-%S}_{secrets.token_hex(2)}"
    folder = run / "predictions" / stamp
    folder.mkdir(parents=True)
    out = folder / "output"
    opened = RunFolder.open(run)
    device, schema = opened.record.training.device, opened.schema
    # No second copy of a patient's image stays behind, whatever happens.
    with TemporaryDirectory(prefix="input-", dir=folder, ignore_cleanup_errors=True) as copies:
        image = Path(copies) / f"{snapshot.case}.mha"
        write_volume(image, _storable(snapshot.image))
        document = children.run(
            [
                *("predict", str(run), str(image), "--out", str(out)),
                *("--uncertainty", "--device", device, "--json"),
            ]
        )
    names: list[str] = next(iter(document["written"].values()))
    grid = snapshot.image.grid
    # On the image's own grid: a NIfTI header has fewer digits.
    outcome = Outcome(
        case=snapshot.case,
        segmentation=Volume(read_labels(out / names[0]).array, grid),
        uncertainty=Volume(read_volume(out / names[1]).array, grid),
        schema=schema,
        scores=None,
    )
    return _scored(outcome, snapshot)


def count_drawn(scribbles: Array) -> dict[int, int]:
    """Voxels by scribble value, without the unlabelled ones.

    Slice by slice, so that a painting GUI thread never waits long for the interpreter.
    """
    totals = np.zeros(256, np.int64)
    for piece in scribbles:
        inside = piece[(piece >= 0) & (piece <= 255)] if piece.dtype != np.uint8 else piece
        totals += np.bincount(inside.ravel(), minlength=256)
    return {int(v): int(totals[v]) for v in np.flatnonzero(totals) if v != UNLABELLED}


class Children:
    """Runs our command line in child processes, and ends them all when asked to."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "napari_scribseg")) -> None:
        self._command = tuple(command)
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._ended = False

    @property
    def running(self) -> int:
        """How many children run now."""
        return len(self._alive)

    def run(self, arguments: Sequence[str]) -> dict[str, Any]:
        """The JSON document that a command prints.

        Raises:
            RunError: the command failed; the message is what it said last.
        """
        with self._lock:
            if self._ended:
                raise RunError("The window is closing.")
            child = subprocess.Popen(  # noqa: S603  our own command line, no shell
                [*self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            )
            self._alive.add(child)
        try:
            answer, log = child.communicate()
        finally:
            with self._lock:
                self._alive.discard(child)
        try:
            document: dict[str, Any] = json.loads(answer)
        except ValueError:
            document = {}
        if child.returncode != 0 or not document:
            raise RunError(_complaint(document, log))
        return document

    def end(self) -> None:
        """End all children now, and start no more."""
        with self._lock:
            self._ended = True
            for child in self._alive:
                child.kill()


def _scored(outcome: Outcome, snapshot: Snapshot) -> Outcome:
    """The outcome with its scores, or with the reason why the reference can't be used."""
    if snapshot.reference is None:
        return outcome
    spacing = snapshot.image.spacing
    try:
        scores = score_case(outcome.segmentation.array, snapshot.reference, spacing, outcome.schema)
    except InvalidInput as error:
        return replace(outcome, note=str(error))
    return replace(outcome, scores=scores)


def _complaint(document: dict[str, Any], log: bytes) -> str:
    """What a failed command said: in its answer, or last on standard error."""
    failed = document.get("failed")
    if isinstance(failed, dict) and failed:
        return str(next(iter(cast("dict[str, Any]", failed).values())))
    lines = log.decode(errors="replace").strip().splitlines()
    return str(document.get("error") or (lines[-1] if lines else "It ended without a word."))


def _storable(volume: Volume) -> Volume:
    """The volume in a type that every format can hold."""
    kind = volume.array.dtype
    if kind.kind in "iuf" and kind.itemsize <= 4 and kind != np.float16:
        return volume
    return Volume(volume.array.astype(np.float32), volume.grid)
