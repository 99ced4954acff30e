"""DICOM SEG and RTSTRUCT objects as segmentations of the series that they were drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelSchema, schema_from_names
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.names import few
from napari_scribseg.io.dicom_structures import (
    Belonging,
    Structure,
    StructuresFile,
    frame_of_reference_and_patient,
)
from napari_scribseg.io.series import SeriesSlices, slices_of_series


@dataclass(frozen=True, eq=False)
class ImportedSegmentation:
    """What was read.

    Args:
        volume: (z, y, x) uint8 class indices, on the grid of the series.
        schema: names and colours of the structures.
        notes: what was noticed, in sentences.
    """

    volume: Volume
    schema: LabelSchema
    notes: tuple[str, ...] = ()


def import_segmentation(
    path: str | Path,
    series: str | Path,
    *,
    structures: Sequence[str] | None = None,
    schema: LabelSchema | None = None,
    later_covers: bool = False,
) -> ImportedSegmentation:
    """Read a DICOM SEG or RTSTRUCT file as a segmentation of its DICOM series.

    Nothing is resampled: what does not lie on the slices of the series is refused.

    Args:
        path: the file.
        series: the folder, or the enhanced file, with the series; others may lie there, too.
        structures: only these, in this order; capitals don't matter. None = all that are not
            empty, in the file's order.
        schema: the structures and their numbers, in place of `structures`; those that the file
            does not have are noted.
        later_covers: where structures overlap, the later one counts. Otherwise that is refused.

    Raises:
        InvalidInput: the file is neither, damaged, of another series, space or patient; a
            structure is not in it; structures overlap; nothing is in it.

    Example:
        >>> from napari_scribseg import import_segmentation
        >>> found = import_segmentation("heart.dcm", "series")
        >>> found.schema.names
        ('background', 'ventricle')
    """
    file = StructuresFile(path)
    where = _its_series(file.belonging, Path(series), Path(path))
    if file.is_outlines and len(where.frames) > 1:
        raise InvalidInput(
            f"{Path(series).name} is a time series of {len(where.frames)} frames, and outlines do "
            "not say here which frame they were drawn on: give a folder with the slices of that "
            "frame alone."
        )
    found, notes = file.on(where.grid)
    if schema is not None:
        chosen, more = _by_schema(found, schema)
    else:
        chosen, more = _named(found, structures) if structures else _not_empty(found)
    if not chosen:
        raise InvalidInput(
            f"{Path(path).name} has nothing on this series: it names "
            f"{few([one.name for one in found]) or 'no structure'}, each of them empty or not "
            "asked for."
        )
    names = [one.name for one in chosen]
    numbers = _numbers(names, schema)
    array, overlaps = _one_array(chosen, numbers, later_covers=later_covers)
    # What was said of a structure that is not wanted helps nobody.
    said = [note for note in notes if _is_about(note, names, [one.name for one in found])]
    return ImportedSegmentation(
        Volume(array, where.grid),
        schema or _schema(chosen),
        (*said, *more, *overlaps),
    )


# Whose it is


def _its_series(belonging: Belonging, source: Path, path: Path) -> SeriesSlices:
    """The series that a file was drawn on."""
    there = slices_of_series(source)
    named = [one for one in there if one.uid.partition("#")[0] in belonging.series]
    if belonging.series and not named:
        raise InvalidInput(
            f"{path.name} was drawn on another series than those in {source.name}: it names "
            f"{few(sorted(belonging.series))}, expected one of "
            f"{few([one.uid for one in there])}. Give the folder of the series that it names."
        )
    fitting = named or there
    if len(fitting) > 1:
        raise InvalidInput(
            f"{source.name} holds {len(fitting)} series that {path.name} may be drawn on; give a "
            "folder with one of them."
        )
    space, patient = frame_of_reference_and_patient(fitting[0].frames[0][0].path)
    if space and belonging.frame_of_reference and space not in belonging.frame_of_reference:
        raise InvalidInput(
            f"{path.name} lies in another space (FrameOfReferenceUID) than the series, so its "
            "places mean something else there. Give the series that it was drawn on."
        )
    if patient and belonging.patient and patient != belonging.patient:
        raise InvalidInput(
            f"{path.name} is of another patient (PatientID) than the series in {source.name}. "
            "Give the series that it was drawn on; when both were given new names, give both the "
            "same."
        )
    return fitting[0]


# Which structures


def _not_empty(found: Sequence[Structure]) -> tuple[list[Structure], list[str]]:
    empty = [one.name for one in found if not one.mask.any()]
    notes = [f"Empty, and left out: {few(empty)}."] if empty else []
    return [one for one in found if one.mask.any()], notes


def _named(found: Sequence[Structure], names: Sequence[str]) -> tuple[list[Structure], list[str]]:
    by_name = _by_name(found)
    if unknown := [name for name in names if name.casefold() not in by_name]:
        raise InvalidInput(
            f"There is no structure {few(unknown)} in the file; it has "
            f"{few([one.name for one in found]) or 'none'}."
        )
    return [by_name[name.casefold()] for name in names], []


def _by_schema(
    found: Sequence[Structure], schema: LabelSchema
) -> tuple[list[Structure], list[str]]:
    by_name = _by_name(found)
    wanted = [name.casefold() for name in schema.names[1:]]
    missing = [name for name in schema.names[1:] if name.casefold() not in by_name]
    others = [one.name for one in found if one.name.casefold() not in wanted]
    notes = [f"Not in the file: {few(missing)}."] if missing else []
    notes += [f"Not among the structures, and left out: {few(others)}."] if others else []
    return [by_name[name] for name in wanted if name in by_name], notes


def _by_name(found: Sequence[Structure]) -> dict[str, Structure]:
    names = [one.name.casefold() for one in found]
    if twice := sorted({one.name for one in found if names.count(one.name.casefold()) > 1}):
        raise InvalidInput(
            f"Several structures of the file are called {few(twice)}, so a name does not say which "
            "is meant. Rename them in the program that made the file."
        )
    return dict(zip(names, found, strict=True))


def _numbers(names: Sequence[str], schema: LabelSchema | None) -> list[int]:
    if schema is None:
        return list(range(1, len(names) + 1))
    by_name = {name.casefold(): k for k, name in enumerate(schema.names)}
    return [by_name[name.casefold()] for name in names]


def _one_array(
    chosen: Sequence[Structure], numbers: Sequence[int], *, later_covers: bool
) -> tuple[Array, list[str]]:
    """Masks in one array of numbers."""
    array = np.zeros(chosen[0].mask.shape, np.uint8)
    names = dict(zip(numbers, [one.name for one in chosen], strict=True))
    notes: list[str] = []
    for one, number in zip(chosen, numbers, strict=True):
        covered = array[one.mask & (array > 0)]
        for other in np.unique(covered):
            said = f"{one.name} and {names[int(other)]} overlap in {int((covered == other).sum())} "
            if not later_covers:
                raise InvalidInput(
                    f"{said}voxels, and a voxel can be of one structure only. Name the structures "
                    "that you want, or say that later ones cover earlier ones (--later-covers; "
                    "later_covers in Python)."
                )
            notes.append(f"{said}voxels; those are {one.name}.")
        array[one.mask] = number
    return array, notes


def _schema(chosen: Sequence[Structure]) -> LabelSchema:
    """The preset of these names, or a schema with the file's colours."""
    schema = schema_from_names([one.name for one in chosen])
    if schema in PRESETS.values():
        return schema
    classes = [
        item if one.color is None else item.model_copy(update={"color": one.color})
        for item, one in zip(schema.classes, chosen, strict=True)
    ]
    return schema.model_copy(update={"classes": tuple(classes)})


def _is_about(note: str, names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether a note is about all, or one of these structures."""
    about = [name for name in known if note.startswith(f"{name}: ")]
    return not about or bool(set(about) & set(names))
