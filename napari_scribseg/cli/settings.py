"""--set key=value: settings of a method and of the engine from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.core.errors import InvalidInput


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
