"""Which classes a project can be begun with: those of the data, ready ones, own ones. No Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelSchema, schema_from_names
from napari_scribseg.data.found import Found
from napari_scribseg.data.label_values import schema_of_values

Source = Literal["project", "data", "preset", "own"]

_HINTS: Final = {
    "cardiac": r"acdc|mscmr|mnms|heart|cardiac|cine|sax|short.?axis|lge|bssfp|frame\d|\bE[DS]\b",
    "prostate": r"prostat|promise|\bPZ\b|picai",
    "abdomen": r"abdom|chaos|btcv|amos|liver|spleen|kidney",
}
"""What names of files say about their organ, by preset."""


@dataclass(frozen=True)
class ClassChoice:
    """One way to say which structures are drawn.

    Args:
        title: as it stands in a list.
        source: where it comes from.
        schema: the classes; None = the user writes their names.
    """

    title: str
    source: Source
    schema: LabelSchema | None


OWN: Final = ClassChoice("Own names …", "own", None)


def ready_choices() -> tuple[ClassChoice, ...]:
    """The ready classes, and own ones."""
    ready = (ClassChoice(schema.title, "preset", schema) for schema in PRESETS.values())
    return (*ready, OWN)


def choices_for(found: Found) -> tuple[ClassChoice, ...]:
    """The classes that data can be taken with into a new project, the likeliest first."""
    choices: list[ClassChoice] = []
    named = next((case.schema for case in found.cases if case.schema is not None), None)
    if named is not None:
        choices.append(ClassChoice(f"As the data name them: {_names(named)}", "data", named))
    by_values = schema_of_values(found.values, found.title[:80] or "labels")
    if by_values is not None:
        title = f"As the labels have them: {_names(by_values)}"
        choices.append(ClassChoice(title, "data", by_values))
    ready = list(ready_choices())
    guess = guessed_preset(found)
    fits = by_values is None or guess is None or guess.n_classes == by_values.n_classes
    likeliest = [one for one in ready if guess is not None and one.schema is guess and fits]
    if likeliest and named is None:
        return (*likeliest, *choices, *(one for one in ready if one not in likeliest))
    if not choices:  # nothing tells: one structure asks for the least
        ready.sort(key=lambda one: one.schema is not PRESETS["structure"])
    return (*choices, *ready)


def guessed_preset(found: Found) -> LabelSchema | None:
    """The ready classes that names and descriptions speak of; None where they are silent."""
    words = [found.title, *(f"{case.name} {case.sequence}" for case in found.cases)]
    text = " ".join(words)
    hits = {name: len(re.findall(hint, text, re.IGNORECASE)) for name, hint in _HINTS.items()}
    best = max(hits, key=lambda name: hits[name])
    return PRESETS[best] if hits[best] else None


def schema_of_text(text: str) -> LabelSchema:
    """The classes whose names are written with commas between them.

    Raises:
        InvalidInput: there is none, or the names can't be used.
    """
    names = [name.strip() for name in re.split(r"[,;\n]", text) if name.strip()]
    if not names:
        raise InvalidInput("Write the names of the classes, with commas between them.")
    return schema_from_names(names)


def same_names(one: LabelSchema, other: LabelSchema) -> bool:
    """Whether two schemas name the same structures in the same order."""
    return _folded(one.names) == _folded(other.names)


def _folded(names: Sequence[str]) -> list[str]:
    return [name.casefold() for name in names]


def _names(schema: LabelSchema) -> str:
    names = schema.names[1:]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
