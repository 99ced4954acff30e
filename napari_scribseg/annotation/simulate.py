"""Simulated scribbles: strokes drawn by an algorithm that knows the reference.

They stand in for an annotator where only dense references exist. The numbers below were found by
looking at and measuring the expert scribbles of ACDC (Valvano et al. 2021): thin strokes that
cover about a tenth of a structure, a hook or spiral inside a blob, arcs along the middle of a
wall, and one closed background stroke around the organ. Results on simulated scribbles must be
reported as such.

Everything happens slice by slice along z, in three steps: a path of single pixels is chosen
inside one connected component of one class, thickened, and clipped to that component. So a
stroke never leaves its class.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure
from skimage.draw import line
from skimage.morphology import convex_hull_image, skeletonize

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.core.types import Array, Mask

Style = Literal["skeleton", "interior", "boundary", "interior+boundary"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)

COVERAGE: Final = (0.08, 0.17)
"""Share of a component that its interior stroke covers; the experts' mean is 0.11 to 0.15."""
ARC_PX: Final = 25
"""A wanted length along a middle line is drawn as arcs of about this many pixels."""
INTERIOR_DEPTH: Final = (0.3, 0.7)
"""How deep in a blob the stroke runs: 0 = on its edge, 1 = at its deepest point."""
CONTOUR_SHARE: Final = (0.15, 0.4)
"""Share of the contour that a boundary stroke follows."""
BOUNDARY_INSET_PX: Final = 2.0
"""Free pixels between a boundary stroke and the edge: annotators keep off it."""
BACKGROUND_MARGIN_MM: Final = (9.0, 22.0)
"""Distance of the background stroke from the organ; the experts' median is 18 mm."""
WOBBLE: Final = 0.12
"""Relative unevenness of a curve: nobody draws at a constant distance from an edge."""
SMALL_PX: Final = 20
"""Components below this get a stroke only if they are the class's largest in the slice."""


def simulate_scribbles(
    reference: Array,
    schema: LabelSchema,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    *,
    style: Style = "interior",
    thickness_px: int = 2,
    every: int = 1,
) -> npt.NDArray[np.uint8]:
    """Scribbles that an annotator might have drawn on a volume with this reference.

    The same generator state gives the same scribbles. A class that is absent from a slice gets no
    stroke there; background gets one on every chosen slice.

    Args:
        reference: (z, y, x) class indices; not modified.
        schema: the classes.
        spacing: mm along (z, y, x).
        rng: source of all randomness.
        style: "skeleton" draws the whole middle line, "interior" a free curve inside, "boundary"
            a piece parallel to the edge, "interior+boundary" both.
        thickness_px: side of the square brush in pixels.
        every: draw on every n-th slice, starting at a random one of the first n.

    Returns:
        (z, y, x) uint8 in the scribble world of `labels`.

    Raises:
        InvalidInput: an option is out of range, a reference value is not in the schema, or slices
            are single lines of pixels.
    """
    _check_options(style, thickness_px, every)
    if min(reference.shape[1:]) < 2:
        raise InvalidInput(
            f"Slices of {reference.shape[1]} x {reference.shape[2]} pixels have no room for a "
            "stroke; expected 2 pixels or more along each axis. Give a volume of larger slices."
        )
    schema.check_segmentation(reference, "The reference")
    scribbles = np.zeros(reference.shape, dtype=np.uint8)
    start = int(rng.integers(min(every, len(reference))))
    for z in range(start, len(reference), every):
        for index in range(1, schema.n_classes):
            for component in _components(reference[z] == index):
                stroke = _class_stroke(component, style, thickness_px, rng)
                scribbles[z][stroke] = index
        free = reference[z] == 0
        ring = _around(_organ(reference, z), free, spacing[1:], thickness_px, rng)
        scribbles[z][ring] = BACKGROUND
    return scribbles


def _check_options(style: str, thickness_px: int, every: int) -> None:
    if style not in STYLES:
        raise InvalidInput(
            f"There is no scribble style '{style}'; choose one of {', '.join(STYLES)}."
        )
    for name, number in (("thickness", thickness_px), ("slice step", every)):
        if number < 1:
            raise InvalidInput(f"The {name} must be a whole number of at least 1, got {number}.")


def _components(mask: Mask) -> Iterator[Mask]:
    """The connected components worth a stroke: the largest, and others that are not specks."""
    if not mask.any():
        return
    labelled = np.asarray(measure.label(mask, connectivity=2))
    sizes = np.bincount(labelled.ravel())[1:]
    for component, size in enumerate(sizes, start=1):
        if size >= SMALL_PX or component == int(np.argmax(sizes)) + 1:
            yield labelled == component


def _class_stroke(
    component: Mask, style: Style, thickness_px: int, rng: np.random.Generator
) -> Mask:
    box = tuple(
        slice(max(side.start - 2, 0), side.stop + 2)
        for side in ndimage.find_objects(component.astype(np.uint8))[0]
    )
    inside = component[box]
    path = np.zeros_like(inside)
    if style == "skeleton":
        path |= skeletonize(inside)
    if style in {"interior", "interior+boundary"}:
        path |= _interior(inside, thickness_px, rng)
    if style in {"boundary", "interior+boundary"}:
        path |= _boundary(inside, rng)
    if not path.any():  # too small for a curve: a dot on the middle line
        path = skeletonize(inside)
    stroke = np.zeros_like(component)
    stroke[box] = _thickened(path, thickness_px) & inside
    return stroke


def _interior(inside: Mask, thickness_px: int, rng: np.random.Generator) -> Mask:
    """Arcs along the middle line of something long; a piece of an inner contour of a blob."""
    wanted = max(int(rng.uniform(*COVERAGE) * inside.sum() / thickness_px), 3)
    middle = skeletonize(inside)
    if middle.sum() >= wanted:
        n = max(round(wanted / ARC_PX), 1)
        path = np.zeros_like(inside)
        for _ in range(n):
            path |= _arc_of(middle & ~_thickened(path, 3), wanted // n, rng)
        return path
    depth = _wobbly(_depth(inside), rng)
    contours = _contours(depth, float(rng.uniform(*INTERIOR_DEPTH) * depth.max()))
    return _piece(contours, wanted, inside, rng)


def _boundary(inside: Mask, rng: np.random.Generator) -> Mask:
    """A piece of the contour, a little inside the edge."""
    depth = _depth(inside)
    contours = _contours(depth, min(BOUNDARY_INSET_PX + 0.5, 0.7 * float(depth.max())))
    length = max((len(c) for c in contours), default=0)
    return _piece(contours, int(rng.uniform(*CONTOUR_SHARE) * length) + 3, inside, rng)


def _organ(reference: Array, z: int) -> Mask:
    """Convex hull of all structures in this slice, or where it has none in the nearest that has.

    A volume without any structure gives a disk in the middle.
    """
    filled = np.flatnonzero((reference != 0).any(axis=(1, 2)))
    if filled.size:
        nearest = filled[np.argmin(np.abs(filled - z))]
        return np.asarray(convex_hull_image(reference[nearest] != 0), dtype=bool)
    y, x = (np.linspace(-1, 1, n) for n in reference.shape[1:])
    return y[:, None] ** 2 + x[None, :] ** 2 <= 0.25


def _around(
    organ: Mask,
    free: Mask,
    spacing: tuple[float, ...],
    thickness_px: int,
    rng: np.random.Generator,
) -> Mask:
    """A closed stroke around the organ, inside the free pixels; in a corner where none fits."""
    distance = np.asarray(ndimage.distance_transform_edt(~organ, sampling=spacing))
    distance = _wobbly(distance, rng)
    contours = measure.find_contours(distance, float(rng.uniform(*BACKGROUND_MARGIN_MM)))
    path = np.zeros_like(free)
    for contour in contours:
        _rasterise(path, contour)
    stroke = _thickened(path, thickness_px) & free
    if not stroke.any() and free.any():  # the organ fills the slice
        stroke = _thickened(skeletonize(free), thickness_px) & free
    return stroke


def _depth(inside: Mask) -> npt.NDArray[np.float64]:
    """Distance in pixels to the edge of the component, 0 outside."""
    padded = np.pad(inside, 1)
    return np.asarray(ndimage.distance_transform_edt(padded), dtype=np.float64)[1:-1, 1:-1]


def _wobbly(field: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The field with a smooth relative unevenness, so that its contours look drawn by hand."""
    coarse = rng.standard_normal((6, 6))
    at = np.meshgrid(*[np.linspace(0, 5, n) for n in field.shape], indexing="ij")
    return field * (1 + WOBBLE * ndimage.map_coordinates(coarse, at, order=3, mode="nearest"))


def _contours(field: npt.NDArray[np.float64], level: float) -> list[Array]:
    """Ordered (n, 2) pixel positions of each curve on which the field has this value."""
    return [c - 1 for c in measure.find_contours(np.pad(field, 1), level)]


def _piece(contours: list[Array], length: int, inside: Mask, rng: np.random.Generator) -> Mask:
    """A random piece, `length` pixels long, of a random one of the contours."""
    path = np.zeros_like(inside)
    if contours:
        sizes = np.array([len(c) for c in contours], dtype=np.float64)
        contour = contours[int(rng.choice(len(contours), p=sizes / sizes.sum()))][:-1]
        contour = np.roll(contour, int(rng.integers(len(contour))), axis=0)
        steps = np.linalg.norm(np.diff(contour, axis=0), axis=1).cumsum()
        _rasterise(path, contour[: int(np.searchsorted(steps, length)) + 1])
    return path & inside


def _arc_of(skeleton: Mask, length: int, rng: np.random.Generator) -> Mask:
    """The pixels of a skeleton within half a length, along it, of a random one of its pixels."""
    if not skeleton.any():
        return skeleton
    start = rng.choice(np.argwhere(skeleton))
    seed = np.zeros_like(skeleton)
    seed[tuple(start)] = True
    grown = ndimage.binary_dilation(
        seed, structure=np.ones((3, 3)), iterations=max(length // 2, 1), mask=skeleton
    )
    return np.asarray(grown, dtype=bool)


def _rasterise(path: Mask, points: Array) -> None:
    """Mark the straight lines between consecutive points in `path`."""
    limits = np.array(path.shape) - 1
    corners = np.clip(np.rint(points).astype(int), 0, limits)
    for (y0, x0), (y1, x1) in pairwise(corners):
        path[line(int(y0), int(x0), int(y1), int(x1))] = True


def _thickened(path: Mask, thickness_px: int) -> Mask:
    brush = np.ones((thickness_px, thickness_px), dtype=bool)
    return np.asarray(ndimage.binary_dilation(path, structure=brush), dtype=bool)
