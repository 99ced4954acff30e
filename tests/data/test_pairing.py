"""Pairing: labels are found under the names that tools give them, and never given to two images."""

from __future__ import annotations

import pytest

from napari_scribseg.data.pairing import first_channels, pair


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("case1", "case1"),
        ("case1", "case1.seg"),
        ("case1", "case1_seg"),
        ("case1", "case1_gt"),
        ("patient001_frame01", "patient001_frame01_gt"),
        ("case1", "case1-label"),
        ("case1", "case1-labels"),
        ("case1", "case1_mask"),
        ("case1", "case1_scribble"),
        ("case1", "case1_manual_seg"),
        ("case1_0000", "case1"),
        ("case1_0000", "case1.seg"),
        ("case1_image", "case1_label"),
        ("sub-01_T1w", "sub-01_dseg"),
        ("sub-01_ses-2_T1w", "sub-01_ses-2_desc-manual_mask"),
        ("img0001", "label0001"),
        ("volume-12", "segmentation-12"),
    ],
)
def test_habits_of_tools(image, labels):
    others = ["other7", "sub-02_ses-2_T1w"]
    assert pair([image, *others], [labels]).of == {image: labels}


def test_equal_names_come_first():
    found = pair(["a", "a_0000"], ["a", "a_0000"])
    assert found.of == {"a": "a", "a_0000": "a_0000"}
    assert found.by_habit == {}


def test_what_two_could_have_nobody_gets():
    found = pair(["a"], ["a_seg", "a_gt"])
    assert (found.of, found.lone) == ({}, ("a_seg", "a_gt"))
    assert pair(["sub-1_T1w", "sub-1_T2w"], ["sub-1_dseg"]).of == {}
    assert pair(["case1", "case10"], ["case1_seg"]).of == {"case1": "case1_seg"}
    assert pair(["one"], ["two"]).lone == ("two",)


def test_channels_are_told_from_numbered_cases():
    images = ["a_0000", "a_0001", "b_0000"]
    assert first_channels(images, ["a", "b.seg"]) == {"a": "a_0000", "b": "b_0000"}
    assert first_channels(["case_0000", "case_0001"], ["case_0000", "case_0001"]) == {}
