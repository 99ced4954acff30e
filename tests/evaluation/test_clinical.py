"""Ejection fraction, mass and volumes: numbers by hand and ellipsoids of known volume."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelSchema
from napari_scribseg.evaluation.clinical import (
    MYOCARDIUM_G_PER_ML,
    Phase,
    cardiac_measurements,
    is_cardiac,
    is_prostate,
    volume_measurements,
)

HEART = PRESETS["cardiac"]
SPACING = (2.0, 1.0, 1.0)
RV, MYO, LV = 1, 2, 3


def half_axes(shape, spacing, axes_mm, centre_mm):
    """Mask of an ellipsoid."""
    grids = np.meshgrid(
        *[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
    )
    return sum(((g - c) / a) ** 2 for g, c, a in zip(grids, centre_mm, axes_mm, strict=True)) <= 1


def heart(scale: float, name: str = "heart, frame 0") -> Phase:
    """LV an ellipsoid of 40 x 20 x 20 mm half-axes times a scale; a shell of 8 mm; RV a box."""
    shape = (60, 90, 90)
    segmentation = np.zeros(shape, np.uint8)
    centre = (60.0, 45.0, 45.0)
    segmentation[half_axes(shape, SPACING, np.array((40, 20, 20)) * scale + 8, centre)] = MYO
    segmentation[half_axes(shape, SPACING, np.array((40, 20, 20)) * scale, centre)] = LV
    segmentation[:10, :10, : round(20 * scale)] = RV
    return Phase(name, segmentation, SPACING)


def ellipsoid_ml(a, b, c):
    return 4 / 3 * np.pi * a * b * c / 1000


def values(measurements):
    return {m.name: m.value for m in measurements}


def test_an_ellipsoid_heart_has_the_volumes_of_geometry():
    found = values(cardiac_measurements(heart(1.0, "ED"), heart(0.7, "ES"), HEART))
    edv, esv = ellipsoid_ml(40, 20, 20), ellipsoid_ml(28, 14, 14)
    assert found["LV EDV"] == pytest.approx(edv, rel=0.01)
    assert found["LV ESV"] == pytest.approx(esv, rel=0.01)
    assert found["LV stroke volume"] == pytest.approx(edv - esv, rel=0.02)
    assert found["LV EF"] == pytest.approx(100 * (1 - 0.7**3), abs=0.5)
    shell = ellipsoid_ml(48, 28, 28) - edv
    assert found["LV mass (ED)"] == pytest.approx(shell * 1.05, rel=0.01)


def test_boxes_by_hand():
    found = values(cardiac_measurements(heart(1.0), heart(0.7), HEART))
    assert found["RV EDV"] == pytest.approx(10 * 10 * 20 * 2 / 1000)
    assert found["RV ESV"] == pytest.approx(10 * 10 * 14 * 2 / 1000)
    assert found["RV EF"] == pytest.approx(30.0)


def test_the_density_is_stated_and_can_be_changed():
    phases = heart(1.0), heart(0.7)
    usual = cardiac_measurements(*phases, HEART)[-1]
    other = cardiac_measurements(*phases, HEART, density_g_per_ml=1.0)[-1]
    assert usual.value == pytest.approx(other.value * MYOCARDIUM_G_PER_ML)
    assert "1.05 g/mL" in usual.source
    with pytest.raises(InvalidInput, match="density"):
        cardiac_measurements(*phases, HEART, density_g_per_ml=1050)


def test_every_number_names_its_labels_and_phases():
    measured = cardiac_measurements(heart(1.0, "p1 frame 0"), heart(0.7, "p1 frame 9"), HEART)
    by_name = {m.name: m for m in measured}
    assert by_name["LV EDV"].source == "LV (label 3) of p1 frame 0"
    assert by_name["LV ESV"].source == "LV (label 3) of p1 frame 9"
    assert by_name["RV EF"].source == "RV (label 1) of p1 frame 0 and p1 frame 9"
    assert {m.unit for m in measured} == {"mL", "%", "g"}


def test_swapped_phases_are_told_and_not_swapped():
    with pytest.raises(InvalidInput, match=r"not larger.*swapped.*Nothing was computed"):
        cardiac_measurements(heart(0.7), heart(1.0), HEART)


def test_a_missing_ventricle_is_refused():
    empty = Phase("es", np.zeros((60, 90, 90), np.uint8), SPACING)
    with pytest.raises(InvalidInput, match=r"no LV \(label 3\) in the segmentation of es"):
        cardiac_measurements(heart(1.0), empty, HEART)


def test_a_ventricle_in_neither_phase_is_told_and_the_other_one_measured():
    phases = [heart(scale, name) for scale, name in ((1.0, "ed"), (0.7, "es"))]
    for phase in phases:
        phase.segmentation[phase.segmentation == RV] = 0
    by_name = {m.name: m for m in cardiac_measurements(*phases, HEART)}
    assert np.isnan(by_name["RV EDV"].value)
    assert by_name["RV EDV"].source == "not measured: no RV (label 1) in ed and es"
    assert "RV EF" not in by_name
    assert by_name["LV EF"].value == pytest.approx(100 * (1 - 0.7**3), abs=0.5)
    empty = [Phase(p.name, np.zeros_like(p.segmentation), SPACING) for p in phases]
    with pytest.raises(InvalidInput, match="no ventricle in ed and es"):
        cardiac_measurements(*empty, HEART)


def test_other_spacing_is_refused():
    phase = heart(0.7, "es")
    other = Phase("es", phase.segmentation, (2.0, 1.0, 1.2))
    with pytest.raises(InvalidInput, match=r"one spacing.*1.2 mm \(es\)"):
        cardiac_measurements(heart(1.0), other, HEART)


def test_a_schema_without_ventricles_is_refused():
    phase = Phase("p", np.zeros((1, 2, 2), np.uint8), SPACING)
    with pytest.raises(InvalidInput, match=r"need a class LV or RV.*PZ, CG"):
        cardiac_measurements(phase, phase, PRESETS["prostate"])


def test_only_the_labels_that_exist_are_used():
    schema = LabelSchema.of("left ventricle")
    ed = Phase("ed", np.ones((2, 5, 5), np.uint8), SPACING)
    es_array = np.zeros((2, 5, 5), np.uint8)
    es_array[0] = 1
    found = cardiac_measurements(ed, Phase("es", es_array, SPACING), schema)
    assert [m.name for m in found] == ["LV EDV", "LV ESV", "LV stroke volume", "LV EF"]
    assert values(found)["LV EF"] == pytest.approx(50)


def test_prostate_zones_and_the_whole():
    segmentation = np.zeros((2, 10, 10), np.uint8)
    segmentation[:, :5] = 1
    segmentation[:, 5:8] = 2
    found = volume_measurements(Phase("p", segmentation, (3.0, 1, 1)), PRESETS["prostate"])
    assert values(found) == pytest.approx(
        {"PZ volume": 0.3, "CG volume": 0.18, "Prostate volume": 0.48}
    )
    assert found[-1].source == "PZ (label 1) + CG (label 2) of p"


def test_what_a_schema_is():
    assert is_cardiac(HEART)
    assert is_prostate(PRESETS["prostate"])
    assert not is_cardiac(PRESETS["structure"])
    assert not is_prostate(HEART)
