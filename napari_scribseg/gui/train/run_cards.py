"""What the list of runs shows of each, read from its folder. No Qt, no napari."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Validated
from napari_scribseg.gui.values import Choice
from napari_scribseg.gui.widgets.numbers import duration
from napari_scribseg.methods.registry import title_of, usual_steps
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.queue import RunQueue

State = Literal[
    "created", "waiting", "running", "paused", "completed", "stopped", "failed", "crashed"
]
Action = Literal["start", "pause", "go on", "finish", "abort", "resume", "more", "log", "delete"]

_WORDS: dict[State, str] = {
    "created": "not started",
    "waiting": "waits for its turn",
    "running": "training",
    "paused": "paused",
    "completed": "complete",
    "stopped": "stopped",
    "failed": "failed",
    "crashed": "interrupted",
}


@dataclass(frozen=True)
class RunCard:
    """One run, ready to be shown.

    Args:
        folder: of the run.
        method: word of its method.
        preset: the preset that its settings started from.
        state: how it is now.
        step: how far it was trained.
        seconds: training time so far.
        score: its last validation, "" without one.
        message: how it ended, "" before.
        saved: whether it can be resumed.
        has_weights: whether it can predict.
        continues: name of the run it started from, "" = from none.
        is_guest: whether it belongs to something else than the project, and is only looked at.
        effort: what drawing its strokes took, "" = it is not known.
        training: its settings of the engine.
    """

    folder: Path
    method: str
    preset: str
    state: State
    step: int = 0
    seconds: float = 0.0
    score: str = ""
    message: str = ""
    saved: bool = False
    has_weights: bool = False
    continues: str = ""
    is_guest: bool = False
    effort: str = ""
    training: TrainConfig = field(default_factory=TrainConfig)

    @property
    def title(self) -> str:
        """With what and when it was made; of a run elsewhere, the name of its trial."""
        if self.is_guest:
            return self.folder.parent.name
        day, _, clock = self.folder.name.split("_")[0].partition("T")
        when = f"{day[5:]} {clock[:5].replace('-', ':')}"
        return f"{self.method_title}  {when} ({self.preset})"

    @property
    def method_title(self) -> str:
        """The name of its method as the paper writes it."""
        return title_of(self.method)

    @property
    def usual_steps(self) -> int:
        """About how many steps its method wants."""
        return usual_steps(self.method)

    @property
    def status_text(self) -> str:
        """How it is, in one line."""
        parts = [_WORDS[self.state]]
        if self.step:
            parts.append(f"{self.step} steps in {duration(self.seconds)}")
        if self.score:
            parts.append(self.score)
        if self.continues:
            parts.append("warm start")
        if self.effort:
            parts.append(self.effort)
        return " · ".join(parts)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What can be done with it now, the most likely first."""
        if self.is_guest:
            return ("log",)
        match self.state:
            case "created" | "waiting":
                return ("start", "delete")
            case "running":
                return ("pause", "finish", "abort")
            case "paused":
                return ("go on", "finish", "abort")
            case "completed":
                return ("more", "delete")
            case _:
                again: Action = "resume" if self.saved else "start"
                return (again, "more", "delete") if self.has_weights else (again, "delete")


def list_cards(runs: Path, visited: Path | None = None) -> tuple[RunCard, ...]:
    """All runs in a folder of runs, the newest first; damaged ones are left out.

    Args:
        runs: folder of runs.
        visited: a run elsewhere, which is put in front of them.
    """
    try:
        waiting = RunQueue(runs).waiting()
    except InvalidInput:
        waiting = []
    cards: list[RunCard] = []
    if visited is not None:
        with contextlib.suppress(InvalidInput):
            cards.append(replace(read_card(RunFolder.open(visited)), is_guest=True))
    for document in sorted(runs.glob("*/run.json"), reverse=True):
        try:
            cards.append(read_card(RunFolder.open(document.parent), waiting))
        except InvalidInput:
            continue
    return tuple(cards)


def read_card(run: RunFolder, waiting: Collection[Path] = ()) -> RunCard:
    """What is shown of a run."""
    state: State = run.status
    if state == "running" and run.requested == "pause":
        state = "paused"
    elif state == "created" and run.path in waiting:
        state = "waiting"
    summary = run.summary
    end, score = summary.end, summary.score
    return RunCard(
        folder=run.path,
        method=run.record.method,
        preset=run.record.preset,
        state=state,
        step=summary.last_step,
        seconds=end.seconds if end else 0.0,
        score=_score_text(score),
        message=end.message if end and state != "running" else "",
        saved=run.checkpoint("last").exists(),
        has_weights=run.weights.exists(),
        continues=run.record.continues,
        effort=run.record.effort,
        training=run.record.training,
    )


def _score_text(score: Validated | None) -> str:
    if score is None or score.mean is None:
        return ""
    return f"{'Dice' if score.measure == 'dice' else 'agreement'} {score.mean:.3f}"


def choice_of(run: Path, changes: Mapping[str, Any]) -> Choice:
    """The settings of a run, to train more with.

    Args:
        run: its folder.
        changes: of the engine's settings: the budget of today, not that of the run.

    Raises:
        InvalidInput: the folder is no run any more.
    """
    opened = RunFolder.open(run)
    record, files = opened.record, opened.files("train")
    return Choice(
        record.method,
        record.preset,
        record.options,
        record.training.updated(dict(changes)),
        all_cases=len(opened.cases) > 1,
        uses_references=any(case.reference is not None for case in files),
    )


def delete_run(run: Path) -> None:
    """Remove a run with all its weights and predictions.

    Raises:
        InvalidInput: it is no run, or it is being trained.
    """
    opened = RunFolder.open(run)
    if opened.status == "running":
        raise InvalidInput(f"The run {run.name} is being trained; abort it first.")
    (run / "run.json").unlink()  # first: half of a run must not look like one
    shutil.rmtree(run, ignore_errors=True)
