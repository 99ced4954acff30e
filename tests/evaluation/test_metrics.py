"""Metrics: by hand first, then invariances, then two independent libraries, then a real liver."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNKNOWN, LabelSchema
from napari_scribseg.evaluation import metrics, summaries

SCHEMA = LabelSchema.of("RV", "MYO")
ONE = (1.0, 1.0, 1.0)
ANISOTROPIC = (8.0, 1.25, 1.5)
EMPTY = np.zeros((2, 4, 4), dtype=bool)


def box(shape, z, y, x):
    mask = np.zeros(shape, dtype=bool)
    mask[slice(*z), slice(*y), slice(*x)] = True
    return mask


def blob(seed, shape=(14, 30, 34)):
    """A smooth random object away from the border, with a bite and an island now and then."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), (1.5, 3, 3))
    inner = np.zeros(shape, dtype=bool)
    inner[2:-2, 3:-3, 3:-3] = True
    return (smooth > np.quantile(smooth, 0.75)) & inner


# --- by hand ---


def test_overlap_of_two_rows_that_share_one_voxel():
    a, b = box((1, 1, 4), (0, 1), (0, 1), (0, 2)), box((1, 1, 4), (0, 1), (0, 1), (1, 4))
    assert metrics.dice(a, b) == pytest.approx(2 / 5)
    assert metrics.precision(a, b) == pytest.approx(1 / 2)
    assert metrics.recall(a, b) == pytest.approx(1 / 3)


def test_two_single_voxels_are_as_far_apart_as_their_centres_in_mm():
    a, b = box((3, 4, 5), (0, 1), (0, 1), (0, 1)), box((3, 4, 5), (2, 3), (3, 4), (4, 5))
    expected = np.linalg.norm(np.array([2, 3, 4]) * ANISOTROPIC)
    distances = metrics.surface_distances(a, b, ANISOTROPIC)
    assert distances.hd95_mm == pytest.approx(expected)
    assert distances.assd_mm == pytest.approx(expected)


def test_the_worse_direction_decides_hd95():
    # 100 voxels in a row; the other mask lacks the last 20: only one direction sees them.
    a, b = box((1, 1, 100), (0, 1), (0, 1), (0, 100)), box((1, 1, 100), (0, 1), (0, 1), (0, 80))
    distances = metrics.surface_distances(a, b, ONE)
    assert distances.to_segmentation.max() == 0
    assert distances.hd95_mm == pytest.approx(np.percentile([0] * 80 + list(range(1, 21)), 95))
    assert distances.hausdorff_mm() == 20
    assert distances.assd_mm == pytest.approx(sum(range(1, 21)) / 180)


def test_the_surface_is_the_six_connected_inner_boundary_and_the_array_ends_the_world():
    full = np.ones((5, 5, 5), dtype=bool)
    distances = metrics.surface_distances(full, full, ONE)
    assert distances.to_reference.size == 5**3 - 3**3


def test_volume_in_millilitres():
    assert metrics.volume_ml(box((3, 9, 9), (0, 2), (0, 5), (0, 5)), (10, 2, 2)) == 2.0


def test_numbers_instead_of_masks_are_refused():
    with pytest.raises(InvalidInput, match="boolean"):
        metrics.dice(np.ones((2, 2, 2)), np.ones((2, 2, 2)))


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(InvalidInput, match="one shape"):
        metrics.dice(EMPTY, EMPTY[:1])


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0, 1), (1, -1, 1), (1, float("nan"), 1)])
def test_distances_need_a_real_spacing(spacing):
    with pytest.raises(InvalidInput, match="spacing"):
        metrics.surface_distances(~EMPTY, ~EMPTY, spacing)


# --- the rule for empty structures ---


def score(segmentation, reference):
    one_class = LabelSchema.of("structure")
    pair = segmentation.astype(np.uint8), reference.astype(np.uint8)
    return metrics.score_case(*pair, ONE, one_class)[0]


def test_empty_in_both_is_not_applicable():
    s = score(EMPTY, EMPTY)
    assert s.status == "not applicable"
    assert np.isnan([s.dice, s.hd95_mm, s.assd_mm, s.precision, s.recall]).all()


def test_a_missed_structure_has_dice_0_and_infinite_distances():
    s = score(EMPTY, ~EMPTY)
    assert (s.status, s.dice, s.hd95_mm, s.assd_mm, s.recall) == ("scored", 0, np.inf, np.inf, 0)
    assert np.isnan(s.precision)


def test_an_invented_structure_has_dice_0_and_infinite_distances():
    s = score(~EMPTY, EMPTY)
    assert (s.status, s.dice, s.hd95_mm, s.assd_mm, s.precision) == (
        "scored",
        0,
        np.inf,
        np.inf,
        0,
    )
    assert np.isnan(s.recall)


def test_a_failed_case_counts_as_dice_0():
    good = metrics.score_case(np.ones((1, 2, 2), int), np.ones((1, 2, 2), int), ONE, SCHEMA)
    rv, myo = summaries.summarise([*good, *metrics.failed_case(SCHEMA)])
    assert (rv.n_expected, rv.n_scored, rv.n_na, rv.n_failed) == (2, 1, 0, 1)
    assert (rv.dice.mean, rv.dice.n) == (0.5, 2)
    assert (rv.hd95_mm.mean, rv.hd95_mm.n, rv.hd95_mm.n_infinite) == (0.0, 1, 1)
    assert (myo.n_scored, myo.n_na, myo.n_failed) == (0, 1, 1)
    assert myo.dice.mean == 0


def test_spread_by_hand():
    spread = summaries.Spread.of([1.0, 2.0, 6.0, np.inf, np.nan])
    assert (spread.mean, spread.median, spread.n, spread.n_infinite) == (3.0, 2.0, 3, 1)
    assert spread.std == pytest.approx(np.sqrt(7))


def test_a_value_outside_the_schema_is_refused():
    with pytest.raises(InvalidInput, match=r"7 \(1 voxels\)"):
        metrics.score_case(np.full((1, 1, 1), 7), np.ones((1, 1, 1), int), ONE, SCHEMA)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["hit", "miss", "invented", "nothing", "failed"]), min_size=1))
def test_every_expected_case_is_scored_not_applicable_or_failed(kinds):
    masks = {"hit": (1, 1), "miss": (0, 1), "invented": (1, 0), "nothing": (0, 0)}
    one_class = LabelSchema.of("structure")
    scores = []
    for kind in kinds:
        if kind == "failed":
            scores += metrics.failed_case(one_class)
        else:
            a, b = (np.full((1, 2, 2), value) for value in masks[kind])
            scores += metrics.score_case(a, b, ONE, one_class)
    (summary,) = summaries.summarise(scores)
    assert summary.n_expected == len(kinds) == summary.n_scored + summary.n_na + summary.n_failed
    assert summary.n_na == kinds.count("nothing")
    assert summary.n_failed == kinds.count("failed")
    assert summary.dice.n == summary.hd95_mm.n + summary.hd95_mm.n_infinite
    counted = len(kinds) - summary.n_na
    if counted:
        assert summary.dice.mean == pytest.approx(kinds.count("hit") / counted)


# --- invariances ---


def everything(a, b, spacing):
    d = metrics.surface_distances(a, b, spacing)
    return [metrics.dice(a, b), metrics.precision(a, b), metrics.recall(a, b), d.hd95_mm, d.assd_mm]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flipped_pair_has_the_same_metrics(axis):
    a, b = blob(0), blob(1)
    flipped = np.flip(a, axis), np.flip(b, axis)
    assert everything(*flipped, ANISOTROPIC) == pytest.approx(everything(a, b, ANISOTROPIC))


def test_turned_axes_with_turned_spacing_have_the_same_metrics():
    a, b = blob(0), blob(1)
    turned = everything(a.transpose(2, 0, 1), b.transpose(2, 0, 1), (1.5, 8.0, 1.25))
    assert turned == pytest.approx(everything(a, b, ANISOTROPIC))


def test_changing_roles_changes_precision_and_recall_only():
    a, b = blob(0), blob(1)
    d, p, r, h, m = everything(a, b, ANISOTROPIC)
    assert everything(b, a, ANISOTROPIC) == pytest.approx([d, r, p, h, m])


def test_empty_space_around_changes_nothing():
    a, b = blob(0), blob(1)
    padded = everything(np.pad(a, 9), np.pad(b, 9), ANISOTROPIC)
    assert padded == pytest.approx(everything(a, b, ANISOTROPIC))


def ball(spacing, centre_mm, radius_mm, size_mm=64.0):
    axes = [np.arange(0.5 * s, size_mm, s) for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return sum((p - c) ** 2 for p, c in zip((z, y, x), centre_mm, strict=True)) <= radius_mm**2


@pytest.mark.parametrize("coarse", [(2.0, 2.0, 2.0), (4.0, 1.0, 1.0), (1.0, 2.0, 4.0)])
def test_the_same_object_on_two_grids_has_the_same_hd95(coarse):
    def hd95(spacing):
        a, b = ball(spacing, (32, 32, 32), 20), ball(spacing, (32, 35, 28), 22)
        return metrics.surface_distances(a, b, spacing).hd95_mm

    assert abs(hd95(coarse) - hd95(ONE)) <= 0.5 * np.linalg.norm(coarse)


# --- independent oracles ---

PAIRS = [(blob(s), blob(s + 100)) for s in range(3)] + [(blob(5), ndimage.binary_dilation(blob(5)))]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_monai_agrees(a, b):
    monai_metrics = pytest.importorskip("monai.metrics", reason="MONAI is an oracle of the tests")
    torch = pytest.importorskip("torch", reason="MONAI needs torch")
    pair = [torch.from_numpy(m[None, None].astype(np.float32)) for m in (a, b)]
    options = {"include_background": True, "spacing": ANISOTROPIC}
    dice, precision, recall, hd95, assd = everything(a, b, ANISOTROPIC)
    assert dice == pytest.approx(monai_metrics.compute_dice(*pair).item(), abs=1e-6)
    theirs = monai_metrics.compute_hausdorff_distance(*pair, percentile=95, **options)
    assert hd95 == pytest.approx(theirs.item(), abs=1e-4)
    theirs = monai_metrics.compute_average_surface_distance(*pair, symmetric=True, **options)
    assert assd == pytest.approx(theirs.item(), abs=1e-4)
    confusion = monai_metrics.get_confusion_matrix(*pair)
    for name, ours in (("precision", precision), ("recall", recall)):
        theirs = monai_metrics.compute_confusion_matrix_metric(name, confusion)
        assert ours == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_simple_itk_agrees(a, b):
    sitk = pytest.importorskip("SimpleITK", reason="SimpleITK is an oracle of the tests")

    def image(mask):
        made = sitk.GetImageFromArray(mask.astype(np.uint8))
        made.SetSpacing(ANISOTROPIC[::-1])
        return made

    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(image(a), image(b))  # source, target
    dice, precision, recall, hd95, assd = everything(a, b, ANISOTROPIC)
    assert dice == pytest.approx(overlap.GetDiceCoefficient())
    assert precision == pytest.approx(1 - overlap.GetFalseDiscoveryRate())
    assert recall == pytest.approx(1 - overlap.GetFalseNegativeError())

    def directed(this, other):
        contour = sitk.LabelContour(image(other), fullyConnected=False)
        far = sitk.SignedMaurerDistanceMap(contour, squaredDistance=False, useImageSpacing=True)
        on = sitk.GetArrayFromImage(sitk.LabelContour(image(this), fullyConnected=False)) > 0
        return np.abs(sitk.GetArrayFromImage(far))[on]

    there, back = directed(a, b), directed(b, a)
    assert hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-4)
    assert assd == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-4)


# --- a real liver: the challenge's own sample submission ---


@pytest.mark.real_data
def test_the_sample_submission_of_chaos_gets_its_official_scores():
    root = Path(__file__).parents[2] / "../shared/data"
    folder = Path(os.environ.get("SCRIBSEG_DATA", root)) / "chaos_ct"
    if not folder.is_dir():
        pytest.skip("needs chaos_ct in SCRIBSEG_DATA")
    nibabel = pytest.importorskip("nibabel")

    def read(name):
        return nibabel.load(folder / name / "ct_set_3.nii.gz")

    spacing = tuple(float(s) for s in read("labels").header.get_zooms()[::-1])
    a, b = (np.asarray(read(n).dataobj).T > 0 for n in ("sample_result", "labels"))
    distances = metrics.surface_distances(a, b, spacing)
    assert metrics.dice(a, b) == pytest.approx(0.978, abs=5e-4)
    assert distances.hausdorff_mm() == pytest.approx(14, abs=0.5)
    # The challenge's own definition of a surface gives 0.734; the six-connected inner one 0.713.
    assert distances.assd_mm == pytest.approx(0.734, abs=0.025)


# --- one slice, and partial references ---


def test_a_volume_of_one_slice_has_the_distances_of_its_plane():
    plane = np.zeros((16, 16), bool)
    plane[2:12, 2:12] = True
    other = np.roll(plane, 3, axis=1)
    two = metrics.surface_distances(plane, other, (2.0, 0.5))
    for axis in range(3):
        volumes = (np.expand_dims(mask, axis) for mask in (plane, other))
        spacing = tuple(np.insert([2.0, 0.5], axis, 8.0))
        one = metrics.surface_distances(*volumes, spacing)
        assert (one.hd95_mm, one.assd_mm) == (two.hd95_mm, two.assd_mm)
    # 4 * 10 - 4 voxels of the outline, and not all 100.
    assert two.to_reference.size == 36


def partial(reference, labelled):
    return np.where(labelled, reference, UNKNOWN).astype(np.uint8)


def test_a_partial_reference_is_scored_on_what_it_labels():
    reference = box((4, 6, 6), (0, 4), (0, 3), (0, 4))
    segmentation = box((4, 6, 6), (0, 4), (0, 3), (2, 6))
    labelled = box((4, 6, 6), (1, 2), (0, 6), (0, 6))  # one slice alone
    s = metrics.score_case(
        segmentation.astype(np.uint8), partial(reference, labelled), ONE, LabelSchema.of("a")
    )[0]
    # 12 voxels each on the slice, 6 of them in both; as in a volume of that slice.
    assert (s.dice, s.precision, s.recall) == (0.5, 0.5, 0.5)
    alone = metrics.surface_distances(segmentation[:1], reference[:1], ONE)
    assert (s.hd95_mm, s.assd_mm) == (alone.hd95_mm, alone.assd_mm)
    assert s.volume_ml == pytest.approx(0.048)
    assert np.isnan(s.reference_volume_ml)
    assert (s.status, s.reference_share) == ("scored", 0.25)


def test_strokes_have_no_surface_so_there_is_no_distance():
    reference = np.full((1, 9, 9), UNKNOWN, np.uint8)
    reference[0, 4, 3:6] = 1
    reference[0, 0, :] = 0
    structure = box((1, 9, 9), (0, 1), (2, 7), (2, 7)).astype(np.uint8)
    s = metrics.score_case(structure, reference, ONE, LabelSchema.of("a"))[0]
    assert (s.dice, s.recall) == (1.0, 1.0)
    assert np.isnan([s.hd95_mm, s.assd_mm]).all()
    missed = metrics.score_case(0 * structure, reference, ONE, LabelSchema.of("a"))[0]
    assert (missed.dice, missed.hd95_mm) == (0.0, np.inf)
    unknown = np.where(reference == 1, UNKNOWN, reference)
    nowhere = metrics.score_case(structure, unknown, ONE, LabelSchema.of("a"))[0]
    assert nowhere.status == "not applicable"


def test_the_surface_of_a_partial_reference_is_where_both_sides_are_labelled():
    reference = box((1, 8, 8), (0, 1), (2, 6), (2, 6))
    labelled = np.ones((1, 8, 8), bool)
    labelled[0, :2] = False  # above the structure nothing is known
    found = metrics.surface_distances(reference, reference, ONE, labelled)
    # Of the 12 outline voxels the two in the middle of the upper edge lose their only neighbour.
    assert found.to_reference.size == 10


def test_a_reference_that_cannot_be_used_is_in_no_mean():
    schema = LabelSchema.of("a")
    good = metrics.score_case(
        np.ones((1, 2, 2), np.uint8), np.ones((1, 2, 2), np.uint8), ONE, schema
    )
    scores = [*good, *metrics.failed_case(schema), *metrics.unusable_case(schema)]
    (summary,) = summaries.summarise(scores)
    assert summary.dice.mean == 0.5
    counts = (summary.n_scored, summary.n_na, summary.n_failed, summary.n_no_reference)
    assert (summary.n_expected, counts) == (3, (1, 0, 1, 1))
