"""How a training went, as a table of pandas, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scribseg.core.events import Stepped, Validated
from napari_scribseg.evaluation.frames import frame_of
from napari_scribseg.runs.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd


def history_table(run: RunFolder) -> pd.DataFrame:
    """Losses and validation scores of a run as a table of pandas.

    Args:
        run: that was trained, or is being trained.

    Returns:
        One row per reported step: step, loss, learning_rate, one `loss_<term>` per term of the
        loss, and, where the run was validated, `validated_mean` and one `validated_<class>` per
        class (0 to 1). NaN where a step was not validated.

    Raises:
        InvalidInput: pandas is not installed.
        RunError: the run can't be read.

    Example:
        >>> from napari_scribseg import RunFolder, history_table
        >>> history_table(RunFolder.open("run")).columns[:3].tolist()
        ['step', 'loss', 'learning_rate']
    """
    steps: dict[int, dict[str, Any]] = {}
    for event in run.events():
        if isinstance(event, Stepped):
            found = steps.setdefault(event.step, {"step": event.step})
            found |= {"loss": event.loss, "learning_rate": event.learning_rate}
            found |= {f"loss_{name}": value for name, value in event.terms.items()}
        elif isinstance(event, Validated):
            found = steps.setdefault(event.step, {"step": event.step})
            found |= {"validated_mean": event.mean}
            found |= {f"validated_{name}": value for name, value in event.scores.items()}
    names = dict.fromkeys(name for found in steps.values() for name in found)
    columns = list(names or {"step": None})
    nothing = float("nan")
    rows = [
        [nothing if found.get(name) is None else found[name] for name in columns]
        for _, found in sorted(steps.items())
    ]
    return frame_of([columns, *rows])
