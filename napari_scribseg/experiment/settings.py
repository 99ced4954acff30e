"""What a recipe means for its methods: every number they run with, and what a training takes.

Methods and presets need torch, which takes seconds and memory to load; whoever plans and watches an
experiment asks our own command line in a child process instead.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.experiment.recipe import Label, Recipe
from napari_scribseg.io.documents import save_document
from napari_scribseg.io.regular_file import reason
from napari_scribseg.runs import children

_TIMEOUT_SECONDS = 300.0
"""A cold import of torch from a slow network drive takes minutes."""


class MethodSettings(BaseModel):
    """A row of a recipe with everything filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label
    method: str
    preset: str
    options: dict[str, Any]
    """The method's own settings, all of them."""
    training: TrainConfig
    """The engine's, but for the random seed, which belongs to the trial."""
    parameters: int = Field(ge=0)
    """Weights of the network, for the estimate of disk space."""


class SettingsDocument(BaseModel):
    """What `scribseg experiment RECIPE --settings --json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    settings: tuple[MethodSettings, ...]


class Cost(BaseModel):
    """About what one training of a method takes, measured on two small steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Label
    seconds: float
    """Of the whole training, on this machine as busy as it is."""
    memory_mib: float
    """Of the training process, beside its slices; on a GPU, of the GPU."""
    device: str


class CostsDocument(BaseModel):
    """What `scribseg experiment RECIPE --costs --json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    costs: tuple[Cost, ...]


Answered = TypeVar("Answered", bound=BaseModel)


def ask_for_settings(recipe: Recipe) -> tuple[MethodSettings, ...]:
    """The settings of a recipe's methods, from a child process; takes seconds.

    Raises:
        InvalidInput: there is no such method, preset or setting, or a value is out of range.
        RunError: the child process failed.
    """
    return _asked(recipe, "--settings", SettingsDocument).settings


def ask_for_costs(recipe: Recipe) -> dict[str, Cost]:
    """What a training of each method takes, by label, measured in a child process.

    Raises:
        InvalidInput: see `ask_for_settings`.
        RunError: the child process failed.
    """
    return {cost.label: cost for cost in _asked(recipe, "--costs", CostsDocument).costs}


def _asked(recipe: Recipe, option: str, model: type[Answered]) -> Answered:
    """What our command line answers about a recipe."""
    with tempfile.TemporaryDirectory(prefix="scribseg-") as folder:
        path = Path(folder) / "recipe.json"
        save_document(path, recipe)
        words = [*children.PROGRAM, "experiment", str(path), option, "--json", "--lifeline"]
        try:
            answer = children.ask(words, seconds=_TIMEOUT_SECONDS)
        except OSError as error:
            raise RunError(f"The methods can't be asked: {reason(error)}.") from error
    return _answered(answer, model)


def _answered(answer: children.Answer, model: type[Answered]) -> Answered:
    if answer.code is None:
        raise RunError(f"The methods can't be asked: no answer in {_TIMEOUT_SECONDS:.0f} s.")
    try:
        document: dict[str, Any] = json.loads(answer.output)
        if answer.code == 0:
            return model.model_validate(document)
    except ValueError as error:  # a ValidationError is one, too
        said = answer.last_line or str(error)
        raise RunError(f"The methods can't be asked: {said[:300]}") from error
    kind = InvalidInput if answer.code == InvalidInput.exit_code else RunError
    raise kind(str(document.get("error", "The methods can't be asked.")))
