"""Clean-up of a finished segmentation: by anatomy, largest component of each class, holes filled.

None is part of any method here. By anatomy means by what the schema says of each structure, which
is done unless somebody says otherwise; the other two are done when asked for. What was done is
written beside the result: scores with and without are different numbers.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from napari_scribseg.core.config import Config
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.evaluation.anatomy import anatomy_in_words, cleaned_by_anatomy
from napari_scribseg.evaluation.pieces import grown, labelled, largest

Segmentation = npt.NDArray[np.uint8]


class PostProcessing(Config):
    """What is done to a segmentation; also the `post_processing.json` beside predictions."""

    version: Literal[1] = 1
    anatomy: bool = Field(
        default=False,
        description="Remove what contradicts what the classes say: further pieces of a structure "
        "that is one, and what should lie inside another structure but doesn't touch it.",
    )
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

    def applied(
        self, segmentation: Segmentation, schema: LabelSchema | None = None
    ) -> Segmentation:
        """The segmentation (z, y, x) after what is switched on; the given one stays as it is.

        Args:
            segmentation: (z, y, x), class indices.
            schema: says what is known of each structure; None = nothing.
        """
        if self.anatomy and schema is not None:
            segmentation = cleaned_by_anatomy(segmentation, schema)
        if self.largest_component:
            segmentation = largest_components(segmentation)
        return holes_filled(segmentation) if self.fill_holes else segmentation

    def in_words(self, schema: LabelSchema) -> tuple[str, ...]:
        """What is done, a few words each; empty where the segmentation stays as predicted."""
        said = anatomy_in_words(schema) if self.anatomy else ""
        return tuple(
            words
            for words, on in (
                (f"anatomy ({said})", bool(said)),
                ("largest component", self.largest_component),
                ("holes filled", self.fill_holes),
            )
            if on
        )


CLEAN_UP: Final = PostProcessing(anatomy=True)
"""What is done unless somebody says otherwise."""


def largest_components(segmentation: Segmentation) -> Segmentation:
    """Only the largest face-connected component of each class; the rest becomes background.

    Args:
        segmentation: (z, y, x), class indices.
    """
    kept = np.zeros_like(segmentation)
    for k in np.unique(segmentation[segmentation > 0]):
        kept[largest(segmentation == k)] = k
    return kept


def holes_filled(segmentation: Segmentation) -> Segmentation:
    """Background that the structures of a slice enclose becomes the class that borders it most.

    Args:
        segmentation: (z, y, x), class indices.
    """
    filled = segmentation.copy()
    for before, after in zip(segmentation, filled, strict=True):
        pieces = labelled(before == 0)
        rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        for piece in set(range(1, int(pieces.max()) + 1)) - set(rim.tolist()):
            hole = pieces == piece
            border = before[grown(hole) & ~hole]
            after[hole] = np.bincount(border).argmax()
    return filled
