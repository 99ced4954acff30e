"""The decisions of the Scribble tab. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from napari_scribseg.annotation.checklist import EMPTY, Item, SliceFacts, voxels_of
from napari_scribseg.annotation.suspicious import Suspicion
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, UNSURE, LabelSchema, without_unsure
from napari_scribseg.core.types import Array

KeyAction = Literal[
    "previous_slice",
    "next_slice",
    "fill_contour",
    "interpolate",
    "carry",
    "grow",
    "accept",
    "drop",
    "keyboard_pen",
    "nothing_here",
    "sphere",
    "planes",
    "levels",
    "unsure",
]
"""What a key does while one draws."""


MOST_SUSPICIONS = 5
"""Lines of the checklist for strokes to look at."""


@dataclass(frozen=True)
class ChipCounts:
    """Voxels of one scribble value on the shown slice and in the volume."""

    on_slice: int = 0
    in_volume: int = 0


def chip_counts(
    facts: Sequence[SliceFacts], z: int | None, on_plane: Mapping[int, int] | None = None
) -> dict[int, ChipCounts]:
    """The two numbers of every drawn value; slice numbers are 0 when no slice is shown.

    Args:
        facts: of every slice.
        z: the shown one.
        on_plane: voxels by value of another plane that is shown instead.
    """
    shown = facts[z] if z is not None and 0 <= z < len(facts) else EMPTY
    here = {**shown.voxels, UNSURE: shown.unsure} if on_plane is None else on_plane
    everywhere = {**voxels_of(facts), UNSURE: sum(one.unsure for one in facts)}
    return {v: ChipCounts(here.get(v, 0), n) for v, n in everywhere.items() if n}


def why_not_schema(schema: LabelSchema, now: LabelSchema, drawn: Mapping[int, int]) -> str | None:
    """Why the strokes can't be read with another schema, in a sentence; None = they can."""
    lost = [
        v for v, n in drawn.items() if n and v != BACKGROUND and v not in schema.scribble_values
    ]
    if not lost:
        return None
    names = ", ".join(now.scribble_values.get(v, str(v)) for v in sorted(lost))
    return (
        f"'{schema.title}' has {schema.n_classes - 1} structure(s), but there are strokes of "
        f"{names}. Erase those, or make new scribbles in the Case tab."
    )


def why_not_removed(index: int, schema: LabelSchema, drawn: Mapping[int, int]) -> str | None:
    """Why a structure can't be removed from the schema, in a sentence; None = it can.

    The structures after it would move up and get other numbers, so none of them may be drawn.

    Args:
        index: position in `schema.classes`.
        schema: the structures.
        drawn: voxels by scribble value.
    """
    if len(schema.classes) == 1:
        return "A schema has at least one structure."
    later = [v for v in range(index + 1, schema.n_classes) if drawn.get(v)]
    if not later:
        return None
    names = schema.scribble_values
    if later[0] == index + 1:
        return f"{names[index + 1]} has {drawn[index + 1]} voxels: erase them first."
    return f"{names[later[0]]} comes after it and is drawn: its strokes would change their class."


def why_not_interpolated(facts: Sequence[SliceFacts]) -> str | None:
    """Why there is nothing to interpolate, in a sentence; None = there is."""
    for value in voxels_of(facts):
        drawn = [z for z, one in enumerate(facts) if value in one.voxels]
        if any(above - below > 1 for below, above in pairwise(drawn)):
            return None
    return "Draw a class on two slices that have others between them."


@dataclass(frozen=True)
class Source:
    """Who made the automatic mask.

    Args:
        name: "walk", "network", or "" as long as there is none.
        scores: Dice at held-out strokes by name; empty when there were too few.
        step: of the network's weights, None without one.
    """

    name: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    step: int | None = None


def told_source(source: Source) -> str:
    """Who made the automatic mask and why, in a sentence; "" = there is none."""
    if not source.name:
        return ""
    walk, network = source.scores.get("walk"), source.scores.get("network")
    numbers = ""
    if walk is not None and network is not None:
        numbers = f" On strokes that neither has seen, network {network:.2f}, walk {walk:.2f}."
    if source.name == "network":
        return f"From the network at step {source.step}.{numbers}"
    return f"Grown from the strokes by random walk.{numbers}"


def plane_counts(drawn: Array) -> dict[int, int]:
    """Drawn voxels of a plane (2D) by scribble value."""
    values, numbers = np.unique(drawn, return_counts=True)
    pairs = zip(values.tolist(), numbers.tolist(), strict=True)
    return {value: number for value, number in pairs if value != UNLABELLED}


def plane_facts(drawn: Array, axis: int) -> tuple[SliceFacts, ...]:
    """What is drawn on every plane of scribbles (z, y, x) across an axis; nothing else of them."""
    planes = np.moveaxis(without_unsure(drawn), axis, 0)
    return tuple(replace(EMPTY, voxels=plane_counts(one)) for one in planes)


def changed_along(before: Sequence[Array], now: Array, axis: int) -> list[int]:
    """Which planes across an axis differ.

    Args:
        before: the slices (y, x).
        now: the volume (z, y, x).
        axis: of the volume.
    """
    differs = ((z, a != b) for z, (a, b) in enumerate(zip(before, now, strict=True)))
    changed = [(z, one) for z, one in differs if one.any()]
    if axis == 0:
        return [z for z, _ in changed]
    places = [np.flatnonzero(one.any(axis=2 - axis)) for _, one in changed]
    return sorted({int(place) for one in places for place in one})


def why_not_empty(
    facts: Sequence[SliceFacts], slices: Sequence[int], schema: LabelSchema, called: str = "slice"
) -> str:
    """Why slices can't be marked as background as a whole, in a sentence; "" = they can.

    Args:
        facts: of every slice.
        slices: which of them.
        schema: the structures.
        called: what they are called.
    """
    for z in slices:
        structures = [v for v in facts[z].voxels if v != BACKGROUND] if z < len(facts) else []
        if structures:
            names = ", ".join(schema.scribble_values.get(v, str(v)) for v in structures)
            return (
                f"{called.capitalize()} {z} has strokes of {names}: erase them first, if nothing "
                "of it is there."
            )
    return ""


def outward(facts: Sequence[SliceFacts], z: int) -> range:
    """This slice and those beyond it, away from the slices with structures; only it among those."""
    with_structures = [i for i, f in enumerate(facts) if any(v != BACKGROUND for v in f.voxels)]
    if with_structures and z < with_structures[0]:
        return range(z + 1)
    if with_structures and z > with_structures[-1]:
        return range(z, len(facts))
    return range(z, z + 1)


def suspicion_items(found: Sequence[Suspicion], schema: LabelSchema) -> tuple[Item, ...]:
    """Lines of the checklist for strokes to look at."""
    names = schema.scribble_values
    return tuple(
        Item(
            f"suspicious {n}",
            "advice",
            f"A stroke of {names.get(one.value, one.value)} on slice {one.z} looks like "
            f"{schema.names[one.looks_like]} ({one.by}): is it meant so?",
            one.z,
        )
        for n, one in enumerate(found[:MOST_SUSPICIONS])
        if one.looks_like < schema.n_classes
    )


def counted(n: int) -> str:
    """A number of voxels in a few letters: 950, 12.3k, 1.2M."""
    if n < 10_000:
        return str(n)
    return f"{n / 1000:.0f}k" if n < 1_000_000 else f"{n / 1e6:.1f}M"
