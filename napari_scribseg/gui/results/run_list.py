"""The runs of a project that can predict, by names that a person recognises. No Qt, no napari."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.data import names
from napari_scribseg.methods.registry import title_of
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import IN_FOLDER, model_path, read_document


@dataclass(frozen=True)
class RunEntry:
    """A run with weights.

    Args:
        folder: of the run.
        title: method and time ("EFFDNet · 20 Nov 21:03").
        about: the rest, in a line.
    """

    folder: Path
    title: str
    about: str = ""


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
            return RunEntry(folder, title, f"model file; {structures}")
        run = RunFolder.open(folder)
        if not run.weights.exists():
            return None
        created = datetime.fromisoformat(run.record.created).astimezone()
    except (ScribsegError, OSError, ValueError):
        return None
    structures = ", ".join(run.schema.names[1:])
    title = f"{title_of(run.record.method)} · {created:%d %b %H:%M}"
    return RunEntry(folder, title, f"{run.record.preset} preset; {structures}; {folder.name}")


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
