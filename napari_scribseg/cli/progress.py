"""Progress on standard error: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from napari_scribseg.cli.answer import printable
from napari_scribseg.core.events import (
    Event,
    Finished,
    Prepared,
    Previewed,
    Relabelled,
    Saved,
    Started,
    Stepped,
    Validated,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_SECONDS = 10.0
"""Plain lines of progress come at most this often."""


class Display:
    """One bar, and lines above it; a context manager. Standard output is never touched."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._next_line = time.monotonic() + 1.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, text: str) -> None:
        """Print a line; where nobody reads it any more, that is no reason to end the work."""
        with contextlib.suppress(OSError):
            if self._bar is not None:
                self._bar.console.print(printable(text), markup=False, highlight=False)
            else:
                print(printable(text), file=sys.stderr, flush=True)  # noqa: T201

    def move(self, what: str, share: float) -> None:
        """Show that a share (0 to 1) is done; `what` says what is going on."""
        if sys.stderr.isatty():
            bar, task = self._terminal_bar()
            bar.update(task, description=printable(what).replace("[", "\\["), completed=share)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_SECONDS
            self.say(f"{share:4.0%}  {what}")

    def count(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` things are done."""
        self.move(f"{what} {done}/{total}", done / max(total, 1))

    def show(self, event: Event) -> None:
        """Show an event of a training."""
        if isinstance(event, Stepped):
            self.move(_of_step(event), event.progress)
        elif isinstance(event, Prepared):
            self.count("preparing cases", event.done, event.total)
        else:
            line = _line_of(event)
            if line is not None:
                self.say(line)

    def _terminal_bar(self) -> tuple[Progress, TaskID]:
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            self._bar = Progress(
                BarColumn(bar_width=30),
                TaskProgressColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()
        return self._bar, self._task


def duration(seconds: float) -> str:
    """Seconds as a person would say them: "45 s", "3 min 20 s", "2 h 5 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _of_step(event: Stepped) -> str:
    left = "" if event.eta_seconds is None else f", {duration(event.eta_seconds)} left"
    speed = f"{event.slices_per_second:.0f} slices/s"
    return f"step {event.step}, loss {event.loss:.3f}, {speed}{left}"


def _line_of(event: Event) -> str | None:
    """What is worth a line of its own; None for what is not."""
    match event:
        case Started():
            budget = f"{event.steps} steps" if event.minutes is None else f"{event.minutes:g} min"
            enclosed = (
                f" ({event.enclosed_slices} with background outside their strokes)"
                if event.enclosed_slices
                else ""
            )
            fresh = event.first_step == 1 and event.began_with
            began = f", beginning with {event.began_with}" if fresh else ""
            return (
                f"{event.method} on {event.device} ({event.precision}): {event.cases} cases, "
                f"{event.slices} slices{enclosed}, {budget}, from step {event.first_step}{began}"
            )
        case Validated():
            scores = ", ".join(
                f"{name} {'-' if score is None else f'{score:.3f}'}"
                for name, score in event.scores.items()
            )
            mean = "-" if event.mean is None else f"{event.mean:.3f}"
            best = ", the best so far" if event.best else ""
            return f"step {event.step}: {event.measure} {mean} ({scores}){best}"
        case Relabelled():
            return f"step {event.step}: new targets, {event.changed:.1%} of the voxels changed"
        case Warned():
            return f"Note: {event.message}"
        case Saved() | Stepped() | Prepared() | Previewed() | Finished():
            return None  # shown as a bar, or told by the answer of the command
