"""Pieces of a mask: voxels that hang together over their faces.

scipy is loaded by the first call, so that the command line can list what it knows without it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def labelled(mask: Mask) -> npt.NDArray[np.int32]:
    """Number of the piece at every voxel of a mask of any rank: from 1, 0 outside."""
    from scipy import ndimage

    pieces = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=pieces)
    return pieces


def sizes(mask: Mask) -> list[int]:
    """Voxels of every piece of a mask, in the order of their numbers."""
    return [int(n) for n in np.bincount(labelled(mask).ravel())[1:]]


def largest(mask: Mask) -> Mask:
    """The largest piece of a mask, the first one of several as large; empty where the mask is."""
    pieces = labelled(mask)
    counts = np.bincount(pieces.ravel())
    if len(counts) <= 1:
        return mask
    counts[0] = 0
    return pieces == counts.argmax()


def grown(mask: Mask) -> Mask:
    """A mask and every voxel that shares a face with it."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(mask), np.bool_)
