"""The plots of a report, with their captions."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.experiment.experiment import Experiment, trial_folder, trials_of
from napari_scribseg.experiment.report import plots
from napari_scribseg.experiment.report.result_tables import ResultTables
from napari_scribseg.runs.folder import RunFolder, is_run
from napari_scribseg.runs.history import History

_MOST_ROWS: Final = 6
"""Methods whose agreement is drawn; more would fill pages, and agreement.csv has all of them."""
_MOST_COLUMNS: Final = 6


@dataclass(frozen=True)
class Figure:
    """A plot with its caption.

    Args:
        name: word of its place in the page.
        title: heading.
        caption: how to read it.
        source: the picture as a data address.
    """

    name: str
    title: str
    caption: str
    source: str


def figures_of(folder: Path, tables: ResultTables, locked: bool) -> list[Figure]:
    """All plots that the results allow."""
    if not tables.scores:
        return []
    shown = f" ({tables.largest_share} % of the annotation)" if len(tables.shares) > 1 else ""
    figures = [
        Figure(
            "dice",
            f"Dice of every test case{shown}",
            "One point per case, fold and seed; bar: median, thick line: middle half. A missing "
            "segmentation counts as 0; a structure that is in neither has no point.",
            _svg(plots.score_plot(tables.by_class("dice"), title="Dice", limits=(-0.02, 1.02))),
        ),
        Figure(
            "hd95",
            f"HD95 of every test case{shown}",
            "95th percentile Hausdorff distance in mm. Structures that were missed altogether have "
            "an infinite distance and no point: the table counts them.",
            _svg(plots.score_plot(tables.by_class("hd95_mm"), title="HD95 (mm)", limits=None)),
        ),
    ]
    pairs, units = tables.volume_pairs()
    if units:
        best = sorted(tables.mean_dice().items(), key=lambda item: -item[1])
        ranked = [label for (label, share), _ in best if share == tables.largest_share]
        labels = [label for label in tables.labels if label in ranked[:_MOST_ROWS]]
        some = dict(list(units.items())[:_MOST_COLUMNS])
        left_out = len(ranked) > len(labels) or len(units) > len(some)
        caption = (
            "Bland-Altman: difference against mean of measurement and reference, one point per "
            "case. Solid: mean difference, dashed: limits of agreement (1.96 standard deviations)."
        )
        if left_out:
            caption += f" The {len(labels)} best methods; agreement.csv has all numbers."
        drawn = plots.agreement_plot({label: pairs[label] for label in labels}, some)
        title = f"Agreement of volumes and ejection fractions{shown}"
        if not any(unit == "%" for unit in some.values()):
            title = f"Agreement of volumes{shown}"
        figures.append(Figure("agreement", title, caption, _svg(drawn)))
    if len(tables.shares) > 1 and not locked and (points := tables.effort()):
        figures.append(
            Figure(
                "effort",
                "Dice against annotation",
                "Mean Dice by what was drawn, with shares of the "
                f"{tables.experiment.recipe.shares_of}. Small points are single trials.",
                _svg(plots.effort_plot(points)),
            )
        )
    if curves := _curves(folder, tables.experiment):
        figures.append(
            Figure(
                "losses",
                "Training",
                "Loss of every trial by step. The terms differ from method to method, so only the "
                "shape can be compared.",
                _svg(plots.loss_plot(curves)),
            )
        )
    return figures


def _curves(
    folder: Path, experiment: Experiment
) -> dict[str, list[tuple[list[float], list[float]]]]:
    """Method -> steps and losses of every trial that has trained."""
    curves: dict[str, list[tuple[list[float], list[float]]]] = {}
    for trial in trials_of(experiment).values():
        path = trial_folder(folder, trial.name) / "run"
        if not is_run(path):
            continue
        losses = History.of(RunFolder.open(path).events()).losses
        if len(losses) > 1:
            line = ([point.step for point in losses], [point.loss for point in losses])
            curves.setdefault(trial.label, []).append(line)
    return curves


def _svg(picture: bytes) -> str:
    return address_of("image/svg+xml", picture)


def address_of(kind: str, data: bytes) -> str:
    """A picture as an address that holds it, so that the page is one file."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
