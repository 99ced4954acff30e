"""The events of a run: what training tells, in order, as frozen values and as JSON lines.

`training.train` yields them, the worker appends them to `events.jsonl`, the command line and the
GUI read them from there. Arrays never travel in an event.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from napari_scribseg.core.errors import InvalidInput


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    time: float = 0.0
    """Seconds since 1970, stamped when the event is written."""


class Started(_Event):
    """Training begins or continues."""

    kind: Literal["started"] = "started"
    method: str
    device: str
    precision: str
    cases: int
    slices: int
    drawn_slices: int = 0
    """Slices with strokes in all training cases; 0 in logs of before it was noted."""
    enclosed_slices: int = 0
    """Slices whose strokes tell what lies outside, see `outer_background` and `reach`."""
    first_step: int
    """1 for a fresh run; the step after the checkpoint for a resumed one."""
    steps: int | None
    """Steps of the whole run, or None when the budget is in minutes."""
    minutes: float | None
    began_with: str = ""
    """The weights that a fresh run began with, in words; "" in logs of before it was noted."""


class Prepared(_Event):
    """The maps of one more case (seeds, edges, ...) are ready."""

    kind: Literal["prepared"] = "prepared"
    done: int
    total: int
    case: str
    cached: bool


class Stepped(_Event):
    """Progress of the optimisation; not sent for every single step."""

    kind: Literal["stepped"] = "stepped"
    step: int
    progress: float
    """Share of the budget that is used, 0 to 1."""
    eta_seconds: float | None
    loss: float
    terms: dict[str, float]
    learning_rate: float
    slices_per_second: float


class Relabelled(_Event):
    """The method made new targets from the current model."""

    kind: Literal["relabelled"] = "relabelled"
    step: int
    changed: float
    """Share of the voxels whose target changed, 0 to 1."""


class Validated(_Event):
    """Scores on the validation cases."""

    kind: Literal["validated"] = "validated"
    step: int
    measure: Literal["dice", "stroke agreement"]
    """Dice against references, or the share of held-out stroke voxels predicted right."""
    scores: dict[str, float | None]
    """Per class name; None where no case has the class."""
    mean: float | None
    best: bool


class Saved(_Event):
    """A checkpoint was written."""

    kind: Literal["saved"] = "saved"
    step: int
    path: str
    """Relative to the run folder."""


class Previewed(_Event):
    """The current weights have segmented the case that somebody wants to see."""

    kind: Literal["previewed"] = "previewed"
    step: int
    case: str
    path: str
    """Of the segmentation, relative to the run folder."""
    seconds: float
    """How long it took; not part of the training's time."""


class Warned(_Event):
    """Something the user should know, that does not end the run."""

    kind: Literal["warned"] = "warned"
    message: str
    batch_size: int = 0
    """Of all further steps, where memory ran out; 0 = it stays as it was."""


class Finished(_Event):
    """The run has ended; sent exactly once per start."""

    kind: Literal["finished"] = "finished"
    outcome: Literal["completed", "stopped", "failed", "crashed"]
    step: int
    message: str
    seconds: float
    """Time spent training, all sessions of the run together."""


Event = (
    Started | Prepared | Stepped | Relabelled | Validated | Saved | Previewed | Warned | Finished
)

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_line(event: Event) -> str:
    """One line of JSON without line breaks, that `from_line` reads back."""
    return event.model_dump_json()


def from_line(line: str) -> Event:
    """The event of one line of JSON.

    Raises:
        InvalidInput: the line is not an event.
    """
    try:
        return _ADAPTER.validate_json(line)
    except ValidationError as error:
        raise InvalidInput(f"Not an event of a run: {line[:200]!r}.") from error
