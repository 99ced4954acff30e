"""Figures of one case: what was drawn, what was predicted, what it should have been."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.io.atomic import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_SLICES: Final = 5
_MARGIN_SHARE: Final = 0.3
"""Room around the labels, as a share of their size."""
_PANEL_INCHES: Final = 2.4
_FILL_OPACITY: Final = 0.45


def overlay_figure(
    image: Array,
    schema: LabelSchema,
    spacing: tuple[float, float, float],
    *,
    title: str,
    segmentation: Array,
    scribbles: Array | None = None,
    reference: Array | None = None,
) -> Figure:
    """Slices of a case: the scribbles above, the prediction's outline over the reference below.

    Slices are spread evenly over those that have a structure; all panels show the same region
    around the structures, with square millimetres.

    Args:
        image: (z, y, x) intensities.
        schema: gives names and colours.
        spacing: mm along (z, y, x).
        title: stands above the panels.
        segmentation: (z, y, x) class indices, drawn as outlines.
        scribbles: (z, y, x) scribble values; None leaves their row out.
        reference: (z, y, x) class indices, drawn as filled areas.

    Example:
        >>> from napari_scribseg import overlay_figure, read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> case = dataset.cases[0].load(dataset.schema)
        >>> figure = overlay_figure(
        ...     case.image.array, dataset.schema, case.image.grid.spacing, title=case.id,
        ...     segmentation=case.reference, scribbles=case.scribbles,
        ... )
        >>> figure.savefig("case.png")
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # What should be there chooses the view: a poor prediction may be anywhere.
    structures = segmentation > 0
    if reference is not None:
        reference = np.where(reference == UNKNOWN, 0, reference)
    if reference is not None and reference.any():
        structures = reference > 0
    slices = _slices(structures)
    region = _region(structures)
    aspect = spacing[1] / spacing[2]
    height, width = (s.stop - s.start for s in region)
    rows = 1 if scribbles is None else 2
    size = _inches(aspect * height / width, rows, len(slices))
    figure = Figure(figsize=size, dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, len(slices), squeeze=False)
    low, high = _window(image)
    for column, z in enumerate(slices):
        for panel in panels[:, column]:
            panel.imshow(image[z][region], cmap="gray", vmin=low, vmax=high, aspect=aspect)
            panel.set(xticks=[], yticks=[])
        if scribbles is not None:
            _fill(panels[0, column], scribbles[z][region], schema.scribble_colors, aspect, 1.0)
        if reference is not None:
            colors = schema.segmentation_colors
            _fill(panels[-1, column], reference[z][region], colors, aspect, _FILL_OPACITY)
        _outline(panels[-1, column], segmentation[z][region], schema)
        panels[0, column].set_title(f"slice {z + 1} of {len(image)}", fontsize=9)
    if scribbles is not None:
        panels[0, 0].set_ylabel("scribbles", fontsize=10)
    panels[-1, 0].set_ylabel("segmentation", fontsize=10)
    figure.suptitle(title, fontsize=12)
    _legend(figure, schema, scribbles is not None, reference is not None)
    return figure


def slice_figure(
    image: Array,
    schema: LabelSchema,
    spacing: tuple[float, float],
    *,
    segmentation: Array,
    reference: Array,
) -> Figure:
    """One slice without any text: the prediction's outline over the filled reference.

    Args:
        image: (y, x) intensities.
        schema: gives the colours.
        spacing: mm along (y, x).
        segmentation: (y, x) class indices.
        reference: (y, x) class indices.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    reference = np.where(reference == UNKNOWN, 0, reference)
    region = _region(((segmentation > 0) | (reference > 0))[None])
    aspect = spacing[0] / spacing[1]
    height, width = (s.stop - s.start for s in region)
    figure = Figure(
        figsize=(_PANEL_INCHES, min(_PANEL_INCHES * aspect * height / width, 2 * _PANEL_INCHES)),
        dpi=130,
    )
    FigureCanvasAgg(figure)
    panel = figure.add_axes((0, 0, 1, 1))
    low, high = _window(image)
    panel.imshow(image[region], cmap="gray", vmin=low, vmax=high, aspect=aspect)
    panel.set_axis_off()
    _fill(panel, reference[region], schema.segmentation_colors, aspect, _FILL_OPACITY)
    _outline(panel, segmentation[region], schema)
    return figure


def png_of(figure: Figure) -> bytes:
    """A figure as PNG."""
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG.

    Raises:
        InvalidInput: the file can't be written; an older one is untouched.
    """
    write_bytes(path, png_of(figure))


def _slices(structures: Array) -> list[int]:
    """Up to MOST_SLICES slices, spread evenly over those with a structure (else over all)."""
    with_structure = np.flatnonzero(structures.any(axis=(1, 2)))
    if not len(with_structure):
        with_structure = np.arange(len(structures))
    picks = np.linspace(0, len(with_structure) - 1, min(MOST_SLICES, len(with_structure)))
    return [int(with_structure[round(float(i))]) for i in picks]


def _region(structures: Array) -> tuple[slice, slice]:
    """The in-plane box (y, x) around the structures, with a margin; all when there are none."""
    flat: Array = np.any(structures, axis=0)
    if not flat.any():
        return slice(0, flat.shape[0]), slice(0, flat.shape[1])
    boxes: list[slice] = []
    for axis in (0, 1):
        where = np.flatnonzero(np.any(flat, axis=1 - axis))
        first, last = int(where[0]), int(where[-1]) + 1
        margin = max(12, round(_MARGIN_SHARE * (last - first)))
        boxes.append(slice(max(0, first - margin), min(flat.shape[axis], last + margin)))
    return boxes[0], boxes[1]


def _window(image: Array) -> tuple[float, float]:
    finite = image[np.isfinite(image)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, (1, 99.5)))
    return low, high if high > low else low + 1.0


def _fill(
    panel: Axes, labels: Array, colors: dict[int, str], aspect: float, opacity: float
) -> None:
    from matplotlib.colors import to_rgba

    painted = np.zeros((*labels.shape, 4))
    for value, color in colors.items():
        painted[labels == value] = to_rgba(color, opacity)
    panel.imshow(painted, interpolation="nearest", aspect=aspect)


def _outline(panel: Axes, labels: Array, schema: LabelSchema) -> None:
    from matplotlib import patheffects

    halo = [patheffects.withStroke(linewidth=2.8, foreground="black")]
    for value, color in schema.segmentation_colors.items():
        mask = labels == value
        if mask.any():
            # One pixel of frame, so that an outline closes at the edge of the region.
            ends = [np.arange(-1, n + 1) for n in mask.shape]
            contour = panel.contour(
                ends[1], ends[0], np.pad(mask, 1), [0.5], colors=[color], linewidths=1.4
            )
            contour.set(path_effects=halo)
    panel.set(xlim=(-0.5, labels.shape[1] - 0.5), ylim=(labels.shape[0] - 0.5, -0.5))


def _inches(steepness: float, rows: int, columns: int) -> tuple[float, float]:
    """Width and height of a figure of panels that are so many times as high as wide."""
    panel_height = min(_PANEL_INCHES * steepness, 2 * _PANEL_INCHES)
    return max(_PANEL_INCHES * columns, 6.0), panel_height * rows + 1.1


def _legend(
    figure: Figure,
    schema: LabelSchema,
    with_scribbles: bool,
    with_reference: bool,
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colors = schema.scribble_colors if with_scribbles else schema.segmentation_colors
    # Between two of them matplotlib would read a formula.
    names = {v: name.replace("$", r"\$") for v, name in schema.drawn_values.items()}
    handles: list[Any] = [Patch(color=color, label=names[v]) for v, color in colors.items()]
    if with_reference:
        handles.append(Patch(color="#999999", alpha=_FILL_OPACITY, label="filled: reference"))
    handles.append(Line2D([], [], color="#222222", linewidth=1.6, label="outline: prediction"))
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=9, frameon=False)
