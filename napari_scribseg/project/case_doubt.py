"""How doubtful the newest prediction of each case of a project is: which case to look at next.

The doubt is that of the uncertainty maps (0 to 1) that lie beside predictions: their sum over the
volume per voxel of the segmentation, so that large and small images can be compared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.names import segmentations_in
from napari_scribseg.io import read_labels, read_volume
from napari_scribseg.project.open_document import is_project

_MAP: Final = "_uncertainty.nii.gz"
_FEWEST_VOXELS: Final = 100
"""A segmentation of fewer voxels is as good as none: its case is the most doubtful."""


def case_doubts(project: Path) -> dict[str, float]:
    """The doubt of each case whose newest prediction, by any run of a project, has such a map."""
    if not is_project(project):
        return {}
    newest: dict[str, Path] = {}
    # Folders of predictions are called by their time; the newest of all runs counts.
    for out in sorted(
        (project / "runs").glob("*/predictions/*/output"), key=lambda one: one.parent.name
    ):
        newest |= segmentations_in(out)
    doubts: dict[str, float] = {}
    for case_id, path in newest.items():
        try:
            doubts[case_id] = _doubt(path.with_name(f"{case_id}{_MAP}"), path)
        except InvalidInput:
            continue  # no map, or a damaged one, says nothing of its case
    return doubts


def _doubt(uncertainty: Path, segmentation: Path) -> float:
    unsure = read_volume(uncertainty).array.astype(np.float64)
    found = int(np.count_nonzero(read_labels(segmentation).array))
    return float(np.nansum(unsure) / max(found, _FEWEST_VOXELS))
