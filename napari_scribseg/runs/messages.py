"""Messages between the window and its warm child: a JSON header and arrays, through pipes.

    magic, length of the header, header (JSON: fields, and name, type, shape of the arrays), arrays

Nothing is pickled: what arrives can be numbers and text only.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Protocol

import numpy as np

from napari_scribseg.core.types import Array

_HEAD: Final = struct.Struct("<4sI")
_MAGIC: Final = b"SWm1"
_MOST_HEADER_BYTES: Final = 16 * 1024**2
_MOST_BYTES: Final = 16 * 1024**3
_KINDS: Final = "biuf"


@dataclass(frozen=True, eq=False)
class Message:
    """What is sent.

    Args:
        fields: anything that JSON holds.
        arrays: numbers of any shape, by name.
    """

    fields: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)


class Output(Protocol):
    """Where a message can be written to."""

    def write(self, content: bytes, /) -> object:
        """Write all of it."""
        ...

    def flush(self) -> None:
        """Send what was written."""
        ...


def send(stream: Output, message: Message) -> None:
    """Write a message.

    Raises:
        OSError: nobody reads it any more.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in message.arrays.items()}
    listed = [[name, a.dtype.newbyteorder("<").str, list(a.shape)] for name, a in arrays.items()]
    header = json.dumps({"fields": dict(message.fields), "arrays": listed}).encode()
    stream.write(_HEAD.pack(_MAGIC, len(header)) + header)
    for array in arrays.values():
        stream.write(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """Read the next message; None at the end, also at one that comes in the middle of a message.

    Raises:
        ValueError: what arrives is no message of ours.
    """
    head = _read(stream, _HEAD.size)
    if head is None:
        return None
    magic, length = _HEAD.unpack(head)
    if magic != _MAGIC or length > _MOST_HEADER_BYTES:
        raise ValueError("That is no message.")
    header = _read(stream, length)
    if header is None:
        return None
    document = json.loads(header)
    arrays: dict[str, Array] = {}
    for name, kind, shape in document["arrays"]:
        dtype = np.dtype(str(kind))
        size = dtype.itemsize * math.prod(shape)
        if dtype.kind not in _KINDS or not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"The array {name} of a message can't be {kind} {shape}.")
        content = _read(stream, size)
        if content is None:
            return None
        arrays[str(name)] = np.frombuffer(content, dtype).reshape(shape)
    return Message(document["fields"], arrays)


def _read(stream: BinaryIO, size: int) -> bytes | None:
    """Exactly so many bytes, None when there are fewer until the end."""
    parts: list[bytes] = []
    missing = size
    while missing:
        part = stream.read(missing)
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
