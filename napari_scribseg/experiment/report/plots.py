"""Plots of an experiment's numbers, as SVG: scores by class, agreement of volumes, effort, losses.

Every function takes plain numbers and gives a picture that says what it shows without colour alone:
methods have a row or a panel of their own wherever there are many.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS: Final = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#7F5AA8", "#6B6B6B"),
)
"""Of methods, in order (Okabe & Ito 2008, yellow and black replaced); they repeat after eight."""
_INK: Final = "#1d2733"
_GRID: Final = "#d9dfe6"
_MOST_VECTORS: Final = 3000
"""Of more points a picture inside the picture is made, else the file grows without end."""
_WIDTH_INCHES: Final = 9.6
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": "#8a97a5",
    "axes.labelcolor": _INK,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "text.color": _INK,
    "text.parse_math": False,  # a class or method may be called $x$
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "napari-scribseg",
}

Series = Mapping[str, Sequence[float]]
"""Numbers by the name of a method."""
_P = ParamSpec("_P")


@dataclass(frozen=True)
class Pairs:
    """A measurement of segmentations and references, in the order of the cases.

    Args:
        measured: of the segmentations.
        reference: of the references.
    """

    measured: Sequence[float]
    reference: Sequence[float]


@dataclass(frozen=True)
class EffortPoint:
    """What a method reached with a share of the annotation.

    Args:
        voxels: scribbled voxels in the training cases, mean over the trials.
        dice: mean Dice of every trial.
    """

    voxels: float
    dice: Sequence[float]


def color_of(labels: Sequence[str], label: str) -> str:
    """The colour of a method among all of an experiment."""
    return COLORS[labels.index(label) % len(COLORS)]


def _as_svg(draw: Callable[_P, Figure]) -> Callable[_P, bytes]:
    """A function that draws in our style and gives SVG; the same numbers give the same bytes."""

    @functools.wraps(draw)
    def drawn(*arguments: _P.args, **options: _P.kwargs) -> bytes:
        import matplotlib as mpl

        data = io.BytesIO()
        with mpl.rc_context(_STYLE):
            figure = draw(*arguments, **options)
            figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None}, dpi=150)
        return data.getvalue()

    return drawn


@_as_svg
def score_plot(
    values: Mapping[str, Series], *, title: str, limits: tuple[float, float] | None
) -> Figure:
    """Every case as a point, with box and median, one panel per class and one row per method.

    Args:
        values: class name -> method -> one number per case; NaN and infinite ones are left out.
        title: of the axis, with its unit.
        limits: of the axis; None = what the numbers need, from zero.
    """
    labels = list(next(iter(values.values())))
    figure = _figure(_WIDTH_INCHES, 0.9 + max(0.34 * len(labels), 0.9))
    panels = figure.subplots(1, len(values), sharey=True, squeeze=False)[0]
    total = sum(len(numbers) for series in values.values() for numbers in series.values())
    for panel, (name, series) in zip(panels, values.items(), strict=True):
        for row, label in enumerate(labels):
            numbers = np.array(series[label], dtype=np.float64)
            numbers = numbers[np.isfinite(numbers)]
            if numbers.size:
                _strip(panel, numbers, row, color_of(labels, label), total > _MOST_VECTORS)
        panel.set(title=name, xlabel=title, yticks=range(len(labels)), yticklabels=labels)
        panel.set_ylim(len(labels) - 0.4, -0.6)
        if limits is not None:
            panel.set_xlim(*limits)
        else:
            panel.set_xlim(left=0)
        _rule(panel, "x")
    return figure


@_as_svg
def agreement_plot(values: Mapping[str, Mapping[str, Pairs]], units: Mapping[str, str]) -> Figure:
    """Bland-Altman plots, one row per method and one column per quantity.

    Args:
        values: method -> quantity -> pairs, the same quantities for every method.
        units: of every quantity.
    """
    labels, quantities = list(values), list(units)
    figure = _figure(_WIDTH_INCHES, 0.4 + 1.75 * len(labels))
    shared: dict[str, Any] = {"sharex": "col", "sharey": "col", "squeeze": False}
    panels = figure.subplots(len(labels), len(quantities), **shared)
    for row, label in enumerate(labels):
        for column, quantity in enumerate(quantities):
            panel = panels[row, column]
            _bland_altman(panel, values[label].get(quantity), color_of(labels, label))
            if row == 0:
                panel.set_title(f"{quantity} ({units[quantity]})")
            if row == len(labels) - 1:
                panel.set_xlabel("mean of both")
        panels[row, 0].set_ylabel(f"{label}\nours - reference")
    return figure


@_as_svg
def effort_plot(points: Mapping[str, Sequence[EffortPoint]]) -> Figure:
    """Mean Dice against what was drawn, one line per method; small points are trials."""
    labels = list(points)
    figure = _figure(6.4, 3.4)
    panel = figure.subplots()
    for label, series in points.items():
        color = color_of(labels, label)
        ordered = sorted(series, key=lambda point: point.voxels)
        means = [float(np.mean(point.dice)) for point in ordered]
        panel.plot([p.voxels for p in ordered], means, "-o", color=color, label=label, markersize=5)
        for point in ordered:
            panel.scatter([point.voxels] * len(point.dice), point.dice, s=8, color=color, alpha=0.5)
    panel.set(xlabel="scribbled voxels in the training cases", ylabel="mean Dice")
    panel.set_xlim(left=0)
    panel.legend(frameon=False, loc="lower right", fontsize=8)
    _rule(panel, "both")
    return figure


@_as_svg
def loss_plot(curves: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]]) -> Figure:
    """The loss of every training, one panel per method: losses of two methods do not compare.

    Args:
        curves: method -> (steps, losses) of every trial.
    """
    labels = list(curves)
    columns = min(4, max(3, len(labels)))
    rows = math.ceil(len(labels) / columns)
    figure = _figure(_WIDTH_INCHES, 1.9 * rows + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False)
    for place, panel in enumerate(panels.flat):
        if place >= len(labels):
            panel.set_axis_off()
            continue
        label = labels[place]
        for steps, losses in curves[label]:
            panel.plot(steps, losses, color=color_of(labels, label), alpha=0.7, linewidth=0.9)
        panel.set(title=label)
        panel.tick_params(labelsize=8)
        if place // columns == rows - 1 or place + columns >= len(labels):
            panel.set_xlabel("step")
        if place % columns == 0:
            panel.set_ylabel("loss")
        _rule(panel, "y")
    return figure


def _strip(panel: Axes, numbers: Any, row: int, color: str, rasterised: bool) -> None:
    """Points of one method in its row, spread where they are dense, and a box over them."""
    # A fixed spread, so that the same numbers always give the same picture.
    turns = np.argsort(np.argsort(numbers, kind="stable"), kind="stable") * 0.618033988749895
    offsets = (turns % 1 - 0.5) * 0.56
    panel.scatter(
        numbers, row + offsets, s=9, color=color, alpha=0.45, linewidths=0, rasterized=rasterised
    )
    if numbers.size >= 3:
        low, middle, high = np.percentile(numbers, (25, 50, 75))
        panel.plot([low, high], [row, row], color=_INK, linewidth=4, alpha=0.35)
    else:
        middle = float(np.median(numbers))
    panel.plot([middle], [row], marker="|", color=_INK, markersize=15, markeredgewidth=2.2)


def _bland_altman(panel: Axes, pairs: Pairs | None, color: str) -> None:
    _rule(panel, "both")
    if pairs is None:
        panel.text(0.5, 0.5, "no pairs", transform=panel.transAxes, ha="center", fontsize=8)
        return
    measured = np.array(pairs.measured, dtype=np.float64)
    reference = np.array(pairs.reference, dtype=np.float64)
    known = np.isfinite(measured) & np.isfinite(reference)
    difference = (measured - reference)[known]
    mean = ((measured + reference) / 2)[known]
    many = difference.size > _MOST_VECTORS
    panel.scatter(mean, difference, s=10, color=color, alpha=0.55, linewidths=0, rasterized=many)
    panel.axhline(0, color="#8a97a5", linewidth=0.8)
    if difference.size:
        panel.axhline(difference.mean(), color=_INK, linewidth=1.2)
    if difference.size > 1:
        reach = 1.96 * difference.std(ddof=1)
        for limit in (difference.mean() - reach, difference.mean() + reach):
            panel.axhline(limit, color=_INK, linewidth=1.0, linestyle="--")


def _figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasSVG(figure)
    return figure


def _rule(panel: Axes, axis: Literal["x", "y", "both"]) -> None:
    """Quiet lines behind the points."""
    panel.set_axisbelow(True)
    panel.grid(axis=axis, color=_GRID, linewidth=0.7)
