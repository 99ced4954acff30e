"""Scribble2D5: which term is what, what the flags change, and what is prepared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_batch
from torch import Tensor

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.losses.boundary import active_boundary, static_boundary
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy, partial_dice
from napari_scribseg.methods.base import Task
from napari_scribseg.methods.scribble2d5 import SPEC, Scribble2D5Config
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.networks.unet25d import UNet25D
from napari_scribseg.propagate.edges import edge_map
from napari_scribseg.propagate.random_walker import random_walker_probabilities, random_walker_seeds
from napari_scribseg.propagate.supervoxels import grown_labels, supervoxels

SMALL = {"base_width": 4, "norm": "group"}


@pytest.fixture(scope="module")
def batch() -> Batch:
    return phantom_batch(Scribble2D5, size=32)


def _method(**options: object) -> Scribble2D5:
    torch.manual_seed(0)
    return Scribble2D5(3, Scribble2D5Config(**SMALL, **options)).train()


def _terms(method: Scribble2D5, batch: Batch) -> dict[str, float]:
    torch.manual_seed(1)
    return {name: float(term.detach()) for name, term in method.losses(batch, 1).items()}


def _inside(batch: Batch) -> Tensor:
    return batch.maps["inside"] != IGNORE


# Terms


def test_the_terms_are_those_of_the_paper(batch) -> None:
    """L = 0.3 L_bry + L_seg(init) + L_seg(final) + 0.3 L_AB, recomputed from the outputs."""
    method = _method()
    terms = _terms(method, batch)
    torch.manual_seed(1)
    with torch.no_grad():
        final, initial, boundary = method.segment(batch.image)
        pseudo, inside = batch.maps["pseudo_labels"], _inside(batch)
        expected = {
            "segmentation": partial_cross_entropy(final, pseudo),
            "initial": partial_cross_entropy(initial, pseudo),
            "boundary": 0.3 * static_boundary(boundary, batch.maps["edges"], inside),
            "active_boundary": 0.3
            * active_boundary(
                final.softmax(1), batch.image, inside,
                anisotropy=4.0, inner_weight=1.0, outer_weight=0.1,
            ),
        }  # fmt: skip
    assert terms == pytest.approx({name: float(value) for name, value in expected.items()})


def test_weights_weigh_their_terms_and_no_other(batch) -> None:
    plain = _terms(_method(boundary_weight=1.0, active_weight=1.0), batch)
    paper = _terms(_method(), batch)
    factors = {name: paper[name] / plain[name] for name in plain}
    assert factors == pytest.approx(
        {"segmentation": 1, "initial": 1, "boundary": 0.3, "active_boundary": 0.3}
    )
    for option in ("inner_weight", "outer_weight"):
        heavier = _terms(_method(**{option: 5.0}), batch)
        assert heavier["active_boundary"] > paper["active_boundary"]
        assert {**heavier, "active_boundary": 0} == {**paper, "active_boundary": 0}


def test_without_the_active_boundary_every_other_term_is_the_same_to_the_bit(batch) -> None:
    full = _terms(_method(), batch)
    del full["active_boundary"]
    assert _terms(_method(abl=False), batch) == full


def test_without_the_static_boundary_there_is_neither_branch_nor_term(batch) -> None:
    method = _method(sbpm=False)
    bare = replace(batch, maps={k: m for k, m in batch.maps.items() if k != "edges"})
    terms = method.losses(bare, 1)
    assert set(terms) == {"segmentation", "initial", "active_boundary"}
    assert method.boundary is None
    assert method.segment(batch.image)[2] is None
    sum(terms.values()).backward()
    assert [n for n, p in method.named_parameters() if p.grad is None] == []


def test_balance_weighs_classes_of_the_pseudo_labels(batch) -> None:
    method = _method(balance=0.5)
    terms = _terms(method, batch)
    torch.manual_seed(1)
    with torch.no_grad():
        final, _, _ = method.segment(batch.image)
    pseudo = batch.maps["pseudo_labels"]
    weights = class_weights(pseudo, 3, 0.5)
    expected = partial_cross_entropy(final, pseudo, class_weights=weights)
    assert terms["segmentation"] == pytest.approx(float(expected))


def test_the_active_boundary_teaches_where_nobody_drew(batch) -> None:
    """The authors' code takes the likeliest class: its gradient is zero everywhere."""
    method = _method()
    seen: list[Tensor] = []
    method.final.register_forward_hook(lambda _m, _i, out: (out.retain_grad(), seen.append(out))[1])
    sparse = replace(batch, maps={**batch.maps, "pseudo_labels": batch.strokes})
    method.losses(sparse, 1)["active_boundary"].backward()
    taught = seen[0].grad.abs().sum(1) > 0
    unlabelled = _inside(batch) & (batch.strokes == IGNORE)
    assert taught[unlabelled].float().mean() > 0.9


def test_prediction_is_the_final_segmentation(batch) -> None:
    method = _method().eval()
    with torch.no_grad():
        assert torch.equal(method(batch.image), method.segment(batch.image)[0])


def test_the_boundary_reaches_the_final_segmentation(batch) -> None:
    method = _method().eval()
    with torch.no_grad():
        before = method(batch.image)
        method.boundary.out.bias += 5.0
        assert not torch.allclose(method(batch.image), before)


def test_dice_is_over_the_pseudo_labels_of_both_segmentations(batch) -> None:
    method = _method(dice_weight=0.5)
    terms = _terms(method, batch)
    torch.manual_seed(1)
    with torch.no_grad():
        final, initial, _ = method.segment(batch.image)
    pseudo = batch.maps["pseudo_labels"]
    expected = 0.5 * (partial_dice(final, pseudo) + partial_dice(initial, pseudo)) / 2
    assert terms["dice"] == pytest.approx(float(expected))
    del terms["dice"]
    assert terms == _terms(_method(), batch)


# The network


@torch.no_grad()
@pytest.mark.parametrize("sbpm", [True, False])
def test_without_full_resolution_any_size_has_its_logits(sbpm) -> None:
    method = _method(full_resolution=False, flat_heads=True, sbpm=sbpm).eval()
    image = torch.randn(1, 1, 3, 33, 47)
    final, initial, boundary = method.segment(image)
    assert final.shape == initial.shape == (1, 3, 3, 33, 47)
    assert (boundary.shape == (1, 1, 3, 33, 47)) if sbpm else (boundary is None)


def test_options_of_the_quick_preset_leave_the_paper_as_it_was() -> None:
    """The checkpoints of 0.1.0 know nothing of them."""
    known = Scribble2D5Config()
    added = ("flat_heads", "full_resolution", "dice_weight", "tau", "grow_background")
    assert [getattr(known, n) for n in added] == [False, True, 0.0, 0.99, True]
    assert SPEC.presets["paper"].options == Scribble2D5Config(anisotropy=4.0)


def test_the_backbone_is_the_published_one_without_its_own_head() -> None:
    """Nothing in the paper's loss asks for a segmentation by the backbone itself."""
    method = Scribble2D5(4, Scribble2D5Config())
    head = UNet25D(4).out
    count = sum(p.numel() for p in method.backbone.parameters())
    assert count == 3_453_656 - sum(p.numel() for p in head.parameters())
    assert sum(p.numel() for p in method.parameters()) == 4_031_179


def test_anisotropy_is_that_of_the_training_cases_unless_chosen() -> None:
    spacings = [(10.0, 1.25, 1.25), (5.0, 1.25, 1.25), (9.0, 1.25, 1.25)]
    fitted = Scribble2D5.fitted(Scribble2D5Config(), spacings)
    assert fitted.anisotropy == 7.2
    assert Scribble2D5.fitted(Scribble2D5Config(anisotropy=2.0), spacings).anisotropy == 2.0
    assert Scribble2D5.fitted(Scribble2D5Config(), []).anisotropy is None
    divisors = [_method(anisotropy=a).backbone.divisor for a in (1.0, 7.2, None)]
    assert divisors == [(32, 32, 32), (4, 32, 32), (8, 32, 32)]


def test_single_slices_are_refused_with_a_reason() -> None:
    task = Task(3, frozenset({0, 1, 2}), 2, 0, TWO_BALLS.names, slices=(1, 1))
    reason = Scribble2D5.unsupported(task)
    assert reason is not None
    assert "single slice" in reason
    assert Scribble2D5.unsupported(replace(task, slices=(1, 9))) is None


# What is prepared


def test_supervoxels_grow_the_labels_and_edges_are_found() -> None:
    case = two_ball_case(shape=(4, 32, 32))
    maps = Scribble2D5.prepare(case, Scribble2D5Config())
    targets = targets_of(case.scribbles)
    segments = supervoxels(case.image.array, case.image.spacing, 1000.0, 0.1)
    np.testing.assert_array_equal(maps["pseudo_labels"], grown_labels(segments, targets))
    np.testing.assert_array_equal(maps["edges"], edge_map(case.image.array, case.image.spacing))
    assert (maps["inside"] == 0).all()
    assert {m.dtype.kind for m in maps.values()} == {"i", "f"}


def test_labels_grow_as_the_option_says() -> None:
    case = two_ball_case(shape=(4, 32, 32))
    targets = targets_of(case.scribbles)
    strokes = Scribble2D5.prepare(case, Scribble2D5Config(lpm="none"))["pseudo_labels"]
    np.testing.assert_array_equal(strokes, targets)
    walked = Scribble2D5.prepare(case, Scribble2D5Config(lpm="random_walker"))["pseudo_labels"]
    seeds = random_walker_seeds(case.image.array, targets, tau=0.99, beta=130.0)
    np.testing.assert_array_equal(walked, seeds)


def test_a_surer_walker_labels_less() -> None:
    case = two_ball_case(shape=(4, 32, 32))
    labels = [
        Scribble2D5.prepare(case, Scribble2D5Config(lpm="random_walker", tau=tau))["pseudo_labels"]
        for tau in (0.8, 0.99)
    ]
    sure = labels[1] != IGNORE
    assert (labels[0][sure] == labels[1][sure]).all()
    assert (labels[0] != IGNORE).sum() > sure.sum()


def test_both_keep_structures_where_supervoxels_and_walker_agree() -> None:
    """Background is the walker's where it is surer than tau; strokes keep their class."""
    case = two_ball_case(shape=(4, 32, 32))
    image, targets = case.image.array, targets_of(case.scribbles)
    both, grown = (
        Scribble2D5.prepare(case, Scribble2D5Config(lpm=lpm, tau=0.9))["pseudo_labels"]
        for lpm in ("both", "supervoxels")
    )
    walked = np.stack(
        [random_walker_probabilities(image[z], targets[z], 130.0) for z in range(len(image))], 1
    )
    drawn, likeliest = targets != IGNORE, walked.argmax(0)
    assert (both[drawn] == targets[drawn]).all()
    structures = ~drawn & (both > 0)
    assert structures.any()
    np.testing.assert_array_equal(structures, ~drawn & (grown > 0) & (likeliest == grown))
    background = ~drawn & (both == 0)
    np.testing.assert_array_equal(background, ~drawn & (likeliest == 0) & (walked[0] > 0.9))


@pytest.mark.parametrize("lpm", ["random_walker", "both"])
def test_background_that_does_not_grow_is_what_was_drawn(lpm: str) -> None:
    """Structures grow as they do beside a growing background."""
    case = two_ball_case(shape=(4, 32, 32))
    targets = targets_of(case.scribbles)
    grown, drawn = (
        Scribble2D5.prepare(case, Scribble2D5Config(lpm=lpm, tau=0.9, grow_background=grows))
        for grows in (True, False)
    )
    with_walked, without = grown["pseudo_labels"], drawn["pseudo_labels"]
    np.testing.assert_array_equal(without == 0, targets == 0)
    assert (with_walked == 0).sum() > (without == 0).sum()
    np.testing.assert_array_equal(without[without > 0], with_walked[without > 0])
    np.testing.assert_array_equal(without > 0, with_walked > 0)


def test_a_slice_without_strokes_stays_unlabelled_where_both_must_agree() -> None:
    case = two_ball_case(shape=(4, 32, 32))
    scribbles = case.scribbles.copy()
    scribbles[1] = 0
    blank = replace(case, scribbles=scribbles)
    labels = Scribble2D5.prepare(blank, Scribble2D5Config(lpm="both"))["pseudo_labels"]
    assert (labels[1] == IGNORE).all()
    assert (labels[2] != IGNORE).any()


def test_flags_change_what_they_name_of_what_is_prepared() -> None:
    case = two_ball_case(shape=(4, 32, 32))
    full = Scribble2D5.prepare(case, Scribble2D5Config())
    bare = Scribble2D5.prepare(case, Scribble2D5Config(sbpm=False))
    assert set(full) - set(bare) == {"edges"}
    for name, array in bare.items():
        np.testing.assert_array_equal(array, full[name])
    for name in ("lpm", "tau", "grow_background", "sbpm", "supervoxel_mm3", "compactness", "edges"):
        assert name in Scribble2D5.prepared_from


def test_a_case_without_strokes_has_no_pseudo_labels_but_edges() -> None:
    case = replace(two_ball_case(shape=(2, 16, 16)), scribbles=None)
    maps = Scribble2D5.prepare(case, Scribble2D5Config())
    assert (maps["pseudo_labels"] == IGNORE).all()
    assert maps["edges"].max() == 1


def test_an_edge_detector_that_nobody_offers_is_refused() -> None:
    case = two_ball_case(shape=(2, 16, 16))
    with pytest.raises(InvalidInput, match="no edge detector 'hed'"):
        Scribble2D5.prepare(case, Scribble2D5Config(edges="hed"))
