"""Public data sets are read without an error and without a needless note."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_scribseg.io import extension_of, read_labels, read_volume

ROOT = Path(
    os.environ.get("SCRIBSEG_DATA", Path(__file__).resolve().parents[2] / ".." / "shared" / "data")
)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["acdc", "chaos_ct", "mscmr", "prostate"])
def test_real_volumes_are_read_as_itk_reads_them(name):
    folder = ROOT / name
    if not folder.is_dir():
        pytest.skip(f"there is no {name} in {ROOT}")
    paths = [p for p in sorted(folder.rglob("*")) if extension_of(p)]
    for path in paths[:: max(1, len(paths) // 12)]:
        read = read_volume if path.parent.name == "images" else read_labels
        found = read(path)
        image = sitk.ReadImage(str(path))
        assert found.notes == ()
        assert np.allclose(found.array, sitk.GetArrayFromImage(image))
        far = [n - 1 for n in found.shape]
        point = image.TransformIndexToPhysicalPoint(far[::-1])
        assert np.allclose(found.grid.position(far), point, atol=1e-3)
