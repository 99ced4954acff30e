"""Scores as tables of pandas, for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.evaluation.folders import Evaluation
from napari_scribseg.evaluation.tables import metrics_rows, summary_rows

if TYPE_CHECKING:
    import pandas as pd


def score_table(evaluation: Evaluation) -> pd.DataFrame:
    """The scores of every case and class as a table of pandas.

    Args:
        evaluation: of `evaluate_folders`.

    Returns:
        One row per case and class, with the columns of `metrics.csv`: case, class, class_index,
        status, dice, hd95_mm, ...; NaN where a number does not exist, infinity for a distance to
        nothing.

    Raises:
        InvalidInput: pandas is not installed.

    Example:
        >>> from napari_scribseg import evaluate_folders, sample_folder, score_table
        >>> found = evaluate_folders("predictions", sample_folder("cardiac"), split="val")
        >>> score_table(found)[["case", "class", "dice"]].shape
        (12, 3)
    """
    return frame_of(metrics_rows(evaluation))


def summary_table(evaluation: Evaluation) -> pd.DataFrame:
    """Means over the cases as a table of pandas; arguments are those of `score_table`.

    Returns:
        One row per class: counts, and mean, std, median of every measure.

    Raises:
        InvalidInput: pandas is not installed.

    Example:
        >>> from napari_scribseg import evaluate_folders, sample_folder, summary_table
        >>> found = evaluate_folders("predictions", sample_folder("cardiac"), split="val")
        >>> summary_table(found)["class"].tolist()
        ['RV', 'MYO', 'LV']
    """
    return frame_of(summary_rows(evaluation))


def frame_of(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A table of rows, of which the first has the names of the columns.

    Raises:
        InvalidInput: pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "Tables need pandas, which is not installed: pip install pandas. Without it, scores "
            "are in `evaluation.rows` and in the CSV files of `scribseg evaluate`."
        ) from error
    return pd.DataFrame(list(rows[1:]), columns=list(rows[0]))
