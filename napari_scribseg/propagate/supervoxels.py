"""Pseudo-labels grown from scribbles by supervoxels: a supervoxel takes the class drawn in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.types import Array, Channels, channels_of

_PERCENTILES = (1.0, 99.0)
"""Grey levels are scaled so that these percentiles of the volume become 0 and 1."""


def supervoxels(
    image: Channels, spacing: tuple[float, float, float], size_mm3: float, compactness: float
) -> npt.NDArray[np.int32]:
    """The supervoxel of every voxel, (z, y, x), counted from 0; each hangs together.

    Args:
        image: (z, y, x), any scale; of several sequences the mean of squared differences counts.
        spacing: mm (z, y, x), in which distances are measured; the grid that SLIC starts from is
            regular in voxels all the same.
        size_mm3: about how large a supervoxel is.
        compactness: grey levels (0 to 1) against distance; less follows the image more closely.

    Source: SLIC (Achanta et al., PAMI 2012), scikit-image's.
    """
    from skimage.segmentation import slic

    channels = channels_of(image)
    volume_mm3 = channels[0].size * float(np.prod(spacing))
    several = len(channels) > 1
    scaled = [_scaled(channel) for channel in channels]
    segments = slic(
        np.stack(scaled, -1) if several else scaled[0],
        n_segments=max(round(volume_mm3 / size_mm3), 1),
        # It sums over channels: with the root of their number it is a mean.
        compactness=compactness * len(channels) ** 0.5,
        spacing=spacing,
        channel_axis=-1 if several else None,
        convert2lab=False,
        start_label=0,
        enforce_connectivity=True,
    )
    return segments.astype(np.int32)


def grown_labels(segments: Array, targets: Array) -> npt.NDArray[np.int16]:
    """Targets in which a supervoxel touched by strokes of exactly one class has that class.

    Supervoxels touched by several classes and untouched ones are IGNORE, but for the drawn voxels
    themselves, which keep their class.

    Args:
        segments: (z, y, x), supervoxels counted from 0.
        targets: (z, y, x), class index or IGNORE.

    Source: the unique-label rule of Scribble2D5 (2022), section 2.2.
    """
    drawn = targets != IGNORE
    if not drawn.any():
        return targets.astype(np.int16)
    touched = np.zeros((int(segments.max()) + 1, int(targets.max()) + 1), bool)
    touched[segments[drawn], targets[drawn]] = True
    label = np.where(touched.sum(1) == 1, touched.argmax(1), IGNORE).astype(np.int16)
    return np.where(drawn, targets, label[segments]).astype(np.int16)


def _scaled(image: Array) -> npt.NDArray[np.float32]:
    """The volume between 0 and 1 by robust percentiles; what is not finite becomes 0."""
    values = image.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(image.shape, np.float32)
    low, high = np.percentile(values[finite], _PERCENTILES)
    span = high - low if high > low else 1.0
    return np.clip((np.where(finite, values, low) - low) / span, 0, 1).astype(np.float32)
