"""train --on: a run trained on another computer, watched from here."""

from __future__ import annotations

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.progress import Display, duration
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Finished, Warned
from napari_scribseg.runs.folder import RunFolder


def train_on(run: RunFolder, address: str, display: Display, *, resume: bool = False) -> Answer:
    """Train a run on another computer, and say how it ended.

    Ctrl-C asks it to save and to stop.

    Args:
        run: to be trained.
        address: see `elsewhere.checked_address`.
        display: shows how far it is.
        resume: continue from its checkpoint.

    Raises:
        ScribsegError: nobody there can train it, or it has ended without a word.
    """
    from napari_scribseg.runs.elsewhere import train_elsewhere

    end: Finished | None = None
    warnings: list[str] = []
    for event in train_elsewhere(run, address, resume=resume):
        display.show(event)
        if isinstance(event, Warned):
            warnings.append(event.message)
        if isinstance(event, Finished):
            end = event
    display.clear()
    assert end is not None  # or `train_elsewhere` raises
    document = {
        "run": run.path,
        "method": run.record.method,
        "status": end.outcome,
        "step": end.step,
        "seconds": end.seconds,
        "message": end.message,
        "warnings": warnings,
    }
    if end.outcome in {"failed", "crashed"}:
        document |= {"error": end.message, "exit_code": RunError.exit_code}
        return Answer(document, "", (end.message,), RunError.exit_code)
    told = f"{run.record.method}: {end.outcome} at step {end.step} after {duration(end.seconds)}."
    return Answer(document, f"{told}\nThe run is {run.path}")
