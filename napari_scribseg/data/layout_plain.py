"""The plain layout: images/ and, with the same names, scribbles/ and labels/ or references/.

Beside them a labels.json, a LabelSchema as JSON, names the classes. Without one the classes are
counted in the first label files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg import io
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.names import (
    TRAIN,
    few,
    patient_of,
    safe_id,
    safe_title,
    volumes_in,
)
from napari_scribseg.io.documents import load_document

_MOST_READ: Final = 20
"""Label files to look into when no document tells the classes."""


def read_plain(folder: Path) -> Dataset:
    """The cases of a folder with images/; all in the split "train".

    Raises:
        InvalidInput: no volumes, two files of one name, an ill labels.json, or no way to tell the
            classes.
    """
    images = volumes_in(folder / "images", io.EXTENSIONS, folders=True)
    scribbles = volumes_in(folder / "scribbles", io.EXTENSIONS)
    truths = [folder / name for name in ("labels", "references") if (folder / name).is_dir()]
    if len(truths) > 1:
        raise InvalidInput(
            f"{folder} has labels/ and references/; both mean the dense reference, keep one."
        )
    references = volumes_in(truths[0], io.EXTENSIONS) if truths else {}
    if not images:
        raise InvalidInput(f"{folder / 'images'} has no volume ({', '.join(io.EXTENSIONS)}).")
    notes: list[str] = []
    ids = {stem: safe_id(stem, series=image.is_dir()) for stem, image in images.items()}
    drawn = scribbles.keys() | references.keys()
    lone = sorted(map(safe_id, drawn - images.keys() - set(ids.values())))
    if lone:
        notes.append(f"{len(lone)} name(s) have labels or scribbles but no image: {few(lone)}.")
    if (folder / "labels.json").is_file():
        schema = load_document(folder / "labels.json", LabelSchema)
    else:
        schema = _guessed_schema(tuple(references.values()), tuple(scribbles.values()), folder)
        notes.append(
            f"There is no labels.json; {schema.n_classes - 1} class(es) were found in the files."
        )
    cases = tuple(
        CaseFiles(
            id=ids[stem],
            patient=patient_of(ids[stem]),
            image=image,
            # What we have written of an image is called by its id.
            scribbles=scribbles.get(stem, scribbles.get(ids[stem])),
            reference=references.get(stem, references.get(ids[stem])),
            split=TRAIN,
        )
        for stem, image in images.items()
    )
    return Dataset(safe_title(folder.name), "plain", folder, schema, cases, tuple(notes))


def _guessed_schema(
    references: Sequence[Path], scribbles: Sequence[Path], folder: Path
) -> LabelSchema:
    """Classes 1 up to the highest value in the references, or else in the scribbles.

    Raises:
        InvalidInput: there are no values to guess from, or most of a scribble file is "drawn",
            which means that it is written in another convention.
    """
    highest = 0
    for path in references[:_MOST_READ]:
        highest = max(highest, int(io.read_labels(path).array.max()))
    if not references:
        for path in scribbles[:_MOST_READ]:
            stored = io.read_labels(path).array
            if np.count_nonzero(stored) * 2 > stored.size:
                raise InvalidInput(
                    f"{path}: most voxels are not 0, so the file is not written as 0 = "
                    f"unlabelled, {BACKGROUND} = background; put a labels.json with the class "
                    "names beside images/ and choose the convention."
                )
            highest = max(highest, int(stored[stored != BACKGROUND].max(initial=0)))
    if highest == 0:
        raise InvalidInput(
            f"The classes of {folder} are not known: there is no labels.json and no label or "
            "scribble file with a class. Add a labels.json with the class names."
        )
    return LabelSchema.of(
        *(f"class {k}" for k in range(1, highest + 1)), title=safe_title(folder.name)[:80]
    )
