"""The scribble checklist: what is still missing in the strokes of a case, and where.

Networks learn from strokes alone, so what nobody draws is made up: a class without strokes is never
predicted, and far from the organ, where nobody drew background, structures appear out of nothing
(docs/benchmarks.md). The list says so while there is time to draw.

Two steps. `scan_slice` reduces a slice to a few numbers, so that after a stroke only one slice is
scanned again; `checklist` turns the numbers of all slices into sentences.

A stroke is *along the border* where it runs within 3 mm of an edge of the image, or within 8 mm of
a stroke of another class, which pins the border down between them; elsewhere it is *inside*. On
ACDC, of the strokes that `simulate` draws inside, 17 to 34 % lie along the border by this measure,
of those it draws both ways 50 to 61 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

from napari_scribseg.annotation.outer_background import is_empty_slice, outside_of
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, UNSURE, LabelSchema, without_unsure
from napari_scribseg.core.types import Array, Mask

State = Literal["done", "to do", "advice"]
"""`to do` keeps a training from starting or from learning; `advice` makes it learn better."""

FIELDS: Final = 4
"""The field of view is divided into this many fields along y and along x."""
WIDE_SHARE: Final = 0.5
"""Background reaches across the view when a drawn slice has it in this share of its fields, on
average; the strokes around the heart of ACDC's experts lie in 0.25 to 0.31, but enclose it."""
EDGE_MM: Final = 3.0
"""A stroke this near to an edge of the image runs along a border."""
NEIGHBOUR_MM: Final = 8.0
"""So does one this near to a stroke of another class."""
BORDER_SHARE: Final = 0.45
"""A class with this share of its strokes along borders has its border drawn."""
INSIDE_SHARE: Final = 0.3
"""A class with this share of its strokes elsewhere has its inside drawn."""
SPECK_VOXELS: Final = 8
"""A stroke with fewer voxels is a click by mistake, or too short to learn from."""

_SMOOTHING_MM = 1.5
_EDGE_QUANTILES = (0.8, 0.9)
"""Canny's thresholds as quantiles of the gradient; about a quarter of a heart's slice is then
near an edge."""
_MOST_NAMED = 6
"""Slices that a sentence names before it says "and more"."""


@dataclass(frozen=True)
class SliceFacts:
    """What the checklist needs to know of one slice.

    Args:
        voxels: drawn voxels by scribble value.
        border: those of them that run along a border.
        fields: how many of the fields of view have background, be it drawn or outside of strokes
            that go around everything.
        specks: number of strokes that are too short.
        thin: values of which every stroke is one voxel wide.
        unsure: voxels that are marked as unsure; they are no strokes.
    """

    voxels: Mapping[int, int]
    border: Mapping[int, int]
    fields: int
    specks: int
    thin: frozenset[int]
    unsure: int = 0


@dataclass(frozen=True)
class Item:
    """One line of the checklist.

    Args:
        topic: names the line, the same for every case.
        state: see `State`.
        text: what is there or missing, and what to do, in a sentence.
        z: the slice to look at, or None where no slice is special.
    """

    topic: str
    state: State
    text: str
    z: int | None = None


EMPTY: Final = SliceFacts({}, {}, 0, 0, frozenset())
"""A slice nobody drew on."""


def near_edges(image: Array, spacing: tuple[float, float, float]) -> Mask:
    """Voxels (z, y, x) within 3 mm, in the slice, of an edge of the image.

    To be made once per image: it takes about 10 ms per slice of 256 x 256.

    Args:
        image: (z, y, x), any scale; what is not finite counts as the lowest grey level.
        spacing: mm (z, y, x).

    Source of the edges: Canny 1986, on a slice smoothed by 1.5 mm.
    """
    from skimage.feature import canny

    near = np.zeros(image.shape, dtype=bool)
    weak, strong = _EDGE_QUANTILES
    for plane, out in zip(image, near, strict=True):
        shades = _shades(plane)
        if not shades.any():
            continue
        sigma = _SMOOTHING_MM / float(np.sqrt(spacing[1] * spacing[2]))
        edges = canny(shades, sigma, weak, strong, use_quantiles=True)
        if edges.any():
            distance = ndimage.distance_transform_edt(~edges, sampling=spacing[1:])
            out[:] = np.asarray(distance) <= EDGE_MM
    return near


def scan_slice(drawn: Array, near_edge: Mask | None, spacing: tuple[float, float]) -> SliceFacts:
    """The facts of one slice of scribbles.

    Args:
        drawn: (y, x) scribbles; not modified.
        near_edge: (y, x) of `near_edges`, None = not known yet.
        spacing: mm (y, x).
    """
    unsure, is_empty = int(np.count_nonzero(drawn == UNSURE)), is_empty_slice(drawn)
    drawn = without_unsure(drawn)
    places = np.argwhere(drawn != UNLABELLED)
    if not len(places):
        return replace(EMPTY, unsure=unsure)
    if is_empty:
        told = SliceFacts({BACKGROUND: len(places)}, {BACKGROUND: 0}, FIELDS**2, 0, frozenset())
        return replace(told, unsure=unsure)
    values = drawn[tuple(places.T)]
    along = _along_borders(places, values, near_edge, spacing)
    voxels = {int(v): int((values == v).sum()) for v in np.unique(values)}
    border = {v: int(along[values == v].sum()) for v in voxels}
    background = (drawn == BACKGROUND) | outside_of(drawn, spacing)
    low, high = places.min(0), places.max(0) + 1
    cut = drawn[low[0] : high[0], low[1] : high[1]]
    return SliceFacts(
        voxels,
        border,
        _fields_with(np.argwhere(background), drawn.shape),
        sum(_specks(cut == v) for v in voxels),
        frozenset(v for v in voxels if _is_thin(cut == v)),
        unsure,
    )


def voxels_of(facts: Sequence[SliceFacts]) -> dict[int, int]:
    """Drawn voxels of the whole volume by scribble value."""
    total: dict[int, int] = {}
    for one in facts:
        for value, n in one.voxels.items():
            total[value] = total.get(value, 0) + n
    return total


def checklist(facts: Sequence[SliceFacts], schema: LabelSchema) -> tuple[Item, ...]:
    """What is done and what is missing, the most important first.

    Args:
        facts: of every slice, in order.
        schema: the structures.
    """
    drawn = [z for z, one in enumerate(facts) if one.voxels]
    items = [
        _classes_item(facts, schema),
        _background_item(facts, drawn),
        _alone_item(facts, drawn),
        _slices_item(facts, drawn),
        _inside_item(facts, schema),
        _border_item(facts, schema),
        _strokes_item(facts, schema),
    ]
    return tuple(item for item in items if item is not None)


def _classes_item(facts: Sequence[SliceFacts], schema: LabelSchema) -> Item:
    total = voxels_of(facts)
    missing = [name for value, name in schema.scribble_values.items() if not total.get(value)]
    if not missing:
        return Item("classes", "done", "Every class is drawn, background included.")
    text = f"Draw {listed(missing)}: a class without a stroke can't be learnt."
    return Item("classes", "to do", text, _fullest(facts))


def _background_item(facts: Sequence[SliceFacts], drawn: Sequence[int]) -> Item | None:
    if not any(BACKGROUND in one.voxels for one in facts):
        return None  # the first line asks for it
    share = float(np.mean([facts[z].fields for z in drawn])) / FIELDS**2
    if share >= WIDE_SHARE:
        return Item("background", "done", "Background is known across the field of view.")
    narrow = min(drawn, key=lambda z: facts[z].fields)
    text = (
        f"Draw background far from the organ too, or all around it: it reaches {share:.0%} of the "
        "view, and where nobody knows of it, structures are made up."
    )
    return Item("background", "advice", text, narrow)


def _alone_item(facts: Sequence[SliceFacts], drawn: Sequence[int]) -> Item | None:
    if not any(BACKGROUND in one.voxels for one in facts):
        return None
    alone = [z for z in drawn if BACKGROUND not in facts[z].voxels]
    if not alone:
        return Item("with background", "done", "Every slice with strokes has background.")
    text = (
        f"Add background on {_slices(alone)}: growing strokes (random walker) would flood a slice "
        "that has none."
    )
    return Item("with background", "advice", text, alone[0])


def _slices_item(facts: Sequence[SliceFacts], drawn: Sequence[int]) -> Item:
    empty = [z for z in range(len(facts)) if z not in set(drawn)]
    if not empty:
        return Item("slices", "done", "Every slice has a stroke.")
    if not drawn:
        return Item("slices", "to do", "Nothing is drawn yet: start on a slice in the middle.")
    text = f"No stroke on {_slices(empty)}: draw where they differ, or interpolate."
    return Item("slices", "advice", text, _nearest(empty, drawn))


def _inside_item(facts: Sequence[SliceFacts], schema: LabelSchema) -> Item | None:
    shares = _border_shares(facts)
    if not shares:
        return None
    missing = [v for v, share in shares.items() if 1 - share < INSIDE_SHARE]
    if not missing:
        return Item("inside", "done", "Every drawn class has strokes inside.")
    text = f"Draw inside {_names(missing, schema)} too: its strokes keep to the border."
    return Item("inside", "advice", text, _fullest(facts, missing[0]))


def _border_item(facts: Sequence[SliceFacts], schema: LabelSchema) -> Item | None:
    shares = {v: share for v, share in _border_shares(facts).items() if v != BACKGROUND}
    if not shares:
        return None
    missing = [v for v, share in shares.items() if share < BORDER_SHARE]
    if not missing:
        return Item("border", "done", "Every drawn structure has strokes along its border.")
    text = f"Draw along the border of {_names(missing, schema)}, just inside, to show its end."
    return Item("border", "advice", text, _fullest(facts, missing[0]))


def _strokes_item(facts: Sequence[SliceFacts], schema: LabelSchema) -> Item | None:
    specks = [z for z, one in enumerate(facts) if one.specks]
    thin = [z for z, one in enumerate(facts) if one.thin]
    if specks:
        n = sum(facts[z].specks for z in specks)
        are = "strokes are" if n > 1 else "stroke is"
        text = (
            f"{n} {are} shorter than {SPECK_VOXELS} voxels, on {_slices(specks)}: lengthen or "
            "erase."
        )
        return Item("strokes", "advice", text, specks[0])
    if thin:
        text = (
            f"{_names(sorted(facts[thin[0]].thin), schema)} is one voxel thin on {_slices(thin)}: "
            "two or three teach more."
        )
        return Item("strokes", "advice", text, thin[0])
    if not any(one.voxels for one in facts):
        return None
    return Item("strokes", "done", "No stroke is very short or thin.")


def _along_borders(
    places: Array, values: Array, near_edge: Mask | None, spacing: tuple[float, float]
) -> Mask:
    """Which of the drawn pixels (n, 2) lie near an edge or a stroke of another class."""
    if near_edge is None:
        along = np.zeros(len(places), dtype=bool)
    else:
        along = np.asarray(near_edge[tuple(places.T)], dtype=bool)
    where = places * np.asarray(spacing)
    for value in np.unique(values):
        own = values == value
        if own.all():
            break
        distance, _ = KDTree(where[~own]).query(where[own], distance_upper_bound=NEIGHBOUR_MM)
        along[own] |= np.isfinite(distance)
    return along


def _fields_with(places: Array, shape: tuple[int, ...]) -> int:
    """In how many fields of the view at least one of the pixels (n, 2) lies."""
    fields = places * FIELDS // np.asarray(shape)
    return len(np.unique(fields @ np.array([FIELDS, 1])))


def _specks(stroke: Mask) -> int:
    """Number of strokes (pixels that touch, also at a corner) that are too short."""
    pieces = np.zeros(stroke.shape, np.int32)
    ndimage.label(stroke, structure=np.ones((3, 3)), output=pieces)
    sizes = np.bincount(pieces.ravel())[1:]
    return int((sizes < SPECK_VOXELS).sum())


def _is_thin(stroke: Mask) -> bool:
    """Whether no square of 2 x 2 pixels is drawn."""
    return not (stroke[:-1, :-1] & stroke[1:, :-1] & stroke[:-1, 1:] & stroke[1:, 1:]).any()


def _border_shares(facts: Sequence[SliceFacts]) -> dict[int, float]:
    """Share of the strokes of each drawn value that run along borders."""
    along: dict[int, int] = {}
    for one in facts:
        for value, n in one.border.items():
            along[value] = along.get(value, 0) + n
    return {value: along.get(value, 0) / n for value, n in sorted(voxels_of(facts).items())}


def _fullest(facts: Sequence[SliceFacts], value: int | None = None) -> int:
    """The slice with most strokes, of one value if given; the middle one when there are none."""
    amounts = [sum(f.voxels.values()) if value is None else f.voxels.get(value, 0) for f in facts]
    return int(np.argmax(amounts)) if any(amounts) else len(facts) // 2


def _nearest(empty: Sequence[int], drawn: Sequence[int]) -> int:
    """The empty slice that is farthest from any stroke: it would add most."""
    return max(empty, key=lambda z: min(abs(z - d) for d in drawn))


def _shades(plane: Array) -> npt.NDArray[np.float64]:
    """The slice between 0 and 1 by robust percentiles; zeros for a constant one."""
    values = plane.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(plane.shape)
    low, high = np.percentile(values[finite], (1.0, 99.0))
    if high <= low:
        return np.zeros(plane.shape)
    return np.clip((np.where(finite, values, low) - low) / (high - low), 0, 1)


def _names(values: Sequence[int], schema: LabelSchema) -> str:
    known = schema.scribble_values
    return listed([known.get(v, str(v)) for v in values])


def listed(names: Sequence[str]) -> str:
    """Names as one says them: "RV, MYO and LV"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _slices(numbers: Sequence[int]) -> str:
    """Slices as the sliders count them, from 0: "slice 3", "slices 0 and 7", "12 slices"."""
    if len(numbers) > _MOST_NAMED:
        return f"{len(numbers)} slices"
    return f"slice{'s' if len(numbers) > 1 else ''} {listed([str(n) for n in numbers])}"
