"""Labels: three integer worlds, other people's conventions, and colours one can tell apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import (
    BACKGROUND,
    BACKGROUND_COLOR,
    IGNORE,
    PALETTE,
    PRESETS,
    UNKNOWN,
    UNLABELLED,
    UNSURE,
    LabelSchema,
    is_structure,
    reference_of_scribbles,
    schema_from_names,
    targets_of,
    without_unsure,
)

HEART = PRESETS["cardiac"]

# name: (convention, stored values of unlabelled, background, class 1, class 2)
CONVENTIONS = {
    "ours": (ScribbleConvention.ours(2), (0, 255, 1, 2)),
    "wsl4mis": (ScribbleConvention.wsl4mis(2), (3, 0, 1, 2)),
    "nnunet_ignore": (ScribbleConvention.nnunet_ignore(2), (3, 0, 1, 2)),
    "effdnet_prostate": (ScribbleConvention.effdnet_prostate(), (4, 0, 1, 2)),
    "unlabelled_255": (ScribbleConvention.unlabelled_255(2), (255, 0, 1, 2)),
}

# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def test_one_structure_has_one_number_in_all_three_worlds() -> None:
    scribbles = np.array([[0, 255, 1], [2, 3, 0]], np.uint8)
    targets = HEART.to_targets(scribbles)
    np.testing.assert_array_equal(targets, [[IGNORE, 0, 1], [2, 3, IGNORE]])
    np.testing.assert_array_equal(scribbles, [[0, 255, 1], [2, 3, 0]])  # not modified
    np.testing.assert_array_equal(HEART.to_scribbles(targets), scribbles)
    np.testing.assert_array_equal(targets_of(scribbles), targets)
    HEART.check_segmentation(targets[:, 1:2])


def test_names_values_and_colours_belong_together() -> None:
    assert HEART.n_classes == 4
    assert HEART.names == ("background", "RV", "MYO", "LV")
    assert HEART.scribble_values == {1: "RV", 2: "MYO", 3: "LV", BACKGROUND: "background"}
    assert HEART.segmentation_colors[2] == HEART.scribble_colors[2] == HEART.classes[1].color
    assert HEART.scribble_colors[BACKGROUND] == BACKGROUND_COLOR


@pytest.mark.parametrize(("convention", "stored"), CONVENTIONS.values(), ids=CONVENTIONS)
def test_foreign_scribbles_are_read_with_counts_and_written_back(convention, stored) -> None:
    unlabelled, background, first, second = stored
    theirs = np.array([[[unlabelled] * 3, [background, background, first]], [[second] * 3] * 2])
    ours, converted = convention.read(theirs)
    np.testing.assert_array_equal(ours, [[[0, 0, 0], [255, 255, 1]], [[2, 2, 2]] * 2])
    assert ours.dtype == np.uint8
    assert converted == {
        f"{unlabelled} -> 0": 3,
        f"{background} -> 255": 2,
        f"{first} -> 1": 1,
        f"{second} -> 2": 6,
    }
    np.testing.assert_array_equal(convention.write(ours), theirs)


def test_a_convention_in_which_a_value_means_two_things_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two meanings: unlabelled 0, background 0"):
        ScribbleConvention("theirs", 0, 0, (1, 2))
    assert ScribbleConvention("theirs", 0, None, (1, 2)).background is None


def test_what_a_convention_can_not_say_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"\[7\] have no meaning .* 'WSL4MIS'.*\[0, 1, 2, 3\]"):
        ScribbleConvention.wsl4mis(2).read(np.array([0, 7]))
    with pytest.raises(InvalidInput, match=r"\[3\] can't be written"):
        ScribbleConvention.wsl4mis(2).write(np.array([0, 3]))
    never_background = ScribbleConvention("theirs", unlabelled=0, background=None, classes=(5, 6))
    np.testing.assert_array_equal(never_background.read(np.array([5, 0, 6]))[0], [1, 0, 2])
    with pytest.raises(InvalidInput, match="255"):
        never_background.write(np.array([BACKGROUND]))


def test_values_outside_the_schema_are_refused_with_counts() -> None:
    strange = np.array([0, 1, 4, 4, 9, 255])
    with pytest.raises(InvalidInput, match=r"2 value.*4 \(2 voxels\), 9 \(1 voxels\)"):
        HEART.check_scribbles(strange, "The scribbles of patient01")
    with pytest.raises(InvalidInput, match=r"255 \(1 voxels\)"):
        HEART.check_segmentation(np.array([0, 3, 255]))
    with pytest.raises(InvalidInput, match="targets"):
        HEART.to_scribbles(np.array([-2]))


def test_a_schema_has_1_to_253_different_names() -> None:
    most = LabelSchema.of(*(f"part {i}" for i in range(253)))
    assert most.n_classes == 254
    scribbles = np.delete(np.arange(256), UNSURE).astype(np.uint8)
    np.testing.assert_array_equal(most.to_scribbles(most.to_targets(scribbles)), scribbles)
    for names in (
        [f"part {i}" for i in range(255)],
        [],
        ["LV", "lv"],
        ["Background"],
        [" "],
        ["x" * 41],
    ):
        with pytest.raises(InvalidInput, match="class names can't be used"):
            LabelSchema.of(*names)


def test_known_names_get_the_preset() -> None:
    assert schema_from_names(["rv", "Myo", "LV"]) is HEART
    assert schema_from_names(["LV", "MYO", "RV"]).names == ("background", "LV", "MYO", "RV")
    with pytest.raises(InvalidInput):
        schema_from_names([])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_of_seven_classes_and_background_differ_for_every_eye(sight) -> None:
    """The closest pair is 16.1 CIELAB units apart (tritanopia; 2.3 is just noticeable)."""
    seen = [_seen_lab(color, np.array(SIGHT[sight])) for color in (*PALETTE, BACKGROUND_COLOR)]
    distances = [float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)]
    assert min(distances) > 16


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("preset", PRESETS)
def test_colours_of_a_preset_and_background_are_far_apart_for_every_eye(preset, sight) -> None:
    """The closest pair (MYO, LV in tritanopia) is 12.1 CIEDE2000 apart; 1 to 2 can be seen."""
    colors = PRESETS[preset].scribble_colors.values()
    seen = [_seen_lab(color, np.array(SIGHT[sight])) for color in colors]
    assert min(float(deltaE_ciede2000(a, b)) for a, b in combinations(seen, 2)) > 12


def _seen_lab(color: str, sight: np.ndarray) -> np.ndarray:
    """CIELAB of #rrggbb as an eye sees it whose cones mix linear RGB by this matrix."""
    encoded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(sight @ linear, 0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))


def test_unsure_is_neither_a_class_nor_background_and_teaches_nothing():
    schema = LabelSchema.of("a", "b")
    drawn = np.array([UNLABELLED, 1, 2, UNSURE, BACKGROUND], np.uint8)
    schema.check_scribbles(drawn)
    assert schema.to_targets(drawn).tolist() == [IGNORE, 1, 2, IGNORE, 0]
    assert reference_of_scribbles(drawn).tolist() == [UNKNOWN, 1, 2, UNKNOWN, 0]
    assert is_structure(drawn).tolist() == [False, True, True, False, False]
    assert without_unsure(drawn).tolist() == [0, 1, 2, 0, 255]
    assert UNSURE not in schema.scribble_values
    with pytest.raises(InvalidInput, match="value"):
        schema.check_segmentation(drawn)

    other = ScribbleConvention.wsl4mis(2)
    assert other.write(drawn).tolist() == [3, 1, 2, 3, 0]
    assert ScribbleConvention.ours(2).read(drawn)[0].tolist() == drawn.tolist()
