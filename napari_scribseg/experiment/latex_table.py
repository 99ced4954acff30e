"""The table of an experiment for a paper, in LaTeX without packages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import numpy as np

from napari_scribseg.evaluation.summaries import ClassSummary, Spread, summarise
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.recipe import share_text
from napari_scribseg.experiment.trial_tables import ScoredRow, grouped


def latex_table(scored: Sequence[ScoredRow], experiment: Experiment) -> str:
    """A table for a paper: mean (standard deviation) over the cases; needs no package."""
    classes = experiment.labels.names[1:]
    head = ["Method", "Annotation", *(f"Dice {c}" for c in classes)]
    head += [f"HD95 {c} (mm)" for c in classes]
    lines = [
        f"% {experiment.dataset_title}: mean (standard deviation) over the test cases.",
        "% HD95 over finite distances; the number of infinite ones follows the plus sign.",
        *_partial_comment(scored),
        rf"\begin{{tabular}}{{ll{'c' * (2 * len(classes))}}}",
        r"\hline",
        " & ".join(map(_tex, head)) + r" \\",
        r"\hline",
    ]
    lines[0] = lines[0].replace("\n", " ")
    for (label, share), group in grouped(scored).items():
        summaries = {s.name: s for s in summarise(row.score for row in group)}
        words = [_tex(label), rf"{share_text(share)}\,\%"]
        words += [_tex_spread(summaries.get(c), "dice", 3) for c in classes]
        words += [_tex_spread(summaries.get(c), "hd95_mm", 1) for c in classes]
        lines.append(" & ".join(words) + r" \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def _partial_comment(scored: Iterable[ScoredRow]) -> list[str]:
    """Comments of the table on cases with no usable reference, or a partial one."""
    scores = [row.score for row in scored]
    lines: list[str] = []
    if any(score.status == "no reference" for score in scores):
        lines.append("% Cases without a usable reference are in no mean.")
    if any(score.reference_share < 1 for score in scores):
        lines.append("% Some references are partial: scores are of the voxels that they label.")
    return lines


def _tex_spread(summary: ClassSummary | None, measure: str, digits: int) -> str:
    spread = cast("Spread | None", getattr(summary, measure, None))
    if spread is None or not spread.n:
        return "--"
    text = f"{spread.mean:.{digits}f}"
    if not np.isnan(spread.std):
        text += f" ({spread.std:.{digits}f})"
    return f"{text} +{spread.n_infinite}" if spread.n_infinite else text


def _tex(text: str) -> str:
    """Text with the characters escaped that TeX would take for commands."""
    special = {c: rf"\{c}" for c in "&%$#_{}"}
    special |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, c) for c in text)
