"""ExMod and CycleMix: which term is what, the saliency, what the flags change, the networks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_runs import phantom_batch

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.losses.consistency import cosine_distance, local_consistency
from napari_scribseg.losses.partial import (
    partial_cross_entropy,
    shares_of,
    soft_partial_cross_entropy,
)
from napari_scribseg.methods.exmod.method import CycleMix, ExMod, _Chance
from napari_scribseg.mixing.puzzle_mix import solve_puzzle

MIXED = {"mixed_scribbles", "global_consistency"}
ALL = {"scribbles", "local_consistency"} | MIXED


@pytest.fixture(scope="module")
def batch() -> Batch:
    return phantom_batch(ExMod, size=32)


def _method(kind: type[ExMod] = ExMod, **options: object) -> ExMod:
    torch.manual_seed(0)
    return kind(3, kind.spec.Config().updated({"base_width": 4, **options})).train()


def _terms(batch: Batch, **options: object) -> dict[str, float]:
    """The terms of a first step with the same random numbers, small squares if not said else."""
    method = _method(**{"occlusion": 8, **options})
    torch.manual_seed(1)
    return {name: float(term.detach()) for name, term in method.losses(batch, 1).items()}


def _changed(one: dict[str, float], other: dict[str, float]) -> set[str]:
    return {name for name in one if one[name] != other.get(name)}


# Terms


def test_a_flag_removes_its_terms_and_changes_no_other_to_the_bit(batch) -> None:
    full = _terms(batch)
    assert set(full) == ALL
    for flags, without in (
        ({"local_weight": 0}, {"local_consistency"}),
        ({"global_weight": 0}, {"global_consistency"}),
        ({"mixing": False}, MIXED),
    ):
        assert _terms(batch, **flags) == {k: v for k, v in full.items() if k not in without}


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"occlusion": 0}, MIXED),
        ({"turn_degrees": 20}, MIXED),
        ({"occlusion_label": "background"}, {"mixed_scribbles"}),
        ({"reduction": "labelled"}, {"scribbles", "mixed_scribbles"}),
    ],
    ids=lambda value: str(sorted(value)),
)
def test_an_option_changes_what_it_claims_and_nothing_else(batch, options, changed) -> None:
    assert _changed(_terms(batch), _terms(batch, **options)) == changed


def test_connected_foreground_changes_local_consistency_only(batch) -> None:
    """In a prediction of this untrained network some class has a second-largest piece."""
    terms = []
    for connected in (False, True):
        method = _method(connected_foreground=connected, occlusion=8)
        torch.manual_seed(4)
        for layer in method.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.reset_parameters()
        terms.append({name: float(t.detach()) for name, t in method.losses(batch, 1).items()})
    assert _changed(*terms) == {"local_consistency"}


def test_transport_moves_image_labels_and_predictions_of_mixed_slices(batch, monkeypatch) -> None:
    """Where both slices are salient in one place, one of the two blocks moves."""
    torch.manual_seed(0)
    saliency = torch.rand(4, 32, 32) ** 30
    saliency[:, 12:16, 12:16] = 50
    plain = ExMod._with_saliency
    monkeypatch.setattr(ExMod, "_with_saliency", lambda *a: (plain(*a)[0], saliency))
    monkeypatch.setattr("napari_scribseg.methods.exmod.method.SIDES", (8,))
    monkeypatch.setattr(_Chance, "draw", lambda n, draw=_Chance.draw: replace(draw(n), share=0.5))
    assert _changed(_terms(batch), _terms(batch, transport=True)) == MIXED


def test_the_weights_weigh_their_terms(batch) -> None:
    """L = CE + CE_mix + 0.1 L_con-l + 0.1 L_con-g."""
    plain = _terms(batch, local_weight=1.0, global_weight=1.0)
    factors = {name: value / plain[name] for name, value in _terms(batch).items()}
    assert factors == pytest.approx(
        {
            "scribbles": 1,
            "mixed_scribbles": 1,
            "local_consistency": 0.1,
            "global_consistency": 0.1,
        }
    )


def test_the_terms_are_those_of_the_network(batch) -> None:
    """Recomputed step by step, without square and turn."""
    method = _method(occlusion=0, turn_degrees=0)
    torch.manual_seed(1)
    terms = method.losses(batch, 1)
    torch.manual_seed(1)
    partner = torch.randperm(4)
    share = float(torch.distributions.Beta(0.5, 0.5).sample())
    side = (2, 4, 8, 16)[int(torch.randint(4, ()))]
    image = batch.image.clone().requires_grad_()
    logits = method(image)
    scribbles = partial_cross_entropy(logits, batch.target, reduction="all_pixels")
    (gradient,) = torch.autograd.grad(scribbles, image, retain_graph=True)
    puzzle = solve_puzzle(batch.image, gradient.abs()[:, 0], partner, share=share, side=side)
    mixed = method(puzzle.apply(batch.image))
    labels = puzzle.apply(shares_of(batch.target, 3))
    probabilities = logits.softmax(1)
    agreement = cosine_distance(mixed.softmax(1), puzzle.apply(probabilities))
    expected = {
        "scribbles": scribbles,
        "mixed_scribbles": soft_partial_cross_entropy(mixed, labels, reduction="all_pixels"),
        "local_consistency": 0.1 * local_consistency(probabilities),
        "global_consistency": 0.1 * agreement,
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value, atol=1e-4, rtol=1e-4)


def test_a_step_runs_the_network_twice(batch) -> None:
    """Once on plain and once on mixed slices: the saliency reuses the first pass."""
    method, seen = _method(), []
    method.network.register_forward_hook(lambda *_: seen.append(1))
    method.losses(batch, 1)
    assert len(seen) == 2


def test_mixed_slices_are_taught_where_a_stroke_is_visible_only(batch) -> None:
    """Under squares twice as large as the slice nothing is left, whatever their centres."""
    hidden = _terms(batch, occlusion=64)
    assert hidden["mixed_scribbles"] == 0
    assert hidden["global_consistency"] == pytest.approx(0.1)
    assert _terms(batch)["mixed_scribbles"] > 0


def test_labels_under_a_square_are_forgotten_or_become_background() -> None:
    target = torch.tensor([0.0, 0.5, 0.5, 0.0]).reshape(1, 4, 1, 1).expand(1, 4, 1, 3).clone()
    target[..., 2] = 0  # nobody drew on the last pixel
    hidden = torch.tensor([[[[False, True, True]]]])
    forgotten = _method()._hide_labels(target, hidden)
    assert forgotten[0, :, 0].T.tolist() == [[0, 0.5, 0.5, 0], [0] * 4, [0] * 4]
    background = _method(occlusion_label="background")._hide_labels(target, hidden)
    assert background[0, :, 0].T.tolist() == [[0, 0.5, 0.5, 0], [1, 0, 0, 0], [0] * 4]


# Saliency


def test_the_saliency_is_the_slope_of_the_scribble_loss(batch) -> None:
    """Against finite differences in double precision, up to the scale, which doesn't matter."""
    method = _method().double().eval()
    small = Batch(batch.image.double(), batch.target)
    _, saliency = method._with_saliency(small)
    labelled = int((batch.target != IGNORE).sum())
    for place in ((0, 5, 7), (1, 20, 3), (3, 16, 16)):
        change = torch.zeros_like(small.image)
        change[place[0], 0, place[1], place[2]] = 1e-5
        with torch.no_grad():
            up, down = (
                partial_cross_entropy(method(small.image + s * change), batch.target) * labelled
                for s in (1, -1)
            )
        slope = abs(float(up - down)) / 2e-5
        assert float(saliency[place]) == pytest.approx(slope, rel=1e-2, abs=1e-4)


def test_the_saliency_leaves_no_gradient_on_weights_and_image(batch) -> None:
    method = _method()
    method._with_saliency(batch)
    assert all(p.grad is None for p in method.parameters())
    assert batch.image.grad is None
    assert not batch.image.requires_grad


def test_terms_can_be_asked_for_without_gradients_and_for_one_slice(batch) -> None:
    """As the engine does to find the case whose loss is not finite."""
    with torch.no_grad():
        terms = _method().losses(batch.sample(1), 1)
    assert set(terms) == ALL
    assert all(torch.isfinite(term) for term in terms.values())


def test_a_warm_up_learns_from_the_scribbles_alone(batch) -> None:
    method = _method(warm_up=0.5)
    assert set(method.losses(replace(batch, progress=0.49), 1)) == {"scribbles"}
    assert set(method.losses(replace(batch, progress=0.5), 1)) == ALL


# Networks and presets


@pytest.mark.parametrize(("kind", "count"), [(ExMod, 57_185_188), (CycleMix, 25_759_396)])
def test_the_paper_preset_has_the_network_of_the_paper(kind, count) -> None:
    with torch.device("meta"):
        method = kind(4, kind.spec.presets["paper"].options)
    assert sum(p.numel() for p in method.parameters()) == count


def test_cyclemix_differs_in_network_and_presets_only(batch) -> None:
    assert CycleMix.losses is ExMod.losses
    theirs, ours = CycleMix.spec.Config().model_dump(), ExMod.spec.Config().model_dump()
    assert {name for name in ours if theirs[name] != ours[name]} == {"convolutions"}
    method = _method(CycleMix)
    assert set(method.losses(batch, 1)) == ALL
    layers = [type(layer).__name__ for layer in method.network.encoder[0]]
    assert layers == ["Conv2d", "ReLU", "BatchNorm2d"] * 2


def test_the_paper_presets_are_the_papers() -> None:
    exmod, cyclemix = ExMod.spec.presets["paper"], CycleMix.spec.presets["paper"]
    numbers = exmod.options.model_dump()
    assert numbers == {
        "base_width": 64,
        "convolutions": 4,
        "normalised_logits": True,
        "warm_up": 0.0,
        "mixing": True,
        "transport": False,
        "occlusion": 32,
        "occlusion_label": "ignore",
        "turn_degrees": 180.0,
        "local_weight": 0.1,
        "global_weight": 0.1,
        "connected_foreground": False,
        "reduction": "all_pixels",
    }
    theirs = {"convolutions": 2, "connected_foreground": True}
    assert cyclemix.options.model_dump() == numbers | theirs
    for preset, optimiser, decay in ((exmod, "adamw", 1e-2), (cyclemix, "adam", 1e-4)):
        training = preset.training
        assert (training.optimiser, training.learning_rate) == (optimiser, 1e-4)
        assert training.weight_decay == pytest.approx(decay)
        assert (training.schedule, training.batch_size) == ("constant", 4)
        assert training.patch == (212, 212)


def test_a_turned_mixed_slice_is_turned_back(batch) -> None:
    """A network that passes its input on agrees with itself at any angle, corners apart."""
    method = _method(occlusion=0, global_weight=1.0, mixing=True)
    flat = torch.linspace(-2, 2, 32).expand(4, 1, 32, 32).clone()
    method.forward = lambda image: torch.cat([-image, image, image * 0], 1)  # type: ignore[method-assign]
    losses = []
    for degrees in (0.0, 180.0):
        method.options = method.options.updated({"turn_degrees": degrees})
        torch.manual_seed(2)
        target = torch.where(flat[:, 0] > 0, 1, 0)
        losses.append(method.losses(Batch(flat, target), 1)["global_consistency"])
    outside = 1 - math.pi / 4
    assert float(losses[0].detach()) < 0.02
    assert float(losses[1].detach()) < outside + 0.05
