"""The last layer fitted to strokes, and trainings that begin with weights that know anatomy."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case
from small_runs import phantom_run

from napari_scribseg.batches.slices import image_slices
from napari_scribseg.cli import main
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.methods.dmpls.method import DMPLS
from napari_scribseg.methods.effdnet.method import EFFDNet
from napari_scribseg.methods.full_2d.method import Full2D
from napari_scribseg.methods.full_25d.method import Full25D
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.registry import all_methods
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training import anatomy_weights, fitted_head
from napari_scribseg.training.anatomy_weights import (
    NETWORKS,
    begin_with_anatomy,
    read_weights_of,
    refuse_without_anatomy,
)
from napari_scribseg.training.beginning import begin
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.fitted_answer import fitted_answer
from napari_scribseg.training.fitted_head import Known, fit_logistic
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.predict import load_model, predict_case
from napari_scribseg.training.prepare import empty_samples
from napari_scribseg.training.train import train


def _clouds(n: int = 300) -> Known:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 5], [4, 0, 5], [0, 4, 5]])
    classes = rng.integers(0, 3, n)
    return Known(centres[classes] + rng.normal(0, 0.5, (n, 3)), classes)


def test_what_a_line_separates_is_separated() -> None:
    known = _clouds()
    weights, constants = fit_logistic(known, 3)
    found = (known.features @ weights.T + constants).argmax(1)
    assert (found == known.classes).all()


def test_it_is_the_minimum_that_newtons_method_finds() -> None:
    known, ridge = _clouds(120), 0.05
    weights, constants = fit_logistic(known, 3, balance=0.5, ridge=ridge)
    mean, deviation = known.features.mean(0), known.features.std(0)
    x = torch.from_numpy((known.features - mean) / deviation)
    y = torch.from_numpy(known.classes)
    importance = torch.bincount(y).double() ** -0.5

    def cost(flat: torch.Tensor) -> torch.Tensor:
        w = flat.reshape(3, 4)
        cross = torch.nn.functional.cross_entropy(x @ w[:, :3].T + w[:, 3], y, importance)
        return cross + ridge * (w[:, :3] ** 2).sum() + 1e-9 * (w[:, 3] ** 2).sum()

    flat = torch.zeros(12, dtype=torch.float64)
    for _ in range(30):
        gradient = torch.func.grad(cost)(flat)
        flat = flat - torch.linalg.solve(torch.func.hessian(cost)(flat), gradient)
    w = flat.reshape(3, 4).numpy()
    expected = w[:, :3] / deviation
    probabilities = [
        torch.softmax(torch.from_numpy(known.features @ a.T + b), 1).numpy()
        for a, b in ((weights, constants), (expected, w[:, 3] - expected @ mean))
    ]
    np.testing.assert_allclose(weights, expected, atol=2e-3)
    np.testing.assert_allclose(*probabilities, atol=1e-3)


def test_a_class_of_which_nothing_is_known_stays_unlikely() -> None:
    known = _clouds()
    weights, constants = fit_logistic(known, 5)
    found = (known.features @ weights.T + constants).argmax(1)
    assert (found == known.classes).all()
    assert not weights[3:].any()


def test_no_step_gives_a_model_that_segments(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=0, start="anatomy")
    end = list(train(run))[-1]
    assert (end.outcome, end.step) == ("completed", 0)
    model = load_model(run)
    case = run.files("train")[0].load(TWO_BALLS)
    found = predict_case(model, case.image, uncertainty=False).segmentation
    assert set(np.unique(found)) <= {0, 1, 2}
    drawn = case.reference > 0
    assert (found[drawn] == case.reference[drawn]).mean() > 0.5


def test_random_weights_and_no_step_are_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="a method and a preset that begin with weights"):
        phantom_run(tmp_path, PartialCE, steps=0, start="random")
    assert not (tmp_path / "run").exists()


def test_resuming_a_training_from_anatomy_is_exact(tmp_path) -> None:
    settings = {"steps": 4, "start": "anatomy"}
    unbroken = phantom_run(tmp_path, PartialCE, folder="unbroken", **settings)
    list(train(unbroken))
    broken = phantom_run(tmp_path, PartialCE, folder="broken", **settings)
    events = train(broken)
    next(e for e in events if e.kind == "stepped")
    broken.request("stop")
    list(events)
    broken.clear_requests()
    list(train(broken, resume=True))
    first, second = (load_checkpoint(r.checkpoint("last"))[0]["model"] for r in (unbroken, broken))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert unbroken.record.began_with == "weights that know synthetic anatomy"


def test_student_and_teacher_both_decoders_and_every_head_begin_alike(tmp_path) -> None:
    run = phantom_run(tmp_path, EFFDNet, steps=0, start="anatomy")
    list(train(run))
    weights = load_checkpoint(run.checkpoint("last"))[0]["model"]
    known = read_weights_of("unet")
    for name, tensor in known.items():
        if not name.startswith("head"):
            assert torch.equal(weights[f"student.{name}"], tensor), name
    assert torch.equal(weights["student.head.weight"], weights["teacher.head.weight"])
    assert weights["student.head.weight"][:, :, 1, 1].abs().sum() > 0
    assert not weights["student.head.weight"][:, :, 0].any()
    method = DMPLS(3, DMPLS.spec.presets["quick"].options)
    begin_with_anatomy(method)
    network = method.network.state_dict()
    assert torch.equal(network["second_decoder.0.0.weight"], network["decoder.0.0.weight"])


@pytest.mark.parametrize("anisotropy", [2.0, 4.0, 7.0, 14.0])
def test_weights_for_volumes_fit_other_distances_of_slices(anisotropy: float) -> None:
    """Kernels that become deep, or flat, give nearly the same features of a smooth volume."""
    known = NETWORKS["unet25d"](15)
    known.load_state_dict(read_weights_of("unet25d"), strict=False)
    options = Scribble2D5.spec.presets["quick"].options.updated({"anisotropy": anisotropy})
    method = Scribble2D5(3, options)
    begin_with_anatomy(method)
    torch.manual_seed(0)
    image = torch.randn(1, 1, 1, 64, 64).cumsum(-1).cumsum(-2).expand(-1, -1, 16, -1, -1) / 50
    with torch.no_grad():
        here = method.eval().backbone(image).decoder[1][:, :, 6:10]
        there = known.eval().backbone(image).decoder[1][:, :, 6:10]
    assert torch.corrcoef(torch.stack([here.flatten(), there.flatten()]))[0, 1] > 0.99


def test_sequences_of_volumes_share_the_weights_of_one() -> None:
    options = Scribble2D5.spec.presets["quick"].options.updated({"anisotropy": 7.0})
    one, three = Scribble2D5(3, options), Scribble2D5(3, options, 3)
    for method in (one, three):
        begin_with_anatomy(method)
    image = torch.randn(1, 1, 8, 64, 64)
    with torch.no_grad():
        alone = one.eval().backbone(image).decoder[1]
        together = three.eval().backbone(image.expand(-1, 3, -1, -1, -1)).decoder[1]
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=1e-3)


def test_first_and_final_segmentation_of_volumes_are_both_fitted(tmp_path) -> None:
    run = phantom_run(tmp_path, Scribble2D5, steps=0, start="anatomy")
    list(train(run))
    model = load_model(run)
    case = run.files("train")[0].load(TWO_BALLS)
    drawn = case.reference > 0
    image = torch.from_numpy(case.image.array)[None, None]
    image = (image - image.mean()) / image.std()
    with torch.no_grad():
        final, initial, _ = model.method.segment(image)
    for logits in (final, initial):
        found = logits[0].argmax(0).numpy()
        assert (found[drawn] == case.reference[drawn]).mean() > 0.5
        assert (found[~drawn] == 0).mean() > 0.8


@pytest.mark.parametrize(
    ("shape", "at"), [((40, 32, 32), 20), ((17, 31, 37), 16), ((1, 31, 37), 0)]
)
def test_strokes_on_few_slices_of_a_large_volume_are_found(shape, at, monkeypatch) -> None:
    """Stacks that nobody drew on are not shown in the place of those with strokes."""
    monkeypatch.setattr(fitted_head, "_MOST_SLICES", 16)
    case = two_ball_case(shape)
    case = replace(case, scribbles=np.zeros(shape, np.uint8))
    case.scribbles[at, 5:9, 5] = 1
    case.scribbles[at, 5:9, 15] = 2
    case.scribbles[at, 20, 5:20] = 255
    options = Scribble2D5.spec.presets["quick"].options.updated({"anisotropy": 7.0})
    samples = empty_samples(Scribble2D5, options, TWO_BALLS, 1.5)
    samples.add(case, {}, unlabelled=False)
    method = Scribble2D5(3, options)
    config = TrainConfig(start="anatomy", steps=0, device="cpu", precision="float32")
    begin(method, samples, config, choose_machine("cpu", "float32"))
    assert [np.ptp(head.bias.detach().numpy()) > 0 for head in method.heads()] == [True, True]
    assert all(head.weight.abs().amax((1, 2, 3, 4)).min() > 0 for head in method.heads())


def test_a_class_on_a_single_of_many_slices_is_in_the_fitted_head(monkeypatch) -> None:
    monkeypatch.setattr(fitted_head, "_MOST_SLICES", 8)
    case = two_ball_case((40, 32, 32))
    case = replace(case, scribbles=np.zeros((40, 32, 32), np.uint8))
    case.scribbles[:, 5:9, 5], case.scribbles[:, 20, 5:20] = 1, 255
    case.scribbles[21, 5:9, 15] = 2
    options = PartialCE.spec.presets["quick"].options
    samples = empty_samples(PartialCE, options, TWO_BALLS, 1.5)
    samples.add(case, {}, unlabelled=False)
    method = PartialCE(3, options)
    config = TrainConfig(start="anatomy", steps=0, device="cpu", precision="float32")
    begin(method, samples, config, choose_machine("cpu", "float32"))
    (head,) = method.heads()
    assert head.weight.abs().amax((1, 2, 3)).min() > 0


def test_a_method_of_references_fits_its_head_to_them() -> None:
    case = replace(two_ball_case(), scribbles=None)
    options = Full2D.spec.presets["quick"].options
    samples = empty_samples(Full2D, options, TWO_BALLS, 1.5)
    samples.add(case, Full2D.prepare(case, options), unlabelled=True)
    method = Full2D(3, options)
    config = TrainConfig(start="anatomy", steps=0, device="cpu", precision="float32")
    machine = choose_machine("cpu", "float32")
    begin(method, samples, config, machine)
    image = image_slices(case.image.channels, case.image.spacing, 1.5)
    with torch.no_grad():
        found = method.eval()(image).argmax(1)
    assert set(found.unique().tolist()) == {0, 1, 2}


def test_weights_of_another_norm_are_refused() -> None:
    """Those of batch norm mean nothing to group norm, although they have the same names."""
    options = Scribble2D5.spec.presets["quick"].options
    refuse_without_anatomy(Scribble2D5, 4, options)
    with pytest.raises(TaskNotSupported, match="start=random"):
        refuse_without_anatomy(Scribble2D5, 4, options.updated({"norm": "group"}))


def test_a_network_without_such_weights_is_refused_with_a_way_out(tmp_path) -> None:
    run = phantom_run(tmp_path, Full25D, steps=1, start="anatomy")
    with pytest.raises(TaskNotSupported, match="start=random"):
        list(train(run))


def test_several_channels_get_the_weights_of_the_one(monkeypatch) -> None:
    from napari_scribseg.networks.unet import UNet

    method = PartialCE(3, PartialCE.spec.presets["quick"].options)
    method.network = UNet(3, in_channels=4)
    begin_with_anatomy(method)
    first = method.network.encoder[0][0].weight
    known = read_weights_of("unet")["encoder.0.0.weight"]
    torch.testing.assert_close(first.sum(1, keepdim=True), known)


def test_weights_with_another_check_sum_are_refused(tmp_path, monkeypatch) -> None:
    shutil.copytree(anatomy_weights.FOLDER, tmp_path / "weights")
    path = tmp_path / "weights" / "unet.safetensors"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    monkeypatch.setattr(anatomy_weights, "FOLDER", tmp_path / "weights")
    read_weights_of.cache_clear()
    try:
        with pytest.raises(RunError, match="check sum"):
            read_weights_of("unet")
    finally:
        read_weights_of.cache_clear()


@pytest.mark.parametrize(
    "path", sorted(anatomy_weights.FOLDER.glob("*.json")), ids=lambda p: p.stem
)
def test_weights_say_how_they_were_made_and_fit_the_network_of_their_name(path) -> None:
    told = json.loads(path.read_text())
    assert told["licence"] == "CC0-1.0"
    assert told["steps"] > 0
    assert path.with_suffix(".safetensors").stat().st_size < 5e6
    network = NETWORKS[path.stem](15)
    missing = network.load_state_dict(read_weights_of(path.stem), strict=False)
    assert not missing.unexpected_keys
    assert all(name.endswith("num_batches_tracked") for name in missing.missing_keys)


def test_an_answer_at_once_is_on_the_grid_of_the_case_and_better_than_chance() -> None:
    case = two_ball_case()
    found = fitted_answer(case, TWO_BALLS, device="cpu")
    assert found.probabilities.shape == (3, *case.image.shape)
    np.testing.assert_allclose(found.probabilities.sum(0), 1, atol=1e-3)
    drawn = case.reference > 0
    assert (found.segmentation[drawn] == case.reference[drawn]).mean() > 0.5


def test_an_answer_at_once_wants_every_class_drawn() -> None:
    case = two_ball_case()
    lacking = replace(case, scribbles=np.where(case.scribbles == 2, 0, case.scribbles))
    with pytest.raises(TaskNotSupported, match="every class"):
        fitted_answer(lacking, TWO_BALLS, device="cpu")


@pytest.mark.parametrize("kind", all_methods(), ids=lambda kind: kind.spec.name)
def test_presets_begin_with_anatomy_only_where_there_are_weights_and_papers_never(kind) -> None:
    for name, preset in kind.spec.presets.items():
        if preset.training.start == "anatomy":
            assert name != "paper"
            refuse_without_anatomy(kind, 4, preset.options)


def test_no_minutes_on_the_command_line_are_no_steps(tmp_path, capsys) -> None:
    data = phantom_dataset(tmp_path / "data", 2)
    words = ["train", str(data), "--method", "partial_ce", "--minutes", "0"]
    out = tmp_path / "run"
    assert main([*words, "--out", str(out), "--set", "start=random"]) != 0
    assert "start=anatomy" in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--out", str(out), "--set", "threads=1"]) == 0
    assert "weights that know synthetic anatomy" in capsys.readouterr().err
    record = RunFolder.open(out).record
    assert (record.training.steps, record.training.minutes) == (0, None)
