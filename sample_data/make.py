"""Make the synthetic sample data: `python sample_data/make.py [FOLDER]`.

Needs numpy, scipy and scikit-image only, takes about a minute, and writes the same bytes each
time it runs on one machine. Anatomy is in heart.py and pelvis.py, scribbles are in strokes.py.
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import heart
import numpy as np
import pelvis
from scipy.spatial.transform import Rotation
from strokes import draw_strokes

HEARTS = {
    "heart01": heart.Anatomy("normal", 24, 9.0, 1.00, 0.66, 7, 9.0, apex_slices=1),
    "heart02": heart.Anatomy("dilated", 32, 7.0, 0.90, 0.86, 8, 10.0),
    "heart03": heart.Anatomy("thick wall", 21, 14.0, 0.95, 0.60, 8, 8.0),
    "heart04": heart.Anatomy("wide right ventricle", 23, 8.5, 1.25, 0.70, 7, 10.0, base_slices=1),
    "heart05": heart.Anatomy("normal", 26, 9.5, 1.00, 0.69, 8, 9.0),
    "heart06": heart.Anatomy("dilated", 29, 8.0, 1.05, 0.80, 7, 10.0, apex_slices=1),
}
PROSTATES = {
    "prostate01": pelvis.Anatomy((24, 17, 16), 0.72, 7, lesion=True),
    "prostate02": pelvis.Anatomy((27, 21, 18), 0.82, 10, lesion=False),
    "prostate03": pelvis.Anatomy((25, 18, 17), 0.76, 8, lesion=False),
}
VALIDATION = {"heart05", "heart06", "prostate03"}

TURNED = {
    "heart03": (0.62, -0.48, 0.30),
    "prostate02": (0.0, 0.14, 0.0),
}
"""Rotations in radians about the patient's x, y, z axes of the volumes that are not straight."""


@dataclass(frozen=True)
class Scan:
    """One volume with its scribbles and reference, and what dataset.json says of it."""

    id: str
    subject: str
    spacing: tuple[float, float, float]
    image: np.ndarray
    reference: np.ndarray
    scribbles: np.ndarray
    more: dict[str, Any]


def cardiac_scans(subjects: Iterable[str] = HEARTS) -> Iterable[Scan]:
    """End-diastole and end-systole of each heart; spacing in mm (z, y, x)."""
    for subject in subjects:
        anatomy = HEARTS[subject]
        seed = 100 + list(HEARTS).index(subject)
        for phase in ("ED", "ES"):
            image, reference = heart.scan(anatomy, phase, seed)
            rng = np.random.default_rng([seed, 11 if phase == "ED" else 12])
            yield Scan(
                f"{subject}_{phase}",
                subject,
                (anatomy.slice_mm, heart.SPACING_MM, heart.SPACING_MM),
                image,
                reference,
                draw_strokes(reference, rng),
                {"group": anatomy.group, "phase": phase},
            )


def prostate_scans(subjects: Iterable[str] = PROSTATES) -> Iterable[Scan]:
    """One volume of each prostate; spacing in mm (z, y, x)."""
    for subject in subjects:
        seed = 200 + list(PROSTATES).index(subject)
        image, reference = pelvis.scan(PROSTATES[subject], seed)
        yield Scan(
            subject,
            subject,
            (pelvis.SLICE_MM, pelvis.SPACING_MM, pelvis.SPACING_MM),
            image,
            reference,
            draw_strokes(reference, np.random.default_rng([seed, 11])),
            {},
        )


def write_dataset(
    folder: Path, name: str, title: str, modality: str, classes: list[str], scans: Iterable[Scan]
) -> None:
    """Write the volumes of one dataset and its dataset.json."""
    cases = [_write_case(folder, scan) for scan in scans]
    values = [{"name": "background", "ground_truth": 0, "scribble": 255}]
    values += [
        {"name": c, "ground_truth": i, "scribble": i} for i, c in enumerate(classes, start=1)
    ]
    document = {
        "schema": "scribble-bench/2",
        "name": name,
        "title": title,
        "modality": modality,
        "dimensions": 3,
        "anisotropic": True,
        "classes": values,
        "intensity": "arbitrary grey levels; not comparable between volumes",
        "orientation": "from the image header; one volume is oblique",
        "licence": "CC0 1.0",
        "scribble_unlabelled": 0,
        "scribble_background": 255,
        "ground_truth_background": 0,
        "scribble_to_ground_truth": {str(v["scribble"]): v["ground_truth"] for v in values},
        "ground_truth_to_scribble": {str(v["ground_truth"]): v["scribble"] for v in values},
        "counts": {
            "cases": len(cases),
            "with_scribble": len(cases),
            "with_label": len(cases),
        },
        "splits": {
            split: [case["id"] for case in cases if case["split"] == split]
            for split in ("train", "val")
        },
        "cases": cases,
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (folder / "dataset.json").write_text(text, encoding="utf-8")


def _write_case(folder: Path, scan: Scan) -> dict[str, Any]:
    affine = _affine(scan.image.shape, scan.spacing, TURNED.get(scan.subject, (0.0, 0.0, 0.0)))
    files = {kind: f"{kind}s/{scan.id}.nii.gz" for kind in ("image", "scribble", "label")}
    arrays = {
        "image": scan.image.astype(np.int16),
        "scribble": scan.scribbles,
        "label": scan.reference,
    }
    for kind, file in files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_nifti(arrays[kind], scan.spacing, affine))
    return {
        "id": scan.id,
        "subject": scan.subject,
        **scan.more,
        "split": "val" if scan.subject in VALIDATION else "train",
        **files,
        "shape": list(scan.image.shape[::-1]),
        "spacing_mm": list(scan.spacing[::-1]),
    }


def _affine(
    shape: tuple[int, ...], spacing: tuple[float, ...], turn: tuple[float, float, float]
) -> np.ndarray:
    """(3, 4): takes an index (x, y, z, 1) to RAS mm; the middle voxel is at the origin.

    Image columns run to the patient's left and rows to the back before the rotation.
    """
    a, b, c = turn
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    axes = about_z @ about_y @ about_x @ np.diag([-1.0, -1.0, 1.0]) @ np.diag(spacing[::-1])
    centre = (np.array(shape[::-1]) - 1) / 2
    return np.column_stack([axes, -axes @ centre])


def _nifti(array: np.ndarray, spacing: tuple[float, ...], affine: np.ndarray) -> bytes:
    """A whole .nii.gz file of an array (z, y, x), without a time stamp.

    Source of the layout: the NIfTI-1 header, nifti1.h, 348 bytes.
    """
    code, bits = {"int16": (4, 16), "uint8": (2, 8)}[array.dtype.name]
    b, c, d = _quaternion(affine[:, :3] / np.asarray(spacing[::-1]))
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *array.shape[::-1], 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, 1.0, *spacing[::-1], 0.0, 0.0, 0.0, 0.0)
    struct.pack_into("<3f", header, 108, 352.0, 1.0, 0.0)
    header[123] = 2  # millimetres
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<6f", header, 256, b, c, d, *affine[:, 3])
    struct.pack_into("<12f", header, 280, *affine.ravel())
    header[344:348] = b"n+1\0"
    voxels = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return gzip.compress(bytes(header) + voxels, compresslevel=9, mtime=0)


def _quaternion(rotation: np.ndarray) -> tuple[float, float, float]:
    """The parts b, c, d of the unit quaternion (a >= 0) of a proper rotation."""
    b, c, d, a = Rotation.from_matrix(rotation).as_quat()
    sign = -1.0 if a < 0 else 1.0
    return sign * b, sign * c, sign * d


def main(folder: Path) -> None:
    """Write both datasets below `folder`."""
    write_dataset(
        folder / "cardiac",
        "sample_cardiac",
        "Synthetic short-axis hearts, end-diastole and end-systole",
        "MR cine (bSSFP), synthetic",
        ["RV", "MYO", "LV"],
        cardiac_scans(),
    )
    write_dataset(
        folder / "prostate",
        "sample_prostate",
        "Synthetic prostates with peripheral zone and central gland",
        "MR T2, synthetic",
        ["PZ", "CG"],
        prostate_scans(),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
