"""The slow work behind the dock, as plain functions for a background thread. No Qt, no napari.

Nothing here touches a layer: what is to be written or measured comes in as a `Snapshot`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import platformdirs

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import ScribbleConvention
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, CaseKey, put_on_grid
from napari_scribseg.data.export import Exported, Layout, export
from napari_scribseg.data.names import volumes_in
from napari_scribseg.gui.project_cases import other_cases
from napari_scribseg.gui.values import Choice, Outcome, Snapshot
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.io.atomic import remove_abandoned, temporary_name
from napari_scribseg.io.regular_file import refuse_links
from napari_scribseg.project.folder import Project, run_folder_name
from napari_scribseg.runs import children as processes
from napari_scribseg.runs.folder import PreviewRequest, RunCase, RunFolder
from napari_scribseg.runs.model_file import described
from napari_scribseg.runs.warm_child import WarmChild

_MAP = re.compile(r"_(?:uncertainty|probabilities_[A-Za-z0-9._-]+)$")
"""Ends the name of a map that lies beside a segmentation."""
_LOOK_SECONDS = 0.5
"""Between two looks at how many cases are done."""


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
        region=snapshot.region,
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
    write_volume(image, _storable(snapshot.image))
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


def predict(
    run: Path,
    snapshot: Snapshot,
    children: Children,
    *,
    probabilities: bool = False,
    z: int | None = None,
) -> Outcome:
    """The segmentation of a snapshot's image by a run, from a child process, not scored yet.

    Args:
        run: its folder.
        snapshot: the image.
        children: runs the child.
        probabilities: also bring the map of every class.
        z: only this slice; the others are background then.

    Raises:
        RunError: the child failed; the message is the child's.
    """
    run = run.absolute()  # the child works elsewhere
    out = _new_predictions(run, "output" if z is None else "slice")
    folder = out.parent
    record, schema = described(run)
    device = record.training.device
    # No second copy of a patient's image stays behind, whatever happens.
    with TemporaryDirectory(
        prefix=temporary_name("-input-"), dir=folder, ignore_cleanup_errors=True
    ) as copies:
        image = Path(copies) / f"{snapshot.stored.id_among(project_of(run))}.mha"
        write_volume(image, _storable(snapshot.image))
        document = children.run(
            [
                *("predict", str(run), str(image), "--out", str(out)),
                *("--uncertainty", "--device", device, "--json"),
                *(("--probabilities",) if probabilities else ()),
                *(() if z is None else ("--slice", str(z))),
                *(() if snapshot.region is None else ("--region", str(snapshot.region))),
            ]
        )
    names: list[str] = next(iter(document["written"].values()))
    grid = snapshot.image.grid
    # On the image's own grid: a NIfTI header has fewer digits.
    maps = [_whole(read_volume(out / name).array, grid.shape, z) for name in names[1:]]
    return Outcome(
        case=snapshot.case,
        segmentation=Volume(
            _whole(read_labels(out / names[0]).array, grid.shape, z),
            grid,
            frame=snapshot.image.frame,
        ),
        uncertainty=Volume(maps[-1], grid),
        schema=schema,
        scores=None,
        run=run,
        probabilities=np.stack(maps[:-1]) if probabilities else None,
        z=z,
        doubts=tuple(document.get("notes", ())),
    )


def predict_project(
    run: Path, project: Path, children: Children, progress: Callable[[int], None]
) -> tuple[int, dict[str, str]]:
    """Segment every case of a project into the run's folder.

    Args:
        run: its folder.
        project: its folder.
        children: runs the child.
        progress: called now and then with how many cases are done.

    Returns:
        How many cases were segmented, and the reason by id of those that weren't.

    Raises:
        RunError: the child failed for another reason than single cases.
    """
    run, project = run.absolute(), project.absolute()  # the child works elsewhere
    is_own = os.path.realpath(project) == os.path.realpath(project_of(run))
    # The ids of another project mean other cases here: its files are found once they are renamed.
    out = _new_predictions(run, "output" if is_own else "unnamed")
    device = described(run)[0].training.device
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            progress(sum(1 for _ in out.glob("*.nii.gz")))

    threading.Thread(target=watch, name="scribseg-progress", daemon=True).start()
    try:
        document = children.run(
            ["predict", str(run), str(project), "--out", str(out), "--device", device, "--json"],
            tolerated=1,
        )
    finally:
        over.set()
    if not is_own:
        for case_id, names in document["written"].items():
            wanted = CaseKey.in_project(project, case_id).id_among(project_of(run))
            for name in names:
                (out / name).rename(out / f"{wanted}{name.removeprefix(case_id)}")
        out.rename(out.with_name("output"))
    return len(document["written"]), dict(document["failed"])


def maps_of(run: Path, snapshot: Snapshot, children: Children) -> dict[str, Array]:
    """What a run's method has made of one of its training cases, (z, y, x) by name.

    Raises:
        InvalidInput: the run was not trained on this case.
        RunError: the child failed.
    """
    case = _id_in_run(RunFolder.open(run), snapshot)
    with TemporaryDirectory(prefix="scribseg-maps-", ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "maps"
        document = children.run(["maps", str(run.absolute()), case, "--out", str(out), "--json"])
        found: dict[str, Array] = {}
        for name in document["written"]:
            array = read_volume(out / name).array
            title = str(name).removeprefix(f"{case}_").removesuffix(".nii.gz")
            found[title] = array
        return found


def export_project(
    project: Path, folder: Path, layout: Layout, run: Path | None, *, copy_images: bool
) -> Exported:
    """Export the cases of a project, in the layout nifti with a run's newest predictions.

    Raises:
        InvalidInput: there is no project there yet, or `export` refuses.
    """
    if not (project / "project.json").is_file():
        raise InvalidInput(
            f"{project.name} has no cases that are saved yet: open a case in the Case tab and save "
            "its scribbles first."
        )
    with Project.open(project, read_only=True) as opened:
        dataset = opened.dataset()
    predictions = None
    if run is not None and layout == "nifti":
        found, owner = newest_predictions(run), project_of(run)
        keys = {c.id: CaseKey.in_project(project, c.id).id_among(owner) for c in dataset.cases}
        predictions = {run.name: {i: found[key] for i, key in keys.items() if key in found}}
    return export(dataset, folder, layout, predictions=predictions, copy_images=copy_images)


def project_of(run: Path) -> Path:
    """The project that a run belongs to, if it belongs to one."""
    return run.absolute().parent.parent


def _id_in_run(run: RunFolder, snapshot: Snapshot) -> str:
    """The id of a case among those that a run was trained on.

    Raises:
        InvalidInput: it was not trained on this case.
    """
    own = snapshot.stored.id_among(project_of(run.path))
    frame = snapshot.image.frame
    for files in run.files("train"):
        is_file = snapshot.file is not None and files.image == snapshot.file
        if files.id == own or (is_file and files.frame in (None, frame)):
            return files.id
    raise InvalidInput(
        f"{run.path.name} was not trained on {snapshot.case}, so it has made nothing of it: show "
        "one of its training cases, or choose another run."
    )


def newest_predictions(run: Path) -> dict[str, Path]:
    """The newest segmentation of every case that a run has predicted as a whole.

    By the id that the case has for this run: see `CaseKey.id_among`.
    """
    newest: dict[str, Path] = {}
    for out in sorted((run / "predictions").glob("*/output")):
        names = volumes_in(out, (".nii.gz",))
        # A case may be called like a map; a map lies beside the segmentation it belongs to.
        newest |= {n: p for n, p in names.items() if not _is_map(n, names)}
    return newest


def _is_map(name: str, names: Collection[str]) -> bool:
    return (base := _MAP.sub("", name)) != name and base in names


def saved_prediction(run: Path, snapshot: Snapshot) -> Outcome:
    """The newest segmentation of a snapshot's case that lies in the run's folder.

    Raises:
        InvalidInput: there is none, or it lies on another grid than the image.
    """
    case_id = snapshot.stored.id_among(project_of(run))
    path = newest_predictions(run).get(case_id)
    if path is None:
        raise InvalidInput(f"{run.name} has no saved prediction of {snapshot.case}: predict it.")
    grid = snapshot.image.grid
    array, _ = put_on_grid(read_labels(path), grid, f"The saved prediction of {snapshot.case}")
    beside = path.with_name(f"{case_id}_uncertainty.nii.gz")
    unsure = Volume(read_volume(beside).array, grid) if beside.is_file() else None
    return Outcome(
        case=snapshot.case,
        segmentation=Volume(array.astype(np.uint8), grid, frame=snapshot.image.frame),
        uncertainty=unsure,
        schema=described(run)[1],
        scores=None,
        run=run,
    )


def _new_predictions(run: Path, kind: str) -> Path:
    """A path for new predictions of a run, whose parent exists."""
    stamp = f"{datetime.now().astimezone():%Y-%m-%dT%H-%M-%S}_{secrets.token_hex(2)}"
    folder = run / "predictions" / stamp
    refuse_links(folder)
    with contextlib.suppress(OSError):
        remove_abandoned(run / "predictions")  # by predictions that were killed
    folder.mkdir(parents=True)
    return folder / kind


def _whole(array: Array, shape: tuple[int, int, int], z: int | None) -> Array:
    """The array on the whole grid, zero where only one slice was predicted."""
    if z is None:
        return array
    whole = np.zeros(shape, array.dtype)
    whole[z] = array[0]
    return whole


class Children:
    """Runs our command line in child processes, and ends them all when asked to.

    Args:
        command: the words in front of a command.
        warm: a child that predicts single images, so that no process is started for them.
    """

    def __init__(
        self, command: Sequence[str] = processes.PROGRAM, warm: WarmChild | None = None
    ) -> None:
        self._command = tuple(command)
        self._warm = warm
        self._asking = 0
        self._alive: set[processes.Child] = set()
        self._lock = threading.Lock()
        self._ended = False

    @property
    def running(self) -> int:
        """How many children run now."""
        return len(self._alive) + self._asking

    def run(self, arguments: Sequence[str], tolerated: int = 0) -> dict[str, Any]:
        """The JSON document that a command prints.

        Args:
            arguments: the words behind the program's name.
            tolerated: an exit code that is no failure besides 0.

        Raises:
            RunError: the command failed; the message is what it said last.
        """
        is_short = arguments[0] == "predict" and not tolerated  # not that of a whole project
        if is_short and self._warm is not None and not self._ended:
            return self._asked(self._warm, arguments)
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

    def _asked(self, warm: WarmChild, arguments: Sequence[str]) -> dict[str, Any]:
        """What the warm child answers to a command."""
        with self._lock:
            self._asking += 1
        try:
            answer = warm.ask("predict", {"words": list(arguments)})
        finally:
            with self._lock:
                self._asking -= 1
        document: dict[str, Any] = json.loads(str(answer.fields["document"]))
        if answer.fields["code"] != 0:
            raise RunError(_complaint(document, ""))
        return document

    def end(self) -> None:
        """End all children now, and start no more."""
        with self._lock:
            self._ended = True
            for child in self._alive:
                child.kill()
            if self._asking and self._warm is not None:
                self._warm.interrupt()


def _complaint(document: dict[str, Any], last_line: str) -> str:
    """What a failed command said: in its answer, or last on standard error."""
    failed = document.get("failed")
    if isinstance(failed, dict) and failed:
        return str(next(iter(cast("dict[str, Any]", failed).values())))
    return str(document.get("error") or last_line or "It ended without a word.")


def _storable(volume: Volume) -> Volume:
    """The volume in a type that every format can hold."""
    kind = volume.array.dtype
    if kind.kind in "iuf" and kind.itemsize <= 4 and kind != np.float16:
        return volume
    return Volume(volume.array.astype(np.float32), volume.grid)
