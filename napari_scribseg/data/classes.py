"""Classes of label files that nothing names: what is in the files, and how that is taken.

Values 1, 2, ... are class indices. Other ones, such as 200, 500 and 600, are taken in their order
for the classes 1, 2, 3, and it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg import io
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, MAX_CLASSES, UNSURE, LabelSchema

_MOST_READ: Final = 20
"""Label files to look into when no document tells the classes."""
_FEW_CLASSES: Final = 20
"""Up to here a value is a class index, though others before it were not found."""
_STRAY_SHARE: Final = 1e-3
"""A value with less than this share of the labels of a single file is a slip, not a class."""


@dataclass(frozen=True)
class Values:
    """Values other than 0 in label files.

    Args:
        files: in how many files each is.
        shares: its largest share of what is not 0 in a file.
        read: how many files could be read.
    """

    files: Counter[int]
    shares: dict[int, float]
    read: int

    @property
    def classes(self) -> tuple[int, ...]:
        """The values without slips, in ascending order."""
        return tuple(
            sorted(
                v
                for v, n in self.files.items()
                if n > 1 or self.read == 1 or self.shares[v] >= _STRAY_SHARE
            )
        )


@dataclass(frozen=True)
class Guess:
    """Classes that were found in files.

    Args:
        schema: the classes.
        convention: how the files are written; None = class indices.
        note: what was assumed, in sentences.
    """

    schema: LabelSchema
    convention: ScribbleConvention | None
    note: str


def values_in(paths: Sequence[Path], *, most: int = _MOST_READ, frame: int | None = None) -> Values:
    """The values in the first files; those that can't be read are passed over.

    Args:
        paths: of label files.
        most: how many of them are read.
        frame: of those that are a time series; None = all frames.

    Raises:
        InvalidInput: none can be read.
    """
    files: Counter[int] = Counter()
    shares: dict[int, float] = {}
    read = 0
    problem: InvalidInput | None = None
    for path in paths[:most]:
        try:
            values, counts = np.unique(_labels(path, frame), return_counts=True)
        except InvalidInput as error:
            problem = problem or error
            continue
        read += 1
        drawn = {int(v): int(n) for v, n in zip(values, counts, strict=True) if v}
        for value, count in drawn.items():
            files[value] += 1
            shares[value] = max(shares.get(value, 0.0), count / sum(drawn.values()))
    if problem is not None and not read:
        raise problem
    return Values(files, shares, read)


def guessed_from_references(
    paths: Sequence[Path], where: Path, title: str, frame: int | None = None
) -> Guess:
    """The classes of dense references; `frame` as for `values_in`.

    Raises:
        InvalidInput: there is no value, or too many or negative ones, or the values are those of
            scribbles.
    """
    values = _all_values(paths, frame)
    if values[1:] and values[-1] == BACKGROUND and values[:-1] == _upto(len(values) - 1):
        raise InvalidInput(
            f"The references in {where} have the values {_listing(values)}, which can be read in "
            f"two ways: {BACKGROUND} = background and 0 = not labelled, as in scribbles "
            f"(convention ours), or {BACKGROUND} = to be ignored and 0 = background (convention "
            "unlabelled_255). Add a labels.json with the class names, and give the convention."
        )
    return _guess(values, where, title, ScribbleConvention.stored_values(values or (1,)))


def guessed_from_scribbles(paths: Sequence[Path], where: Path, title: str) -> Guess:
    """The classes of scribbles in our convention, or with other values for the classes.

    Raises:
        InvalidInput: there is no value or too many, or most of a file is "drawn", which means that
            it is written in another convention.
    """
    for path in paths[:_MOST_READ]:
        stored = _labels(path, None)
        if np.count_nonzero(stored) * 2 > stored.size:
            raise InvalidInput(
                f"{path}: most voxels are not 0, so the file is not written as 0 = "
                f"unlabelled, {BACKGROUND} = background; put a labels.json with the class "
                "names beside images/ and choose the convention."
            )
    values = tuple(v for v in _all_values(paths) if v not in (BACKGROUND, UNSURE))
    return _guess(values, where, title, scribbles_with(values))


def scribbles_with(values: Sequence[int]) -> ScribbleConvention:
    """Scribbles as ours, but with these values for the classes."""
    unsure = () if UNSURE in values else ((UNSURE, UNSURE),)
    return ScribbleConvention("stored values", 0, BACKGROUND, tuple(values) or (1,), unsure)


def in_order(
    paths: Sequence[Path], schema: LabelSchema, frame: int | None = None
) -> ScribbleConvention | None:
    """How references are written whose values are none of the class indices, but as many.

    None where the values are class indices, or don't tell. `frame` as for `values_in`.
    """
    try:
        values = values_in(paths, most=3, frame=frame).classes
    except InvalidInput:
        return None
    strange = len(values) == schema.n_classes - 1 and values[0] >= schema.n_classes
    return ScribbleConvention.stored_values(values) if strange else None


def written_by_values(
    paths: Sequence[Path],
    schema: LabelSchema,
    frame: int | None = None,
    *,
    most: int = _MOST_READ,
) -> tuple[ScribbleConvention | None, str]:
    """How references are written whose classes are known, where their values tell; and a note.

    Args:
        paths: of the references; files that can't be read say nothing here.
        schema: the classes.
        frame: as for `values_in`.
        most: files that are looked into.
    """
    try:
        values = values_in(paths, most=most, frame=frame)
    except InvalidInput:
        return None, ""
    has_classes = bool({*range(1, schema.n_classes)} & {*values.files})
    if has_classes and 2 * values.files[BACKGROUND] > values.read:
        note = (
            f"The references have the value {BACKGROUND}, so they are read as scribbles: 0 = not "
            f"labelled, {BACKGROUND} = background. If {BACKGROUND} is to be ignored instead, give "
            "--reference-convention unlabelled_255 (for evaluate: --convention unlabelled_255)."
        )
        return ScribbleConvention.ours(schema.n_classes - 1), note
    written = in_order(paths, schema, frame)
    return written, in_order_note(schema, written) if written else ""


def in_order_note(schema: LabelSchema, convention: ScribbleConvention) -> str:
    """Which stored value is taken for which class, in a sentence."""
    told = zip(convention.classes, schema.names[1:], strict=True)
    return (
        "The references have other values than 1, 2, ...; they are taken in this order: "
        f"{', '.join(f'{value} = {name}' for value, name in told)}. If that is wrong, change the "
        "order in labels.json."
    )


def _all_values(paths: Sequence[Path], frame: int | None = None) -> tuple[int, ...]:
    """The values in the first files, or in all of them where they are no class indices."""
    values = values_in(paths, frame=frame).classes
    if len(paths) > _MOST_READ and values and values[-1] > max(_FEW_CLASSES, len(values)):
        values = values_in(paths, most=len(paths), frame=frame).classes
    return values


def _labels(path: Path, frame: int | None) -> npt.NDArray[Any]:
    """The labels in a file; of a time series this frame, or all of them."""
    n = io.frame_count(path)
    if n == 1:
        return io.read_labels(path).array
    frames = range(n) if frame is None else [frame]
    return np.stack([io.read_labels(path, frame=each).array for each in frames])


def _guess(values: tuple[int, ...], where: Path, title: str, stored: ScribbleConvention) -> Guess:
    if not values:
        raise InvalidInput(
            f"The classes of {where} are not known: there is no labels.json and no label or "
            "scribble file with a class. Add a labels.json with the class names."
        )
    if values[0] < 0 or len(values) > MAX_CLASSES:
        raise InvalidInput(
            f"The label files of {where} have {len(values)} different values from {values[0]} to "
            f"{values[-1]}; expected 1 to {MAX_CLASSES} classes. Are these images? Give label "
            "files, or a labels.json with the class names."
        )
    if values[-1] <= max(_FEW_CLASSES, len(values)):
        indices = _upto(values[-1])
        schema = LabelSchema.of(*(f"class {k}" for k in indices), title=title)
        note = f"There is no labels.json; {len(values)} class(es) were found in the files."
        if absent := [k for k in indices if k not in values]:
            note += f" No file that was read has the value {_listing(absent)}."
        return Guess(schema, None, note)
    schema = LabelSchema.of(*(f"class {v}" for v in values), title=title)
    return Guess(
        schema,
        stored,
        f"There is no labels.json; the files have the values {_listing(values)}, which are taken "
        f"for the classes {'1' if len(values) == 1 else f'1 to {len(values)}'} in this order. A "
        "labels.json with the class names in the same order names them.",
    )


def _listing(values: Sequence[int]) -> str:
    shown = ", ".join(map(str, values[:12]))
    return f"{shown} and {len(values) - 12} more" if len(values) > 12 else shown


def _upto(n: int) -> tuple[int, ...]:
    return tuple(range(1, n + 1))
