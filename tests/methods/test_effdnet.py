"""EFFDNet: which term is what, how the teacher follows, and what the flags change."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_runs import phantom_batch

from napari_scribseg.batches.slices import Batch
from napari_scribseg.losses.contrastive import foreground_background_separation
from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.methods.effdnet import EFFDNetConfig
from napari_scribseg.methods.effdnet.method import EFFDNet

PASTED = {"pasted_scribbles", "pasted_pseudo_labels"}
SIZE = 32


@pytest.fixture(scope="module")
def batch() -> Batch:
    return phantom_batch(EFFDNet, size=SIZE)


def _method(**options: object) -> EFFDNet:
    torch.manual_seed(0)
    return EFFDNet(3, EFFDNetConfig(**options)).train()


def _terms(batch: Batch, **options: object) -> dict[str, float]:
    """The terms of the first step with the default random numbers."""
    method = _method(**options)
    torch.manual_seed(1)
    return {name: float(term.detach()) for name, term in method.losses(batch, 1).items()}


# Terms


def test_a_flag_removes_its_terms_and_changes_no_other_to_the_bit(batch) -> None:
    full = _terms(batch)
    assert set(full) == {"scribbles", "pseudo_labels", "fbsl"} | PASTED
    for flags, without in (
        ({"fbsl": False}, {"fbsl"}),
        ({"fadc": False}, PASTED),
        ({"fbsl": False, "fadc": False}, {"fbsl"} | PASTED),
    ):
        assert _terms(batch, **flags) == {k: v for k, v in full.items() if k not in without}


def test_lambda_and_delta_weigh_their_terms(batch) -> None:
    """L = L_S + lambda (L_P + delta L_FBSL), and L_S + lambda L_P of the pasted batch."""
    plain = _terms(batch, pseudo_weight=1.0, fbsl_weight=1.0)
    paper = _terms(batch)
    factors = {name: paper[name] / plain[name] for name in plain}
    assert factors == pytest.approx(
        {
            "scribbles": 1.0,
            "pseudo_labels": 0.6,
            "fbsl": 0.6 * 0.3,
            "pasted_scribbles": 1.0,
            "pasted_pseudo_labels": 0.6,
        }
    )
    heavier = _terms(batch, fbsl_weight=0.9)
    assert heavier["fbsl"] == pytest.approx(3 * paper["fbsl"])
    assert {**heavier, "fbsl": 0} == {**paper, "fbsl": 0}


def test_the_terms_are_those_of_the_networks(batch) -> None:
    """Recomputed from student and teacher with the same random numbers."""
    method = _method(fadc=False)
    torch.manual_seed(1)
    terms = method.losses(batch, 1)
    torch.manual_seed(1)
    noise = (torch.randn_like(batch.image) * 0.1).clamp(-0.05, 0.05)
    low, high = batch.image.flatten(1).aminmax(dim=1)
    with torch.no_grad():
        pseudo = method.teacher(batch.image + noise * (high - low)[:, None, None, None]).argmax(1)
        logits, features = method.student.with_features(batch.image)
    expected = {
        "scribbles": partial_cross_entropy(logits, batch.target),
        "pseudo_labels": 0.6 * torch.nn.functional.cross_entropy(logits, pseudo),
        "fbsl": 0.18 * foreground_background_separation(features, batch.target),
    }
    for name, value in expected.items():
        torch.testing.assert_close(terms[name].detach(), value)


def test_pasted_batches_hold_scribbles_of_the_donor_in_the_box_of_the_slice(batch) -> None:
    """With one donor box for all slices, background-only slices get foreground strokes."""
    target = torch.full_like(batch.target, -1)
    target[:, 4:8, 4:8] = 0
    target[2, 4:8, 4:8] = 2
    pseudo = torch.arange(4)[:, None, None].expand_as(target)
    method = _method()
    torch.manual_seed(3)
    image, pasted, pasted_pseudo = method._paste(Batch(batch.image, target), pseudo)
    donors = pasted_pseudo[:, 5, 5].tolist()
    assert 2 in donors
    for i, donor in enumerate(donors):
        assert (pasted[i, 4:8, 4:8] == (2 if donor == 2 else 0)).all()
        torch.testing.assert_close(image[i, :, 4:8, 4:8], batch.image[donor, :, 4:8, 4:8])
        assert (pasted_pseudo[i, 8:] == i).all()
        assert torch.equal(image[i, :, 8:], batch.image[i, :, 8:])


# The teacher


def test_the_teacher_learns_by_following_only(batch) -> None:
    method = _method()
    torch.stack(list(method.losses(batch, 1).values())).sum().backward()
    assert not any(p.requires_grad or p.grad is not None for p in method.teacher.parameters())
    assert all(p.grad is not None for p in method.student.parameters())


def test_the_teacher_keeps_its_dropout_and_batch_statistics_while_training(batch) -> None:
    """As the authors' code, in which it is never switched to evaluation."""
    method = _method()
    modes: list[bool] = []
    for module in method.teacher.modules():
        module.register_forward_hook(lambda m, *_: modes.append(m.training))
    method.losses(batch, 1)
    assert modes
    assert all(modes)


def _change_student(method: EFFDNet, seed: int) -> None:
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(torch.randn_like(parameter))
        for buffer in method.student.buffers():
            buffer.add_(3)


def test_after_the_first_step_the_teacher_is_the_student() -> None:
    method = _method()
    _change_student(method, seed=1)
    method.after_step(1)
    student = method.student.state_dict()
    for name, value in method.teacher.state_dict().items():
        assert torch.equal(value, student[name]), name


@pytest.mark.parametrize(("step", "decay"), [(2, 1 / 2), (3, 2 / 3), (100, 0.99), (5000, 0.99)])
def test_then_it_is_a_moving_average(step, decay) -> None:
    """Decay min(1 - 1 / step, 0.99): the mean of all students at first, then an exponential one."""
    method = _method()
    before = {n: p.clone() for n, p in method.teacher.named_parameters()}
    _change_student(method, seed=step)
    method.after_step(step)
    student = dict(method.student.named_parameters())
    for name, value in method.teacher.named_parameters():
        torch.testing.assert_close(value, decay * before[name] + (1 - decay) * student[name])
    for mine, theirs in zip(method.teacher.buffers(), method.student.buffers(), strict=True):
        assert torch.equal(mine, theirs)


def test_prediction_is_the_student(batch) -> None:
    method = _method().eval()
    _change_student(method, seed=1)
    with torch.no_grad():
        assert torch.equal(method(batch.image), method.student(batch.image))


# What joins later


def test_foregrounds_are_pasted_from_a_share_of_the_budget_on(batch) -> None:
    full = _terms(batch)
    assert _terms(replace(batch, progress=0.49), fadc_from=0.5) == {
        name: term for name, term in full.items() if name not in PASTED
    }
    assert _terms(replace(batch, progress=0.5), fadc_from=0.5) == full


@pytest.mark.parametrize(
    ("ramp_up", "progress", "share"),
    [
        (0.0, 0.0, 1.0),  # the paper: at once
        (0.0, 0.3, 1.0),
        (0.5, 0.0, math.exp(-5)),
        (0.5, 0.25, math.exp(-5 / 4)),
        (0.5, 0.5, 1.0),
        (0.5, 0.9, 1.0),
    ],
)
def test_lambda_grows_over_the_first_part_of_the_budget(ramp_up, progress, share) -> None:
    assert _method(ramp_up=ramp_up)._ramp(progress) == pytest.approx(share)


def test_the_ramp_weighs_pseudo_labels_and_separation_not_scribbles(batch) -> None:
    """The batch is at half the budget; a ramp over all of it is then at exp(-5 / 4)."""
    assert batch.progress == 0.5
    plain, ramped = _terms(batch), _terms(batch, ramp_up=1.0)
    share = math.exp(-5 / 4)
    for name in plain:
        factor = 1.0 if name.endswith("scribbles") else share
        assert ramped[name] == pytest.approx(factor * plain[name]), name


def test_the_paper_preset_is_the_paper() -> None:
    paper = EFFDNet.spec.presets["paper"]
    assert isinstance(paper.options, EFFDNetConfig)
    numbers = paper.options.model_dump()
    assert numbers == {
        "fbsl": True,
        "fadc": True,
        "pseudo_weight": 0.6,
        "fbsl_weight": 0.3,
        "blocks": 8,
        "temperature": 0.07,
        "teacher_decay": 0.99,
        "box": "all",
        "fadc_from": 0.0,
        "ramp_up": 0.0,
    }
    training = paper.training
    assert (training.optimiser, training.learning_rate, training.schedule) == ("sgd", 0.01, "poly")
    assert (training.steps, training.batch_size, training.patch) == (60_000, 12, (256, 256))
