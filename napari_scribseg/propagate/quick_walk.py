"""The random walk solved approximately, fast enough to follow the pen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import cg

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.types import Array

_TOLERANCE: Final = 1e-2
_MOST_ITERATIONS: Final = 300
_CONTRAST: Final = 10.0
"""As scikit-image: squared differences are divided by ten standard deviations of the image."""
_WEAKEST: Final = 1e-6


def quick_walk(
    grey: Array,
    seeds: Array,
    n_classes: int,
    beta: float,
    cancelled: Callable[[], bool] = lambda: False,
) -> npt.NDArray[np.float32] | None:
    """Probability of every class (K, z, y, x); None if cancelled.

    Args:
        grey: (z, y, x), about 0 to 1.
        seeds: (z, y, x), class index or IGNORE; at least one class.
        n_classes: K.
        beta: how much an edge hinders, as in `random_walker_probabilities`.
        cancelled: asked between classes.

    Source: Grady, "Random walks for image segmentation", PAMI 2006. Conjugate gradients with a
    diagonal preconditioner, to an accuracy that is enough for the likeliest class.
    """
    laplacian = _laplacian(grey, beta)
    drawn = seeds.ravel() != IGNORE
    free = np.flatnonzero(~drawn)
    inside = laplacian[free][:, free].tocsr()
    towards = laplacian[free][:, np.flatnonzero(drawn)]
    diagonal = sparse.diags(1.0 / inside.diagonal()) if len(free) else None
    found = np.zeros((n_classes, seeds.size), np.float32)
    values = seeds.ravel()[drawn]
    for index in np.unique(values):
        if cancelled():
            return None
        found[index, drawn] = values == index
        if diagonal is not None:
            pull = -(towards @ (values == index).astype(np.float64))
            solved, _ = cg(inside, pull, rtol=_TOLERANCE, M=diagonal, maxiter=_MOST_ITERATIONS)
            found[index, free] = solved
    np.clip(found, 0, 1, out=found)
    found /= np.maximum(found.sum(0), 1e-6)
    return found.reshape(n_classes, *seeds.shape)


def _laplacian(grey: Array, beta: float) -> Any:
    """The graph of neighbouring voxels; edges of the image make weak links."""
    ids = np.arange(grey.size).reshape(grey.shape)
    contrast = float(grey.std()) or 1.0
    rows, columns, weights = [], [], []
    for axis in range(3):
        one, other = np.moveaxis(ids, axis, 0)[:-1], np.moveaxis(ids, axis, 0)[1:]
        steps = np.diff(np.moveaxis(grey, axis, 0), axis=0)
        rows.append(one.ravel())
        columns.append(other.ravel())
        weights.append((np.exp(-beta * steps**2 / (_CONTRAST * contrast)) + _WEAKEST).ravel())
    row, column = np.concatenate(rows), np.concatenate(columns)
    weight = np.concatenate(weights)
    links = sparse.coo_matrix(
        (np.r_[weight, weight], (np.r_[row, column], np.r_[column, row])), (grey.size, grey.size)
    ).tocsr()
    return (sparse.diags(np.asarray(links.sum(1)).ravel()) - links).tocsr()
