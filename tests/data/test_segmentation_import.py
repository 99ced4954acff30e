"""DICOM SEG and RTSTRUCT read onto their series; written by highdicom and pydicom, not by us."""

from __future__ import annotations

import json

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import AXES, NORMAL, SHAPE, STEP, item, place, write_slice, write_stack
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from napari_scribseg import find_cases, import_segmentation
from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelSchema
from napari_scribseg.io.documents import load_document

HEART = PRESETS["cardiac"]
STUDY = {
    "StudyInstanceUID": generate_uid(),
    "FrameOfReferenceUID": generate_uid(),
    "PatientID": "p7",
}
EMPTY = ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber")
ROUND = 20
"""Pixels along both axes of the series that outlines are drawn on."""


@pytest.fixture
def series(tmp_path):
    (tmp_path / "series").mkdir()
    others = {**dict.fromkeys(EMPTY, ""), "ReferringPhysicianName": ""}
    return write_stack(tmp_path / "series", **STUDY, **others)


@pytest.fixture
def large(tmp_path):
    """The series, with 20 x 20 pixels of 1.5 x 1.25 mm."""
    (tmp_path / "large").mkdir()
    for k in range(SHAPE[0]):
        write_slice(tmp_path / "large", k, voxels=np.full((ROUND, ROUND), k, np.int16), **STUDY)
    return tmp_path / "large"


# ------------------------------------------------------------------------------------------- SEG


def seg(series, path, masks, *, kind="BINARY", order=None, **changes):
    """A SEG by highdicom: masks by name, each (z, y, x) in the order of the slices in space."""
    files = sorted(series.glob("*.dcm"))
    headers = [pydicom.dcmread(file) for file in files]
    where = [np.dot(np.array(h.ImagePositionPatient, float) - place(0), NORMAL) for h in headers]
    headers = [headers[k] for k in np.argsort(where)]
    order = list(range(SHAPE[0])) if order is None else order
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Heart,
            algorithm_type="MANUAL",
            display_color=highdicom.color.CIELabColor.from_rgb(255, 0, 0),
        )
        for number, name in enumerate(masks, start=1)
    ]
    if kind == "LABELMAP":
        pixels = sum((k * m.astype(np.uint8)) for k, m in enumerate(masks.values(), start=1))
    else:
        pixels = np.stack([m.astype(np.uint8) for m in masks.values()], axis=-1)
    if kind == "FRACTIONAL":
        pixels = pixels.astype(np.float64)
    made = highdicom.seg.Segmentation(
        source_images=[headers[k] for k in order],
        pixel_array=pixels[order],
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=7,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="others",
        manufacturer_model_name="others",
        software_versions="1",
        device_serial_number="1",
    )
    for key, value in changes.items():
        setattr(made, key, value)
    made.save_as(path)
    return path


def spots():
    """Three structures, none of them symmetric, with empty slices."""
    masks = {name: np.zeros(SHAPE, bool) for name in ("RV", "MYO", "LV")}
    masks["RV"][1, 1, 2:5] = True
    masks["MYO"][4, 0, 6] = True
    masks["LV"][2:4, 2:4, 1] = True
    return masks


def ids(masks):
    return sum(k * mask.astype(np.uint8) for k, mask in enumerate(masks.values(), start=1))


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("order", [None, [3, 1, 0, 2, 5, 4]])
def test_seg_of_another_program(series, tmp_path, kind, order):
    path = seg(series, tmp_path / "seg.dcm", spots(), kind=kind, order=order)
    found = import_segmentation(path, series)
    np.testing.assert_array_equal(found.volume.array, ids(spots()))
    assert found.schema == HEART  # a preset keeps its colours
    assert found.notes == ()
    np.testing.assert_allclose(found.volume.grid.position((4, 0, 6)), place(4, (7.5, 0)), atol=1e-5)


def test_what_we_write_is_read(series, tmp_path):
    from napari_scribseg import export_segmentation
    from napari_scribseg.io import read_series

    grid = read_series(series).grid
    path = export_segmentation(
        tmp_path / "s", ids(spots()), grid, HEART, file_format="dicom-seg", source=series
    )
    found = import_segmentation(path, series)
    np.testing.assert_array_equal(found.volume.array, ids(spots()))


def test_names_and_colours_of_the_file(series, tmp_path):
    masks = {"Wall": spots()["MYO"], "Nothing": np.zeros(SHAPE, bool), "Pool": spots()["LV"]}
    found = import_segmentation(seg(series, tmp_path / "s.dcm", masks), series)
    assert found.schema.names == ("background", "Wall", "Pool")
    red, green, blue = (int(found.schema.classes[0].color[k : k + 2], 16) for k in (1, 3, 5))
    assert red > 250
    assert max(green, blue) < 5
    assert found.notes == ("Empty, and left out: Nothing.",)
    chosen = import_segmentation(tmp_path / "s.dcm", series, structures=["pool", "WALL"])
    assert chosen.schema.names == ("background", "Pool", "Wall")
    np.testing.assert_array_equal(chosen.volume.array == 1, masks["Pool"])
    with pytest.raises(InvalidInput, match="no structure Atrium in the file; it has Nothing, Pool"):
        import_segmentation(tmp_path / "s.dcm", series, structures=["Atrium"])


def test_a_schema_gives_the_numbers(series, tmp_path):
    masks = {"LV": spots()["LV"], "Aorta": spots()["MYO"], "rv": spots()["RV"]}
    found = import_segmentation(seg(series, tmp_path / "s.dcm", masks), series, schema=HEART)
    np.testing.assert_array_equal(found.volume.array == 3, masks["LV"])
    np.testing.assert_array_equal(found.volume.array == 1, masks["rv"])
    assert not (found.volume.array == 2).any()
    assert found.notes == (
        "Not in the file: MYO.",
        "Not among the structures, and left out: Aorta.",
    )


def test_overlap_is_refused_or_covered(series, tmp_path):
    whole = spots()["LV"].copy()
    whole[2] = True
    path = seg(series, tmp_path / "s.dcm", {"Heart": whole, "LV": spots()["LV"]})
    with pytest.raises(InvalidInput, match="LV and Heart overlap in 4 voxels.*--later-covers"):
        import_segmentation(path, series)
    found = import_segmentation(path, series, later_covers=True)
    np.testing.assert_array_equal(found.volume.array == 2, spots()["LV"])
    assert "those are LV" in found.notes[0]
    back = import_segmentation(path, series, structures=["LV", "Heart"], later_covers=True)
    np.testing.assert_array_equal(back.volume.array == 2, whole)
    only = import_segmentation(path, series, structures=["Heart"])
    np.testing.assert_array_equal(only.volume.array == 1, whole)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"FrameOfReferenceUID": "1.2.3"}, "another space"),
        ({"PatientID": "p8"}, "another patient"),
        ({"ReferencedSeriesSequence": item(SeriesInstanceUID="1.2.3")}, "names 1.2.3"),
    ],
)
def test_seg_of_something_else_is_refused(series, tmp_path, changes, why):
    path = seg(series, tmp_path / "s.dcm", spots(), **changes)
    with pytest.raises(InvalidInput, match=why) as told:
        import_segmentation(path, series)
    assert "p7" not in str(told.value)
    assert "DOE" not in str(told.value)


def test_fractional_is_refused(series, tmp_path):
    path = seg(series, tmp_path / "s.dcm", spots(), kind="FRACTIONAL")
    with pytest.raises(InvalidInput, match=r"parts of voxels \(FRACTIONAL\)"):
        import_segmentation(path, series)


def groups_changed(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_frames_that_lie_elsewhere(series, tmp_path):
    path = seg(series, tmp_path / "s.dcm", spots())

    def aside(mm):
        def change(dataset):
            for group in dataset.PerFrameFunctionalGroupsSequence:
                at = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
                moved = at + mm * np.array(AXES[0])
                group.PlanePositionSequence[0].ImagePositionPatient = list(np.round(moved, 5))

        return change

    found = import_segmentation(groups_changed(path, aside(0.25)), series)  # of 1.25 mm
    np.testing.assert_array_equal(found.volume.array, ids(spots()))
    assert found.notes == ("The segmentation lies 0.2 voxels beside the series.",)
    with pytest.raises(InvalidInput, match="does not lie on the voxels of a slice"):
        import_segmentation(groups_changed(path, aside(1.0)), series)


def test_frames_that_are_turned_in_their_plane(series, tmp_path):
    path = seg(series, tmp_path / "s.dcm", spots())
    columns, x = SHAPE[2], 1.25

    def mirror(dataset):
        shared = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        shared.ImageOrientationPatient = [-v for v in AXES[0]] + list(AXES[1])
        for group in dataset.PerFrameFunctionalGroupsSequence:
            at = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            far = at + (columns - 1) * x * np.array(AXES[0])
            group.PlanePositionSequence[0].ImagePositionPatient = list(np.round(far, 5))

    found = import_segmentation(groups_changed(path, mirror), series)
    np.testing.assert_array_equal(found.volume.array, ids(spots())[:, :, ::-1])


def test_two_frames_of_one_slice_are_a_time_series(series, tmp_path):
    path = seg(series, tmp_path / "s.dcm", spots())

    def same_place(dataset):
        groups = dataset.PerFrameFunctionalGroupsSequence
        first, second = [
            g for g in groups if g.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 3
        ]
        second.PlanePositionSequence = first.PlanePositionSequence

    with pytest.raises(InvalidInput, match="Several frames of segment 3 lie on slice [23],"):
        import_segmentation(groups_changed(path, same_place), series)


# -------------------------------------------------------------------------------------- RTSTRUCT


def outline(z, points, kind="CLOSED_PLANAR", **changes):
    """A contour item from (y, x) in voxels of slice z, by how the test's series lies in space."""
    at = [
        place(0) + NORMAL * STEP * z + np.array(AXES[0]) * 1.25 * x + np.array(AXES[1]) * 1.5 * y
        for y, x in points
    ]
    contour = Dataset()
    contour.ContourGeometricType = kind
    contour.NumberOfContourPoints = len(points)
    contour.ContourData = [float(v) for v in np.round(np.ravel(at), 4)]
    for key, value in changes.items():
        setattr(contour, key, value)
    return contour


def box(y0, y1, x0, x1):
    """The outline of the pixels y0 to y1, x0 to x1, both included."""
    edges = (y0 - 0.5, x0 - 0.5), (y0 - 0.5, x1 + 0.5), (y1 + 0.5, x1 + 0.5), (y1 + 0.5, x0 - 0.5)
    return list(edges)


def rtstruct(series, path, structures, **changes):
    """An RTSTRUCT: contours by the name of their structure."""
    header = pydicom.dcmread(next(series.glob("*.dcm")))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    made.SOPClassUID = RTStructureSetStorage
    made.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    made.Modality = "RTSTRUCT"
    made.PatientID = header.PatientID
    made.PatientName = "DOE^JANE"
    made.SeriesInstanceUID = generate_uid()
    referenced = item(SeriesInstanceUID=header.SeriesInstanceUID)
    study = item(RTReferencedSeriesSequence=referenced)
    made.ReferencedFrameOfReferenceSequence = item(
        FrameOfReferenceUID=header.FrameOfReferenceUID, RTReferencedStudySequence=study
    )
    named, drawn = [], []
    for number, (name, contours) in enumerate(structures.items(), start=11):
        roi = Dataset()
        roi.ROINumber = number
        roi.ROIName = name
        roi.ReferencedFrameOfReferenceUID = header.FrameOfReferenceUID
        named.append(roi)
        lines = Dataset()
        lines.ReferencedROINumber = number
        lines.ROIDisplayColor = [255, 128, 0]
        if contours:
            lines.ContourSequence = Sequence(contours)
        drawn.append(lines)
    made.StructureSetROISequence = Sequence(named)
    made.ROIContourSequence = Sequence(drawn[::-1])  # in no order
    for key, value in changes.items():
        setattr(made, key, value)
    made.save_as(path, enforce_file_format=True)
    return path


def test_outlines_lie_where_they_were_drawn(large, tmp_path):
    structures = {
        "Pool": [outline(2, box(3, 5, 10, 16)), outline(3, box(4, 4, 11, 12))],
        "Wall": [outline(2, box(8, 9, 0, 3))],
        "Nothing": [],
    }
    found = import_segmentation(rtstruct(large, tmp_path / "rt.dcm", structures), large)
    assert found.schema.names == ("background", "Wall", "Pool")
    assert found.schema.classes[0].color == "#ff8000"
    expected = np.zeros((SHAPE[0], ROUND, ROUND), np.uint8)
    expected[2, 3:6, 10:17] = expected[3, 4, 11:13] = 2
    expected[2, 8:10, 0:4] = 1
    np.testing.assert_array_equal(found.volume.array, expected)
    assert found.notes == ("Empty, and left out: Nothing.",)


def keyhole():
    """A square with a square hole, cut by a channel without width."""
    (a, b, c, d), hole = box(2, 12, 2, 12), box(5, 9, 5, 9)
    return [a, hole[0], hole[3], hole[2], hole[1], hole[0], a, b, c, d]


@pytest.mark.parametrize(
    "contours",
    [
        [outline(1, box(2, 12, 2, 12)), outline(1, box(5, 9, 5, 9))],
        [outline(1, box(5, 9, 5, 9)), outline(1, box(2, 12, 2, 12))],
        [outline(1, box(2, 12, 2, 12), "CLOSEDPLANAR_XOR"),
         outline(1, box(5, 9, 5, 9), "CLOSEDPLANAR_XOR")],
        [outline(1, keyhole())],
        [outline(1, box(2, 12, 2, 12)), outline(1, box(2, 12, 2, 12)),
         outline(1, box(5, 9, 5, 9))],
    ],
    ids=["inner", "inner-first", "xor", "keyhole", "drawn-twice"],
)  # fmt: skip
def test_holes(large, tmp_path, contours):
    found = import_segmentation(rtstruct(large, tmp_path / "rt.dcm", {"Wall": contours}), large)
    expected = np.zeros((ROUND, ROUND), np.uint8)
    expected[2:13, 2:13] = 1
    expected[5:10, 5:10] = 0
    np.testing.assert_array_equal(found.volume.array[1], expected)
    assert not found.volume.array[[0, 2, 3, 4, 5]].any()
    assert found.notes == ()


def test_an_island_in_a_hole_and_outlines_that_cross(large, tmp_path):
    boxes = [box(7, 7, 7, 7), box(1, 13, 1, 13), box(4, 10, 4, 10)]
    path = rtstruct(large, tmp_path / "rt.dcm", {"Wall": [outline(0, one) for one in boxes]})
    array = import_segmentation(path, large).volume.array[0]
    assert (array[7, 7], array[5, 5], array[2, 2]) == (1, 0, 1)
    crossing = {"Wall": [outline(0, box(2, 8, 2, 8)), outline(0, box(6, 12, 6, 12))]}
    found = import_segmentation(rtstruct(large, tmp_path / "two.dcm", crossing), large)
    assert found.volume.array[0].sum() == 49 + 49 - 9
    assert "1 outline(s) cross another one" in found.notes[0]


def test_what_is_between_slices_or_open(large, tmp_path):
    contours = [
        outline(0.1, box(2, 4, 2, 4)),
        outline(3, box(2, 4, 2, 4)),
        outline(2, [(1, 1)], "POINT"),
    ]
    found = import_segmentation(rtstruct(large, tmp_path / "rt.dcm", {"Wall": contours}), large)
    assert np.flatnonzero(found.volume.array.any(axis=(1, 2))).tolist() == [0, 3]
    point, beside, gap = found.notes
    assert point.startswith("Wall: 1 point(s) or open line(s)")
    assert "1 outline(s) lie up to a quarter of a slice beside" in beside
    assert "2 slice(s) between its first and last one have no outline" in gap
    for z in (0.4, -3, SHAPE[0]):
        path = rtstruct(large, tmp_path / "off.dcm", {"Wall": [outline(z, box(2, 4, 2, 4))]})
        with pytest.raises(InvalidInput, match="outline of Wall lies in no slice of the series"):
            import_segmentation(path, large)


@pytest.mark.parametrize(
    "changes",
    [
        {"ContourData": [1.0, 2.0, 3.0, 4.0]},
        {"ContourData": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "NumberOfContourPoints": 2},
        {"NumberOfContourPoints": 9},
    ],
)
def test_damaged_outlines_are_refused(large, tmp_path, changes):
    structures = {"Wall": [outline(1, box(2, 4, 2, 4), **changes)]}
    path = rtstruct(large, tmp_path / "rt.dcm", structures)
    with pytest.raises(InvalidInput, match="outline of Wall holds .* numbers for .* points"):
        import_segmentation(path, large)


def test_rtstruct_of_another_series_or_none(large, series, tmp_path):
    structures = {"Wall": [outline(1, box(2, 4, 2, 4))]}
    other = item(
        FrameOfReferenceUID=STUDY["FrameOfReferenceUID"],
        RTReferencedStudySequence=item(RTReferencedSeriesSequence=item(SeriesInstanceUID="1.2.9")),
    )
    path = rtstruct(
        large, tmp_path / "rt.dcm", structures, ReferencedFrameOfReferenceSequence=other
    )
    with pytest.raises(InvalidInput, match="drawn on another series .* it names 1.2.9"):
        import_segmentation(path, large)
    empty = rtstruct(large, tmp_path / "empty.dcm", {"Wall": []})
    with pytest.raises(InvalidInput, match="has nothing on this series: it names Wall"):
        import_segmentation(empty, large)
    with pytest.raises(InvalidInput, match="expected a DICOM SEG or RTSTRUCT file, got: image"):
        import_segmentation(next(large.glob("*.dcm")), large)
    text = tmp_path / "text.dcm"
    text.write_text("no DICOM at all", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"text\.dcm"):
        import_segmentation(text, large)


def test_two_structures_of_one_name(large, tmp_path):
    one, two = outline(1, box(2, 4, 2, 4)), outline(1, box(8, 9, 2, 4))
    path = rtstruct(large, tmp_path / "rt.dcm", {"Wall": [one], "wall": [two]})
    with pytest.raises(InvalidInput, match="Several structures of the file are called Wall, wall"):
        import_segmentation(path, large, structures=["Wall"])


# -------------------------------------------------------------------------------------- command


def test_the_command(large, tmp_path, capsys):
    structures = {"RV": [outline(2, box(3, 5, 10, 16))], "LV": [outline(3, box(4, 4, 11, 12))]}
    path = rtstruct(large, tmp_path / "rt.dcm", structures)
    out = tmp_path / "references/a.nii.gz"
    command = ["import-segmentation", str(path), "--series", str(large), "--out", str(out)]
    assert main([*command, "--structure", "rv", "--structure", "lv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["voxels"] == {"RV": 21, "LV": 2}
    image = sitk.ReadImage(str(out))
    array = sitk.GetArrayFromImage(image)
    assert (np.sum(array == 1), np.sum(array == 2)) == (21, 2)
    z, y, x = np.argwhere(array == 2)[0]
    spot = image.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
    drawn = place(3) + np.array(AXES[0]) * 1.25 * 11 + np.array(AXES[1]) * 1.5 * 4
    np.testing.assert_allclose(spot, drawn, atol=1e-4)
    assert b"DOE" not in out.read_bytes()
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    names = out.with_name("labels.json")
    assert load_document(names, LabelSchema).names == ("background", "RV", "LV")
    command[-1] = str(out.with_name("b.nii.gz"))
    assert main([*command, "--structure", "LV"]) == 2
    assert "names other structures (RV, LV) than the file (LV)" in capsys.readouterr().err
    assert main([*command, "--labels", str(names)]) == 0
    capsys.readouterr()
    again = sitk.GetArrayFromImage(sitk.ReadImage(command[-1]))
    np.testing.assert_array_equal(again, array)
    command[-1] = str(out.with_name("c"))
    assert main(command) == 2
    assert "no ending of a volume" in capsys.readouterr().err


def test_finding_says_what_can_be_made_of_it(large, tmp_path):
    rtstruct(large, large / "rt.dcm", {"RV": [outline(2, box(3, 5, 10, 16))]})
    found = find_cases([large])
    assert len(found.cases) == 1
    assert any("scribseg import-segmentation" in said for said in found.left_out_sentences())
