"""What is wanted of every image that is segmented, and the files that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scribseg.core.region import Region
from napari_scribseg.data.names import distinct_slugs
from napari_scribseg.evaluation.post_processing import PostProcessing

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.core.volume import Grid
    from napari_scribseg.training.predict import Prediction


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every image.

    Args:
        probabilities: also the map of every class.
        uncertainty: also this map.
        z: only this slice.
        region: outside of which everything is background; None = what is known of the case.
        cleaning: of the segmentation.
        augmented: test-time augmentation: average over small turns of the image.
    """

    probabilities: bool = False
    uncertainty: bool = False
    z: int | None = None
    region: Region | None = None
    cleaning: PostProcessing = field(default_factory=PostProcessing)
    augmented: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """By the names of the command's options."""
        return {
            "probabilities": self.probabilities,
            "uncertainty": self.uncertainty,
            "slice": self.z,
            **({} if self.region is None else {"region": str(self.region)}),
            **({"test_time_augmentation": True} if self.augmented else {}),
            **self.cleaning.model_dump(mode="json"),
        }

    def names(self, case: str, schema: LabelSchema) -> tuple[str, ...]:
        """Names of the files of a case: segmentation, probabilities by class, uncertainty."""
        names = [case]
        if self.probabilities:
            names += [f"{case}_probabilities_{slug}" for slug in distinct_slugs(schema.names)]
        names += [f"{case}_uncertainty"] if self.uncertainty else []
        return tuple(f"{name}.nii.gz" for name in names)

    def maps(self, prediction: Prediction, schema: LabelSchema) -> list[npt.NDArray[Any]]:
        """The arrays to write, in the order of `names`."""
        maps: list[npt.NDArray[Any]] = [self.cleaning.applied(prediction.segmentation, schema)]
        if prediction.probabilities is not None and self.probabilities:
            maps += list(prediction.probabilities)
        if prediction.uncertainty is not None and self.uncertainty:
            maps.append(prediction.uncertainty)
        return maps


def write_maps(
    folder: Path, names: Sequence[str], arrays: Sequence[npt.NDArray[Any]], grid: Grid
) -> None:
    """Write the maps of one image into files of these names."""
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.io import write_volume

    # The segmentation last: whoever sees it may take the case for done.
    for name, array in reversed(list(zip(names, arrays, strict=True))):
        write_volume(folder / name, Volume(array, grid))
