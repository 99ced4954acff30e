"""The runs of a project that can predict, by names that a person recognises. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.events import Validated
from napari_scribseg.core.wording import counted
from napari_scribseg.data import names
from napari_scribseg.gui.run_titles import run_title
from napari_scribseg.methods.registry import title_of
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import IN_FOLDER, model_path, read_document
from napari_scribseg.runs.shared_files import Status


@dataclass(frozen=True)
class RunEntry:
    """A run with weights.

    Args:
        folder: of the run.
        title: method and time ("EFFDNet · 20 Nov 21:03").
        about: the rest, in a line.
        state: how its training is now; "model" = it came as a file.
        step: how far it was trained, 0 where that is not known.
        effort: what drawing its strokes took, "" = not known.
        method: key of its method.
        slices: that it has learnt from, 0 where that is not known.
        score: its last validation.
    """

    folder: Path
    title: str
    about: str = ""
    state: Status | Literal["model"] = "completed"
    step: int = 0
    effort: str = ""
    method: str = ""
    slices: int = 0
    score: Validated | None = None

    @property
    def is_complete(self) -> bool:
        """Whether it has learnt all it was to learn, so that it may predict without being asked."""
        return self.state in ("completed", "model")

    @property
    def label(self) -> str:
        """The title, and behind it what to know before it is ticked."""
        match self.state:
            case "completed" | "model":
                return self.title
            case "running":
                return f"{self.title} (in training)"
            case _:
                return f"{self.title} (only {counted(self.step, 'step')})"


def runs_with_weights(project: Path) -> tuple[RunEntry, ...]:
    """The runs of a project that have saved weights, newest first, then the models it was given.

    Damaged ones are left out.
    """
    folders = sorted((path.parent for path in (project / "runs").glob("*/run.json")), reverse=True)
    models = sorted(path.parent for path in (project / "runs").glob(f"*/{IN_FOLDER}"))
    found = (entry_of(folder) for folder in (*folders, *models))
    return tuple(entry for entry in found if entry is not None)


def entry_of(folder: Path) -> RunEntry | None:
    """The entry of a run or a folder with a model; None if it can't be read or has no weights."""
    try:
        model = model_path(folder)
        if model is not None:
            document = read_document(model)
            structures = ", ".join(document.labels.names[1:])
            title = f"{title_of(document.record.method)} · model {folder.name}"
            return RunEntry(folder, title, f"model file; {structures}", "model")
        run = RunFolder.open(folder)
        if not run.weights.exists():
            return None
        title = run_title(run.record.method, run.record.created)
        record, summary, state = run.record, run.summary, run.status
    except (ScribsegError, OSError, ValueError):
        return None
    structures = ", ".join(run.schema.names[1:])
    step = summary.last_step
    about = f"{record.preset} preset; {counted(step, 'step')}; {structures}; {folder.name}"
    learnt = (record.effort, record.method, summary.slices, summary.score)
    return RunEntry(folder, title, about, state, step, *learnt)


def told_apart(entries: Sequence[RunEntry]) -> tuple[RunEntry, ...]:
    """The same runs; titles of runs that were made within one minute get a part of the folder."""
    titles = [entry.title for entry in entries]
    told = names.told_apart(titles, [entry.folder / "run.json" for entry in entries])
    wholes = [new.removesuffix(title).rstrip("/") for new, title in zip(told, titles, strict=True)]
    ends = [whole.rsplit("_", 1)[-1] for whole in wholes]
    enough = len(set(zip(titles, ends, strict=True))) == len(entries)
    return tuple(
        replace(entry, title=f"{entry.title} · {part}") if part else entry
        for entry, part in zip(entries, ends if enough else wholes, strict=True)
    )
