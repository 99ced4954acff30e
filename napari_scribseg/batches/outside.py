"""How much of the background that nobody drew, but that is known, a batch shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.labels import IGNORE, OUTER_BACKGROUND

_LEAST_DRAWN: Final = 0.005
"""Background pixels per pixel outside that count as drawn at least, a little less than people draw:
a slice may know its outside by the reach of its structures, without any stroke of background."""


def background_counts(stored: Tensor) -> tuple[int, int]:
    """Pixels of a slice (y, x) where background was drawn, and where it is known without."""
    return int((stored == 0).sum()), int((stored == OUTER_BACKGROUND).sum())


def targets_shown(
    stored: Tensor,
    whole: Sequence[tuple[int, int]],
    config: TrainConfig,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """What a batch shows as targets, and what of it was drawn, both (B, *S) int64.

    Of the pixels outside of the strokes some are shown as background, others in every batch: on
    average `outer_background` for every background pixel drawn on the same sample. A patch far from
    the strokes shows as large a share of them as its whole slice would, or a wide field of view
    would never be seen.

    Args:
        stored: (B, *S), class index, IGNORE or OUTER_BACKGROUND.
        whole: of every sample the `background_counts` of the slices it was cut out of.
        config: says how many.
        rng: draws them.
    """
    outside = stored == OUTER_BACKGROUND
    drawn = stored.masked_fill(outside, IGNORE)
    if not config.outer_background or not outside.any():
        return drawn, drawn
    n_drawn, n_outside = ((drawn == 0).flatten(1).sum(1), outside.flatten(1).sum(1))
    least = [max(strokes / max(beyond, 1), _LEAST_DRAWN) for strokes, beyond in whole]
    density = torch.maximum(
        n_drawn / n_outside.clamp_min(1), torch.tensor(least, device=stored.device)
    )
    share = config.outer_background * density
    chance = torch.from_numpy(rng.random(tuple(stored.shape), dtype=np.float32)).to(stored.device)
    shown = outside & (chance < share.reshape(-1, *[1] * (stored.ndim - 1)))
    return drawn.masked_fill(shown, 0), drawn
