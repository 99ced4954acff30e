"""Predictions of a run, made by child processes. No Qt, no napari.

Nothing here touches a layer: what is to be written or measured comes in as a `Snapshot`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.export import Exported, Layout, export
from napari_scribseg.data.sequences import BY_NUMBERS, sequence_note, with_sequences
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.project_cases import project_of
from napari_scribseg.gui.results.saved_predictions import (
    is_corrected,
    new_predictions,
    newest_predictions,
)
from napari_scribseg.gui.values import Prediction, Snapshot
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.io.atomic import temporary_name
from napari_scribseg.io.storable import storable
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.commands import Children
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import described

_LOOK_SECONDS = 0.5
"""Between two looks at how many cases are done."""


def predict(
    run: Path,
    snapshot: Snapshot,
    children: Children,
    *,
    probabilities: bool = False,
    z: int | None = None,
) -> Prediction:
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
    out = new_predictions(run, "output" if z is None else "slice")
    folder = out.parent
    record, schema = described(run)
    device = record.training.device
    # No second copy of a patient's image stays behind, whatever happens.
    with TemporaryDirectory(
        prefix=temporary_name("-input-"), dir=folder, ignore_cleanup_errors=True
    ) as copies:
        name = snapshot.stored.id_among(project_of(run))
        seen = with_sequences(snapshot.image, record.sequences)
        # Of several sequences the first stands for the others, which are numbered like nnU-Net's.
        names = [f"{name}_{n:04d}" for n in range(len(seen.channels))] if seen.further else [name]
        for each, array in zip(names, seen.channels, strict=True):
            write_volume(Path(copies) / f"{each}.mha", storable(Volume(array, seen.grid)))
        image = Path(copies) / f"{names[0]}.mha"
        document = children.run(
            [
                *("predict", str(run), str(image), "--out", str(out)),
                *("--clean-up", "none"),  # the window does, so that it can be switched off
                *("--uncertainty", "--device", device, "--json"),
                *(("--probabilities",) if probabilities else ()),
                *(() if z is None else ("--slice", str(z))),
                *(() if snapshot.region is None else ("--region", str(snapshot.region))),
            ]
        )
    # The numbers of the copies are nobody's but ours.
    told = (n for n in document.get("notes", ()) if not n.startswith(BY_NUMBERS))
    written: list[str] = next(iter(document["written"].values()))
    grid = snapshot.image.grid
    # On the image's own grid: a NIfTI header has fewer digits.
    maps = [_whole(read_volume(out / name).array, grid.shape, z) for name in written[1:]]
    return Prediction(
        case=snapshot.case,
        segmentation=Volume(
            _whole(read_labels(out / written[0]).array, grid.shape, z),
            grid,
            frame=snapshot.image.frame,
        ),
        uncertainty=Volume(maps[-1], grid),
        schema=schema,
        run=run,
        probabilities=np.stack(maps[:-1]) if probabilities else None,
        z=z,
        # The files above were numbered in the order of the model.
        doubts=tuple(filter(None, (sequence_note(snapshot.image, record.sequences), *told))),
    )


def predict_project(
    run: Path, project: Path, children: Children, progress: Callable[[int], None]
) -> tuple[tuple[CaseKey, ...], dict[str, str]]:
    """Segment every case of a project into the run's folder, with maps of the uncertainty.

    Args:
        run: its folder.
        project: its folder.
        children: runs the child.
        progress: called now and then with how many cases are done.

    Returns:
        The cases that were segmented, and the reason by id of those that weren't.

    Raises:
        RunError: the child failed for another reason than single cases.
    """
    run, project = run.absolute(), project.absolute()  # the child works elsewhere
    is_own = os.path.realpath(project) == os.path.realpath(project_of(run))
    # The ids of another project mean other cases here: its files are found once they are renamed.
    out = new_predictions(run, "output" if is_own else "unnamed")
    device = described(run)[0].training.device
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            # Two files a case: the uncertainty, then the segmentation.
            progress(sum(1 for _ in out.glob("*.nii.gz")) // 2)

    threading.Thread(target=watch, name="scribseg-progress", daemon=True).start()
    try:
        document = children.run(
            [
                *("predict", str(run), str(project), "--out", str(out), "--device", device),
                *("--clean-up", "none", "--uncertainty", "--json"),
            ],
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
    written = tuple(CaseKey.in_project(project, case_id) for case_id in document["written"])
    return written, dict(document["failed"])


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
    project: Path,
    folder: Path,
    layout: Layout,
    run: Path | None,
    *,
    copy_images: bool,
    cleaning: PostProcessing,
) -> Exported:
    """Export the cases of a project, in the layout nifti with a run's newest predictions.

    They are cleaned up as the window does it: what was corrected by hand stays as it is.

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
    with TemporaryDirectory(prefix="scribseg-export-", ignore_cleanup_errors=True) as copies:
        if run is not None and predictions:
            schema = described(run)[1]
            for case_id, path in predictions[run.name].items():
                cleaned = _cleaned(path, Path(copies) / f"{case_id}.nii.gz", cleaning, schema)
                predictions[run.name][case_id] = cleaned
        return export(dataset, folder, layout, predictions=predictions, copy_images=copy_images)


def _cleaned(path: Path, copy: Path, cleaning: PostProcessing, schema: LabelSchema) -> Path:
    """A copy of a saved segmentation after its clean-up; itself where nothing is to be done."""
    if is_corrected(path) or not cleaning.in_words(schema):
        return path
    try:
        raw = read_labels(path)
    except ScribsegError:
        return path  # the export says what is wrong with it
    write_volume(copy, Volume(cleaning.applied(raw.array.astype(np.uint8), schema), raw.grid))
    return copy


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


def _whole(array: Array, shape: tuple[int, int, int], z: int | None) -> Array:
    """The array on the whole grid, zero where only one slice was predicted."""
    if z is None:
        return array
    whole = np.zeros(shape, array.dtype)
    whole[z] = array[0]
    return whole
