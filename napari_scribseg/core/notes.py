"""Notes: what was noticed in many cases, each kind told once with the number of its repeats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

_NUMBER: Final = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?")
_AXES: Final = re.compile(r"\b[LRPASI]{3}\b")
_FILE: Final = re.compile(r"\S+\.(?:nii\.gz|nii|nrrd|nhdr|mha|mhd)\b")


class Notes:
    """Collects sentences of cases; iterating gives one sentence per kind, in order of appearance.

    Two sentences are of one kind when they differ in numbers, directions of axes (RAS), the case's
    id or a file's name only.
    """

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, str]] = {}
        self._cases: dict[str, set[str]] = {}

    def add(self, case: str, sentences: Iterable[str]) -> None:
        """Take in what was noticed in a case; "" = in no single one."""
        for sentence in sentences:
            kind = _kind_of(_without(sentence, case))
            self._first.setdefault(kind, (case, sentence))
            self._cases.setdefault(kind, set()).add(case)

    def __iter__(self) -> Iterator[str]:
        for kind, (case, sentence) in self._first.items():
            named = not case or _without(sentence, case) != sentence
            told = sentence if named else f"{case}: {sentence}"
            others = len(self._cases[kind]) - 1
            if others:
                cases = "1 other case" if others == 1 else f"{others} other cases"
                told = f"{told.removesuffix('.')} (and {cases})."
            yield told


def _kind_of(sentence: str) -> str:
    return _NUMBER.sub("#", _AXES.sub("#", _FILE.sub("*", sentence)))


def _without(sentence: str, case: str) -> str:
    if not case:
        return sentence
    return re.sub(rf"(?<![\w.-]){re.escape(case)}(?![\w-])", "*", sentence)
