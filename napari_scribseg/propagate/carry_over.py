"""Strokes carried from one image to another of the same anatomy, by registration.

From end-diastole to end-systole, from one slice to its neighbour, from an earlier scan to this one.
The deformation within a slice is found by symmetric demons, from coarse to fine (Thirion, Medical
Image Analysis 1998; Vercauteren et al., NeuroImage 2009), as SimpleITK has them. Two scans that lie
elsewhere are first brought together as a whole, by the rigid motion with the most mutual
information.

A structure that leaves the slice, as the right ventricle does towards end-systole, takes its stroke
along to where it no longer is. So what lands on other grey levels than it came from is left out. Of
the strokes of six hearts, carried from end-diastole to end-systole, 0.74 (RV), 0.89 (MYO) and 0.89
(LV) of the voxels were right; copied where they were, 0.60, 0.56 and 0.74 (docs/benchmarks.md). It
remains a proposal, for somebody to look at.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813
from scipy import ndimage

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNLABELLED, is_structure, without_unsure
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume

MARGIN_MM: Final = 30.0
"""What is looked at around the strokes of the structures."""
_PERCENTILES: Final = (1.0, 99.0)
_LEVELS: Final = (4, 2, 1)
"""Pixels of a coarse image per pixel, one after the other."""
_ITERATIONS: Final = 30
_SMOOTHING: Final = 1.5
"""Standard deviation, in pixels of a level, by which the displacements are smoothed."""
_UNLIKE: Final = 0.1
"""Difference of grey levels, as a share of their range, from which a stroke is not believed."""
_SMALLEST: Final = 16
"""Pixels along an axis of the coarsest image, at least."""
_FEWEST_PIXELS: Final = 4
"""Along an axis: what smoothes a slice takes no fewer."""
_BINS: Final = 32
_SEED: Final = 1


def carry_slice(
    image: Array, strokes: Array, onto: Array, spacing: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """The strokes on one slice, where their anatomy lies on another.

    Args:
        image: (y, x) intensities that the strokes were drawn on.
        strokes: (y, x) scribble values; not modified.
        onto: (y, x) intensities of the other slice.
        spacing: mm (y, x), of both.

    Returns:
        (y, x) uint8 scribble values; 0 everywhere when no structure is drawn.

    Raises:
        InvalidInput: the three have different shapes, or are fewer than four pixels wide or high.
    """
    if not image.shape == strokes.shape == onto.shape:
        raise InvalidInput(
            f"Strokes can be carried between slices of one size only, got {image.shape} and "
            f"{onto.shape}."
        )
    if min(image.shape) < _FEWEST_PIXELS:
        raise InvalidInput(
            f"A slice of {image.shape[0]} x {image.shape[1]} pixels is too small for strokes to be "
            f"carried over; expected {_FEWEST_PIXELS} pixels or more along each axis. Draw there."
        )
    strokes = without_unsure(strokes)
    part = _around(strokes, spacing)
    if part is None:
        return np.zeros(strokes.shape, np.uint8)
    found = strokes.astype(np.uint8)  # background far from the structures stays where it is
    scaled = [_scaled(each)[part] for each in (image, onto)]
    found[part] = _warped(scaled[0], strokes[part], scaled[1], spacing)
    return found


def carry_case(source: Volume, strokes: Array, target: Volume) -> npt.NDArray[np.uint8]:
    """The strokes of a case, where their anatomy lies in another image of the patient.

    Args:
        source: the image that the strokes were drawn on.
        strokes: (z, y, x) scribble values on its grid; not modified.
        target: the other image.

    Returns:
        (z, y, x) uint8 scribble values on the grid of the target.

    Raises:
        InvalidInput: strokes and image have different shapes, or the images can't be brought
            together.
    """
    if strokes.shape != source.array.shape:
        raise InvalidInput(
            f"The strokes have {strokes.shape} voxels, their image has {source.array.shape}."
        )
    image, brought = np.asarray(source.array, np.float32), strokes
    if source.grid != target.grid:
        image, brought = _brought(source, strokes, target)
    spacing = target.grid.spacing[1:]
    found = np.zeros(target.array.shape, np.uint8)
    for z in np.flatnonzero(brought.any(axis=(1, 2))):
        found[z] = carry_slice(image[z], brought[z], target.array[z], spacing)
    return found


def _around(strokes: Array, spacing: tuple[float, float]) -> tuple[slice, slice] | None:
    """The part of a slice that holds its structures, and some more."""
    drawn = np.argwhere(is_structure(strokes))
    if not len(drawn):
        return None
    margin = np.ceil(MARGIN_MM / np.asarray(spacing)).astype(int)
    first = np.maximum(drawn.min(axis=0) - margin, 0)
    last = np.minimum(drawn.max(axis=0) + margin + 1, strokes.shape)
    return slice(first[0], last[0]), slice(first[1], last[1])


def _scaled(image: Array) -> npt.NDArray[np.float32]:
    """Intensities between 0 and 1, outliers clipped; what is not finite becomes 0."""
    values = image.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(image.shape, np.float32)
    low, high = np.percentile(values[finite], _PERCENTILES)
    known = np.where(finite, values, low)
    return np.clip((known - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _warped(
    image: Array, strokes: Array, onto: Array, spacing: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    fixed, moving = _image(onto, spacing), _image(image, spacing)
    moving = sitk.HistogramMatching(moving, fixed, 128, 7, True)
    field = None
    for factor in _LEVELS:
        coarse = [_coarse(each, factor) for each in (fixed, moving)]
        demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(_ITERATIONS)
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(_SMOOTHING)
        if field is None:
            field = demons.Execute(*coarse)
        else:
            field = demons.Execute(*coarse, _like(field, coarse[0]))
    motion = sitk.DisplacementFieldTransform(sitk.Cast(_like(field, fixed), sitk.sitkVectorFloat64))
    drawn = sitk.Resample(
        _image(strokes.astype(np.uint8), spacing),
        fixed,
        motion,
        sitk.sitkNearestNeighbor,
        UNLABELLED,
        sitk.sitkUInt8,
    )
    seen = sitk.Resample(_image(image, spacing), fixed, motion, sitk.sitkLinear, 0.0)
    unlike = ndimage.gaussian_filter(np.abs(sitk.GetArrayFromImage(seen) - onto), 1.0)
    return np.where(unlike < _UNLIKE, sitk.GetArrayFromImage(drawn), UNLABELLED).astype(np.uint8)


def _image(array: Array, spacing: tuple[float, float]) -> Any:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(spacing[::-1])
    return image


def _coarse(image: Any, factor: int) -> Any:
    """An image with fewer pixels that covers the same place."""
    if factor == 1:
        return image
    size = [min(n, max(_SMALLEST, n // factor)) for n in image.GetSize()]
    old = zip(image.GetSpacing(), image.GetSize(), size, strict=True)
    smooth = sitk.SmoothingRecursiveGaussian(image, 0.5 * factor * max(image.GetSpacing()))
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetOrigin(image.GetOrigin())
    grid.SetSpacing([mm * n / m for mm, n, m in old])
    return sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)


def _like(field: Any, image: Any) -> Any:
    """A displacement field on the pixels of an image."""
    same = sitk.Transform(2, sitk.sitkIdentity)
    return sitk.Resample(field, image, same, sitk.sitkLinear, 0.0, field.GetPixelID())


def _brought(source: Volume, strokes: Array, target: Volume) -> tuple[Array, Array]:
    """Image and strokes on the grid of another image, after a rigid motion."""
    fixed, moving = (_placed(_scaled(each.array), each.grid) for each in (target, source))
    try:
        start = sitk.Euler3DTransform(_middle(target.grid).tolist())
        if not (_holds(source.grid, target.grid) and _holds(target.grid, source.grid)):
            start.SetTranslation((_middle(source.grid) - _middle(target.grid)).tolist())
        search = sitk.ImageRegistrationMethod()
        search.SetMetricAsMattesMutualInformation(_BINS)
        search.SetMetricSamplingStrategy(search.RANDOM)
        search.SetMetricSamplingPercentage(0.2, _SEED)
        search.SetInterpolator(sitk.sitkLinear)
        search.SetOptimizerAsRegularStepGradientDescent(2.0, 0.05, 100)
        search.SetOptimizerScalesFromPhysicalShift()
        search.SetShrinkFactorsPerLevel([4, 2])
        search.SetSmoothingSigmasPerLevel([4.0, 2.0])
        search.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        search.SetInitialTransform(start, inPlace=False)
        motion = search.Execute(fixed, moving)
    except RuntimeError as error:
        raise InvalidInput(
            "The two images can't be brought together: they have too little in common."
        ) from error
    drawn = _placed(strokes.astype(np.uint8), source.grid)
    image = sitk.Resample(moving, fixed, motion, sitk.sitkLinear, 0.0)
    lines = sitk.Resample(drawn, fixed, motion, sitk.sitkNearestNeighbor, UNLABELLED)
    return sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(lines)


def _placed(array: Array, grid: Grid) -> Any:
    """An image of SimpleITK where the voxels lie in the patient."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(grid.spacing[::-1])
    image.SetOrigin(grid.position((0, 0, 0)).tolist())
    columns = grid.directions[:, ::-1]
    image.SetDirection(columns.ravel().tolist())
    return image


def _middle(grid: Grid) -> npt.NDArray[np.float64]:
    return grid.position((np.array(grid.shape) - 1) / 2)


def _holds(grid: Grid, other: Grid) -> bool:
    """Whether the middle of another grid lies in this one."""
    index = grid.index(_middle(other))
    return bool(np.all(index >= -0.5) and np.all(index <= np.array(grid.shape) - 0.5))
