"""What patches of a slice are cut out around."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from napari_scribseg.core.labels import OUTER_BACKGROUND

_MOST: Final = 1000
"""Of structures, and as many elsewhere, that a slice of a reference keeps."""


def patch_centres(stored: Tensor) -> Tensor:
    """What patches of a slice (y, x) are cut out around, (n, 2): strokes, as often outside.

    Who knows of an outside must show it, or the far ends of a slice would hardly be seen.
    """
    drawn, outside = (stored >= 0).nonzero(), (stored == OUTER_BACKGROUND).nonzero()
    if not len(drawn):  # coarser pixels may lose thin strokes
        return drawn
    return torch.cat([drawn, outside[:: max(1, len(outside) // len(drawn))]])


def reference_centres(labels: Tensor) -> Tensor:
    """What patches of a densely labelled slice (y, x) are cut out around, (n, 2).

    Pixels of structures, as often others; none where there is no structure.
    """
    structures, others = (labels > 0).nonzero(), (labels == 0).nonzero()
    if not len(structures):
        return structures
    kept = structures[:: max(1, len(structures) // _MOST)]
    return torch.cat([kept, others[:: max(1, len(others) // len(kept))]])
