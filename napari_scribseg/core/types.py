"""Names for the arrays that travel between rooms."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""An array whose element type follows from what it holds: intensities, labels, probabilities."""
Mask = npt.NDArray[np.bool_]
"""An array that is true where something is."""
