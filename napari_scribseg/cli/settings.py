"""--set key=value: settings of a method and of the engine from the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from napari_scribseg.config import MethodConfig, TrainConfig
from napari_scribseg.errors import InvalidInput


def parse(assignments: Iterable[str]) -> dict[str, Any]:
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
            raise InvalidInput(f"--set {assignment!r} was not understood; expected key=value.")
        if key in settings:
            raise InvalidInput(f"--set {key} is given twice; give it once.")
        settings[key] = _value(text.strip())
    return settings


def apply(
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


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [_value(part.strip()) for part in text.split(",")] if "," in text else text
    if isinstance(value, float) and not math.isfinite(value):
        return text
    return value
