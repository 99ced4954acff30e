"""Published Dice: copied right, found for the right methods and structures, with a protocol."""

from __future__ import annotations

from napari_scribseg.experiment.report.published import PUBLISHED, published_for
from napari_scribseg.methods.registry import all_methods


def test_every_row_names_one_of_our_methods_and_is_a_dice():
    names = {method.spec.name for method in all_methods()}
    for row in PUBLISHED:
        assert row.method in names
        assert row.dice
        assert all(0.3 < dice < 1 for dice in row.dice.values())
        assert row.protocol.how.endswith(".")


def test_numbers_of_the_four_papers():
    means = {
        (row.method, row.variant, row.protocol.dataset): sum(row.dice.values()) / len(row.dice)
        for row in PUBLISHED
    }
    assert round(means["exmod", "", "ACDC"], 3) == 0.900  # table 2 of ExMod: 0.90
    assert round(means["exmod", "", "MSCMRseg"], 3) == 0.883  # table 1: 0.88
    assert round(means["em_crf", "CRF-RNN", "ACDC"], 3) == 0.880  # table 1 of EM-CRF: 0.880
    assert round(means["em_crf", "base", "NCI-ISBI prostate"], 4) == 0.7495  # 0.750
    assert round(means["effdnet", "", "ACDC"], 4) == 0.8834  # 86.98, 85.56, 92.48
    assert means["scribble2d5", "", "ACDC"] == 0.906


def test_only_for_the_structures_that_the_paper_segmented():
    cardiac = published_for(["effdnet"], ["rv", "Myo", "LV"])
    assert {row.protocol.dataset for row in cardiac} == {"ACDC"}
    prostate = published_for(["effdnet", "em_crf"], ["PZ", "CG"])
    assert {row.protocol.dataset for row in prostate} == {"NCI-ISBI prostate"}
    assert {row.method for row in prostate} == {"effdnet", "em_crf"}
    assert published_for(["effdnet"], ["liver"]) == ()
    assert published_for([], ["RV", "MYO", "LV"]) == ()
