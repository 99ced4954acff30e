"""The plain layout: images/ and, with the same names, scribbles/ and labels/ or references/.

Names may also differ by what tools add, see `pairing`. Beside the folders a labels.json, a
LabelSchema as JSON, names the classes; without one they are found in the label files, see
`classes`, and their names in those of 3D Slicer or in an ITK-SNAP label description, see
`told_names`. A patients.csv names the patient of every case, see `patients`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from napari_scribseg import io
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.classes import (
    Guess,
    guessed_from_references,
    guessed_from_scribbles,
    written_by_values,
)
from napari_scribseg.data.names import TRAIN, distinct_ids, few, volumes_in
from napari_scribseg.data.pairing import first_channels, pair
from napari_scribseg.data.patients import BY_NAMES, with_patients_by_name
from napari_scribseg.data.pseudonyms import safe_title
from napari_scribseg.data.sequences import nameless_channels, several
from napari_scribseg.data.told_names import (
    are_numbered_alike,
    names_by_value,
    told_by_itk_snap,
    told_by_slicer,
    with_names,
)
from napari_scribseg.io.documents import load_document

_LOOKED_INTO: Final = 5
"""References that are read to see how they are written."""


@dataclass(frozen=True)
class _Found:
    """The label files of one kind.

    Args:
        of: the file by the name of the image.
        notes: which pairs are assumed, in sentences.
        faults: which files belong to no image, in sentences.
    """

    of: dict[str, Path]
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def read_plain(folder: Path) -> Dataset:
    """The cases of a folder with images/; all in the split "train".

    Raises:
        InvalidInput: no volumes, two files of one name, an ill labels.json, or no way to tell the
            classes.
    """
    images = volumes_in(folder / "images", io.EXTENSIONS, folders=True)
    drawn = volumes_in(folder / "scribbles", io.EXTENSIONS)
    truths = [folder / name for name in ("labels", "references") if (folder / name).is_dir()]
    if len(truths) > 1:
        raise InvalidInput(
            f"{folder} has labels/ and references/; both mean the dense reference, keep one."
        )
    dense = volumes_in(truths[0], io.EXTENSIONS) if truths else {}
    if not images:
        raise InvalidInput(f"{folder / 'images'} has no volume ({', '.join(io.EXTENSIONS)}).")
    images, others, left_out = _cases_of_channels(images, [*drawn, *dense])
    places = [path.relative_to(folder) for path in images.values()]
    series = {name for name, path in images.items() if path.is_dir()}
    ids = distinct_ids(tuple(images), places, series)
    # What we have written of an image is called by its id.
    by_id = {case_id: name for case_id, name in zip(ids, images, strict=True) if case_id != name}
    drawn = {by_id.get(name, name): path for name, path in drawn.items()}
    dense = {by_id.get(name, name): path for name, path in dense.items()}
    scribbles = _found(images, drawn, "scribbles")
    references = _found(images, dense, truths[0].name if truths else "labels")
    written = _written(folder, tuple(dense.values()), tuple(drawn.values()))
    notes = [
        *left_out,
        *scribbles.notes,
        *references.notes,
        *([written.note] if written.note else []),
    ]
    channels = nameless_channels(number for files in others.values() for number in files)
    cases = tuple(
        CaseFiles(
            id=case_id,
            patient=name,
            image=image,
            scribbles=scribbles.of.get(name),
            reference=references.of.get(name),
            split=TRAIN,
            convention=written.of(scribbles.of.get(name), drawn=True),
            reference_convention=written.of(references.of.get(name), drawn=False),
            **several(channels, {0: image, **others.get(name, {})}),
        )
        for case_id, (name, image) in zip(ids, images.items(), strict=True)
    )
    return Dataset(
        safe_title(folder.name),
        "plain",
        folder,
        written.schema,
        with_patients_by_name(cases, tuple(images), series),
        tuple(notes),
        patients_from=BY_NAMES,
        faults=(*scribbles.faults, *references.faults),
        sequences=tuple(channels.values()) if len(channels) > 1 else (),
    )


def _cases_of_channels(
    images: Mapping[str, Path], labels: Sequence[str]
) -> tuple[dict[str, Path], dict[str, dict[int, Path]], tuple[str, ...]]:
    """Images by the name of the case; further channels (case1_0001) by case and number; notes.

    Where labels show that a folder has further channels, those without labels are some, too.
    """
    cases = {name: case for case, name in first_channels(images, labels).items()}
    numbered = {name for name in images if name not in labels and _is_channel(name)}
    is_several = any(name not in cases and name[:-5] in cases.values() for name in numbered)
    if is_several:
        cases |= {name: name[:-5] for name in numbered if name.endswith("_0000")}
    firsts, others = set(cases.values()), dict[str, dict[int, Path]]()
    kept: dict[str, Path] = {}
    lone: list[str] = []
    for name, path in images.items():
        if name in cases or name not in numbered:
            kept[cases.get(name, name)] = path
        elif name[:-5] in firsts:
            others.setdefault(name[:-5], {})[int(name[-4:])] = path
        elif is_several:
            lone.append(name)
        else:
            kept[name] = path
    told = f"{len(lone)} image(s) were left out, because their case has no *_0000: {few(lone)}."
    return kept, others, (told,) if lone else ()


def _is_channel(name: str) -> bool:
    return name[-5:-4] == "_" and len(name) > 5 and name[-4:].isdecimal()


def _found(images: Mapping[str, Path], labels: Mapping[str, Path], folder: str) -> _Found:
    """The label files of the images, and what was assumed or is wrong."""
    pairs = pair(images, labels)
    of = {image: labels[name] for image, name in pairs.of.items()}
    notes: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    if habit := pairs.by_habit:
        image, name = next(iter(habit.items()))
        notes = (
            f"{len(habit)} file(s) in {folder}/ have other names than their images and were paired "
            f"by what tools add: {labels[name].name} belongs to {images[image].name}.",
        )
    if pairs.lone and not pairs.of:
        faults = (
            f"No file in {folder}/ belongs to an image: {few(pairs.lone)} there, {few(images)} in "
            "images/. Give both the same names.",
        )
    elif pairs.lone:
        notes += (
            f"{len(pairs.lone)} file(s) in {folder}/ belong to no image, or could belong to "
            f"several: {few(pairs.lone)}.",
        )
    return _Found(of, notes, faults)


@dataclass(frozen=True)
class _Written:
    """The classes, and how the label files are written.

    Args:
        schema: the classes.
        note: what was assumed.
        scribbles: how scribbles are written; None = in our convention.
        references: how references are written; None = class indices.
        by_file: how single files are written, where they tell it.
    """

    schema: LabelSchema
    note: str
    scribbles: ScribbleConvention | None = None
    references: ScribbleConvention | None = None
    by_file: Mapping[Path, ScribbleConvention] = field(default_factory=dict)

    def of(self, path: Path | None, *, drawn: bool) -> ScribbleConvention | None:
        """How a file of scribbles (drawn) or a reference is written."""
        if path is not None and path in self.by_file:
            stored = self.by_file[path]
            # What lies between strokes isn't labelled, though no background was drawn.
            is_bare = drawn and stored.unlabelled is None
            return replace(stored, unlabelled=0, background=None) if is_bare else stored
        return self.scribbles if drawn else self.references


def _written(folder: Path, references: Sequence[Path], scribbles: Sequence[Path]) -> _Written:
    """The classes, and how the references and the scribbles are written."""
    document = folder / "labels.json"
    schema = load_document(document, LabelSchema) if document.is_file() else None
    if told := told_by_slicer((*references, *scribbles), schema):
        return _Written(told.schema, "" if schema else told.note, by_file=told.of)
    by_file = _told_one_by_one((*references, *scribbles), schema, folder)
    references = [path for path in references if path not in by_file]
    guess = _classes(folder, schema, references, scribbles)
    if references:
        return _Written(guess.schema, guess.note, references=guess.convention, by_file=by_file)
    return _Written(guess.schema, guess.note, scribbles=guess.convention, by_file=by_file)


def _told_one_by_one(
    paths: Sequence[Path], schema: LabelSchema | None, folder: Path
) -> dict[Path, ScribbleConvention]:
    """How those label files are written that name their structures, where others don't.

    Raises:
        InvalidInput: they number the structures differently, and nothing says what the numbers in
            the others mean.
    """
    if schema is not None:
        told = (told_by_slicer([path], schema) for path in paths)
        return {path: how for one in told if one is not None for path, how in one.of.items()}
    named = names_by_value(paths)
    if not are_numbered_alike(named.values()):
        raise InvalidInput(
            f"The segmentations of 3D Slicer in {folder} number their segments differently "
            f"({few(sorted(path.name for path in named))}), and other label files there have no "
            "names, expected one meaning of every number. Add a labels.json with the class names."
        )
    return {}


def _classes(
    folder: Path,
    schema: LabelSchema | None,
    references: Sequence[Path],
    scribbles: Sequence[Path],
) -> Guess:
    """The classes, and how the references, or else the scribbles, are written."""
    title = safe_title(folder.name)[:80]
    if schema is None:
        if references:
            guess = guessed_from_references(references, folder, title)
        else:
            guess = guessed_from_scribbles(scribbles, folder, title)
        named = told_by_itk_snap(folder)
        return with_names(guess, named) if named else guess
    if not references:
        return Guess(schema, None, "")
    return Guess(schema, *written_by_values(references, schema, most=_LOOKED_INTO))
