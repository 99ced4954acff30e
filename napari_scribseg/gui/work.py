"""The slow work behind the dock, as plain functions for a background thread. No Qt, no napari.

Nothing here touches a layer: what is to be written or measured comes in as a `Snapshot`.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import platformdirs

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import UNLABELLED, ScribbleConvention
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.gui.project_cases import other_cases
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.io import write_volume
from napari_scribseg.project.folder import run_folder_name
from napari_scribseg.runs import children as processes
from napari_scribseg.runs.folder import PreviewRequest, RunCase, RunFolder


def default_project() -> Path:
    """The folder that holds the runs of somebody who chose none."""
    return platformdirs.user_data_path("napari-scribseg", appauthor=False) / "projects" / "default"


def write_run(
    project: Path, snapshot: Snapshot, choice: Choice, continues: Path | None = None
) -> RunFolder:
    """A run folder in a project, with the volumes of a snapshot as its training case.

    The case is what the training shows in its previews, too.

    Args:
        project: holds the folder "runs".
        snapshot: image, scribbles and structures.
        choice: method and settings.
        continues: a run whose weights the new one starts from.

    Raises:
        InvalidInput: the folder can't be written, the snapshot has no scribbles, or the run to
            continue was of another method or other structures, or has no weights.
    """
    if snapshot.scribbles is None:
        raise InvalidInput("There are no scribbles to train on: draw some strokes first.")
    snapshot.schema.check_scribbles(snapshot.scribbles)
    source = None if continues is None else _continued(continues, snapshot, choice)
    folder = project / "runs" / run_folder_name(choice.method)
    image, scribbles = (folder / "data" / f"{name}.mha" for name in ("image", "scribbles"))
    # Only for a method that learns from it: no other training may ever see the reference.
    dense = snapshot.reference if choice.uses_references else None
    reference = None if dense is None else folder / "data" / "reference.mha"
    others = other_cases(project, snapshot, folder / "data") if choice.all_cases else {}
    case_id = snapshot.stored.id_among(project)
    files = CaseFiles(
        id=case_id,
        patient=case_id,
        image=image,
        scribbles=scribbles,
        reference=reference,
        reference_convention=ScribbleConvention.unlabelled_255(snapshot.schema.n_classes - 1),
    )
    run = RunFolder.create(
        folder,
        method=choice.method,
        options=dict(choice.options),
        training=choice.training,
        schema=snapshot.schema,
        cases=(RunCase(files=files, role="train"), *others.values()),
        preset=choice.preset,
        dataset="napari",
        continues=source,
    )
    run.ask_preview(PreviewRequest(case=files))
    image.parent.mkdir()
    write_volume(image, storable(snapshot.image))
    write_volume(scribbles, Volume(snapshot.scribbles, snapshot.image.grid))
    if reference is not None and dense is not None:
        write_volume(reference, Volume(dense, snapshot.image.grid))
    for drawn, case in others.items():
        if case.files.scribbles is not None:
            shutil.copyfile(drawn, case.files.scribbles)
    return run


def _continued(folder: Path, snapshot: Snapshot, choice: Choice) -> RunFolder:
    """The run to continue, if its weights can be expected to fit."""
    run = RunFolder.open(folder)
    if run.record.method != choice.method or run.schema.names != snapshot.schema.names:
        raise InvalidInput(
            f"{folder.name} learnt {', '.join(run.schema.names)} with {run.record.method}; "
            "training more needs the same method and the same structures."
        )
    return run


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

    def __init__(self, command: Sequence[str] = processes.PROGRAM) -> None:
        self._command = tuple(command)
        self._alive: set[processes.Child] = set()
        self._lock = threading.Lock()
        self._ended = False

    @property
    def running(self) -> int:
        """How many children run now."""
        return len(self._alive)

    def run(self, arguments: Sequence[str], tolerated: int = 0) -> dict[str, Any]:
        """The JSON document that a command prints.

        Args:
            arguments: the words behind the program's name.
            tolerated: an exit code that is no failure besides 0.

        Raises:
            RunError: the command failed; the message is what it said last.
        """
        known: list[processes.Child] = []

        def begun(child: processes.Child) -> None:
            with self._lock:
                known.append(child)
                self._alive.add(child)
                if self._ended:
                    child.kill()

        if self._ended:
            raise RunError("The window is closing.")
        try:
            answer = processes.ask([*self._command, *arguments, "--lifeline"], begun=begun)
        except OSError as error:
            raise RunError(f"No process can be started: {error}.") from error
        finally:
            with self._lock:
                self._alive.difference_update(known)
        try:
            document: dict[str, Any] = json.loads(answer.output)
        except ValueError:
            document = {}
        if answer.code not in (0, tolerated) or "error" in document or not document:
            raise RunError(_complaint(document, answer.last_line))
        return document

    def end(self) -> None:
        """End all children now, and start no more."""
        with self._lock:
            self._ended = True
            for child in self._alive:
                child.kill()


def _complaint(document: dict[str, Any], last_line: str) -> str:
    """What a failed command said: in its answer, or last on standard error."""
    failed = document.get("failed")
    if isinstance(failed, dict) and failed:
        return str(next(iter(cast("dict[str, Any]", failed).values())))
    return str(document.get("error") or last_line or "It ended without a word.")


def storable(volume: Volume) -> Volume:
    """The volume in a type that every format can hold."""
    kind = volume.array.dtype
    if kind.kind in "iuf" and kind.itemsize <= 4 and kind != np.float16:
        return volume
    return Volume(volume.array.astype(np.float32), volume.grid)
