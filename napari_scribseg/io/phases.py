"""Several slices in one place: copies, or the frames of a time series and what they differ by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.dicom import Slice, pixels
from napari_scribseg.io.dicom_attributes import KINDS, ORDERS, TIMES
from napari_scribseg.io.regular_file import shown

_MOST_LISTED: Final = 8

Places = list[list[Slice]]


def frames_of(places: Places) -> tuple[list[list[Slice]], tuple[str, ...]]:
    """The slices of each frame, in the order of places, and what was noticed.

    Args:
        places: the slices in each place.

    Raises:
        InvalidInput: slices share places, and nothing tells which belong together.
    """
    if all(len(place) == 1 for place in places):
        return [[place[0] for place in places]], ()
    found = _ordered(places)
    if found is not None:
        return found
    kept = [_distinct(place) for place in places]
    n_copies = sum(map(len, places)) - sum(map(len, kept))
    copies = (f"{n_copies} identical copies of slices were left out.",) if n_copies else ()
    if all(len(place) == 1 for place in kept):
        return [[place[0] for place in kept]], copies
    found = _ordered(kept)
    if found is None:
        raise _crowded(kept)
    return found[0], (*copies, *found[1])


def _ordered(places: Places) -> tuple[list[list[Slice]], tuple[str, ...]] | None:
    """Frames by what tells them apart in every place alike, or None."""
    if len({len(place) for place in places}) != 1:
        return None
    kinds = [name for name in KINDS if _differs_alike(places, name)]
    for time in TIMES:
        if _tells_apart(places, [time]):
            return _by(places, [time]), _kind_note(places, kinds)
    for names in (kinds, *([*kinds, time] for time in TIMES if kinds)):
        if names and _tells_apart(places, names):
            return _by(places, names), _kind_note(places, kinds)
    for order in ORDERS:
        if _tells_apart(places, [*kinds, order]):
            note = f"Nothing tells the times of the frames; they are in the order of {order}."
            return _by(places, [*kinds, order]), (*_kind_note(places, kinds), note)
    return None


def _differs_alike(places: Places, name: str) -> bool:
    """Whether every place has the same values of an attribute, more than one, equally often."""
    if any(name not in item.attributes for place in places for item in place):
        return False
    counts = [Counter(item.attributes[name] for item in place) for place in places]
    alike = all(count == counts[0] for count in counts)
    return alike and len(counts[0]) > 1 and len(set(counts[0].values())) == 1


def _tells_apart(places: Places, names: Sequence[str]) -> bool:
    """Whether no two slices of a place have the same values."""
    if any(name not in item.attributes for place in places for item in place for name in names):
        return False
    return all(len({_key(item, names) for item in place}) == len(place) for place in places)


def _by(places: Places, names: Sequence[str]) -> list[list[Slice]]:
    ordered = [sorted(place, key=lambda item: _key(item, names)) for place in places]
    return [list(frame) for frame in zip(*ordered, strict=True)]


def _key(item: Slice, names: Sequence[str]) -> tuple[float | str, ...]:
    return tuple(item.attributes[name] for name in names)


def _kind_note(places: Places, kinds: Sequence[str]) -> tuple[str, ...]:
    notes: list[str] = []
    for name in kinds:
        values = sorted({_key(item, [name]) for item in places[0]})[:_MOST_LISTED]
        listing = ", ".join(v if isinstance(v, str) else f"{v:g}" for (v,) in values)
        notes.append(f"The frames differ by {name}: {listing}.")
    return tuple(notes)


def _distinct(place: list[Slice]) -> list[Slice]:
    if len(place) == 1:
        return place
    kept: list[int] = []
    arrays = pixels(place)
    for index, array in enumerate(arrays):
        if not any(np.array_equal(arrays[k], array) for k in kept):
            kept.append(index)
    return [place[k] for k in kept]


def _crowded(places: Places) -> InvalidInput:
    counts = Counter(len(place) for place in places)
    listing = ", ".join(f"{n} place(s) with {k} slice(s)" for k, n in sorted(counts.items()))
    full = max(counts)
    pair = next(place for place in places if len(place) > 1)
    if len(counts) == 1:
        advice = (
            f"a time series of {full} phases, but nothing tells which slices belong to one phase; "
            "export one phase."
        )
    elif min(counts) > 1:
        advice = f"a time series of {full} phases of which slices are missing; export it again."
    else:
        advice = (
            f"duplicates like {shown(pair[0].path.name)!r} and {shown(pair[1].path.name)!r}; "
            "remove those that don't belong."
        )
    total = sum(map(len, places))
    return InvalidInput(
        f"{total} different slices share {len(places)} places ({listing}): {advice}"
    )
