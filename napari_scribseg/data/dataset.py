"""Dataset folders: which layouts are understood, and how each becomes a list of case files.

| layout         | recognised by                                                             |
|----------------|---------------------------------------------------------------------------|
| scribble-bench | dataset.json with "schema": "scribble-bench/2"; has patients and splits    |
| nnU-Net raw    | dataset.json with channel_names, labels, file_ending; imagesTr, labelsTr   |
| MSD            | dataset.json with training and labels (Medical Segmentation Decathlon)     |
| BIDS           | dataset_description.json with BIDSVersion; sub-*/, derivatives/            |
| plain          | images/ and, with the same names, scribbles/ and labels/ (or references/)  |

Only documents and, for a plain folder without labels.json, some label files are read here; what
is in the volumes is found by `check_dataset` and on loading. Paths in documents must stay inside
the folder, links included.

Patients are the unit of every split. scribble-bench documents and names of BIDS files tell them,
and so does a patients.csv with the columns case and patient in the folder of any layout; elsewhere
they are told by the names of the cases, see `patients`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import Dataset
from napari_scribseg.data.check import CaseReport, DatasetReport, check_dataset
from napari_scribseg.data.layout_bids import is_bids, read_bids
from napari_scribseg.data.layout_documents import read_described
from napari_scribseg.data.layout_plain import read_plain
from napari_scribseg.data.patients import TABLE, named_patients

__all__ = [
    "LAYOUTS",
    "CaseReport",
    "DatasetReport",
    "check_dataset",
    "read_dataset",
]

LAYOUTS: Final = (
    'a dataset.json of the schema "scribble-bench/2"',
    "an nnU-Net raw dataset (dataset.json, imagesTr, labelsTr)",
    "a Medical Segmentation Decathlon task (dataset.json with training and labels)",
    "a BIDS dataset (dataset_description.json, sub-*/anat)",
    "a folder with images/ and, with the same file names, scribbles/ and labels/ or references/",
)
"""Every layout that `read_dataset` understands, in words."""


def read_dataset(folder: str | Path) -> Dataset:
    """The cases of a folder in any layout that is understood.

    Cases of a folder that has no splits are all in the split "train".

    Raises:
        InvalidInput: there is no such folder, its layout is not known (the message lists those
            that are), its document is damaged, or a path in it leaves the folder.

    Example:
        >>> from napari_scribseg import read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("prostate"))
        >>> dataset.schema.names
        ('background', 'PZ', 'CG')
    """
    given, folder = folder, Path(os.path.realpath(folder))
    if not folder.is_dir():
        raise InvalidInput(f"{given} is not a folder; expected {_layouts()}.")
    dataset = None
    if (folder / "dataset.json").is_file():
        dataset = read_described(folder)
    elif is_bids(folder):
        dataset = read_bids(folder)
    elif (folder / "images").is_dir():
        dataset = read_plain(folder)
    if dataset is None:
        raise InvalidInput(f"{given} is not a dataset folder that is understood: {_layouts()}.")
    return named_patients(dataset, table=folder / TABLE) if (folder / TABLE).exists() else dataset


def _layouts() -> str:
    return "; ".join(LAYOUTS)
