"""Names of stored values that other programs tell: segments of 3D Slicer, labels of ITK-SNAP.

3D Slicer numbers the segments of every file anew, so a value may mean another structure in the next
file; there the names count. An ITK-SNAP label description is one for all files of a folder.
Source: https://www.itksnap.org, "Label description file format".
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PALETTE, PRESETS, LabelClass, LabelSchema, schema_from_names
from napari_scribseg.data.classes import Guess
from napari_scribseg.io.nrrd_segments import segments_in
from napari_scribseg.io.regular_file import read_regular

_BACKGROUND: Final = "background"
_SNAP_ENDINGS: Final = (".label", ".lbl", ".txt")
_SNAP_MARK: Final = re.compile(rb"itk-snap label description", re.IGNORECASE)
_SNAP_ROW: Final = re.compile(
    r'\s*(\d{1,5})\s+(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\s+[\d.]+\s+\d+\s+\d+\s+"(.*)"\s*'
)
_MOST_SNAP_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Named:
    """What a stored value is called, and how it is shown ("#rrggbb" or None)."""

    name: str
    color: str | None = None


@dataclass(frozen=True)
class Told:
    """Structures by the names in files.

    Args:
        schema: the structures, in order of appearance.
        of: how each file is written.
        note: what was assumed.
    """

    schema: LabelSchema
    of: Mapping[Path, ScribbleConvention]
    note: str


def told_by_slicer(paths: Sequence[Path], schema: LabelSchema | None) -> Told | None:
    """How segmentations of 3D Slicer are written; None where a file tells no names.

    Args:
        paths: of label files.
        schema: the structures if they are known; None = those that the files name.
    """
    named = {path: {s.value: Named(s.name, s.color) for s in segments_in(path)} for path in paths}
    if not named or not all(named.values()):
        return None
    every = [one for by_value in named.values() for one in by_value.values()]
    structures = {one.name.casefold(): one for one in every if not _is_background(one.name)}
    known = schema or _schema(tuple(structures.values()))
    if known is None or not structures.keys() <= {n.casefold() for n in known.names}:
        return None
    note = "The structures are those that the files of 3D Slicer name."
    of = {path: _convention(by_value, known) for path, by_value in named.items()}
    return Told(known, of, note)


def told_by_segments(path: Path, schema: LabelSchema, name: str) -> ScribbleConvention | None:
    """How one segmentation of 3D Slicer is written, by the names of its segments.

    Args:
        path: of a label file.
        schema: the structures.
        name: what the labels are, for sentences.

    Returns:
        None where the file names no segments, or none of the structures.

    Raises:
        InvalidInput: it names some of the structures and others, so that numbers would mislead, or
            it can't be read.
    """
    named = [s.name for s in segments_in(path) if not _is_background(s.name)]
    known = {structure.casefold() for structure in schema.names}
    strange = [one for one in named if one.casefold() not in known]
    if strange and len(strange) < len(named):
        raise InvalidInput(
            f"{name} names the segments {', '.join(named[:8])}, expected no others than "
            f"{', '.join(schema.names[1:])}. Rename or remove {', '.join(strange[:8])} in 3D "
            "Slicer."
        )
    told = told_by_slicer([path], schema) if named else None
    return told.of[path] if told else None


def names_by_value(paths: Iterable[Path]) -> dict[Path, dict[int, str]]:
    """Names by value of the segmentations of 3D Slicer among these; of no others.

    A file that gives several values one name tells nothing, nor does one that can't be read.
    """
    told: dict[Path, dict[int, str]] = {}
    for path in paths:
        with contextlib.suppress(InvalidInput):
            names = {s.value: s.name for s in segments_in(path)}
            if names and len({name.casefold() for name in names.values()}) == len(names):
                told[path] = names
    return told


def are_numbered_alike(told: Iterable[Mapping[int, str]]) -> bool:
    """Whether no name has two values among these, and no value two names."""
    pairs = {(value, name.casefold()) for names in told for value, name in names.items()}
    return len(pairs) == len({v for v, _ in pairs}) == len({name for _, name in pairs})


def common_numbers(told: Mapping[Path, Mapping[int, str]]) -> dict[Path, dict[int, int]]:
    """One number for every name, by file and value; 0 stays 0.

    A name keeps its number in the first file that has it, unless another name has that already.
    """
    of: dict[str, int] = {}
    for names in told.values():
        for value, name in names.items():
            free = value if value not in of.values() else max(*of.values(), *names) + 1
            of.setdefault(name.casefold(), free)
    return {
        path: {0: 0, **{value: of[name.casefold()] for value, name in names.items()}}
        for path, names in told.items()
    }


def told_by_itk_snap(folder: Path) -> dict[int, Named]:
    """Names by value of the ITK-SNAP label description in a folder; empty without one.

    Raises:
        InvalidInput: there are several.
    """
    found = [path for path in sorted(folder.iterdir()) if _is_description(path)]
    if len(found) > 1:
        raise InvalidInput(
            f"{folder} has several ITK-SNAP label descriptions ({found[0].name}, {found[1].name}); "
            "keep the one that its label files were drawn with."
        )
    named: dict[int, Named] = {}
    for path in found:
        text = read_regular(path, _MOST_SNAP_BYTES).decode("utf-8", "replace")
        for match in filter(None, map(_SNAP_ROW.fullmatch, text.splitlines())):
            value, *rgb, name = match.groups()
            color = "#" + "".join(f"{min(int(part), 255):02x}" for part in rgb)
            if int(value):
                named[int(value)] = Named(name.strip(), color)
    return named


def with_names(guess: Guess, named: Mapping[int, Named]) -> Guess:
    """A guess whose classes are called as they are told, where every one of them is."""
    values = range(1, guess.schema.n_classes)
    stored = guess.convention.classes if guess.convention else tuple(values)
    if not all(value in named for value in stored):
        return guess
    schema = _schema([named[value] for value in stored])
    if schema is None:
        return guess
    note = "The structures are named by the ITK-SNAP label description in the folder."
    return Guess(schema, guess.convention, note)


def _is_description(path: Path) -> bool:
    if path.suffix.lower() not in _SNAP_ENDINGS or not path.is_file():
        return False
    with path.open("rb") as file:
        return _SNAP_MARK.search(file.read(1024)) is not None


def _is_background(name: str) -> bool:
    return name.strip().casefold() == _BACKGROUND


def _schema(named: Sequence[Named]) -> LabelSchema | None:
    """The preset of these names, or else a schema with their colours; None for no good names."""
    try:
        schema = schema_from_names([one.name for one in named])
        if schema in PRESETS.values():
            return schema
        classes = [
            LabelClass(name=one.name, color=one.color or PALETTE[k % len(PALETTE)])
            for k, one in enumerate(named)
        ]
    except (InvalidInput, ValueError):
        return None
    return schema.model_copy(update={"classes": tuple(classes)})


def _convention(by_value: Mapping[int, Named], schema: LabelSchema) -> ScribbleConvention:
    """Which value of a file is which class; classes that it lacks get values that it lacks."""
    values = {one.name.casefold(): value for value, one in by_value.items()}
    free = iter(set(range(1, len(by_value) + schema.n_classes + 1)) - set(by_value))
    classes = tuple(values.get(name.casefold()) or next(free) for name in schema.names[1:])
    background = values.get(_BACKGROUND)
    if background is None:
        return ScribbleConvention.stored_values(classes)
    return ScribbleConvention("3D Slicer", 0, background, classes)
