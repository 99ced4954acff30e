"""Every public name has an example in its docstring, and the examples do what they say."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from dicom_files import SHAPE, write_stack
from pydicom.uid import generate_uid

import napari_scribseg as ss

EMPTY = ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber")
NAMES = sorted(set(ss.__all__) - {"__version__"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the examples find in their folder: a trained run, segmentations, a DICOM series."""
    folder = tmp_path_factory.mktemp("examples")
    dataset = ss.read_dataset(ss.sample_folder("cardiac"))
    changes = {"steps": 2, "device": "cpu", "threads": 1}
    run = ss.prepare_run(dataset, folder / "run", method="partial_ce_dice", changes=changes)
    assert [event.kind for event in ss.train_run(run)][-1] == "finished"
    (folder / "predictions").mkdir()
    for files in dataset.split("val"):
        case = files.load(dataset.schema)
        truth = ss.Volume(case.reference, case.image.grid)
        ss.write_volume(folder / "predictions" / f"{case.id}.nii.gz", truth)
    (folder / "series").mkdir()
    ids = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    series = write_stack(folder / "series", PatientID="p7", **ids, **dict.fromkeys(EMPTY, ""))
    segmentation = np.zeros(SHAPE, np.uint8)
    segmentation[1, 1, 1] = 1
    ss.export_segmentation(
        folder / "heart.dcm",
        segmentation,
        ss.read_volume(series).grid,
        ss.LabelSchema.of("ventricle"),
        file_format="dicom-seg",
        source=series,
    )
    return folder


@pytest.mark.parametrize("name", [*NAMES, "the package"])
def test_the_example_does_what_it_says(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    thing = ss if name == "the package" else getattr(ss, name)
    found = doctest.DocTestParser().get_doctest(thing.__doc__, {}, name, None, 0)
    assert found.examples, "there is no example"
    said: list[str] = []
    failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=said.append)
    assert not failed, "".join(said)
