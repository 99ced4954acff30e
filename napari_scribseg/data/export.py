"""Cases as folders that other programs read: NIfTI files, or an nnU-Net raw dataset.

| layout  | what is written                                                                  |
|---------|----------------------------------------------------------------------------------|
| nifti   | images/ scribbles/ references/ <case>.nii.gz, labels.json, predictions/<name>/    |
| nnunet  | imagesTr/<case>_0000.nii.gz, labelsTr/<case>.nii.gz, dataset.json; imagesTs, ...   |

Both are layouts that `datasets.read_dataset` understands. Geometry is that of the image;
everything else that a header may hold (names, dates) is left behind. In the nnU-Net layout the
scribbles are labels with background 0, classes 1..C and the ignore label C + 1, the highest, as
nnU-Net demands; the cases of a test split go to imagesTs with their reference as label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import UNKNOWN, ScribbleConvention, labelled_voxels
from napari_scribseg.core.notes import Notes
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case, CaseFiles, Dataset, put_on_grid
from napari_scribseg.data.names import TEST, volumes_in
from napari_scribseg.data.pseudonyms import safe_id, safe_title
from napari_scribseg.io.atomic import write_json
from napari_scribseg.io.documents import save_document

Layout = Literal["nifti", "nnunet"]
LAYOUTS: Final[tuple[Layout, ...]] = ("nifti", "nnunet")

_ENDING: Final = ".nii.gz"
_REFERENCED: Final = "images.json"


@dataclass
class Exported:
    """What an export has written.

    Args:
        folder: where.
        layout: one of LAYOUTS.
        written: ids of the cases that were written.
        failed: reason by id of the cases that were not.
        notes: what was noticed, in sentences.
    """

    folder: Path
    layout: Layout
    written: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def export(
    dataset: Dataset,
    folder: Path,
    layout: Layout,
    *,
    cases: Sequence[str] | None = None,
    predictions: Mapping[str, Mapping[str, Path]] | None = None,
    copy_images: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the cases of a dataset in a layout of other programs.

    Args:
        dataset: the cases, of a folder or a project.
        folder: new or empty.
        layout: see the module.
        cases: ids of the cases to write; None = all.
        predictions: files by case id, by the name they get; nifti layout only.
        copy_images: write the images; otherwise images.json tells where they are (nifti only).
        progress: called after each case with the number of cases so far and of all.

    Raises:
        InvalidInput: the folder is not empty or can't be made, two cases have one id, a case is
            not known, or the layout can't hold what was asked for.
    """
    if layout == "nnunet" and (predictions or not copy_images):
        raise InvalidInput(
            "An nnU-Net dataset holds images and labels only: export predictions, or images by "
            "reference, in the layout nifti."
        )
    chosen = _chosen(dataset, cases)
    _make_folder(folder)
    done = Exported(folder, layout)
    write = _write_nifti if layout == "nifti" else _write_nnunet
    images: dict[str, str] = {}
    noticed = Notes()
    noticed.add("", dataset.notes)
    for count, files in enumerate(chosen, start=1):
        try:
            case = files.load(dataset.schema)
            note = write(files, case, dataset, folder, copy_images)
            if predictions:
                note += _copy_predictions(files, dataset, folder, predictions)
        except ScribsegError as error:
            done.failed[files.id] = str(error)
        else:
            images[files.id] = str(files.image.resolve())
            done.written.append(files.id)
            noticed.add(files.id, (*case.notes, *note))
        if progress is not None:
            progress(count, len(chosen))
    done.notes += noticed
    if layout == "nifti":
        save_document(folder / "labels.json", dataset.schema)
        if not copy_images:
            write_json(folder / _REFERENCED, images)
    else:
        write_json(folder / "dataset.json", _nnunet_document(dataset, folder))
    return done


def _write_nifti(
    files: CaseFiles, case: Case, dataset: Dataset, folder: Path, copy_images: bool
) -> list[str]:
    del dataset
    grid = case.grid
    if copy_images:
        _write(folder / "images" / f"{files.id}{_ENDING}", _storable(case.image.array), grid)
    for name, array in (("scribbles", case.scribbles), ("references", case.reference)):
        if array is not None:
            _write(folder / name / f"{files.id}{_ENDING}", array, grid)
    if case.reference is not None and labelled_voxels(case.reference) is not None:
        return [
            f"The reference of {files.id} is partial: {UNKNOWN} is where it says nothing "
            "(convention unlabelled_255)."
        ]
    return []


def _write_nnunet(
    files: CaseFiles, case: Case, dataset: Dataset, folder: Path, copy_images: bool
) -> list[str]:
    del copy_images
    letters = "Ts" if files.split == TEST else "Tr"
    label, note = case.reference, []
    if label is not None:
        label = np.where(label == UNKNOWN, dataset.schema.n_classes, label).astype(np.uint8)
    if letters == "Tr":
        if case.scribbles is None:
            raise InvalidInput(
                "It has no scribbles, so it can't be among the training cases of an nnU-Net "
                "dataset with an ignore label. Draw some, or leave the case out."
            )
        convention = ScribbleConvention.nnunet_ignore(dataset.schema.n_classes - 1)
        label = convention.write(case.scribbles)
        if case.reference is not None:
            note = [f"The reference of {files.id} was left out: its labels are the scribbles."]
    image = folder / f"images{letters}" / f"{files.id}_0000{_ENDING}"
    _write(image, _storable(case.image.array), case.grid)
    if label is not None:
        _write(folder / f"labels{letters}" / f"{files.id}{_ENDING}", label, case.grid)
    return note


def _nnunet_document(dataset: Dataset, folder: Path) -> dict[str, Any]:
    names = dataset.schema.names
    labels = {name: index for index, name in enumerate(names)}
    labels["ignore"] = len(names)
    return {
        "name": safe_title(dataset.title),
        # Not "CT", which would make nnU-Net scale intensities by those of all cases together.
        "channel_names": {"0": "image"},
        "labels": labels,
        "numTraining": len(volumes_in(folder / "imagesTr", (_ENDING,))),
        "file_ending": _ENDING,
    }


def _copy_predictions(
    files: CaseFiles, dataset: Dataset, folder: Path, predictions: Mapping[str, Mapping[str, Path]]
) -> list[str]:
    """Write the segmentations of a case that there are; gives a note on those there aren't."""
    notes: list[str] = []
    for name, source in predictions.items():
        found = source.get(files.id)
        if found is None:
            notes.append(f"{name} has no segmentation of {files.id}.")
            continue
        grid = io.read_volume(files.image, frame=files.frame).grid
        what = f"The segmentation of {files.id} by {name}"
        array, _ = put_on_grid(io.read_labels(found), grid, what)
        dataset.schema.check_segmentation(array, what)
        target = folder / "predictions" / safe_id(name) / f"{files.id}{_ENDING}"
        _write(target, array.astype(np.uint8), grid)
    return notes


def _write(path: Path, array: Array, grid: Grid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_volume(path, Volume(array, grid))


def _storable(array: Array) -> Array:
    """The array in a type that NIfTI can hold and that other programs read."""
    return array.astype(np.float32) if array.dtype.kind == "f" or array.dtype == bool else array


def _chosen(dataset: Dataset, cases: Sequence[str] | None) -> tuple[CaseFiles, ...]:
    known = dataset.split("all")
    if cases is None:
        return known
    strange = sorted(set(cases) - {files.id for files in known})
    if strange:
        raise InvalidInput(f"{dataset.title} has no case {', '.join(strange[:8])}.")
    return tuple(files for files in known if files.id in set(cases))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise InvalidInput(f"{folder} can't be written to: {error.strerror}.") from error
    if occupied:
        raise InvalidInput(
            f"{folder} exists already and nothing is overwritten: choose an empty or a new folder."
        )
