"""What may be asked in the Scribble tab, and how numbers are worded; no window is needed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.annotation.checklist import EMPTY, SliceFacts
from napari_scribseg.annotation.suspicious import Suspicion
from napari_scribseg.core.labels import BACKGROUND, PRESETS, LabelSchema
from napari_scribseg.gui.canvas.tools import Widths, voxels_of_width, width_of_voxels
from napari_scribseg.gui.scribble.presenter import (
    ChipCounts,
    Source,
    changed_along,
    chip_counts,
    counted,
    outward,
    plane_counts,
    plane_facts,
    suspicion_items,
    told_source,
    why_not_empty,
    why_not_interpolated,
    why_not_removed,
    why_not_schema,
)

HEART = PRESETS["cardiac"]


def facts(**voxels: int) -> SliceFacts:
    return SliceFacts({int(k[1:]): n for k, n in voxels.items()}, {}, 0, 0, frozenset())


class TestWidths:
    def test_brush_and_eraser_keep_their_own(self):
        widths = Widths(3, 7).with_width("erase", 12)
        assert (widths.paint, widths.erase) == (3, 12)
        assert widths.with_width("paint", 5) == Widths(5, 12)

    def test_no_brush_is_thinner_than_a_voxel(self):
        assert Widths().with_width("paint", 0).paint == 1
        assert voxels_of_width(0.2, "mm", 1.5) == 1

    @pytest.mark.parametrize(("mm", "voxels"), [(1.5, 1), (3.0, 2), (4.6, 3), (15.0, 10)])
    def test_millimetres_become_whole_voxels(self, mm, voxels):
        assert voxels_of_width(mm, "mm", 1.5) == voxels
        assert voxels_of_width(width_of_voxels(voxels, "mm", 1.5), "mm", 1.5) == voxels

    def test_voxels_are_voxels(self):
        assert voxels_of_width(4.0, "voxels", 0.3) == 4
        assert width_of_voxels(4, "voxels", 0.3) == 4.0


class TestChips:
    FACTS = (facts(v1=5, v255=9), EMPTY, facts(v1=2))

    def test_two_numbers_for_every_class(self):
        counts = chip_counts(self.FACTS, 2)
        assert counts[1] == ChipCounts(on_slice=2, in_volume=7)
        assert counts[BACKGROUND] == ChipCounts(on_slice=0, in_volume=9)

    @pytest.mark.parametrize("z", [None, -1, 3])
    def test_where_no_slice_is_shown_there_is_nothing_on_it(self, z):
        assert chip_counts(self.FACTS, z)[1] == ChipCounts(0, 7)

    @pytest.mark.parametrize(
        ("n", "text"), [(0, "0"), (9999, "9999"), (12_345, "12k"), (2_500_000, "2.5M")]
    )
    def test_large_numbers_are_short(self, n, text):
        assert counted(n) == text


class TestSchemas:
    def test_strokes_of_a_class_that_would_go_are_guarded(self):
        problem = why_not_schema(PRESETS["prostate"], HEART, {3: 12, BACKGROUND: 4})
        assert "LV" in problem
        assert "2 structure(s)" in problem
        assert why_not_schema(PRESETS["prostate"], HEART, {1: 12, 3: 0, BACKGROUND: 4}) is None

    def test_more_classes_are_always_fine(self):
        assert why_not_schema(LabelSchema.of(*"abcde"), HEART, {1: 5, 2: 5, 3: 5}) is None

    def test_a_drawn_class_can_not_be_removed(self):
        assert "LV has 12 voxels" in why_not_removed(2, HEART, {3: 12})
        assert why_not_removed(2, HEART, {1: 12, BACKGROUND: 5}) is None

    def test_nor_can_one_before_a_drawn_class_which_would_change_its_number(self):
        assert "LV comes after it" in why_not_removed(0, HEART, {3: 12})

    def test_the_last_class_stays(self):
        assert "at least one" in why_not_removed(0, PRESETS["structure"], {})


class TestInterpolation:
    def test_needs_a_class_on_two_slices_with_others_between(self):
        one, other = facts(v1=5), facts(v2=5)
        assert why_not_interpolated(()) is not None
        assert why_not_interpolated((one, one, one)) is not None
        assert why_not_interpolated((one, EMPTY, other)) is not None
        assert why_not_interpolated((one, EMPTY, one)) is None
        assert why_not_interpolated((one, other, one)) is None


class TestNothingHere:
    FACTS = (EMPTY, facts(v255=4), facts(v1=5), facts(v2=2, v255=1), EMPTY, EMPTY)

    @pytest.mark.parametrize(("z", "slices"), [(1, [0, 1]), (2, [2]), (3, [3]), (4, [4, 5])])
    def test_beyond_is_away_from_the_structures(self, z, slices):
        assert list(outward(self.FACTS, z)) == slices

    def test_where_nothing_is_drawn_only_the_slice_itself_is_meant(self):
        assert list(outward((EMPTY,) * 4, 2)) == [2]

    def test_a_slice_with_structures_is_refused(self):
        assert why_not_empty(self.FACTS, [0, 1], HEART) == ""
        assert why_not_empty(self.FACTS, [3], HEART).startswith("Slice 3 has strokes of MYO")


def test_who_made_the_automatic_mask_is_told_with_its_numbers():
    assert told_source(Source()) == ""
    assert told_source(Source("walk")) == "Grown from the strokes by random walk."
    scores = {"walk": 0.804, "network": 0.861}
    assert told_source(Source("network", scores, 300)) == (
        "From the network at step 300. On strokes that neither has seen, network 0.86, walk 0.80."
    )


def test_suspicious_strokes_are_lines_that_lead_to_their_slice():
    (item,) = suspicion_items((Suspicion(4, 3, 2, "grey levels"),), HEART)
    assert (item.state, item.z) == ("advice", 4)
    assert item.text.startswith("A stroke of LV on slice 4 looks like MYO (grey levels)")


class TestPlanes:
    DRAWN = np.zeros((3, 4, 5), np.uint8)
    DRAWN[1, 2, 1:4] = 2
    DRAWN[2, 3, 4] = BACKGROUND

    def test_what_is_drawn_on_planes_across_any_axis(self):
        assert plane_counts(self.DRAWN[1]) == {2: 3}
        along = [[dict(one.voxels) for one in plane_facts(self.DRAWN, axis)] for axis in range(3)]
        assert along[0] == [{}, {2: 3}, {BACKGROUND: 1}]
        assert along[1] == [{}, {}, {2: 3}, {BACKGROUND: 1}]
        assert along[2] == [{}, {2: 1}, {2: 1}, {2: 1}, {BACKGROUND: 1}]

    def test_chips_tell_of_the_plane_that_is_shown(self):
        here = plane_counts(self.DRAWN[:, 2])
        counts = chip_counts(plane_facts(self.DRAWN, 0), 0, here)
        assert counts == {2: ChipCounts(3, 3), BACKGROUND: ChipCounts(0, 1)}

    @pytest.mark.parametrize(("axis", "planes"), [(0, [1, 2]), (1, [2, 3]), (2, [1, 2, 3, 4])])
    def test_which_planes_have_changed(self, axis, planes):
        before = list(np.zeros_like(self.DRAWN))
        assert changed_along(before, self.DRAWN, axis) == planes
        assert changed_along(list(self.DRAWN), self.DRAWN, axis) == []
