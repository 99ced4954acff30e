"""What a NIfTI header tells of the fourth axis: time between frames and its unit."""

from __future__ import annotations

import math
from typing import Any, Final

from napari_scribseg.io.decoded import FrameAxis

INTENT_LABEL: Final = 1002
"""NIFTI_INTENT_LABEL: values are indices of a table of labels."""
_UNITS: Final = {
    8: ("s", 1.0),
    16: ("s", 1e-3),
    24: ("s", 1e-6),
    32: ("hz", 1.0),
    40: ("ppm", 1.0),
    48: ("rads", 1.0),
}
_UNIT_BITS: Final = 0x38
_NAMES: Final = {"s": "sec", "hz": "hz", "ppm": "ppm", "rads": "rads"}


def frame_axis(header: Any) -> FrameAxis:
    """The fourth axis of nibabel's header; milliseconds become seconds, what is strange 0."""
    unit, factor = _UNITS.get(int(header["xyzt_units"]) & _UNIT_BITS, ("unknown", 1.0))
    step, start = float(header["pixdim"][4]), float(header["toffset"])
    return FrameAxis(
        step * factor if math.isfinite(step) and step > 0 else 0.0,
        start * factor if math.isfinite(start) else 0.0,
        unit,
    )


def tell_frames(header: Any, axis: FrameAxis) -> None:
    """Write an axis into nibabel's header, whose unit of length is mm."""
    header["pixdim"][4] = axis.step
    header["toffset"] = axis.start
    header.set_xyzt_units("mm", _NAMES.get(axis.unit, "unknown"))
