"""An experiment watched: how far its trials are, wherever they are computed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import Answer, columns, printable
from napari_scribseg.cli.progress import Display, duration

if TYPE_CHECKING:
    from napari_scribseg.experiment.experiment import Experiment
    from napari_scribseg.experiment.watch import Look, RunningTrial
    from napari_scribseg.runs.loggers import Feed, RunLogger

LOGGERS: Final = ("tensorboard", "mlflow")
"""Programs that numbers are passed on to."""
MOST_ROWS: Final = 40
"""Of the table of running trials."""
_LOOK_SECONDS: Final = 2.0
_SAY_SECONDS: Final = 30.0
_HEADING: Final = ("trial", "host", "phase", "step", "done", "left")


def progress_of(folder: Path, experiment: Experiment, display: Display) -> Callable[[], None]:
    """A function that shows now and then which trials run where, and how far they are.

    Args:
        folder: of the experiment.
        experiment: of the folder.
        display: on a terminal gets the bar, elsewhere a line for every running trial.
    """
    from napari_scribseg.experiment.watch import ExperimentWatch

    watch = ExperimentWatch(folder, experiment)
    terminal = sys.stderr.isatty()
    wait = _LOOK_SECONDS if terminal else _SAY_SECONDS
    after = time.monotonic() + wait

    def look() -> None:
        nonlocal after
        if time.monotonic() < after:
            return
        after = time.monotonic() + wait
        seen = watch.look()
        if terminal:
            shown = "; ".join(_short(one) for one in seen.running[:3])
            display.move(f"{_counts(seen)}: {shown}" if shown else _counts(seen), _share(seen))
        else:
            for one in seen.running[:MOST_ROWS]:
                display.say(_line(one))

    return look


def watch_experiment(arguments: argparse.Namespace, display: Display) -> Answer:
    """Show how the trials are: live on a terminal, once elsewhere, unless numbers are passed on."""
    from napari_scribseg.experiment.experiment import load_experiment
    from napari_scribseg.experiment.watch import ExperimentWatch

    folder: Path = arguments.source.absolute()
    experiment = load_experiment(folder)
    watch = ExperimentWatch(folder, experiment)
    logger = _logger(arguments.log_to, folder, experiment) if arguments.log_to else None
    seen = watch.look()
    live = sys.stdout.isatty() and not arguments.json
    try:
        if live or logger is not None:
            seen = _live(watch, folder, logger, display, shown=live)
    except KeyboardInterrupt:
        seen = watch.look()
    finally:
        if logger is not None:
            logger.close()
    document = {
        "experiment": folder,
        "states": dict(seen.states),
        "running": [vars(one) for one in seen.running],
        "stale": _tables_are_older(folder),
    }
    text = "" if live else _text(seen)
    problems = _stale(folder) if document["stale"] else ()
    return Answer(document, text or _counts(seen), problems)


def _live(
    watch: Any, folder: Path, logger: RunLogger | None, display: Display, *, shown: bool
) -> Look:
    """Look until every trial has ended or somebody presses Ctrl-C."""
    from rich.console import Console
    from rich.live import Live

    from napari_scribseg.runs.loggers import Feed

    feed = None if logger is None else Feed(logger)
    if not shown:
        return _looked(watch, folder, feed, lambda seen: display.move(_counts(seen), _share(seen)))
    with Live(console=Console(), refresh_per_second=4, transient=True) as live:
        return _looked(watch, folder, feed, lambda seen: live.update(_table(seen), refresh=True))


def _looked(watch: Any, folder: Path, feed: Feed | None, show: Callable[[Look], None]) -> Look:
    while True:
        seen: Look = watch.look()
        show(seen)
        if feed is not None:
            feed.pass_on({path.parent.name: path for path in folder.glob("cells/*/run")})
        if seen.is_over:
            return seen
        time.sleep(_LOOK_SECONDS)


def _logger(name: str, folder: Path, experiment: Experiment) -> RunLogger:
    if name == "mlflow":
        from napari_scribseg.runs.loggers import MlflowLogger

        return MlflowLogger(experiment.recipe.title or folder.name)
    from napari_scribseg.training.tensorboard_log import TensorBoardLogger

    return TensorBoardLogger(folder / "tensorboard")


def _table(seen: Look) -> Any:
    """The table for a terminal."""
    from rich.table import Table

    table = Table(title=_counts(seen))
    for name in _HEADING:
        table.add_column(name)
    for one in seen.running[:MOST_ROWS]:
        table.add_row(*(printable(word).replace("[", "\\[") for word in _row(one)))
    return table


def _text(seen: Look) -> str:
    """The same as plain text."""
    rows = [_row(one) for one in seen.running[:MOST_ROWS]]
    return "\n".join([_counts(seen), *([columns([_HEADING, *rows])] if rows else [])])


def _row(one: RunningTrial) -> tuple[str, ...]:
    left = "" if one.seconds_left is None else duration(one.seconds_left)
    step = str(one.step) if one.step else ""
    return (one.name, one.host, one.phase, step, f"{one.progress:.0%}", left)


def _line(one: RunningTrial) -> str:
    step = f", step {one.step}" if one.step else ""
    left = "" if one.seconds_left is None else f", {duration(one.seconds_left)} left"
    return f"{one.name} on {one.host}: {one.phase}{step}{left}"


def _short(one: RunningTrial) -> str:
    left = one.phase if one.seconds_left is None else f"{duration(one.seconds_left)} left"
    return f"{one.name} on {one.host} {left}"


def _counts(seen: Look) -> str:
    told = ", ".join(f"{count} {state}" for state, count in seen.states.items())
    return f"{seen.total} trials: {told}"


def _share(seen: Look) -> float:
    ended = seen.states.get("finished", 0) + seen.states.get("failed", 0)
    return (ended + sum(one.progress for one in seen.running)) / max(1, seen.total)


def _tables_are_older(folder: Path) -> bool:
    """Whether a trial has ended since the tables were written; both times are the drive's."""
    try:
        written = (folder / "cells.csv").stat().st_mtime_ns
    except OSError:
        written = 0
    return any(path.stat().st_mtime_ns > written for path in folder.glob("cells/*/result.json"))


def _stale(folder: Path) -> tuple[str, ...]:
    return (
        "Trials have ended since the tables were written; whoever computes writes them at the "
        f"end, and `scribseg experiment {folder} --tables` does so now.",
    )
