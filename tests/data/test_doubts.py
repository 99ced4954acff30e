"""Strokes that look mirrored, or lie where the image is empty."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.doubts import stroke_doubts
from napari_scribseg.io import write_volume


@pytest.mark.parametrize("seed", range(3))
def test_strokes_as_drawn_raise_no_doubt(seed: int) -> None:
    case = two_ball_case(seed=seed)
    assert stroke_doubts(case.image.array, case.scribbles, "S") == ()


@pytest.mark.parametrize(
    ("moved", "says"),
    [
        (lambda a: a[:, :, ::-1], "mirrored along x"),
        (lambda a: a[:, ::-1], "mirrored along y"),
        (lambda a: a[:, ::-1, ::-1], "mirrored along y and x"),
        (lambda a: a.swapaxes(1, 2), "with y and x exchanged"),
    ],
)
def test_strokes_that_were_moved_without_their_header_are_told(moved, says) -> None:
    image = np.zeros((4, 48, 48), np.float32)
    image[:, 4:16, 6:20] = 400  # bright, nowhere near a mirror image of itself
    image[:, 28:34, 30:46] = 250
    image += np.random.default_rng(0).normal(100, 5, image.shape)
    scribbles = np.zeros(image.shape, np.uint8)
    scribbles[:, 9:11, 8:18] = 1
    scribbles[:, 30:32, 32:44] = 2
    scribbles[:, 20:22, 2:46] = 255
    assert stroke_doubts(image, scribbles, "S") == ()
    (doubt,) = stroke_doubts(image, moved(scribbles), "The scribbles of case A")
    assert doubt.startswith(f"The scribbles of case A would fit the image much better {says}:")


def test_strokes_on_air_are_told() -> None:
    image = np.zeros((2, 40, 40), np.int16)
    image[:, :, 20:] = np.random.default_rng(0).integers(50, 60, (2, 40, 20))
    scribbles = np.zeros(image.shape, np.uint8)
    scribbles[:, 5:15, 2:8] = 1
    scribbles[:, 30:35, 30:35] = 255
    doubts = stroke_doubts(image, scribbles, "S")
    assert any(
        "100% of the strokes of structures lie where the image is empty" in d for d in doubts
    )
    image[:] = 7  # constant: every place is as empty as any other, which is another note
    assert stroke_doubts(image, scribbles, "S") == ()


def test_few_strokes_and_nan_images_are_no_ground_for_doubt() -> None:
    image = np.full((1, 20, 20), np.nan, np.float32)
    scribbles = np.zeros(image.shape, np.uint8)
    scribbles[0, 0, :3] = 1
    assert stroke_doubts(image, scribbles, "S") == ()
    scribbles[0, :10] = 1
    scribbles[0, 10:] = 255
    assert stroke_doubts(image, scribbles, "S") == ()


def test_a_case_tells_of_nan_constant_implausible_and_turned_files(tmp_path: Path) -> None:
    def notes(image: np.ndarray, spacing=(2.0, 1.0, 1.0), scribbles: Path | None = None) -> str:
        path = tmp_path / "image.nii.gz"
        write_volume(path, Volume(image, Grid.from_spacing(image.shape, spacing)))
        files = CaseFiles(id="A", patient="A", image=path, scribbles=scribbles)
        return " ".join(files.load(TWO_BALLS).notes)

    image = np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32)
    image[0, 0, :2] = np.nan
    image[1, 0, 0] = np.inf
    assert "3 of 192 voxels are not numbers (2 NaN, 1 infinite)" in notes(image)
    assert "All voxels have the same value, 5" in notes(np.full((3, 8, 8), 5, np.int16))
    plain = np.arange(192, dtype=np.int16).reshape(3, 8, 8)
    assert notes(plain) == ""
    assert "implausible" in notes(plain, spacing=(0.002, 0.001, 0.001))
    # The same shape, and a header that says that x runs the other way.
    turned = np.diag([1.0, -1.0, 2.0, 1.0])
    turned[:3, 3] = -7.0, 0.0, 0.0
    drawn = np.zeros((8, 8, 3), np.uint8)
    drawn[1, 1, 1] = 1
    path = tmp_path / "scribbles.nii.gz"
    nibabel.save(nibabel.Nifti1Image(drawn, turned), path)
    assert "one of the two headers is wrong" in notes(plain, scribbles=path)
