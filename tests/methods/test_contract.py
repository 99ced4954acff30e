"""What every method is asked, whatever its paper. A new method gets these by being listed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_batch, phantom_run, quick_method

from napari_scribseg.batches.slices import Batch
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Finished, Stepped
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.core.volume import Volume
from napari_scribseg.evaluation.metrics import dice
from napari_scribseg.methods.base import Method, Task
from napari_scribseg.methods.registry import all_methods, method_named
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.predict import Model, load_model, predict_case
from napari_scribseg.training.train import train

PARTIAL_TERMS: dict[str, dict[str, str]] = {
    "partial_ce": {"scribbles": "target"},
    "partial_ce_dice": {"cross_entropy": "target", "dice": "target"},
    "random_walker": {"cross_entropy": "seeds", "dice": "seeds"},
    "combined": {"strokes_cross_entropy": "target", "strokes_dice": "target"},
    "effdnet": {"scribbles": "target"},
    "em_crf": {"cross_entropy": "targets"},
    "exmod": {"scribbles": "target"},
    "cyclemix": {"scribbles": "target"},
    "wpce": {"scribbles": "target"},
    "entropy_min": {"scribbles": "target"},
    "mumford_shah": {"scribbles": "target"},
    "ustm": {"scribbles": "target"},
    "s2l": {"scribbles": "target"},
    "dmpls": {"scribbles": "target"},
    "unet_crf": {"scribbles": "target"},
    "full_2d": {"cross_entropy": "reference", "dice": "reference"},
    "full_25d": {"cross_entropy": "reference", "dice": "reference"},
    "scribble2d5": {"segmentation": "pseudo_labels"},
}
"""Terms that may teach only voxels which this target labels."""

JUDGED = {"unet_crf": "crf", "full_25d": "network", "scribble2d5": "to_image"}
"""Whose output that is said of, where it is not the head's."""

LEARNT: dict[str, tuple[int, float]] = {
    "partial_ce": (150, 0.7),
    "partial_ce_dice": (100, 0.75),
    "random_walker": (60, 0.85),
    "combined": (60, 0.75),
    "effdnet": (150, 0.75),
    "em_crf": (160, 0.65),
    "exmod": (80, 0.7),
    "cyclemix": (80, 0.7),
    "wpce": (80, 0.7),
    "entropy_min": (60, 0.7),
    "mumford_shah": (60, 0.8),
    "ustm": (60, 0.75),
    "s2l": (60, 0.8),
    "dmpls": (60, 0.75),
    "unet_crf": (60, 0.75),
    "full_2d": (80, 0.9),
    "full_25d": (40, 0.6),
    "scribble2d5": (50, 0.4),
}
"""Steps within which a method must reach which Dice on a phantom it was trained on."""

each_method = pytest.mark.parametrize("method", all_methods(), ids=lambda m: m.spec.name)


def _target(batch: Batch, name: str) -> torch.Tensor:
    return batch.target if name == "target" else batch.maps[name]


def test_names_are_unique_and_unknown_ones_are_answered_with_the_known() -> None:
    assert len({m.spec.name for m in all_methods()}) == len(all_methods())
    assert all(method_named(m.spec.name) is m for m in all_methods())
    with pytest.raises(InvalidInput, match="effdnet"):
        method_named("efdnet")


@each_method
def test_presets_fit_the_method(method: type[Method]) -> None:
    presets = method.spec.presets
    assert "quick" in presets
    for preset in presets.values():
        assert isinstance(preset.options, method.spec.Config)
        assert preset.note.endswith(".")
    settings = set(TrainConfig.model_fields) & set(method.spec.Config.model_fields)
    assert not settings, "an option named like a training setting can't be told from it"


@each_method
def test_it_can_be_built_with_its_own_defaults(method: type[Method]) -> None:
    """On a device without memory: the papers' networks are large."""
    with torch.device("meta"):
        model = method(TWO_BALLS.n_classes, method.spec.Config())
    assert any(p.requires_grad for p in model.parameters())


@each_method
def test_cases_that_lack_a_class_or_all_strokes_are_prepared(method: type[Method]) -> None:
    case = two_ball_case(shape=(2, 16, 16))
    assert case.scribbles is not None
    lacking = replace(case, scribbles=np.where(case.scribbles == 2, 0, case.scribbles))
    blank = replace(case, scribbles=np.zeros_like(case.scribbles))
    options = method.spec.presets["quick"].options
    for one in (lacking, blank, replace(case, scribbles=None)):
        for name, array in method.prepare(one, options).items():
            assert array.shape == case.image.shape, name
            assert np.isfinite(array).all()


@each_method
def test_says_in_a_sentence_why_it_can_not(method: type[Method]) -> None:
    names = TWO_BALLS.names
    can = Task(3, frozenset({0, 1, 2}), 2, 2, names)
    assert method.unsupported(can) is None
    for task in (
        replace(can, n_scribbled=0, scribbled_classes=frozenset(), n_references=0),
        replace(can, scribbled_classes=frozenset({1, 2}), n_references=0),
    ):
        reason = method.unsupported(task)
        assert reason is not None
        assert reason.endswith(".")


@each_method
def test_every_term_is_finite_and_every_weight_learns(method: type[Method]) -> None:
    model = quick_method(method).train()
    terms = model.losses(phantom_batch(method), step=1)
    for name, term in terms.items():
        assert torch.isfinite(term), name
        gradients = torch.autograd.grad(
            term,
            [p for p in model.parameters() if p.requires_grad],
            retain_graph=True,
            allow_unused=True,
        )
        assert any(g is not None and g.abs().sum() > 0 for g in gradients), f"{name} is idle"
    torch.stack(list(terms.values())).sum().backward()
    idle = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle


@each_method
def test_partial_terms_teach_labelled_voxels_only(method: type[Method]) -> None:
    model = quick_method(method).train()
    batch = phantom_batch(method)
    seen: list[torch.Tensor] = []
    ending = JUDGED.get(method.spec.name, "head")
    heads = [m for n, m in model.named_modules() if n.endswith(ending) and "teacher" not in n]
    for head in heads:
        head.register_forward_hook(lambda _m, _i, out: (out.retain_grad(), seen.append(out))[1])
    terms = model.losses(batch, step=1)
    assert PARTIAL_TERMS[method.spec.name]
    for name, target_name in PARTIAL_TERMS[method.spec.name].items():
        logits = seen[0]
        logits.grad = None
        terms[name].backward(retain_graph=True)
        assert logits.grad is not None
        taught = logits.grad.abs().sum(1) > 0
        labelled = _target(batch, target_name) != IGNORE
        assert taught.any()
        assert not (taught & ~labelled).any(), name


@each_method
def test_a_batch_without_labels_trains_on(method: type[Method]) -> None:
    model = quick_method(method).train()
    terms = model.losses(phantom_batch(method, unlabelled=True), step=1)
    loss = torch.stack(list(terms.values())).sum()
    assert torch.isfinite(loss)
    loss.backward()


@each_method
def test_a_class_that_no_slice_of_the_batch_has_does_no_harm(method: type[Method]) -> None:
    batch = phantom_batch(method)
    lacking = {n: torch.where(m == 2, IGNORE, m) for n, m in batch.maps.items()}
    target = torch.where(batch.target == 2, IGNORE, batch.target)
    terms = quick_method(method).losses(replace(batch, target=target, maps=lacking), step=1)
    assert all(torch.isfinite(term) for term in terms.values())


@each_method
def test_any_slice_size_is_predicted(method: type[Method]) -> None:
    model = quick_method(method).eval()
    sizes = ((33, 47), (16, 80), (5, 5))
    if method.sample == "patch":
        sizes = ((9, 33, 47), (1, 16, 80), (3, 5, 5))
    for size in sizes:
        with torch.no_grad():
            assert model(torch.zeros(1, 1, *size)).shape == (1, TWO_BALLS.n_classes, *size)


@each_method
def test_two_runs_with_one_seed_agree(method: type[Method], tmp_path) -> None:
    losses = []
    for folder in ("first", "second"):
        run = phantom_run(tmp_path, method, folder=folder, steps=3)
        events = list(train(run))
        losses.append([e.loss for e in events if isinstance(e, Stepped)][-1])
        assert isinstance(events[-1], Finished)
    assert losses[0] == losses[1]


@each_method
def test_saved_and_loaded_it_predicts_the_same(method: type[Method], tmp_path) -> None:
    run = phantom_run(tmp_path, method, steps=3)
    list(train(run))
    image = two_ball_case(seed=5).image
    first = predict_case(load_model(run), image)
    second = predict_case(load_model(run.path), image)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_allclose(first.probabilities.sum(0), 1.0, atol=1e-5)
    assert first.segmentation.shape == image.shape
    assert 0 <= first.uncertainty.min() <= first.uncertainty.max() <= 1


@each_method
def test_it_learns_the_phantom(method: type[Method], tmp_path) -> None:
    steps, least = LEARNT[method.spec.name]
    run = phantom_run(
        tmp_path,
        method,
        steps=steps,
        precision="auto",
        threads=0,
        flips=True,
    )
    list(train(run))
    case = run.files("train")[0].load(TWO_BALLS)
    segmentation = predict_case(load_model(run), case.image).segmentation
    assert case.reference is not None
    for k in (1, 2):
        assert dice(segmentation == k, case.reference == k) > least


@each_method
def test_it_stops_within_a_step_of_being_asked(method: type[Method], tmp_path) -> None:
    run = phantom_run(tmp_path, method, steps=1000)
    events = train(run)
    for event in events:
        if isinstance(event, Stepped):
            run.request("stop")
            asked = event.step
            break
    end = list(events)[-1]
    assert isinstance(end, Finished)
    assert end.outcome == "stopped"
    assert end.step <= asked + 1


@each_method
def test_a_mirrored_image_is_seen_mirrored_by_the_pipeline(method: type[Method]) -> None:
    """A network that only looks at brightness must commute with flips of the volume."""
    network = quick_method(method).eval()
    network.forward = lambda image: torch.cat([-image, image, image * 0], 1)  # type: ignore[method-assign]
    model = Model(network, TWO_BALLS, 1.3, choose_machine("cpu", "float32"), step=0)
    image = two_ball_case().image
    plain = predict_case(model, image).probabilities
    for axis in (0, 1, 2):
        mirrored = Volume(np.flip(image.array, axis).copy(), image.grid)
        flipped = predict_case(model, mirrored).probabilities
        np.testing.assert_allclose(np.flip(flipped, axis + 1), plain, atol=1e-5)
