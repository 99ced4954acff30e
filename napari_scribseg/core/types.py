"""Names for the arrays that travel between rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""An array whose element type follows from what it holds: intensities, labels, probabilities."""
Mask = npt.NDArray[np.bool_]
"""An array that is true where something is."""
Channels = Array | Sequence[Array]
"""An image, or several sequences of it that lie on one grid."""


def channels_of(image: Channels) -> tuple[Array, ...]:
    """Every sequence of an image."""
    return (image,) if isinstance(image, np.ndarray) else tuple(image)
