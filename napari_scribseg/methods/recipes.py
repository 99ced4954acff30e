"""Training settings that several papers share."""

from __future__ import annotations

from typing import Final

from napari_scribseg.core.config import TrainConfig

REACH: Final = 1.75
"""On ACDC 0.01 % of the structures lie farther out; see docs/decisions/0010."""

QUICK: Final = TrainConfig(start="anatomy", dropout=0.0, reach=REACH)
"""The presets `quick` of 2D networks: from weights that know anatomy, without dropout,
which costs time and Dice in short trainings."""

WSL4MIS: Final = TrainConfig(
    start="random",
    steps=60_000,
    batch_size=12,
    patch=(256, 256),
    optimiser="sgd",
    learning_rate=0.01,
    momentum=0.9,
    weight_decay=1e-4,
    schedule="poly",
    gradient_clip=0.0,
    weight_average=0.0,
    outer_background=0.0,
    rotation_degrees=180.0,
    flips=True,
    zoom=0.0,
    intensity=0.0,
)
"""HiLab-git/WSL4MIS: SGD 0.01 with poly decay for 60 000 steps of 12 slices of 256 x 256.

Theirs stretches every slice to 256 x 256 and rotates by multiples of 90 or up to 20 degrees; ours
keeps pixels square and rotates by any angle.
"""

SCRIBBLE2D5: Final = TrainConfig(
    steps=7000,
    batch_size=4,
    patch=(224, 224),
    optimiser="adam",
    learning_rate=1e-4,
    weight_decay=1e-7,
    schedule="poly",
    gradient_clip=0.0,
    weight_average=0.0,
    outer_background=0.0,
    rotation_degrees=0.0,
    flips=True,
    zoom=0.0,
    intensity=0.0,
)
"""Chen and Hong, Scribble2D5: Adam 1e-4 in batches of 4 (paper), poly decay and flips (code);
200 epochs of 140 volumes."""
