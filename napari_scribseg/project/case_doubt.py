"""How doubtful the newest prediction of each case of a project is: which case to look at next.

The doubt is that of the uncertainty maps (0 to 1) that lie beside predictions: their sum over the
volume per voxel of the segmentation, so that large and small images can be compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import read_labels, read_volume
from napari_scribseg.project.open_document import is_project

_MAP: Final = "_uncertainty.nii.gz"
_FEWEST_VOXELS: Final = 100
"""A segmentation of fewer voxels is as good as none: its case is the most doubtful."""


def case_doubts(project: Path) -> dict[str, float]:
    """The doubt of each case that a run of a project has predicted with an uncertainty map."""
    if not is_project(project):
        return {}
    maps: dict[str, Path] = {}
    # Folders of predictions are called by their time; the newest of all runs counts.
    for path in sorted(
        (project / "runs").glob(f"*/predictions/*/output/*{_MAP}"),
        key=lambda one: one.parent.parent.name,
    ):
        maps[path.name.removesuffix(_MAP)] = path
    doubts: dict[str, float] = {}
    for case_id, path in maps.items():
        try:
            doubts[case_id] = _doubt(path, path.with_name(f"{case_id}.nii.gz"))
        except InvalidInput:
            continue  # a damaged map says nothing of its case
    return doubts


def _doubt(uncertainty: Path, segmentation: Path) -> float:
    unsure = read_volume(uncertainty).array.astype(np.float64)
    found = int(np.count_nonzero(read_labels(segmentation).array))
    return float(np.nansum(unsure) / max(found, _FEWEST_VOXELS))
