"""The synthetic sample datasets: complete, small, consistent, and made again to the byte."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.samples import SAMPLES, sample_folder
from napari_scribseg.data.dataset import check_dataset, read_dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def make(monkeypatch):
    """sample_data/make.py with the modules beside it, as running the file would import them."""
    monkeypatch.syspath_prepend(str(ROOT / "sample_data"))
    yield importlib.import_module("make")
    for name in ("make", "heart", "pelvis", "strokes", "drawing"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_a_dataset_without_errors(name):
    report = check_dataset(read_dataset(sample_folder(name)))
    assert report.n_errors == 0
    assert report.n_scribbled == report.n_referenced == report.n_cases > 0
    assert report.never_scribbled == ()
    assert report.patients_in_several_splits == {}
    assert set(report.splits) == {"train", "val"}


def test_the_hearts_come_in_pairs_and_one_is_oblique():
    dataset = read_dataset(sample_folder("cardiac"))
    assert dataset.schema.names == ("background", "RV", "MYO", "LV")
    assert {len([c for c in dataset.cases if c.patient == p.patient]) for p in dataset.cases} == {2}
    assert len({c.patient for c in dataset.split("train")}) == 4
    assert len({c.patient for c in dataset.split("val")}) == 2
    slopes = [
        np.abs(np.asarray(nibabel.load(case.image).affine)[2, :2]).max() for case in dataset.cases
    ]
    assert sum(slope > 0.5 for slope in slopes) == 2


@pytest.mark.parametrize("name", SAMPLES)
def test_strokes_stay_in_their_class_and_are_sparse(name):
    dataset = read_dataset(sample_folder(name))
    for files in dataset.cases:
        case = files.load(dataset.schema)
        targets = dataset.schema.to_targets(case.scribbles)
        drawn = targets != IGNORE
        assert np.array_equal(targets[drawn], case.reference[drawn]), files.id
        assert 0.03 < drawn.mean() < 0.09, files.id
        for plane, truth in zip(targets, case.reference, strict=True):
            assert set(np.unique(truth)) <= set(np.unique(plane)), files.id


def test_systole_is_smaller_than_diastole():
    dataset = read_dataset(sample_folder("cardiac"))
    cavity = dataset.schema.names.index("LV")
    volume = {c.id: (c.load(dataset.schema).reference == cavity).sum() for c in dataset.cases}
    for name in {case.patient for case in dataset.cases}:
        assert volume[f"{name}_ES"] < 0.9 * volume[f"{name}_ED"]


def test_the_samples_are_small():
    files = [p for name in SAMPLES for p in sample_folder(name).rglob("*") if p.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000


def test_making_a_sample_twice_gives_the_same_bytes(make, tmp_path):
    for turn in ("first", "second"):
        make.write_dataset(
            tmp_path / turn, "x", "x", "x", ["PZ", "CG"], make.prostate_scans(["prostate02"])
        )
    first = {p.relative_to(tmp_path / "first"): p for p in (tmp_path / "first").rglob("*.*")}
    assert len(first) == 4
    for name, path in first.items():
        assert path.read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_the_stored_sample_is_what_the_script_makes(make):
    """Up to rounding, which may differ between processors."""
    scan = next(iter(make.cardiac_scans(["heart03"])))
    folder = sample_folder("cardiac")
    entry = next(
        c for c in json.loads((folder / "dataset.json").read_text())["cases"] if c["id"] == scan.id
    )
    stored = {
        kind: np.asarray(nibabel.load(folder / entry[kind]).dataobj).T
        for kind in ("image", "label", "scribble")
    }
    assert np.abs(stored["image"] - scan.image).max() <= 1
    assert (stored["label"] == scan.reference).mean() > 0.9999
    assert (stored["scribble"] == scan.scribbles).mean() > 0.999


def test_qform_and_sform_agree():
    """Tools that read only one of them must see the same patient."""
    for name in SAMPLES:
        for path in sample_folder(name).rglob("*.nii.gz"):
            header = nibabel.load(path).header
            assert np.allclose(header.get_qform(), header.get_sform(), atol=1e-3), path.name
            assert header.get_xyzt_units()[0] == "mm"


def test_an_unknown_sample_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match="choose from cardiac, prostate"):
        sample_folder("liver")
