"""Loggers: the events of runs passed on to programs that draw curves of many of them.

Whoever watches feeds them from `events.jsonl`, so a training knows nothing of them, and nothing is
lost when they are started late or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Event, Finished, Stepped, Validated
from napari_scribseg.runs.folder import RunFolder, is_run
from napari_scribseg.runs.summary import whole_events


class RunLogger(Protocol):
    """What a logger of other programs has to do."""

    def begin(self, run: str, settings: Mapping[str, Any]) -> None:
        """A run is seen for the first time; its settings are those of run.json."""
        ...

    def numbers(self, run: str, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """Numbers of a step; `seconds` since 1970."""
        ...

    def end(self, run: str, outcome: str) -> None:
        """A run has ended; it may go on later."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Feed:
    """Passes the events of runs on to a logger, each once.

    Args:
        logger: is given them.
    """

    def __init__(self, logger: RunLogger) -> None:
        self._logger = logger
        self._positions: dict[Path, int] = {}

    def pass_on(self, runs: Mapping[str, Path]) -> int:
        """Pass on what runs have told since the last time; gives how many numbers that was.

        Args:
            runs: their folders by the names that the logger shall know.
        """
        count = 0
        for name, path in runs.items():
            if path not in self._positions:
                if not is_run(path):
                    continue
                self._logger.begin(name, _settings(RunFolder.open(path)))
                self._positions[path] = 0
            for event in self._new_events(path):
                count += self._passed(name, event)
        return count

    def _new_events(self, path: Path) -> list[Event]:
        position = self._positions[path]
        try:
            with (path / "events.jsonl").open("rb") as file:
                file.seek(position)
                events, length = whole_events(file.read())
        except OSError:  # not there yet
            return []
        self._positions[path] = position + length
        return events

    def _passed(self, name: str, event: Event) -> int:
        match event:
            case Stepped():
                values = {"loss": event.loss, "learning rate": event.learning_rate}
                values |= {"slices per second": event.slices_per_second}
                values |= {f"term/{term}": value for term, value in event.terms.items()}
            case Validated():
                scores = {**event.scores, "mean": event.mean}
                values = {f"{event.measure}/{k}": v for k, v in scores.items() if v is not None}
            case Finished():
                self._logger.end(name, event.outcome)
                return 0
            case _:
                return 0
        self._logger.numbers(name, event.step, event.time, values)
        return len(values)


class MlflowLogger:
    """Writes to MLflow: one of its runs for each of ours, in one experiment.

    Args:
        title: of MLflow's experiment.
        mlflow: the package, or what stands for it; None = it is imported.

    Raises:
        InvalidInput: MLflow is not installed.
    """

    def __init__(self, title: str, mlflow: Any = None) -> None:
        if mlflow is None:
            try:
                import mlflow  # pyright: ignore[reportMissingImports]
            except ImportError as error:
                raise InvalidInput("MLflow is not installed: pip install mlflow.") from error
        self._client: Any = mlflow.MlflowClient()
        found = self._client.get_experiment_by_name(title)
        self._experiment: str = (
            self._client.create_experiment(title) if found is None else found.experiment_id
        )
        self._ids: dict[str, str] = {}

    def begin(self, run: str, settings: Mapping[str, Any]) -> None:
        """See `RunLogger`."""
        made = self._client.create_run(self._experiment, run_name=run)
        self._ids[run] = made.info.run_id
        for name, value in settings.items():
            self._client.log_param(self._ids[run], name, value)

    def numbers(self, run: str, step: int, seconds: float, values: Mapping[str, float]) -> None:
        """See `RunLogger`."""
        for name, value in values.items():
            self._client.log_metric(
                self._ids[run], name, value, timestamp=int(1000 * seconds), step=step
            )

    def end(self, run: str, outcome: str) -> None:
        """See `RunLogger`."""
        status = {"completed": "FINISHED", "stopped": "KILLED"}.get(outcome, "FAILED")
        self._client.set_terminated(self._ids[run], status)

    def close(self) -> None:
        """See `RunLogger`."""


def _settings(run: RunFolder) -> dict[str, Any]:
    """The settings of a run as plain words and numbers, without the names of its data."""
    record = run.record
    training = record.training.model_dump(mode="json")
    plain = {"method": record.method, "preset": record.preset, **record.options, **training}
    return {k: v if isinstance(v, int | float | str) else json.dumps(v) for k, v in plain.items()}
