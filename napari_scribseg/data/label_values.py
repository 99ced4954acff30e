"""Values in label files that no document explains: what is there, and what each may mean.

A proposal is made by how the values lie, and somebody who knows can say it otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import (
    BACKGROUND,
    KNOWN_VALUES,
    MAX_CLASSES,
    UNLABELLED,
    UNSURE,
    LabelSchema,
)
from napari_scribseg.core.types import Array
from napari_scribseg.io import frame_count, read_labels

LabelKind = Literal["scribbles", "reference"]

MOST_READ: Final = 20
"""Label files of one kind that are looked into."""
_SPARSE: Final = 0.5
"""Where one value other than 0 fills more than this, 0 is no "nothing drawn here"."""
_DRAWN: Final = 0.2
"""Scribbles cover less than this of a volume."""


@dataclass(frozen=True)
class LabelValues:
    """What the label files of one kind hold.

    Args:
        kind: what they are.
        counts: voxels by value, over all files that were read.
        read: how many files that were.
        of: how many files there are.
        names: what a file itself calls its values, as segmentations by 3D Slicer do.
    """

    kind: LabelKind
    counts: Mapping[int, int] = field(default_factory=dict)
    read: int = 0
    of: int = 0
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def values(self) -> tuple[int, ...]:
        """All of them, in ascending order."""
        return tuple(sorted(self.counts))

    @property
    def everywhere(self) -> int | None:
        """The value of most voxels, if more than half have it."""
        if not self.counts:
            return None
        value = max(self.counts, key=lambda v: self.counts[v])
        return value if self.counts[value] > _SPARSE * sum(self.counts.values()) else None

    def special(self) -> dict[int, int]:
        """Values that are no class, as far as that can be told: what each means.

        Meanings are those of our scribbles: UNLABELLED, BACKGROUND or UNSURE.
        """
        named = {v: BACKGROUND for v, name in self.names.items() if name.casefold() == "background"}
        return self._special_by_place() | named

    def _special_by_place(self) -> dict[int, int]:
        most = self.everywhere
        if self.kind == "scribbles":
            if most in {None, UNLABELLED}:  # as ours
                ours = {0: UNLABELLED, BACKGROUND: BACKGROUND}
                return {**ours, UNSURE: UNSURE} if UNSURE in self.counts else ours
            return {0: BACKGROUND, most: UNLABELLED} if most is not None else {}
        if BACKGROUND in self.counts:  # to be ignored, as nobody has 255 structures
            return {0: BACKGROUND, BACKGROUND: UNLABELLED}
        return {0: BACKGROUND}

    @property
    def classes(self) -> tuple[int, ...]:
        """Values that are classes, in ascending order."""
        special = self.special()
        return tuple(value for value in self.values if value not in special)

    def sentence(self) -> str:
        """What was found, in a sentence."""
        what = "scribbles" if self.kind == "scribbles" else "references"
        listing = ", ".join(map(str, self.values[:12])) + (", ..." if len(self.values) > 12 else "")
        files = "1 file" if self.of == 1 else f"{self.of} files"
        some = f" ({self.read} of them were read)" if self.read < self.of else ""
        return f"The {what} ({files}{some}) have the values {listing}."


def look_into(
    files: Sequence[tuple[Path, int | None]],
    kind: LabelKind,
    numbers: Mapping[Path, Mapping[int, int]] | None = None,
) -> tuple[LabelValues, dict[Path, str]]:
    """The values in the first label files, and why those that can't be used can't.

    Args:
        files: paths, each with the frame to take where it is a time series.
        kind: what they are.
        numbers: by file, which value is counted as which, where files number differently.
    """
    counts: dict[int, int] = {}
    problems: dict[Path, str] = {}
    read = 0
    for path, frame in files[:MOST_READ]:
        try:
            found, voxels = np.unique(_labels(path, frame), return_counts=True)
        except InvalidInput as error:
            problems[path] = str(error)
            continue
        if len(found) > MAX_CLASSES:
            problems[path] = f"{path}: {len(found)} different values are no labels."
            continue
        as_one = (numbers or {}).get(path)
        if as_one is not None and (nameless := set(found.tolist()) - as_one.keys()):
            problems[path] = f"{path}: no segment has the value(s) {sorted(nameless)[:8]}."
            continue
        read += 1
        for stored, n in zip(found.tolist(), voxels.tolist(), strict=True):
            value = stored if as_one is None else as_one[stored]
            counts[value] = counts.get(value, 0) + n
    return LabelValues(kind, counts, read, len(files)), problems


def is_drawn(path: Path, frame: int | None = None) -> bool:
    """Whether a label file looks like strokes: little is drawn, and background is.

    Raises:
        InvalidInput: it can't be read as labels.
    """
    array = _labels(path, frame)
    values, counts = np.unique(array, return_counts=True)
    shares = dict(zip(values.tolist(), (counts / array.size).tolist(), strict=True))
    if shares.get(UNLABELLED, 0.0) >= 1 - _DRAWN:
        return BACKGROUND in shares and len(shares) > 2
    most = max(shares, key=lambda v: shares[v])
    # Another value than 0 says "not labelled", and 0 was drawn.
    return most != 0 and most == max(shares) and shares[most] >= 1 - _DRAWN and len(shares) > 2


def schema_of_values(values: Sequence[LabelValues], title: str) -> LabelSchema | None:
    """Classes named after the values of label files; None where there are none.

    Values 1, 2, ... up to the highest are classes even where one of them is in no file.
    """
    classes = sorted({v for one in values for v in one.classes})
    if not classes:
        return None
    names = {v: name for one in values for v, name in one.names.items()}
    if all(v in KNOWN_VALUES for v in classes):
        order = ("RV", "MYO", "LV")
        return LabelSchema.of(*(n for n in order if n in {KNOWN_VALUES[v] for v in classes}))
    if classes[-1] <= 2 * len(classes):
        classes = list(range(1, classes[-1] + 1))
    try:
        return LabelSchema.of(*(names.get(v, f"class {v}")[:40] for v in classes), title=title)
    except InvalidInput:  # two structures of one name
        return LabelSchema.of(*(f"class {v}" for v in classes), title=title)


def proposed(values: LabelValues, schema: LabelSchema) -> dict[int, int | None]:
    """What each value may mean in a schema, in our scribble world; None = that can't be told."""
    names = [name.casefold() for name in schema.names]
    meaning: dict[int, int | None] = dict.fromkeys(values.values)
    meaning |= {v: ours for v, ours in values.special().items() if v in values.counts}
    classes = values.classes
    known = {v: values.names.get(v) or KNOWN_VALUES.get(v) or f"class {v}" for v in classes}
    by_name = {v: names.index(n.casefold()) for v, n in known.items() if n.casefold() in names}
    if by_name and len(by_name) == len(classes):
        return meaning | by_name
    if classes and classes[0] >= 1 and classes[-1] < schema.n_classes:
        return meaning | {v: v for v in classes}
    if len(classes) == schema.n_classes - 1:
        return meaning | {v: k for k, v in enumerate(classes, start=1)}
    return meaning | by_name


def convention_of(
    meaning: Mapping[int, int | None], schema: LabelSchema, kind: LabelKind
) -> ScribbleConvention | None:
    """The convention in which values have these meanings; None = it is the one files have anyway.

    Raises:
        InvalidInput: a value has no meaning.
    """
    open_values = [v for v, ours in meaning.items() if ours is None]
    if open_values:
        listing = ", ".join(map(str, open_values[:8]))
        raise InvalidInput(
            f"It is not said what the value(s) {listing} mean: choose a class, background or "
            "not labelled for each."
        )
    told = {v: ours for v, ours in meaning.items() if ours is not None}
    n = schema.n_classes - 1
    usual = {0: UNLABELLED, BACKGROUND: BACKGROUND} if kind == "scribbles" else {0: BACKGROUND}
    usual |= {k: k for k in range(1, n + 1)}
    if all(usual.get(v) == ours for v, ours in told.items()):
        return None
    # Other files of the set may have a class that those that were read lack.
    rest = {k: k for k in range(1, n + 1) if k not in told and k not in told.values()}
    return ScribbleConvention.meaning("as chosen", told | rest, n)


def with_names(values: LabelValues, names: Mapping[int, str]) -> LabelValues:
    """The same, with what files call their values; those of files that were not read are there."""
    unread = dict.fromkeys(names, 0) if values.read < values.of else {}
    return replace(values, names={**names}, counts={**unread, **values.counts})


def _labels(path: Path, frame: int | None) -> Array:
    return read_labels(path, frame=frame if frame_count(path) > 1 else None).array
