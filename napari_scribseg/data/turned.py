"""What is said of cases that are stored or lie otherwise than the others, or are coarser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from napari_scribseg.data.names import few
from napari_scribseg.data.orientation import StoredAxes, View, codes_of

_UNLIKE_PIXELS: Final = 2.0
"""How many times larger or smaller pixels are that need a word; our choice."""


def storage_note(stored: StoredAxes, view: View) -> str:
    """That one image had to be turned for the network, as a sentence; "" where it hadn't."""
    if view.turn.is_none:
        return ""
    seen = codes_of(view.turn.grid(stored.grid))
    return (
        f"The image is stored in another order of axes (x, y, z: {codes_of(stored.grid)}) than the "
        f"training cases: it is turned for the network (to {seen}), and what comes out is turned "
        "back."
    )


def orientation_notes(views: Mapping[str, View]) -> tuple[str, ...]:
    """What somebody should know of the orientations of a run's cases, one sentence per kind.

    Args:
        views: how each case is shown, by the name of the case.
    """
    total = len(views)
    turned = [name for name, view in views.items() if not view.turn.is_none]
    far = [name for name, view in views.items() if view.is_far]
    unknown = [name for name, view in views.items() if view.doubt and not view.is_far]
    notes: list[str] = []
    if turned:
        notes.append(
            f"{len(turned)} of {total} case(s) are stored in another order of axes than the "
            f"orientation of the run: {few(turned)}. They are turned for the network, and what "
            "comes out is turned back."
        )
    if far:
        notes.append(
            f"{len(far)} of {total} case(s) lie far from the others, most likely in another plane: "
            f"{few(far)}. {views[far[0]].doubt} Train cases of one plane together."
        )
    if unknown:
        notes.append(
            f"Left and right are unknown in {len(unknown)} of {total} case(s): {few(unknown)}. The "
            "network sees them as they are stored; make sure that they look like the others."
        )
    return tuple(notes)


def pixel_note(pixels: tuple[float, float], learnt_mm: float) -> str:
    """What has to be said of an image whose pixels are unlike those learnt from; "" = nothing."""
    ratio = max(max(pixels) / learnt_mm, learnt_mm / min(pixels))
    if ratio < _UNLIKE_PIXELS:
        return ""
    y_mm, x_mm = pixels
    return (
        f"The pixels are {y_mm:.3g} x {x_mm:.3g} mm, unlike the {learnt_mm:.3g} mm that this model "
        "has learnt from: look at the result before you use it."
    )
