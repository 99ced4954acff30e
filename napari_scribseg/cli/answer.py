"""Answer: what a command has to say at its end, for people and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_scribseg.core.errors import InvalidInput


@dataclass(frozen=True)
class Answer:
    """The result of a command.

    Args:
        document: the JSON document that --json prints; NaN becomes null, infinity "inf".
        text: what is printed otherwise.
        problems: sentences for standard error, in both cases.
        exit_code: see the table in `scribseg --help`.
    """

    document: Mapping[str, Any]
    text: str
    problems: tuple[str, ...] = ()
    exit_code: int = 0

    def json(self) -> str:
        """The document as JSON text."""
        return json.dumps(_plain(self.document), indent=2, ensure_ascii=False, allow_nan=False)


def with_notes(text: str, notes: Iterable[str]) -> str:
    """What a command says, and under it what was noticed."""
    return "\n".join([*([text] if text else []), *(f"Note: {note}" for note in notes)])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns; the first one is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    rule = "  ".join("-" * w for w in widths)
    return "\n".join("  " + line.rstrip() for line in [lines[0], rule, *lines[1:]])


def told_names(names: Mapping[str, str]) -> str:
    """Which files and folders have got a hash for their id, for the screen; "" if none has."""
    if not names:
        return ""
    rows = [("id", "file or folder"), *names.items()]
    heading = (
        "Names may be those of patients, so these got an id, which is told on the screen only:"
    )
    return f"\n\n{heading}\n{columns(rows)}"


def printable(text: str) -> str:
    """The text with control and direction marks shown as escapes: names come from files."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def new_folder(path: Path) -> Path:
    """Make a folder for results.

    Raises:
        InvalidInput: something is there already, or it can't be made.
    """
    refuse_existing(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"The folder {path} can't be made: {error.strerror}. Choose another place with --out."
        ) from error
    return path


def refuse_existing(path: Path) -> None:
    """Raises InvalidInput when this is a file, or a folder with anything in it."""
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise InvalidInput(f"{path} can't be looked into: {error.strerror}.") from error
    if taken:
        raise InvalidInput(
            f"{path} exists already and nothing is overwritten: choose another place with --out, "
            "or move it away."
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return str(value) if isinstance(value, Path) else value
