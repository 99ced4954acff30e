"""The structures of a segmentation that 3D Slicer has written (.seg.nrrd).

Slicer keeps structures that overlap in different frames of a 4D file. Its remarks
("Segment0_Layer:=1") say which value in which frame is which structure.
Source: https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from napari_scribseg.io.decoded import Segment
from napari_scribseg.io.regular_file import opened
from napari_scribseg.io.text_header import MAX_HEADER_BYTES

_REMARK: Final = re.compile(r"Segment(\d{1,5})_(Name|LabelValue|Layer|Color):=(.*)")
_MOST_SEGMENTS: Final = 10_000


def segments_of(header: bytes) -> tuple[Segment, ...]:
    """The structures that a header tells of, in its order; empty for any other NRRD file."""
    found: dict[int, dict[str, str]] = {}
    for line in header.decode("utf-8", "replace").splitlines():
        match = _REMARK.fullmatch(line.strip())
        if match is not None and len(found) < _MOST_SEGMENTS:
            number, name, value = match.groups()
            found.setdefault(int(number), {})[name] = value.strip()
    return tuple(_segment(number, told) for number, told in sorted(found.items()))


def segments_in(path: Path) -> tuple[Segment, ...]:
    """The structures that a file names; empty for what is no segmentation of 3D Slicer.

    Raises:
        InvalidInput: the file can't be read.
    """
    if path.suffix.lower() not in {".nrrd", ".nhdr"}:
        return ()
    with opened(path) as file:
        start = file.read(MAX_HEADER_BYTES)
    end = re.search(rb"\r?\n\r?\n", start)
    return segments_of(start[: end.start()] if end else start)


def _segment(number: int, told: dict[str, str]) -> Segment:
    """Older files tell neither value nor layer: then each structure has a frame of its own."""
    has_value = "LabelValue" in told
    return Segment(
        name=_printable(told.get("Name", "")) or f"Segment {number + 1}",
        value=_whole(told.get("LabelValue", ""), 1),
        layer=_whole(told.get("Layer", ""), 0 if has_value else number),
        color=_color(told.get("Color", "")),
    )


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else otherwise


def _color(text: str) -> str | None:
    try:
        parts = [float(word) for word in text.split()]
    except ValueError:
        return None
    if len(parts) != 3 or not all(0 <= part <= 1 for part in parts):
        return None
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:80]
