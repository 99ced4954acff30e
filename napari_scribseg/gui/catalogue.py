"""The methods as plain data: what the dock shows of them without importing torch into napari.

`python -m napari_scribseg.gui.catalogue` prints the catalogue as JSON; napari runs that as a child
process, so that neither its start nor its window ever waits for torch.
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import RunError
from napari_scribseg.io.files import reason
from napari_scribseg.runs import children

_TIMEOUT_SECONDS = 120.0
"""A cold import of torch from a slow disk takes many seconds; beyond this something is broken."""


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PresetEntry(_Entry):
    """A preset of a method: its name, what it is for, and its settings."""

    name: str
    note: str
    options: dict[str, Any]
    training: TrainConfig


class MethodEntry(_Entry):
    """A method: how it is called, what it is, and which settings it has."""

    name: str
    title: str
    summary: str
    source: str
    options_schema: dict[str, Any]
    """JSON schema of the method's own settings."""
    presets: tuple[PresetEntry, ...]
    uses_references: bool = False
    """Whether it learns from dense references."""

    def preset(self, name: str) -> PresetEntry:
        """The preset of this name, the first one if there is none."""
        return next((p for p in self.presets if p.name == name), self.presets[0])


class Catalogue(_Entry):
    """All methods; the first one is proposed."""

    methods: tuple[MethodEntry, ...]


def load_in_child() -> tuple[MethodEntry, ...]:
    """The methods, as a child process tells them; takes seconds, so not for the GUI thread.

    Raises:
        RunError: the child process failed; the message has its last line.
    """
    *python, package = children.PROGRAM
    try:
        words = [*python, f"{package}.gui.catalogue", "--lifeline"]
        answer = children.ask(words, seconds=_TIMEOUT_SECONDS)
        if answer.code is None:
            raise TimeoutError(f"no answer in {_TIMEOUT_SECONDS:.0f} s")
    except OSError as error:
        raise RunError(
            f"The list of methods could not be loaded: {reason(error)}. Close the dock and open it "
            "again."
        ) from error
    try:
        return Catalogue.model_validate_json(answer.output).methods
    except ValidationError as error:
        said = answer.last_line.rstrip(".") or "the answer can't be read"
        raise RunError(
            f"The list of methods could not be loaded: {said}. Check the installation with "
            "`scribseg methods`."
        ) from error


def describe() -> Catalogue:
    """The catalogue of the registered methods (imports torch)."""
    from napari_scribseg.methods import METHODS

    return Catalogue(
        methods=tuple(
            MethodEntry(
                name=method.name,
                title=method.title,
                summary=method.summary,
                source=method.source,
                options_schema=method.Config.model_json_schema(),
                presets=tuple(
                    PresetEntry(
                        name=name,
                        note=preset.note,
                        options=preset.options.model_dump(mode="json"),
                        training=preset.training,
                    )
                    for name, preset in method.presets().items()
                ),
                uses_references=method.uses_references,
            )
            for method in METHODS
        )
    )


if __name__ == "__main__":
    if "--lifeline" in sys.argv:
        children.watch_lifeline()
    sys.stdout.write(describe().model_dump_json())
