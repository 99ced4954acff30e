"""What the slices of a DICOM series may differ by beside their place: time, echo, kind of image.

Classic files tell it in their header, enhanced ones in the functional groups of each frame.
Source: DICOM PS3.3, C.7.6.16 (multi-frame functional groups) and C.8.3 (MR).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput

TIMES: Final = (
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "TemporalPositionTimeOffset",
    "FrameReferenceTime",
)
"""Attributes that count or measure the time of a frame, the best first."""
KINDS: Final = (
    "ImageType",
    "ComplexImageComponent",
    "EchoTime",
    "EffectiveEchoTime",
    "DiffusionBValue",
    "InversionTime",
)
"""Attributes that tell images of one place and time apart."""
ORDERS: Final = (
    "AcquisitionTime",
    "FrameAcquisitionNumber",
    "AcquisitionNumber",
    "DimensionIndexValues",
    "InstanceNumber",
)
"""Attributes that only tell in which order images were made."""
_CLOCK: Final = frozenset({"AcquisitionTime"})
_WORDS: Final = frozenset({"ComplexImageComponent"})


def finite_numbers(levels: Sequence[Any], name: str, count: int) -> list[float]:
    """The numbers of an attribute that geometry needs, from the first header that has it.

    Raises:
        InvalidInput: it is missing, has another count, or isn't finite.
    """
    value = _first(levels, name)
    numbers = [] if value is None or isinstance(value, str | float | int) else [*map(float, value)]
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InvalidInput(
            f"{name} is missing or not {count} finite numbers, so the place of the slice is "
            "unknown."
        )
    return numbers


def attributes_of(
    levels: Sequence[Any], image_type: tuple[str, ...]
) -> tuple[dict[str, float | str], float | None, tuple[float, float], str]:
    """Attributes by name, thickness in mm, scaling (slope, intercept) and stack of a slice.

    Args:
        levels: headers, the most special first.
        image_type: of the file, where the frame tells none.

    Raises:
        InvalidInput: the scaling is not finite.
    """
    found: dict[str, float | str] = {}
    frame_type = _optional(levels, "FrameType") or image_type
    words = [frame_type] if isinstance(frame_type, str) else frame_type
    found["ImageType"] = "\\".join(map(str, words))
    for name in (*TIMES, *KINDS[1:], *ORDERS):
        value = _plain(name, _optional(levels, name))
        if value is not None:
            found[name] = value
    thickness = _number(_optional(levels, "SliceThickness"))
    slope, intercept = (_first(levels, f"Rescale{word}") for word in ("Slope", "Intercept"))
    scaling = (
        1.0 if slope in (None, "") else float(slope) or 1.0,
        0.0 if intercept in (None, "") else float(intercept),
    )
    if not np.isfinite(scaling).all():
        raise InvalidInput("The scaling is not finite.")
    return found, thickness, scaling, str(_first(levels, "StackID") or "")


def _first(levels: Sequence[Any], name: str) -> Any:
    for level in levels:
        if name in level and level.get(name) not in (None, ""):
            return level.get(name)
    return None


def _optional(levels: Sequence[Any], name: str) -> Any:
    """An attribute that decides nothing by itself: a damaged one counts as missing."""
    try:
        return _first(levels, name)
    except Exception:  # noqa: BLE001 -- pydicom raises nearly everything for a bad value
        return None


def _plain(name: str, value: Any) -> float | str | None:
    if value is None:
        return None
    if name in _WORDS:
        return str(value)
    if name in _CLOCK:
        return _seconds(str(value))
    if name == "DimensionIndexValues":
        numbers = [value] if isinstance(value, int) else value
        try:
            return ".".join(f"{int(n):08d}" for n in numbers)
        except (TypeError, ValueError):
            return None
    return _number(value)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _seconds(clock: str) -> float | None:
    """Seconds since midnight of HHMMSS.FFFFFF."""
    hours, minutes, seconds = clock[:2], clock[2:4] or "0", clock[4:] or "0"
    try:
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None
