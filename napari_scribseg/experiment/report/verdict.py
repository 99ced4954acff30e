"""Which method has the highest mean, in a sentence; what that is worth, the comparisons say."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from napari_scribseg.core.wording import counted
from napari_scribseg.data.names import few
from napari_scribseg.experiment.report.result_tables import ResultTables

_SHOWN: Final = 3
"""Decimals; what is equal in them is called equal."""


def verdict(tables: ResultTables) -> str:
    """Which method has the highest mean Dice with the largest share of the annotation.

    Means of other folds or seeds are of other cases or of another number of trainings: while that
    is so no method is ahead.
    """
    share = tables.largest_share
    means = {label: dice for (label, of), dice in tables.mean_dice().items() if of == share}
    if not means:
        return "No trial has ended yet, so there is nothing to compare."
    ended: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in tables.scores:
        if row["share_percent"] == share:
            ended[row["label"]].add((row["fold"], row["random_seed"]))
    planned = [row for row in tables.trials if row["share_percent"] == share]
    over = sum(map(len, ended.values()))
    so_far = "" if over == len(planned) else f" so far ({over} of {len(planned)} trials)"
    highest = round(max(means.values()), _SHOWN)
    best = [label for label, dice in means.items() if round(dice, _SHOWN) == highest]
    if len(means) == 1:
        return f"{best[0]} has a mean Dice of {highest:.3f}{so_far}."
    if len({frozenset(ended[label]) for label in means}) > 1:
        return (
            f"No method is ahead yet: {over} of {counted(len(planned), 'trial')} have ended, not "
            "of all methods on the same folds and seeds, so the means below are of different cases."
        )
    if len(best) > 1:
        return (
            f"{few(best)} have the same mean Dice, {highest:.3f}, the highest of {len(means)} "
            f"methods{so_far}."
        )
    return f"{best[0]} has the highest mean Dice, {highest:.3f}, of {len(means)} methods{so_far}."
