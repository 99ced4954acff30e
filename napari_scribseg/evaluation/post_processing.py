"""Clean-up of a finished segmentation: largest component of each class, holes filled.

Neither is part of any method here, so both are off unless asked for, and what was done is written
beside the result: scores with and without are different numbers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from napari_scribseg.core.config import Config

Segmentation = npt.NDArray[np.uint8]


class PostProcessing(Config):
    """What is done to a segmentation; also the `post_processing.json` beside predictions."""

    version: Literal[1] = 1
    largest_component: bool = Field(
        default=False,
        description="Keep only the largest connected piece of each class (3D, voxels that share "
        "a face); the others become background.",
    )
    fill_holes: bool = Field(
        default=False,
        description="Give background that a slice's structures enclose to the class that borders "
        "it most.",
    )

    def applied(self, segmentation: Segmentation) -> Segmentation:
        """The segmentation (z, y, x) after what is switched on; the given one stays as it is."""
        if self.largest_component:
            segmentation = largest_components(segmentation)
        return holes_filled(segmentation) if self.fill_holes else segmentation


def largest_components(segmentation: Segmentation) -> Segmentation:
    """Only the largest face-connected component of each class; the rest becomes background.

    Args:
        segmentation: (z, y, x), class indices.
    """
    kept = np.zeros_like(segmentation)
    for k in np.unique(segmentation[segmentation > 0]):
        pieces, _ = _pieces(segmentation == k)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        kept[pieces == sizes.argmax()] = k
    return kept


def holes_filled(segmentation: Segmentation) -> Segmentation:
    """Background that the structures of a slice enclose becomes the class that borders it most.

    Args:
        segmentation: (z, y, x), class indices.
    """
    filled = segmentation.copy()
    for before, after in zip(segmentation, filled, strict=True):
        pieces, n = _pieces(before == 0)
        rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        for piece in set(range(1, n + 1)) - set(rim.tolist()):
            hole = pieces == piece
            border = before[ndimage.binary_dilation(hole) & ~hole]
            after[hole] = np.bincount(border).argmax()
    return filled


def _pieces(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], int]:
    """Number of the face-connected component at every voxel, 0 outside, and how many there are."""
    pieces = np.zeros(mask.shape, np.int32)
    n = ndimage.label(mask, output=pieces)
    return pieces, int(n)  # pyright: ignore[reportArgumentType]  given an output, it is a number
