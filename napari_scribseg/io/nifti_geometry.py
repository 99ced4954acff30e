"""Which of a NIfTI header's geometries counts: sform, qform or neither, and whether they agree."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid
from napari_scribseg.io.files import reason
from napari_scribseg.io.geometry import (
    ASSUMED_THICKNESS,
    UNKNOWN_SIDES,
    Affine,
    between_lps_and,
    check_spacing,
    describe_axes,
    in_millimetres,
    is_straight,
    make_affine,
    to_grid,
)

_UNITS: Final = {1: "m", 3: "um"}
"""Codes 0 (unknown) and 2 are taken as mm; an implausible spacing is noted later."""
_SHIFT_MM: Final = 0.1
_SPACING_TOLERANCE: Final = 1e-3


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
    qform = _qform(header, unit)
    sform = _sform(header, unit)
    spacing, unit_notes = in_millimetres(
        make_affine(np.diag(header["pixdim"][1:4].astype(np.float64)), np.zeros(3)), unit
    )
    notes += unit_notes
    if sform is not None and not is_straight(sform):
        if qform is None:
            raise InvalidInput(
                "The sform is sheared or not finite and there is no qform; resample the volume to "
                "a straight grid first."
            )
        notes += ("The sform is sheared or not finite, so the qform is used.",)
        sform = None
    if sform is not None:
        _check_against_pixdim(sform, np.diag(spacing)[:3], told)
        if qform is not None:
            notes += _compare(sform, qform, shape)
        return to_grid(shape, between_lps_and("RAS", sform)), notes
    if qform is not None:
        return to_grid(shape, between_lps_and("RAS", qform)), notes
    # Without codes the axes are taken as LPS, as ITK does.
    return to_grid(shape, spacing), (*notes, UNKNOWN_SIDES)


def _complete_spacing(header: Any, shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Check the spacing; a thickness that a single slice doesn't tell becomes 1 (file units)."""
    notes: tuple[str, ...] = ()
    pixdim = header["pixdim"]
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


def _qform(header: Any, unit: str) -> Affine | None:
    """RAS affine in mm of the qform, or None without code."""
    if int(header["qform_code"]) <= 0:
        return None
    try:
        qform = np.asarray(header.get_qform(), dtype=np.float64)
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput(f"The qform is not a rotation: {reason(error)}.") from error
    except Exception as error:
        from nibabel.spatialimages import HeaderDataError

        if not isinstance(error, HeaderDataError):
            raise
        raise InvalidInput(f"The qform can't be used: {reason(error)}.") from error
    if not is_straight(qform):
        raise InvalidInput("The qform is not finite or not a rotation; export the volume again.")
    return in_millimetres(qform, unit)[0]


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
