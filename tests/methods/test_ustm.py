"""USTM: where the teacher is believed, how it is shown the image, and which term is what."""

from __future__ import annotations

import math

import pytest
import torch
from small_runs import phantom_batch

from napari_scribseg.losses.partial import partial_cross_entropy
from napari_scribseg.losses.self_training import masked_squared_error
from napari_scribseg.methods.ustm import USTMConfig
from napari_scribseg.methods.ustm.method import USTM, entropy_limit


def _method(**options: float) -> USTM:
    torch.manual_seed(0)
    return USTM(3, USTMConfig(**options)).train()


@pytest.mark.parametrize(
    ("progress", "limit"),
    [(0, 0.75 + 0.25 * math.exp(-5)), (0.5, 0.75 + 0.25 * math.exp(-5 / 4)), (1, 1.0)],
)
def test_the_threshold_rises_from_three_quarters_to_all_of_the_entropy(progress, limit) -> None:
    assert entropy_limit(progress) == pytest.approx(limit)


def test_the_teacher_is_sure_below_the_threshold_only() -> None:
    """Every pass says (0.5, 0.5, 0) on the left, which is 0.63 of ln 3, and thirds on the right."""
    method = _method(passes=3)
    logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 0.0]], [[-50.0, 0.0]]]])
    method.teacher.forward = lambda image: logits  # type: ignore[method-assign]
    teaching, sure = method._taught(torch.zeros(1, 1, 1, 2), progress=0.9)
    assert sure.tolist() == [[[True, False]]]
    torch.testing.assert_close(teaching, logits.softmax(1))


def test_uncertainty_is_the_entropy_of_the_mean_of_the_passes() -> None:
    """Passes that are sure but contradict each other are not believed."""
    method = _method(passes=3)
    answers = iter([0, 0, 1, 2])  # what is taught, then three passes
    method.teacher.forward = lambda image: torch.eye(3)[next(answers)].view(1, 3, 1, 1) * 50  # type: ignore[method-assign]
    teaching, sure = method._taught(torch.zeros(1, 1, 1, 1), progress=0.5)
    assert not sure.any()
    assert teaching[0, 0, 0, 0] == pytest.approx(1)
    assert next(answers, None) is None


def test_noise_is_cut_at_a_fifth_of_the_grey_range() -> None:
    method, seen = _method(passes=1), []
    method.teacher.forward = lambda image: seen.append(image) or torch.zeros(1, 3, 64, 64)  # type: ignore[method-assign]
    image = torch.zeros(1, 1, 64, 64)
    image[..., 0] = 3.0
    method._taught(image, 0.5)
    for shown in seen:
        noise = shown - image
        assert float(noise.abs().max()) == pytest.approx(0.2 * 3, abs=1e-5)
        assert float(noise.std()) == pytest.approx(0.1 * 3, rel=0.1)
    assert not torch.equal(seen[0], seen[1])


def test_the_terms_are_those_of_the_networks() -> None:
    """Recomputed with the same random numbers; the batch is at half of the budget."""
    batch = phantom_batch(USTM, size=32)
    assert batch.progress == 0.5
    method = _method(passes=2)
    torch.manual_seed(3)
    terms = method.losses(batch, 1)
    torch.manual_seed(3)
    turns = int(torch.randint(4, ()))
    logits = method.student(batch.image)
    teaching, sure = method._taught(torch.rot90(batch.image, turns, (2, 3)), 0.5)
    learnt = torch.rot90(logits, turns, (2, 3)).softmax(1)
    consistency = math.exp(-5 / 4) * masked_squared_error(learnt, teaching, sure)
    assert sure.any()
    torch.testing.assert_close(terms["consistency"], consistency)
    torch.testing.assert_close(terms["scribbles"], partial_cross_entropy(logits, batch.target))


def test_a_teacher_that_turns_with_the_image_agrees_with_itself() -> None:
    """Two networks that look at one pixel at a time must agree however the image is turned."""
    method = _method(passes=1)
    look = lambda image: torch.cat([image, -image, image * 0], 1) * 20  # noqa: E731
    method.forward = method.teacher.forward = look  # type: ignore[method-assign]
    batch = phantom_batch(USTM, size=32)
    calm = type(batch)(batch.image.sign(), batch.target, progress=1.0)
    method._noisy_pass = lambda image: look(image).softmax(1)  # type: ignore[method-assign]
    for seed in range(4):
        torch.manual_seed(seed)
        assert float(method.losses(calm, 1)["consistency"]) == pytest.approx(0, abs=1e-6)


def test_the_teacher_learns_by_following_only() -> None:
    batch, method = phantom_batch(USTM, size=16), _method(passes=1)
    torch.stack(list(method.losses(batch, 1).values())).sum().backward()
    assert not any(p.requires_grad or p.grad is not None for p in method.teacher.parameters())
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1)
    method.after_step(1)
    student = method.student.state_dict()
    assert all(torch.equal(v, student[n]) for n, v in method.teacher.state_dict().items())
