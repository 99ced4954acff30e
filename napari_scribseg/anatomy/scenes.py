"""Random scenes: which body, how large, and how it is seen; all of it follows from a seed."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np

from napari_scribseg.anatomy.abdomen import abdomen
from napari_scribseg.anatomy.canvas import Canvas, Scene, View
from napari_scribseg.anatomy.heart import APEX_TO_BASE, heart
from napari_scribseg.anatomy.pelvis import APEX_TO_BLADDER, pelvis
from napari_scribseg.anatomy.shapes import shapes

Kind = Literal["heart", "pelvis", "abdomen", "shapes"]
KINDS: Final[tuple[Kind, ...]] = ("heart", "pelvis", "abdomen", "shapes")
_SHARES: Final = (0.6, 0.12, 0.12, 0.16)
"""How often a scene of each kind is drawn where nobody says which."""
_PIXEL_MM: Final = {
    "heart": (1.0, 2.5),
    "pelvis": (0.6, 1.7),
    "abdomen": (1.8, 3.8),
    "shapes": (0.8, 2.2),
}
"""Finest and coarsest pixel of each kind, for slices of about a hundred pixels a side."""


def random_scene(
    seed: int | tuple[int, ...],
    *,
    kind: Kind | None = None,
    slices: int = 1,
    side: int = 128,
    siblings: bool = False,
) -> Scene:
    """Slices of a random body: the same for the same arguments.

    Args:
        seed: whatever is random follows from it.
        kind: of body; None = by chance.
        slices: how many (Z).
        side: pixels of a slice along y and x.
        siblings: the slices are of as many bodies that are alike; else neighbours in one body.
    """
    rng = np.random.default_rng(seed)
    if kind is None:
        kind = KINDS[int(rng.choice(len(KINDS), p=_SHARES))]
    finest, coarsest = _PIXEL_MM[kind]
    view = View(
        slices=slices,
        side=side,
        pixel_mm=math.exp(rng.uniform(math.log(finest), math.log(coarsest))),
        siblings=siblings,
        turn=math.pi if rng.random() < 0.35 else 0.5,
        shift_mm=float(rng.uniform(5, 45)),
        warp_mm=6.0,
    )
    match kind:
        case "heart":
            return heart(Canvas(rng, view, APEX_TO_BASE))
        case "pelvis":
            return pelvis(Canvas(rng, view, APEX_TO_BLADDER))
        case "abdomen":
            return abdomen(Canvas(rng, view))
        case "shapes":
            return shapes(Canvas(rng, view))
