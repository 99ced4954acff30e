"""Which of a NIfTI header's geometries counts: sform, qform or neither, and whether they agree.

What decides where the voxels lie must be right; what is only told beside it may be missing or
rounded, with a note.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io.geometry import (
    ASSUMED_THICKNESS,
    Affine,
    between_lps_and,
    check_spacing,
    describe_axes,
    in_millimetres,
    is_straight,
    make_affine,
    to_grid,
)

OUR_DOUBT: Final = b"left and right unknown; sform: no patient axes"
"""The description of files that we write without codes: their sform holds among such files only."""

_UNITS: Final = {1: "m", 3: "um"}
"""Codes 0 (unknown) and 2 are taken as mm; an implausible spacing is noted later."""
_SHIFT_MM: Final = 0.1
_SPACING_TOLERANCE: Final = 1e-3
_QUATERNION_ROUNDING: Final = 1e-3
"""How far b2 + c2 + d2 may be above 1: numbers with three or four decimals."""
_STORED_ROUNDING: Final = 3 * float(np.finfo(np.float32).eps)
"""How far it may be from 1 because the header stores float32."""


def nifti_grid(header: Any, shape: tuple[int, int, int]) -> tuple[Grid, tuple[str, ...]]:
    """The grid a header tells of, and what was noticed.

    Args:
        header: nibabel's Nifti1Header or Nifti2Header; not modified.
        shape: voxels along (z, y, x).

    Raises:
        InvalidInput: the geometry is missing, contradictory, sheared, not finite or not positive.
    """
    header = header.copy()
    told = np.asarray(header["pixdim"][1:4]) > 0
    notes = _complete_spacing(header, shape)
    unit = _UNITS.get(int(header["xyzt_units"]) & 7, "mm")
    spacing, unit_notes = in_millimetres(
        make_affine(np.diag(header["pixdim"][1:4].astype(np.float64)), np.zeros(3)), unit
    )
    notes += unit_notes
    sform = _sform(header, unit)
    good_sform = sform is not None and is_straight(sform)
    qform, qform_notes = _qform(header, unit, needed=not good_sform)
    notes += qform_notes
    if sform is not None and good_sform:
        _check_against_pixdim(sform, np.diag(spacing)[:3], told)
        if qform is not None:
            notes += _compare(sform, qform, shape)
        return to_grid(shape, between_lps_and("RAS", sform)), notes
    if qform is not None:
        if sform is not None:
            notes += ("The sform is sheared or not finite, so the qform is used.",)
        return to_grid(shape, between_lps_and("RAS", qform)), notes
    if sform is not None:
        raise InvalidInput(
            "The sform is sheared or not finite and there is no qform; resample the volume to "
            "a straight grid first."
        )
    return _without_patient(header, shape, spacing), notes


def _without_patient(header: Any, shape: tuple[int, int, int], spacing: Affine) -> Grid:
    """The grid of a header without codes: only our own files tell more than the spacing."""
    if bytes(header["descrip"]).strip(b"\0") == OUR_DOUBT:
        kept = between_lps_and("RAS", np.asarray(header.get_sform(), dtype=np.float64))
        if is_straight(kept):
            _check_against_pixdim(kept, np.diag(spacing)[:3], np.ones(3, dtype=bool))
            return to_grid(shape, kept, oriented=False)
    # Without codes the axes are taken as LPS, as ITK does.
    return to_grid(shape, spacing, oriented=False)


def _complete_spacing(header: Any, shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Check the spacing, and fill in lengths of 0, which means: not told.

    Beside a good sform they are the sform's; the thickness of a single slice becomes 1 (file
    units).
    """
    notes: tuple[str, ...] = ()
    pixdim = header["pixdim"]
    if (pixdim[1:4] == 0).any() and int(header["sform_code"]) > 0:
        sform = np.asarray(header.get_sform(), dtype=np.float64)
        if is_straight(sform):
            missing = pixdim[1:4] == 0
            pixdim[1:4][missing] = np.linalg.norm(sform[:3, :3], axis=0)[missing]
            if shape[0] > 1 or missing[:2].any():
                notes = ("The header tells no spacing beside its sform, so the sform's is used.",)
    if shape[0] == 1 and not pixdim[3] > 0:
        pixdim[3] = 1.0
        if int(header["sform_code"]) <= 0:
            notes = (ASSUMED_THICKNESS,)
    check_spacing(pixdim[1:4])
    return notes


def _sform(header: Any, unit: str) -> Affine | None:
    """RAS affine in mm of the sform, or None without code."""
    if int(header["sform_code"]) <= 0:
        return None
    return in_millimetres(np.asarray(header.get_sform(), dtype=np.float64), unit)[0]


def _qform(header: Any, unit: str, *, needed: bool) -> tuple[Affine | None, tuple[str, ...]]:
    """RAS affine in mm of the qform, or None without code; and what was noticed.

    Args:
        header: with a complete spacing.
        unit: of its lengths.
        needed: whether the place of the voxels depends on it; otherwise a qform that is no
            rotation is left out with a note.
    """
    if int(header["qform_code"]) <= 0:
        return None, ()
    fault = ""
    imaginary = np.array([header[f"quatern_{k}"] for k in "bcd"], dtype=np.float64)
    offset = np.array([header[f"qoffset_{k}"] for k in "xyz"], dtype=np.float64)
    square = float(imaginary @ imaginary)
    if not np.isfinite([*imaginary, *offset]).all():
        fault = "is not finite"
    elif square > 1 + _QUATERNION_ROUNDING:
        fault = f"is not a rotation (its quaternion has the length {np.sqrt(square):.4g})"
    if fault:
        if needed:
            raise InvalidInput(f"The qform {fault}; export the volume again.")
        return None, (f"The qform {fault}; the sform is used.",)
    scale = header["pixdim"][1:4].astype(np.float64)
    # The standard: 0, which should not be, is to be taken as 1.
    scale[2] *= -1.0 if header["pixdim"][0] < 0 else 1.0
    affine = make_affine(_rotation(imaginary) * scale, offset)
    notes: tuple[str, ...] = ()
    if needed and square > 1 + _STORED_ROUNDING:
        angle = np.degrees(2 * np.sqrt(square - 1))
        notes = (f"The qform's rotation is rounded, directions may be {angle:.1f} degrees off.",)
    return in_millimetres(affine, unit)[0], notes


def _rotation(imaginary: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 3) of a unit quaternion, of which b, c, d are given and may be rounded.

    Source: https://nifti.nimh.nih.gov/nifti-1/documentation/nifti1fields/nifti1fields_pages/quatern.html
    """
    square = float(imaginary @ imaginary)
    half_turn = square > 1 - _STORED_ROUNDING
    b, c, d = imaginary / np.sqrt(square) if half_turn else imaginary
    a = 0.0 if half_turn else np.sqrt(1.0 - square)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _check_against_pixdim(sform: Affine, pixdim: Affine, told: npt.NDArray[np.bool_]) -> None:
    spacing = np.linalg.norm(sform[:3, :3], axis=0)
    if (told & (np.abs(spacing - pixdim) > _SPACING_TOLERANCE * pixdim)).any():
        raise InvalidInput(
            f"The header tells two spacings: sform {_lengths(spacing)}, pixdim {_lengths(pixdim)} "
            "mm (x, y, z); repair the one that is wrong."
        )


def _compare(sform: Affine, qform: Affine, shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Refuse other axes or another handedness; note a shift; let rounding pass."""
    s, q = (between_lps_and("RAS", affine) for affine in (sform, qform))
    axes = [describe_axes(affine).split()[0] for affine in (s, q)]
    if axes[0] != axes[1] or np.linalg.det(s[:3, :3]) * np.linalg.det(q[:3, :3]) < 0:
        raise InvalidInput(
            f"sform and qform contradict each other: sform axes {describe_axes(s)}, qform axes "
            f"{describe_axes(q)} mm; repair the header before use."
        )
    far = np.asarray(shape[::-1]) - 1
    corners = np.array(np.meshgrid(*[[0, n] for n in far], [1], indexing="ij")).reshape(4, -1)
    distance = float(np.linalg.norm(((s - q) @ corners)[:3], axis=0).max())
    if distance <= _SHIFT_MM:
        return ()
    return (f"sform and qform lie up to {distance:.1f} mm apart; the sform is used.",)


def _lengths(spacing: Affine) -> str:
    return " x ".join(f"{s:.5g}" for s in spacing)
