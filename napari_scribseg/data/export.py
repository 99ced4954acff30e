"""Cases as folders that other programs read: NIfTI files, or a nnU-Net, MSD or BIDS dataset.

| layout  | what is written                                                                  |
|---------|----------------------------------------------------------------------------------|
| nifti   | images/ scribbles/ references/ <case>.nii.gz, labels.json, predictions/<name>/    |
| nnunet  | imagesTr/<case>_0000.nii.gz, labelsTr/<case>.nii.gz, dataset.json; imagesTs, ...   |
| msd     | imagesTr/<case>.nii.gz, labelsTr/<case>.nii.gz, dataset.json; imagesTs            |
| bids    | sub-<patient>/anat/ with the images, derivatives/<name>/ with what was drawn      |

All are layouts that `datasets.read_dataset` understands. Geometry is that of the image;
everything else that a header may hold (names, dates) is left behind. In the nnU-Net layout the
scribbles are labels with background 0, classes 1..C and the ignore label C + 1, the highest, as
nnU-Net demands; the cases of a test split go to imagesTs with their reference as label. MSD has no
ignore label, so labels there are dense references. How files of each layout are called and what
they hold is in `export_layouts`.

Whose the cases are is kept: BIDS names tell it, and the other layouts get a patients.csv where the
names of the cases alone would tell other patients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.notes import Notes
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.export_layouts import (
    BidsWriter,
    DecathlonWriter,
    NiftiWriter,
    NnUnetWriter,
    Writer,
)
from napari_scribseg.data.names import TEST, TRAIN
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.data.patients import TABLE, patients_of
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.io.atomic import write_text

Layout = Literal["nifti", "nnunet", "msd", "bids"]
LAYOUTS: Final[tuple[Layout, ...]] = ("nifti", "nnunet", "msd", "bids")
_WITH_PREDICTIONS: Final = ("nifti", "bids")
_WITH_TEST: Final = ("nnunet", "msd")


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
    bids_suffix: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the cases of a dataset in a layout of other programs.

    Args:
        dataset: the cases, of a folder or a project.
        folder: new or empty.
        layout: see the module.
        cases: ids of the cases to write; None = all.
        predictions: files by case id, by the name they get; layouts nifti and bids only.
        copy_images: write the images; otherwise images.json tells where they are (nifti only).
        bids_suffix: what the images are, such as T2w; bids only, which can do without where the
            images have BIDS names.
        progress: called after each case with the number of cases so far and of all.

    Raises:
        InvalidInput: the folder is not empty or can't be made, two cases have one id, a case is
            not known, the layout can't hold what was asked for, or BIDS lacks a suffix.
    """
    if (predictions and layout not in _WITH_PREDICTIONS) or (not copy_images and layout != "nifti"):
        raise InvalidInput(
            f"The layout {layout} can't hold that: export predictions in the layout nifti or bids, "
            "and images by reference in the layout nifti."
        )
    chosen = _chosen(dataset, cases)
    writer = _writer(layout, dataset, folder, chosen, bids_suffix, copy_images)
    _make_folder(folder)
    done = Exported(folder, layout)
    noticed = Notes()
    noticed.add("", dataset.notes)
    for count, files in enumerate(chosen, start=1):
        try:
            case = files.load(dataset.schema)
            note = writer.write(files, case)
            if predictions:
                note += _copy_predictions(files, dataset, writer, predictions)
        except ScribsegError as error:
            done.failed[files.id] = str(error)
        else:
            done.written.append(files.id)
            noticed.add(files.id, (*case.notes, *note, *_region_note(files)))
        if progress is not None:
            progress(count, len(chosen))
    written = [files for files in chosen if files.id in set(done.written)]
    noticed.add("", _split_note(written, layout))
    done.notes += noticed
    writer.finish(written)
    if layout != "bids":
        _keep_patients(written, folder)
    return done


def _keep_patients(written: Sequence[CaseFiles], folder: Path) -> None:
    """Write the patients of cases where their names alone would tell others."""
    by_name = patients_of(files.id for files in written)
    pairs = {(by_name[files.id], files.patient) for files in written}
    if len(pairs) == len({name for name, _ in pairs}) == len({patient for _, patient in pairs}):
        return
    rows = [f"{files.id},{safe_id(files.patient)}" for files in written]
    write_text(folder / TABLE, "\n".join(["case,patient", *rows]) + "\n")


def _split_note(written: Sequence[CaseFiles], layout: Layout) -> tuple[str, ...]:
    """What is to be said of splits that a layout can't tell."""
    kept = {None, TRAIN, TEST} if layout in _WITH_TEST else {None, TRAIN}
    lost = [files.split for files in written if files.split not in kept]
    if not lost:
        return ()
    names = " and ".join(dict.fromkeys(map(str, lost)))
    return (
        f"The layout {layout} can't tell which cases are {names}: whoever reads the folder finds "
        f"{len(lost)} of them among the cases to train on.",
    )


def _region_note(files: CaseFiles) -> tuple[str, ...]:
    if files.region is None:
        return ()
    return (
        f"The region of interest of {files.id} ({files.region}) was left out: no layout tells that "
        "all outside of it is background.",
    )


def _writer(
    layout: Layout,
    dataset: Dataset,
    folder: Path,
    chosen: Sequence[CaseFiles],
    bids_suffix: str | None,
    copy_images: bool,
) -> Writer:
    if layout == "nifti":
        return NiftiWriter(dataset, folder, copy_images=copy_images)
    if layout == "nnunet":
        return NnUnetWriter(dataset, folder)
    if layout == "msd":
        return DecathlonWriter(dataset, folder)
    return BidsWriter(dataset, folder, chosen, bids_suffix)


def _copy_predictions(
    files: CaseFiles,
    dataset: Dataset,
    writer: Writer,
    predictions: Mapping[str, Mapping[str, Path]],
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
        writer.prediction(safe_id(name), files, array.astype(np.uint8), grid)
    return notes


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
