"""How the cases of an export are written in each layout: names of files, labels, documents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from napari_scribseg import __version__, io
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, labelled_voxels
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case, CaseFiles, Dataset
from napari_scribseg.data.layout_bids import (
    DESCRIPTION,
    LABEL_TABLE,
    MANUAL,
    SCRIBBLES,
    bids_names,
    suffix_of,
)
from napari_scribseg.data.names import TEST, volumes_in
from napari_scribseg.data.pseudonyms import safe_title
from napari_scribseg.data.sequences import sequences_of
from napari_scribseg.io.atomic import write_json, write_text
from napari_scribseg.io.documents import save_document

ENDING: Final = ".nii.gz"
_REFERENCED: Final = "images.json"
_OURS: Final = "napari-scribseg"
_BIDS_VERSION: Final = "1.10.0"


class Writer(Protocol):
    """Writes the cases of a dataset in one layout."""

    def write(self, files: CaseFiles, case: Case) -> list[str]:
        """Write a case; gives notes.

        Raises:
            InvalidInput: the layout can't hold it, or it could not be written.
        """
        ...

    def prediction(self, name: str, files: CaseFiles, array: Array, grid: Grid) -> None:
        """Write a segmentation (z, y, x) of a case by a model of this name."""
        ...

    def finish(self, written: Sequence[CaseFiles]) -> None:
        """Write the documents, once all cases are there."""
        ...


class NiftiWriter:
    """images/ scribbles/ references/ with one name per case."""

    def __init__(self, dataset: Dataset, folder: Path, *, copy_images: bool) -> None:
        self._dataset = dataset
        self._folder = folder
        self._copy_images = copy_images

    def write(self, files: CaseFiles, case: Case) -> list[str]:
        """See `Writer`."""
        if self._copy_images:
            image = _storable(case.image.array)
            _write(self._folder / "images" / f"{files.id}{ENDING}", image, case.grid)
        for name, array in (("scribbles", case.scribbles), ("references", case.reference)):
            if array is not None:
                _write(self._folder / name / f"{files.id}{ENDING}", array, case.grid)
        return [*_partial_note(files, case), *_first_note(files, case)]

    def prediction(self, name: str, files: CaseFiles, array: Array, grid: Grid) -> None:
        """See `Writer`."""
        _write(self._folder / "predictions" / name / f"{files.id}{ENDING}", array, grid)

    def finish(self, written: Sequence[CaseFiles]) -> None:
        """See `Writer`."""
        save_document(self._folder / "labels.json", self._dataset.schema)
        if not self._copy_images:
            images = {files.id: str(files.image.resolve()) for files in written}
            write_json(self._folder / _REFERENCED, images)


class NnUnetWriter:
    """An nnU-Net raw dataset whose labels are scribbles with an ignore label."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self._dataset = dataset
        self._folder = folder
        self._sequences = sequences_of(dataset)

    def write(self, files: CaseFiles, case: Case) -> list[str]:
        """See `Writer`."""
        letters, n_classes = "Ts" if files.split == TEST else "Tr", self._dataset.schema.n_classes
        label, note = case.reference, []
        if label is not None:
            label = np.where(label == UNKNOWN, n_classes, label).astype(np.uint8)
        if letters == "Tr":
            if case.scribbles is None:
                raise InvalidInput(
                    "It has no scribbles, so it can't be among the training cases of an nnU-Net "
                    "dataset with an ignore label. Draw some, or leave the case out."
                )
            label = ScribbleConvention.nnunet_ignore(n_classes - 1).write(case.scribbles)
            if case.reference is not None:
                note = [f"The reference of {files.id} was left out: its labels are the scribbles."]
        arrays = [_sequence_of(case, name) for name in self._sequences or ("",)]
        for channel, array in enumerate(arrays):
            image = self._folder / f"images{letters}" / f"{files.id}_{channel:04d}{ENDING}"
            _write(image, _storable(array), case.grid)
        if label is not None:
            _write(self._folder / f"labels{letters}" / f"{files.id}{ENDING}", label, case.grid)
        return note

    def prediction(self, name: str, files: CaseFiles, array: Array, grid: Grid) -> None:
        """Never asked for: the layout has no place for one."""

    def finish(self, written: Sequence[CaseFiles]) -> None:
        """See `Writer`."""
        del written
        names = self._dataset.schema.names
        document: dict[str, Any] = {
            "name": safe_title(self._dataset.title),
            # Not "CT", which would make nnU-Net scale intensities by those of all cases together.
            "channel_names": {str(k): name for k, name in enumerate(self._sequences or ["image"])},
            "labels": {**{name: index for index, name in enumerate(names)}, "ignore": len(names)},
            "numTraining": len(volumes_in(self._folder / "imagesTr", (f"_0000{ENDING}",))),
            "file_ending": ENDING,
        }
        write_json(self._folder / "dataset.json", document)


class DecathlonWriter:
    """A task of the Medical Segmentation Decathlon: dense references, no ignore label."""

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self._dataset = dataset
        self._folder = folder

    def write(self, files: CaseFiles, case: Case) -> list[str]:
        """See `Writer`."""
        letters = "Ts" if files.split == TEST else "Tr"
        reference = case.reference
        if letters == "Tr" and reference is None:
            raise InvalidInput(
                "It has no reference, and labels of an MSD task are dense references. Export in "
                "the layout nnunet, which has an ignore label, or leave the case out."
            )
        if reference is not None and labelled_voxels(reference) is not None:
            raise InvalidInput(
                "Its reference says nothing in places, and an MSD task has no ignore label. Export "
                "in the layout nnunet, or leave the case out."
            )
        image = self._folder / f"images{letters}" / f"{files.id}{ENDING}"
        _write(image, _storable(case.image.array), case.grid)
        if reference is not None:
            _write(self._folder / f"labels{letters}" / f"{files.id}{ENDING}", reference, case.grid)
        notes = _first_note(files, case)
        if case.scribbles is not None:
            notes.append(f"The scribbles of {files.id} were left out: labels are its reference.")
        return notes

    def prediction(self, name: str, files: CaseFiles, array: Array, grid: Grid) -> None:
        """Never asked for: the layout has no place for one."""

    def finish(self, written: Sequence[CaseFiles]) -> None:
        """See `Writer`."""
        test = [f"./imagesTs/{files.id}{ENDING}" for files in written if files.split == TEST]
        training = [
            {"image": f"./imagesTr/{f.id}{ENDING}", "label": f"./labelsTr/{f.id}{ENDING}"}
            for f in written
            if f.split != TEST
        ]
        names = enumerate(self._dataset.schema.names)
        document: dict[str, Any] = {
            "name": safe_title(self._dataset.title),
            "description": f"Written by {_OURS} {__version__}",
            "tensorImageSize": "3D",
            "modality": {"0": "image"},
            "labels": {str(index): name for index, name in names},
            "numTraining": len(training),
            "numTest": len(test),
            "training": training,
            "test": test,
        }
        write_json(self._folder / "dataset.json", document)


class BidsWriter:
    """A raw BIDS dataset, with what was drawn and what models say as derivatives.

    Args:
        dataset: the cases.
        folder: where.
        chosen: the cases that are written.
        suffix: what the images are, such as T2w; None = as their names say.

    Raises:
        InvalidInput: no suffix was given and the names don't tell it, or it is no BIDS suffix.
    """

    def __init__(
        self, dataset: Dataset, folder: Path, chosen: Sequence[CaseFiles], suffix: str | None
    ) -> None:
        self._dataset = dataset
        self._folder = folder
        self._names = bids_names(chosen)
        self._suffixes = {files.id: suffix or suffix_of(files.image) for files in chosen}
        told = {one or "" for one in self._suffixes.values()}
        if not all(re.fullmatch("[A-Za-z0-9]+", one) for one in told):
            raise InvalidInput(
                "BIDS names say what an image is, which these files don't tell: give the suffix "
                "in letters and digits, such as T1w, T2w or FLAIR (--bids-suffix)."
            )

    def write(self, files: CaseFiles, case: Case) -> list[str]:
        """See `Writer`."""
        name = self._names[files.id]
        image = self._place(self._folder, name) / f"{name}_{self._suffixes[files.id]}{ENDING}"
        _write(image, _storable(case.image.array), case.grid)
        for kind, array in ((SCRIBBLES, case.scribbles), (MANUAL, case.reference)):
            if array is not None:
                self._labels(_OURS, f"{name}_desc-{kind}_dseg", files, array, case.grid)
        return [*_partial_note(files, case), *_first_note(files, case)]

    def prediction(self, name: str, files: CaseFiles, array: Array, grid: Grid) -> None:
        """See `Writer`."""
        desc = re.sub("[^A-Za-z0-9]", "", name) or "model"
        self._labels(name, f"{self._names[files.id]}_desc-{desc}_dseg", files, array, grid)

    def finish(self, written: Sequence[CaseFiles]) -> None:
        """See `Writer`."""
        title = safe_title(self._dataset.title)
        common: dict[str, Any] = {"Name": title, "BIDSVersion": _BIDS_VERSION}
        made_by = [{"Name": _OURS, "Version": __version__}]
        raw = {**common, "DatasetType": "raw", "GeneratedBy": made_by}
        write_json(self._folder / DESCRIPTION, raw)
        subjects = sorted({self._names[files.id].partition("_")[0] for files in written})
        write_text(
            self._folder / "participants.tsv", "\n".join(["participant_id", *subjects]) + "\n"
        )
        write_text(self._folder / "README", f"{title}, written by {_OURS} {__version__}.\n")
        derived = {**common, "DatasetType": "derivative", "GeneratedBy": made_by}
        for place in sorted((self._folder / "derivatives").glob("*")):
            write_json(place / DESCRIPTION, derived)
            write_text(place / LABEL_TABLE, self._table())

    def _labels(
        self, derivative: str, name: str, files: CaseFiles, array: Array, grid: Grid
    ) -> None:
        place = self._place(self._folder / "derivatives" / derivative, self._names[files.id])
        _write(place / f"{name}{ENDING}", array, grid)
        source = self._place(Path(), self._names[files.id])
        image = f"{self._names[files.id]}_{self._suffixes[files.id]}{ENDING}"
        by_hand = f"desc-{SCRIBBLES}" in name or f"desc-{MANUAL}" in name
        document = {"Manual": by_hand, "Sources": [f"bids::{(source / image).as_posix()}"]}
        write_json(place / f"{name}.json", document)

    def _place(self, root: Path, name: str) -> Path:
        session = re.search("_(ses-[A-Za-z0-9+]+)", name)
        return root.joinpath(name.partition("_")[0], *([session[1]] if session else []), "anat")

    def _table(self) -> str:
        schema = self._dataset.schema
        colors = schema.segmentation_colors
        rows = [f"{k}\t{name}\t{colors.get(k, '#000000')}" for k, name in enumerate(schema.names)]
        return "\n".join(["index\tname\tcolor", *rows]) + "\n"


def _partial_note(files: CaseFiles, case: Case) -> list[str]:
    if case.reference is None or labelled_voxels(case.reference) is None:
        return []
    return [
        f"The reference of {files.id} is partial: {UNKNOWN} is where it says nothing "
        "(convention unlabelled_255)."
    ]


def _first_note(files: CaseFiles, case: Case) -> list[str]:
    if not case.image.further:
        return []
    lost = ", ".join(case.image.further)
    return [f"{lost} of {files.id} was left out: only the layout nnunet has several sequences."]


def _sequence_of(case: Case, name: str) -> Array:
    """The sequence of this name; "" = the only one."""
    for known, array in zip(case.image.sequences, case.image.channels, strict=True):
        if not name or known.casefold() == name.casefold():
            return array
    raise InvalidInput(f"It has no {name}, and every case of an nnU-Net dataset has all channels.")


def _write(path: Path, array: Array, grid: Grid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    io.write_volume(path, Volume(array, grid))


def _storable(array: Array) -> Array:
    """The array in a type that NIfTI can hold and that other programs read."""
    return array.astype(np.float32) if array.dtype.kind == "f" or array.dtype == bool else array
