"""The cases of a run as its network sees them, all in one orientation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_scribseg.data.case import Case
from napari_scribseg.data.orientation import Orientation, StoredAxes, View, view_of
from napari_scribseg.training.checkpoint import checkpoint_info


def training_orientation(
    cases: Iterable[Case], *, resumed: Path | None = None, start: Orientation | None = None
) -> Orientation | None:
    """The orientation in which a training shows its cases; None = as they are stored.

    Args:
        cases: the training cases as they are stored.
        resumed: the checkpoint that training continues from: what it tells counts, whatever it is.
        start: of the weights that training begins with, if they tell one.

    Raises:
        RunError: the checkpoint to continue from is damaged.
    """
    if resumed is not None and resumed.exists():
        return checkpoint_info(resumed).orientation
    if start is not None and start.directions is not None:
        return start
    return Orientation.of([StoredAxes.of(case.image) for case in cases])


def orient(cases: list[Case], orientation: Orientation | None) -> dict[str, View]:
    """Turn cases into an orientation, in place so that no image is held twice; how, by case id.

    As they are stored, and nothing to tell, without an orientation.
    """
    if orientation is None:
        return {}
    views: dict[str, View] = {}
    for i, case in enumerate(cases):
        views[case.id] = view_of(orientation, case.image)
        cases[i] = views[case.id].turn.case(case)
    return views
