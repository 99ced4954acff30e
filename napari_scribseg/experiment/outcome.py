"""What has come out of an experiment: all tables and the report, written by one at a time."""

from __future__ import annotations

from pathlib import Path

from napari_scribseg.core.errors import RunError
from napari_scribseg.experiment.clients import alone
from napari_scribseg.experiment.experiment import Experiment
from napari_scribseg.experiment.results import write_results
from napari_scribseg.runs.worker import sentence_of


def write_all(
    folder: Path, experiment: Experiment, *, locked: bool = False
) -> tuple[Path, tuple[str, ...]]:
    """Write all tables and the report; gives the report and what was found.

    Whoever else does so is waited for: tables are never older than results.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        locked: also those of the locked cases.

    Raises:
        RunError: they can't be written; the message says why, and that nothing is lost.
    """
    from napari_scribseg.experiment.report.html import write_report

    try:
        with alone(folder):
            sentences = write_results(folder, experiment)
            report = write_report(folder, experiment)
            if locked:
                sentences = write_results(folder, experiment, locked=True)
                report = write_report(folder, experiment, locked=True)
    except Exception as error:
        raise RunError(
            f"The tables and the report of {folder} can't be written: {sentence_of(error)} What "
            f"is finished stays; `scribseg experiment {folder} --tables` writes them."
        ) from error
    return report, sentences
