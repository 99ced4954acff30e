"""Settings of the methods whose network is the 2.5D U-Net."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from napari_scribseg.core.config import MethodConfig, Positive, PositiveInt

ANISOTROPY: Final = 4.0
"""Distance of slices over pixel size as Scribble2D5 finds it; taken where no case tells."""


class UNet25DConfig(MethodConfig):
    """Shape of the network and of its patches, as Scribble2D5 has them."""

    anisotropy: Positive | None = Field(
        default=None,
        description="Distance of slices over pixel size, which decides how many levels are 2D; "
        "empty = of the training cases.",
    )
    depth: PositiveInt = Field(default=8, description="Slices of a patch.")
    base_width: Annotated[int, Field(ge=4, multiple_of=4)] = Field(
        default=16, description="Channels at full resolution; 16 in the paper."
    )
    norm: Literal["batch", "group"] = Field(
        default="batch", description="Normalisation; batch as published, group for small batches."
    )
    full_resolution: bool = Field(
        default=True,
        description="Whether the network begins at full resolution, as in the paper; else its "
        "first level is the second, of 2 x 2 pixels each, and its result is enlarged.",
    )
