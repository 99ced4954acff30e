"""EM-CRF: what the rows of its table switch, the turns of network and CRF, and the E-step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import two_ball_case
from small_runs import phantom_batch

from napari_scribseg.batches.slices import Batch, image_slices, resample_in_plane
from napari_scribseg.core.errors import InvalidInput, TaskNotSupported
from napari_scribseg.core.labels import IGNORE, targets_of
from napari_scribseg.losses.partial import class_weights, partial_cross_entropy
from napari_scribseg.methods.base import Shown
from napari_scribseg.methods.em_crf import ROWS, EMCRFConfig
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.propagate import dense_crf

SIZE = 32
TINY = {"base_width": 8, "passes": 4, "rnn_bilateral_sigma": 16.0, "crf_iterations": 2}


@pytest.fixture(scope="module")
def case():
    return two_ball_case(shape=(3, SIZE, SIZE))


@pytest.fixture(scope="module")
def maps(case):
    return EMCRF.prepare(case, EMCRFConfig())


@pytest.fixture(scope="module")
def batch() -> Batch:
    return phantom_batch(EMCRF, size=SIZE)


def _method(**options: object) -> EMCRF:
    torch.manual_seed(0)
    return EMCRF(3, EMCRFConfig(**{"crf": "none", **TINY, **options}))


@torch.no_grad()
def _relabelled(method: EMCRF, case, maps) -> np.ndarray:
    """The targets of an E-step at pixels of 2 mm, where those of the case have 1.5 mm."""
    image = image_slices(case.image.array, case.image.spacing, 2.0)

    def to_grid(pixels):
        back = resample_in_plane(pixels.float(), case.image.shape[1:])
        return back.movedim(1, 0).contiguous().numpy()

    return method.eval().relabel(case, maps, Shown(image, to_grid))["targets"]


# Configurations


def test_the_rows_of_the_table_are_configurations() -> None:
    switches = {
        title: (row.recursions > 0, row.crf, row.uncertainty, row.supervision)
        for title, row in ROWS.items()
    }
    assert switches == {
        "Base (no recursion)": (False, "none", False, "scribble"),
        "Base": (True, "none", False, "scribble"),
        "Base + separate CRF": (True, "dense", False, "scribble"),
        "Base + CRF-RNN": (True, "rnn", False, "scribble"),
        "Base + uncertainty": (True, "none", True, "scribble"),
        "Base + sep. CRF & unc.": (True, "dense", True, "scribble"),
        "Base + CRF-RNN & unc.": (True, "rnn", True, "scribble"),
        "Fully supervised": (False, "none", False, "dense"),
    }


@pytest.mark.parametrize("row", ROWS)
def test_every_row_learns_and_relabels(row, batch, case, maps) -> None:
    method = EMCRF(3, ROWS[row].updated(TINY)).train()
    method.losses(batch, 1)["cross_entropy"].backward()
    frozen = {n for n, p in method.named_parameters() if p.grad is None}
    assert frozen == {n for n, _ in method.named_parameters() if n.startswith("crf")}
    assert set(np.unique(_relabelled(method, case, maps))) <= {IGNORE, 0, 1, 2}


@pytest.mark.parametrize(
    ("options", "shares"),
    [
        ({"recursions": 0}, ()),
        ({"recursions": 1}, (3 / 4,)),
        ({"recursions": 3}, (3 / 6, 4 / 6, 5 / 6)),
        ({"recursions": 3, "supervision": "dense"}, ()),
    ],
)
def test_later_m_steps_are_a_third_of_the_first(options, shares) -> None:
    assert _method(**options).relabel_at == pytest.approx(shares)


def test_the_paper_preset_has_the_numbers_of_the_paper() -> None:
    preset = EMCRF.spec.presets["paper"]
    assert preset.options == EMCRFConfig()
    assert (preset.options.tau, preset.options.base_width, preset.options.passes) == (0.99, 64, 50)
    assert preset.training.steps / 10 == 3000
    assert (preset.training.optimiser, preset.training.learning_rate) == ("adam", 1e-3)
    assert preset.options.rnn_rate * preset.training.learning_rate == pytest.approx(1e-7)


def test_a_missing_extra_is_told_when_the_method_is_built(monkeypatch) -> None:
    monkeypatch.setattr(dense_crf.importlib.util, "find_spec", lambda name: None)
    _method(crf="dense", crf_backend="auto")
    _method(crf="none", crf_backend="pydensecrf")
    with pytest.raises(InvalidInput, match="crf_backend=torch"):
        _method(crf="dense", crf_backend="pydensecrf")


# What is learnt from


def test_seeds_are_the_first_targets_and_scribbles_keep_their_class(case, maps) -> None:
    np.testing.assert_array_equal(maps["targets"], maps["seeds"])
    drawn = targets_of(case.scribbles)
    np.testing.assert_array_equal(maps["seeds"][drawn != IGNORE], drawn[drawn != IGNORE])
    assert (maps["seeds"] != IGNORE).sum() > (drawn != IGNORE).sum()


def test_dense_supervision_is_the_reference_and_needs_one(case) -> None:
    dense = EMCRFConfig(supervision="dense")
    np.testing.assert_array_equal(EMCRF.prepare(case, dense)["targets"], case.reference)
    with pytest.raises(TaskNotSupported, match="phantom0 has no reference"):
        EMCRF.prepare(replace(case, reference=None), dense)


def test_the_loss_is_plain_cross_entropy_on_known_pixels(batch) -> None:
    method = _method().train()
    term = method.losses(batch, 1)["cross_entropy"]
    expected = partial_cross_entropy(method.network(batch.image), batch.maps["targets"])
    torch.testing.assert_close(term, expected)


def test_balance_weighs_seeds_and_not_what_the_network_made_of_them(batch) -> None:
    method = _method(balance=0.5, recursions=1).train()
    logits, target = method.network(batch.image), batch.maps["targets"]
    weighted = partial_cross_entropy(logits, target, class_weights=class_weights(target, 3, 0.5))
    plain = partial_cross_entropy(logits, target)
    assert not torch.isclose(weighted, plain)
    for method.relabels, expected in ((0, weighted), (1, plain)):
        term = method.losses(batch, 1)["cross_entropy"]
        torch.testing.assert_close(term, expected)


# Turns of network and CRF


def test_ten_steps_of_the_network_then_one_of_the_crf(batch) -> None:
    method = _method(crf="rnn").train()
    turns = []
    for step in range(1, 23):
        method.zero_grad(set_to_none=True)
        method.losses(batch, step)["cross_entropy"].backward()
        learning = {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None}
        assert len(learning) == 1
        turns.append(learning.pop())
    assert turns == (["network"] * 10 + ["crf"]) * 2


@pytest.mark.parametrize("optimiser", [torch.optim.Adam, torch.optim.SGD])
def test_the_crf_goes_a_share_of_the_optimisers_way(optimiser, batch) -> None:
    """So its learning rate is rnn_rate times the network's, even under Adam."""
    ways = {}
    for rate in (1.0, 0.1):
        method = _method(crf="rnn", rnn_rate=rate).train()
        before = {n: p.detach().clone() for n, p in method.named_parameters()}
        steps = optimiser(method.parameters(), lr=0.01)
        method.losses(batch, 11)["cross_entropy"].backward()
        steps.step()
        method.after_step(11)
        ways[rate] = {n: p.detach() - before[n] for n, p in method.named_parameters()}
    for name, way in ways[1.0].items():
        torch.testing.assert_close(ways[0.1][name], 0.1 * way, atol=1e-6, rtol=1e-3)
        assert way.any() == name.startswith("crf")


def test_steps_of_the_network_are_not_shortened(batch) -> None:
    method = _method(crf="rnn").train()
    method.losses(batch, 11)
    method.after_step(11)
    before = [p.detach().clone() for p in method.parameters()]
    method.losses(batch, 12)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(1)
    method.after_step(12)
    for parameter, old in zip(method.parameters(), before, strict=True):
        assert torch.equal(parameter, old + 1)


def test_prediction_passes_the_crf_rnn(batch) -> None:
    method = _method(crf="rnn").eval()
    with torch.no_grad():
        logits = method.network(batch.image)
        torch.testing.assert_close(method(batch.image), method.crf(logits, batch.image))
        assert not torch.allclose(method(batch.image), logits)


# The E-step


def _blank(maps, rows: slice) -> dict[str, np.ndarray]:
    """Maps without seeds in some rows."""
    seeds = maps["seeds"].copy()
    seeds[:, rows] = IGNORE
    return {"seeds": seeds, "targets": seeds.copy()}


def test_base_is_the_networks_likeliest_class_on_the_grid_of_the_case(case, maps) -> None:
    maps = _blank(maps, slice(8, 24))
    method = _method()
    targets = _relabelled(method, case, maps)
    with torch.no_grad():
        shown = image_slices(case.image.array, case.image.spacing, 2.0)
        back = resample_in_plane(method.eval()(shown).softmax(1), (SIZE, SIZE))
    free = maps["seeds"] == IGNORE
    np.testing.assert_array_equal(targets[free], back.argmax(1).numpy()[free])
    np.testing.assert_array_equal(targets[~free], maps["seeds"][~free])
    assert targets.dtype == np.int16


@pytest.mark.parametrize("crf", ["none", "dense", "rnn"])
@pytest.mark.parametrize("uncertainty", [False, True])
def test_seeds_never_change(crf, uncertainty, case, maps) -> None:
    targets = _relabelled(_method(crf=crf, uncertainty=uncertainty), case, maps)
    np.testing.assert_array_equal(
        targets[maps["seeds"] != IGNORE], maps["seeds"][maps["seeds"] != IGNORE]
    )


def test_a_slice_nobody_drew_on_stays_unlabelled(case, maps) -> None:
    seeds = maps["seeds"].copy()
    seeds[1] = IGNORE
    targets = _relabelled(_method(), case, {"seeds": seeds, "targets": seeds})
    assert (targets[1] == IGNORE).all()
    assert (targets[[0, 2]] != IGNORE).all()


def test_without_any_seed_nothing_is_labelled(case, maps) -> None:
    nothing = np.full_like(maps["seeds"], IGNORE)
    targets = _relabelled(_method(), case, {"seeds": nothing, "targets": nothing})
    assert (targets == IGNORE).all()


def test_the_dense_crf_takes_seeds_into_account(case, maps) -> None:
    """A strong spatial kernel carries the only seeds over an undecided slice."""
    method = _method(crf="dense", crf_backend="torch", spatial_weight=40.0)
    with torch.no_grad():
        method.network.head[1].weight.zero_()
    for k in (1, 2):
        seeds = np.full_like(maps["seeds"], IGNORE)
        seeds[:, 14:18, 14:18] = k
        targets = _relabelled(method, case, {"seeds": seeds, "targets": seeds})
        assert (targets[:, 10:22, 10:22] == k).all()


def test_uncertain_pixels_become_unknown_and_only_those(case, maps) -> None:
    maps = _blank(maps, slice(0, SIZE))
    maps["seeds"][:, 0, 0] = 0
    free = maps["seeds"] == IGNORE
    for significance, unknown in ((0.0, 1.0), (1.0, 0.0)):
        method = _method(uncertainty=True, significance=significance)
        targets = _relabelled(method, case, maps)
        assert (targets[free] == IGNORE).mean() == pytest.approx(unknown, abs=0.01)
    torch.manual_seed(1)
    some = _relabelled(_method(uncertainty=True), case, maps)
    assert 0 < (some[free] == IGNORE).mean() < 1


def test_without_dropout_passes_agree_and_everything_is_certain(case, maps) -> None:
    method = _method(uncertainty=True)
    method.network.dropout = False
    certain = _relabelled(method, case, maps)
    np.testing.assert_array_equal(certain, _relabelled(_method(), case, maps))


def test_only_what_is_random_is_repeated(monkeypatch, case, maps) -> None:
    method = _method(uncertainty=True, passes=7)
    calls = {"shallow": 0, "deep": 0}
    for name in calls:
        original = getattr(method.network, name)

        def counted(*args, _name=name, _original=original, **kwargs):
            calls[_name] += 1
            return _original(*args, **kwargs)

        monkeypatch.setattr(method.network, name, counted)
    _relabelled(method, case, maps)
    assert calls == {"shallow": 1, "deep": 7}
