"""Text headers (MetaImage, NRRD): fields told once, and numbers of the right count and range."""

from __future__ import annotations

import math
import re
from typing import Final

from napari_scribseg.core.errors import InvalidInput

MAX_HEADER_BYTES: Final = 1024**2
_MAX_AXIS: Final = 2**31 - 1
_REAL: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)

Fields = dict[str, str]


def add_field(fields: Fields, name: str, value: str) -> None:
    """Add a field.

    Raises:
        InvalidInput: it is there already, so one of both would be believed by chance.
    """
    if name in fields:
        raise InvalidInput(f"The header tells {name!r} twice.")
    fields[name] = value


def required(fields: Fields, name: str) -> str:
    """The text of a field.

    Raises:
        InvalidInput: it is missing.
    """
    if name not in fields:
        raise InvalidInput(f"The header doesn't tell {name!r}; it is cut off or damaged.")
    return fields[name]


def whole_numbers(name: str, text: str, count: int) -> list[int]:
    """Whole numbers from 1 separated by blanks.

    Raises:
        InvalidInput: another count, not whole, below 1 or too large for an axis.
    """
    words = text.split()
    good = len(words) == count and all(len(word) <= 10 and _is_whole(word) for word in words)
    numbers = [int(word) for word in words] if good else []
    if not good or min(numbers) < 1 or max(numbers) > _MAX_AXIS:
        raise InvalidInput(
            f"The header has {name} = {text[:60]!r}, expected {count} whole number(s) from 1."
        )
    return numbers


def real_numbers(name: str, text: str, count: int) -> list[float]:
    """Finite numbers separated by blanks or commas.

    Raises:
        InvalidInput: another count, or not finite numbers.
    """
    words = text.replace(",", " ").split()
    numbers = [float(word) for word in words] if all(map(_REAL.fullmatch, words)) else []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InvalidInput(
            f"The header has {name} = {text[:60]!r}, expected {count} finite number(s)."
        )
    return numbers


def _is_whole(word: str) -> bool:
    return word.isascii() and word.removeprefix("-").isdigit()
