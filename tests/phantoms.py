"""Tiny cases and datasets for everybody's tests; nothing here reads or trains anything.

`from phantoms import two_ball_case, phantom_dataset` works in every test file.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case

Array = npt.NDArray[Any]

TWO_BALLS = LabelSchema.of("bright", "dim", title="Two balls")
"""Class 1 is the brightest thing of a phantom, class 2 lies between it and the background."""

BRIGHTNESS = {0: 100.0, 1: 400.0, 2: 250.0}
"""Mean intensity of every class index."""


def two_ball_case(
    shape: tuple[int, int, int] = (4, 48, 48),
    spacing: tuple[float, float, float] = (8.0, 1.5, 1.5),
    seed: int = 0,
    *,
    noise: float = 15.0,
    case_id: str | None = None,
    patient: str | None = None,
) -> Case:
    """Two balls of different brightness, with strokes of every class and the dense reference.

    Every slice cuts both balls. The strokes are 2 pixels thick, on every slice: one across each
    ball, one along the border of the field of view and one between the balls.

    Args:
        shape: voxels along (z, y, x).
        spacing: mm along (z, y, x).
        seed: shifts the balls by up to a twentieth of the field of view and makes the noise.
        noise: standard deviation of the intensities within a class.
        case_id: "phantom<seed>" if not given.
        patient: "patient<seed>" if not given.
    """
    rng = np.random.default_rng(seed)
    reference = _balls(shape, rng)
    mean = np.vectorize(BRIGHTNESS.__getitem__)(reference).astype(np.float32)
    image = (mean + rng.normal(0.0, noise, shape)).astype(np.float32)
    return Case(
        id=case_id or f"phantom{seed}",
        patient=patient or f"patient{seed}",
        image=Volume(image, Grid.from_spacing(shape, spacing)),
        scribbles=_strokes(reference),
        reference=reference,
    )


def phantom_dataset(folder: Path, n_patients: int = 3, **arguments: Any) -> Path:
    """A "plain" dataset (images/ scribbles/ labels/ labels.json) of two-ball cases; its folder.

    Args:
        folder: is made if it does not exist.
        n_patients: cases, one per patient: patient00, patient01, ...
        arguments: of `two_ball_case`.
    """
    for index in range(n_patients):
        name = f"patient{index:02d}"
        case = two_ball_case(seed=index, case_id=name, patient=name, **arguments)
        for kind, array in (
            ("images", case.image.array),
            ("scribbles", case.scribbles),
            ("labels", case.reference),
        ):
            write_nifti(folder / kind / f"{name}.nii.gz", np.asarray(array), case.grid)
    (folder / "labels.json").write_text(TWO_BALLS.model_dump_json(indent=2), encoding="utf-8")
    return folder


def two_sequence_case(seed: int = 0, **arguments: Any) -> Case:
    """A two-ball case whose T2 shows class 1 only and whose ADC shows class 2 only.

    Args:
        seed: as of `two_ball_case`.
        arguments: of `two_ball_case`.
    """
    case = two_ball_case(seed=seed, **arguments)
    reference = np.asarray(case.reference)
    rng = np.random.default_rng((seed, 1))
    t2, adc = (
        (100.0 + scale * (reference == k) + rng.normal(0, 0.05 * scale, reference.shape))
        for k, scale in ((1, 300.0), (2, 1500.0))
    )
    image = Volume(
        t2.astype(np.float32), case.grid, sequence="T2", further={"ADC": adc.astype(np.float32)}
    )
    return replace(case, image=image)


def two_sequence_dataset(folder: Path, n_patients: int = 3, *, coarse_adc: bool = False) -> Path:
    """An nnU-Net dataset of `two_sequence_case`, scribbles as labels; its folder.

    The last patient is a test case with a dense label.

    Args:
        folder: is made if it does not exist.
        n_patients: cases, one per patient: patient00, patient01, ...
        coarse_adc: store ADC on a grid with every second pixel.
    """
    for index in range(n_patients):
        name, letters = f"patient{index:02d}", "Ts" if index == n_patients - 1 else "Tr"
        case = two_sequence_case(index, case_id=name)
        adc, grid = case.image.further["ADC"], case.grid
        if coarse_adc:
            adc = adc[:, ::2, ::2]
            grid = Grid(adc.shape, grid.affine @ np.diag([1.0, 2.0, 2.0, 1.0]))
        write_nifti(
            folder / f"images{letters}" / f"{name}_0000.nii.gz", case.image.array, case.grid
        )
        write_nifti(folder / f"images{letters}" / f"{name}_0001.nii.gz", adc, grid)
        ours = np.asarray(case.reference if letters == "Ts" else case.scribbles)
        if letters == "Tr":
            ours = ScribbleConvention.nnunet_ignore(2).write(ours)
        write_nifti(folder / f"labels{letters}" / f"{name}.nii.gz", ours, case.grid)
    document = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "bright": 1, "dim": 2, "ignore": 3},
        "numTraining": n_patients - 1,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def write_nifti(path: Path, array: Array, grid: Grid) -> Path:
    """Write an array (z, y, x) by nibabel alone, so that reading it tests our reader; the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine = to_ras @ grid.affine @ np.eye(4)[[2, 1, 0, 3]]
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def _balls(shape: tuple[int, int, int], rng: np.random.Generator) -> Array:
    """Class indices (z, y, x) of two ellipsoids that fill the height and a fifth of the width."""
    z, y, x = np.meshgrid(
        *(np.linspace(-1.0, 1.0, n) if n > 1 else [0.0] for n in shape), indexing="ij", sparse=True
    )
    shift_y, shift_x = rng.uniform(-0.1, 0.1, 2)
    reference = np.zeros(shape, np.uint8)
    for index, (centre_y, centre_x) in enumerate(((-0.35, -0.35), (0.3, 0.35)), start=1):
        distance = ((y - centre_y - shift_y) ** 2 + (x - centre_x - shift_x) ** 2) / 0.38**2
        reference[distance + (z / 1.3) ** 2 <= 1.0] = index
    return reference


def _strokes(reference: Array) -> Array:
    """Scribbles (z, y, x) that never leave their class."""
    scribbles = np.zeros_like(reference)
    for plane, drawn in zip(reference, scribbles, strict=True):
        for index in np.unique(plane[plane > 0]):
            inside = ndimage.binary_erosion(plane == index)
            row = int(np.median(np.nonzero(inside)[0]))
            band = np.zeros_like(inside)
            band[row : row + 2] = True
            drawn[band & inside] = index
        free = ndimage.binary_dilation(plane > 0, iterations=2)
        border = np.zeros_like(free)
        border[2:4, 2:-2] = border[-4:-2, 2:-2] = border[2:-2, 2:4] = border[2:-2, -4:-2] = True
        middle = plane.shape[0] // 2
        border[middle : middle + 2] = True
        drawn[border & ~free] = BACKGROUND
    return scribbles
