"""TrainConfig and MethodConfig: every number of a run, as frozen values that check themselves.

Forms in the GUI, `--set key=value` on the command line and `run.json` in the run folder are
all made from these fields; their descriptions are the help texts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_scribseg.core.errors import InvalidInput

_LONGEST_INPUT: Final = 80
"""Characters of a wrong value that a message shows."""

PositiveInt = Annotated[int, Field(ge=1, le=10_000_000)]
Steps = Annotated[int, Field(ge=0, le=10_000_000)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Minutes = Annotated[float, Field(gt=0, le=43_200, allow_inf_nan=False)]
"""At most 30 days."""
BatchSize = Annotated[int, Field(ge=1, le=1024)]
PatchSide = Annotated[int, Field(ge=1, le=4096)]
Threads = Annotated[int, Field(ge=1, le=1024)]
Width = Annotated[int, Field(ge=1, le=1024)]
"""Channels of a network's first level."""

MOST_PIXELS: Final = 2**28
"""In-plane pixels of a batch: an input of 1 GiB, and many times that inside the network."""

DEVICE: Final = r"^(auto|cpu|mps|cuda(:\d{1,2})?)$"
"""Every name of a device, as a regular expression."""


class Config(BaseModel):
    """Frozen settings; an unknown or ill-typed one is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def updated(self, changes: dict[str, Any]) -> Self:
        """A checked copy with these fields changed; strings are read as the field's type.

        Raises:
            InvalidInput: a field is unknown or its value is out of range.
        """
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise InvalidInput(explain(error, type(self))) from error


class MethodConfig(Config):
    """Base of every method's options: the paper's numbers, with the paper's defaults.

    What an earlier version could set and this one can't is in `gone`, with the value at which it
    did nothing: runs and records with that value are read, others are refused.
    """

    gone: ClassVar[Mapping[str, object]] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_gone(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        values = cast("Mapping[str, object]", given)
        for name in cls.gone.keys() & values.keys():
            if values[name] != cls.gone[name]:
                raise ValueError(
                    f"the setting '{name}' is gone and was {values[name]!r} here; only what left "
                    f"it at {cls.gone[name]!r} can be used: take the version that made it"
                )
        return {name: value for name, value in values.items() if name not in cls.gone}


class TrainConfig(Config):
    """How the engine trains: budget, optimiser, schedule, sampling, augmentation, machine."""

    later: ClassVar[Mapping[str, object]] = {
        "start": "random",
        "dropout": 1.0,
        "reach": 0.0,
        "reference_share": 0.0,
        "held_out_strokes": 0.0,
        "patience": 0,
    }
    """What came after the first experiments were made, each with the value at which it does
    nothing; with that value it is no part of what decides whether a trial is finished."""

    start: Literal["random", "anatomy"] = Field(
        default="random",
        description="Weights to begin with: random, or those that know synthetic anatomy, with a "
        "last layer fitted to the strokes. A run that continues another begins with its weights.",
    )
    steps: Steps = Field(
        default=2000,
        description="Training steps, unless minutes are given; 0 = only fit the last layer to the "
        "strokes, for an answer at once.",
    )
    minutes: Minutes | None = Field(
        default=None,
        description="Train for this long instead of a number of steps; the schedule follows.",
    )
    clock: Literal["wall", "cpu"] = Field(
        default="wall",
        description="What minutes counts: time that passes, or processor time of the training, "
        "which compares methods fairly on a busy machine.",
    )
    batch_size: BatchSize = Field(default=12, description="Slices (or patches) per step.")
    patch: tuple[PatchSide, PatchSide] = Field(
        default=(160, 160),
        description="In-plane size (y, x) of what the network sees, in pixels; never larger than "
        "the largest slice.",
    )
    spacing_mm: Positive | None = Field(
        default=None,
        description="In-plane pixel size in mm; empty = the median of the training cases, or "
        "coarser where the patch would not show twice the extent of the structures.",
    )
    optimiser: Literal["adamw", "adam", "sgd"] = Field(default="adamw", description="Optimiser.")
    learning_rate: Positive = Field(default=2e-3, description="Highest learning rate.")
    weight_decay: NonNegative = Field(default=1e-2, description="Weight decay.")
    momentum: Fraction = Field(default=0.9, description="Momentum (SGD only).")
    schedule: Literal["constant", "poly", "one_cycle", "step_decay"] = Field(
        default="one_cycle", description="How the learning rate changes over the budget."
    )
    gradient_clip: NonNegative = Field(
        default=12.0, description="Largest norm of the gradient; 0 = not clipped."
    )
    weight_average: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99,
        description="Predict with this moving average of the weights; 0 = with the last ones.",
    )
    dropout: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0,
        description="Dropout as a share of the published network's; 0 = none: short trainings "
        "learn more, and each step is cheaper.",
    )
    outer_background: NonNegative = Field(
        default=1.0,
        description="Where background strokes go around all structures, what lies outside is "
        "background too: so many pixels of it per step for every one drawn; 0 = strokes only.",
    )
    reach: NonNegative = Field(
        default=0.0,
        description="Where every structure is drawn, at least two of them: how far they go beyond "
        "their strokes, times half of the distance between strokes of different structures; "
        "farther out is background too, as much of it as outer_background says. 0 = not.",
    )
    reference_share: Fraction = Field(
        default=0.0,
        description="Cases with a reference and no strokes teach this share of its voxels, as if "
        "they had been drawn; 0 = strokes only.",
    )
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = Field(
        default=30.0, description="Augmentation: in-plane rotation up to this angle."
    )
    flips: bool = Field(
        default=False,
        description="Augmentation: mirror along each in-plane axis; for structures without a side.",
    )
    zoom: Annotated[float, Field(ge=0, lt=0.9)] = Field(
        default=0.25, description="Augmentation: in-plane scaling by up to this share."
    )
    intensity: NonNegative = Field(
        default=0.3, description="Augmentation: strength of gamma, contrast, brightness and noise."
    )
    validation_interval: PositiveInt = Field(
        default=200, description="Steps between two validations."
    )
    held_out_strokes: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Share of the strokes that are not learnt from but validated on, where no case "
        "validates; 0 = none.",
    )
    patience: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Training ends after so many validations that are no better than the best; "
        "0 = never.",
    )
    random_seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Random seed."
    )
    device: str = Field(
        default="auto",
        description="auto, cpu, cuda, cuda:1 or mps.",
        pattern=DEVICE,
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Arithmetic; auto = the fastest that this machine does well."
    )
    threads: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=0, description="CPU threads; 0 = as many as are fastest when training begins."
    )

    @property
    def at_once(self) -> bool:
        """Whether no step is trained: the last layer is fitted to the strokes, and that is all."""
        return self.steps == 0 and self.minutes is None

    def fewest_steps(self, usual: int) -> int:
        """Steps below which a training comes to nothing useful.

        A tenth of the usual ones from random weights, a fortieth from weights that know anatomy
        (docs/benchmarks.md, "Hearts: from weights that know anatomy").

        Args:
            usual: steps that the method usually takes.
        """
        return round(usual * (0.1 if self.start == "random" else 0.025))

    @model_validator(mode="after")
    def _fits_memory(self) -> Self:
        pixels = self.batch_size * self.patch[0] * self.patch[1]
        if pixels > MOST_PIXELS:
            raise ValueError(
                f"a batch of {self.batch_size} patches of {self.patch[0]} x {self.patch[1]} has "
                f"{pixels} pixels, more than the {MOST_PIXELS} that are learnt from at once: "
                "choose a smaller batch_size or patch"
            )
        return self


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """What pydantic found, as one sentence per field that a user can act on."""
    sentences = []
    for item in error.errors(include_url=False):
        name = ".".join(str(part) for part in item["loc"]) or "the document"
        if item["type"] == "extra_forbidden":
            known = ", ".join(sorted(model.model_fields))
            sentences.append(f"There is no setting '{name}'; known ones are: {known}.")
        elif item["type"] == "missing":
            sentences.append(f"'{name}' is missing.")
        elif item["type"] == "value_error" and not item["loc"]:
            text = item["msg"].removeprefix("Value error, ").rstrip(".")
            sentences.append(f"{text[:1].upper()}{text[1:]}.")
        else:
            given = repr(item["input"])
            given = given if len(given) <= _LONGEST_INPUT else f"{given[: _LONGEST_INPUT - 3]}..."
            sentences.append(f"'{name}' can't be {given}: {item['msg'].lower()}.")
    return " ".join(sentences)


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """The settings in words like "tau=0.95", "patch=192,192", "flips=false", "device=cpu".

    A value is read as JSON where it is JSON, as a list where it has commas, else as text.

    Raises:
        InvalidInput: there is no "=", or a setting is given twice.
    """
    settings: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise InvalidInput(
                f"The setting {assignment!r} was not understood; expected KEY=VALUE."
            )
        if key in settings:
            raise InvalidInput(f"The setting {key} is given twice; give it once.")
        settings[key] = _value(text.strip())
    return settings


def assignments_of(settings: Mapping[str, Any]) -> list[str]:
    """The words that `parse_assignments` reads as these settings."""
    return [f"{name}={_text(value)}" for name, value in settings.items()]


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [_value(part.strip()) for part in text.split(",")] if "," in text else text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value


def _text(value: Any) -> str:
    """The shortest text that `_value` reads as this value."""
    plain = isinstance(value, str) and value == value.strip() and _value(value) == value
    return value if plain else json.dumps(value, separators=(",", ":"))


def apply_changes(
    changes: Mapping[str, Any], options: MethodConfig, training: TrainConfig
) -> tuple[MethodConfig, TrainConfig]:
    """The settings of a method and of the engine with these changes.

    A name that both know belongs to the method. Giving steps alone takes the minutes away, so
    that a preset with minutes does not win over what was asked for.

    Raises:
        InvalidInput: nobody knows the name (the message lists all), or the value is out of range.
    """
    ours = set(type(options).model_fields)
    theirs = set(type(training).model_fields)
    unknown = [name for name in changes if name not in ours | theirs]
    if unknown:
        raise InvalidInput(
            f"There is no setting '{unknown[0]}'. The method has: {', '.join(sorted(ours))}; "
            f"the training has: {', '.join(sorted(theirs))}."
        )
    for_method = {name: value for name, value in changes.items() if name in ours}
    for_training = {name: value for name, value in changes.items() if name not in ours}
    if "steps" in for_training:
        for_training.setdefault("minutes", None)
    return options.updated(for_method), training.updated(for_training)
