"""Cases of several sequences through the engine: what every method sees, learns and predicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_sequence_case, two_sequence_dataset
from small_runs import tiny

from napari_scribseg.batches.augmentation import Slice, augmented
from napari_scribseg.batches.slices import image_slices
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.dataset import Dataset, read_dataset
from napari_scribseg.evaluation.metrics import dice
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.registry import all_methods, method_named
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.anatomy_weights import FOLDER, begin_with_anatomy
from napari_scribseg.training.fitted_answer import fitted_answer
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.model_export import card_of, export_model
from napari_scribseg.training.network_export import export_network
from napari_scribseg.training.new_run import prepare_run
from napari_scribseg.training.predict import load_model, predict_case
from napari_scribseg.training.prepare import empty_samples
from napari_scribseg.training.train import train
from napari_scribseg.training.windows import window_means

each_method = pytest.mark.parametrize("method", all_methods(), ids=lambda m: m.spec.name)
CHANGES = {"patch": (48, 48), "batch_size": 4, "precision": "float32", "device": "cpu"}


def trained_on_adc(tmp_path: Path) -> tuple[Dataset, RunFolder]:
    """Cases of T2 and ADC, and a run of one step that sees ADC alone."""
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 3))
    run = prepare_run(
        dataset,
        tmp_path / "run",
        method="partial_ce",
        changes={**CHANGES, "steps": 1},
        sequences=("ADC",),
    )
    list(train(run))
    return dataset, run


@each_method
def test_every_method_learns_from_both_sequences(method: type[Method]) -> None:
    case = two_sequence_case(0, shape=(4, 32, 32))
    options = method.fitted(method.spec.presets["quick"].options, [(8.0, 1.5, 1.5)])
    config = TrainConfig().updated({**tiny(method), "patch": (32, 32)})
    samples = empty_samples(method, options, TWO_BALLS, 1.5)
    samples.add(case, method.prepare(case, options), unlabelled=True)
    torch.manual_seed(0)
    model = method.made_for(TWO_BALLS.n_classes, options, 2).train()
    batch = samples.batch(1, config, 0.9)
    assert batch.image.shape[1] == 2
    torch.stack(list(model.losses(batch, 1).values())).sum().backward()
    first = next(p for p in model.parameters() if p.requires_grad and p.ndim >= 4)
    assert first.grad is not None
    halves = first.grad.chunk(2, dim=1)
    assert all(float(half.abs().max()) > 0 for half in halves)
    with torch.no_grad():
        logits = model.eval()(batch.image)
    assert logits.shape == (len(batch.image), TWO_BALLS.n_classes, *batch.image.shape[2:])


WITH_NETWORK = {"unet": "partial_ce", "unet_modified": "em_crf", "unet_wide": "exmod"}
OF_VOLUMES = {"unet25d"}
"""Parts of that method begin at random; its backbone is tested in test_fitted_head.py."""


def test_every_file_of_weights_is_tested_in_several_channels() -> None:
    assert {p.stem for p in FOLDER.glob("*.json")} == WITH_NETWORK.keys() | OF_VOLUMES


@pytest.mark.parametrize("name", sorted(WITH_NETWORK.values()))
def test_anatomy_in_several_channels_that_are_alike_is_anatomy_in_one(name: str) -> None:
    kind = method_named(name)
    options = kind.spec.presets["quick"].options
    image = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    outputs = []
    for n_channels in (1, 3):
        torch.manual_seed(0)
        model = kind.made_for(3, options, n_channels).eval()
        begin_with_anatomy(model)
        for head in model.heads():
            torch.nn.init.constant_(head.weight, 0.01)
            if head.bias is not None:
                torch.nn.init.zeros_(head.bias)
        with torch.no_grad():
            outputs.append(model(image.expand(-1, n_channels, -1, -1)))
    torch.testing.assert_close(*outputs, atol=1e-4, rtol=1e-4)


def test_a_run_learns_what_only_both_sequences_show_and_takes_them_by_name(tmp_path) -> None:
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 3))
    run = prepare_run(
        dataset, tmp_path / "run", method="partial_ce", changes={**CHANGES, "steps": 80}
    )
    assert run.record.sequences == ("T2", "ADC")
    assert list(train(run))[-1].outcome == "completed"
    model = load_model(run, device="cpu")
    case = dataset.split("test")[0].load(dataset.schema)
    found = predict_case(model, case.image)
    assert case.reference is not None
    for k in (1, 2):
        assert dice(found.segmentation == k, case.reference == k) > 0.6
    turned = Volume(
        case.image.further["ADC"], case.grid, sequence="adc", further={"T2": case.image.array}
    )
    np.testing.assert_array_equal(predict_case(model, turned).segmentation, found.segmentation)
    with pytest.raises(InvalidInput, match="has no T2, ADC"):
        predict_case(model, Volume(case.image.array, case.grid))


def test_one_chosen_sequence_is_a_run_of_one_channel(tmp_path) -> None:
    dataset, run = trained_on_adc(tmp_path)
    model = load_model(run, device="cpu")
    assert (model.method.n_channels, model.sequences) == (1, ("ADC",))
    image = dataset.split("test")[0].read_image()
    alone = Volume(image.further["ADC"], image.grid)
    assert np.array_equal(
        predict_case(model, image).probabilities, predict_case(model, alone).probabilities
    )


def test_a_missing_sequence_is_refused_before_anything_is_written(tmp_path) -> None:
    folder = two_sequence_dataset(tmp_path / "data", 3)
    (folder / "imagesTr" / "patient01_0001.nii.gz").unlink()
    dataset = read_dataset(folder)
    with pytest.raises(InvalidInput, match="case patient01 has no ADC"):
        prepare_run(dataset, tmp_path / "run", method="partial_ce")
    assert not (tmp_path / "run").exists()
    one = prepare_run(dataset, tmp_path / "run", method="partial_ce", sequences=("T2",))
    assert one.record.sequences == ("T2",)


def test_going_on_wants_the_same_sequences(tmp_path) -> None:
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 3))
    changes = {**CHANGES, "steps": 1}
    first = prepare_run(dataset, tmp_path / "first", method="partial_ce", changes=changes)
    list(train(first))
    second = prepare_run(dataset, tmp_path / "second", method="partial_ce", continues=first)
    assert second.record.sequences == ("T2", "ADC")
    with pytest.raises(InvalidInput, match="only fit the same sequences"):
        prepare_run(
            dataset, tmp_path / "third", method="partial_ce", continues=first, sequences=("T2",)
        )


def test_what_one_sequence_taught_is_not_continued_on_another(tmp_path) -> None:
    dataset, first = trained_on_adc(tmp_path)
    with pytest.raises(InvalidInput, match="has learnt ADC, the new run shall learn T2"):
        prepare_run(
            dataset, tmp_path / "second", method="partial_ce", continues=first, sequences=("T2",)
        )
    assert not (tmp_path / "second").exists()


def test_weights_of_other_sequences_than_the_record_says_are_refused(tmp_path) -> None:
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 3))
    run = prepare_run(
        dataset, tmp_path / "run", method="partial_ce", changes={**CHANGES, "steps": 1}
    )
    list(train(run))
    text = (run.path / "run.json").read_text(encoding="utf-8")
    (run.path / "run.json").write_text(text.replace('"ADC"', '"DWI"'), encoding="utf-8")
    with pytest.raises(RunError, match="it sees the sequences T2, ADC, and run.json says T2, DWI"):
        load_model(RunFolder.open(run.path), device="cpu")


def test_an_answer_at_once_looks_at_every_sequence() -> None:
    case = two_sequence_case(0)
    found = fitted_answer(case, TWO_BALLS, device="cpu")
    assert case.reference is not None
    both = [dice(found.segmentation == k, case.reference == k) for k in (1, 2)]
    alone = replace(case, image=Volume(case.image.array, case.grid))
    lacking = fitted_answer(alone, TWO_BALLS, device="cpu").segmentation
    assert min(both) > 0.6
    assert dice(lacking == 2, case.reference == 2) < both[1]


def test_every_sequence_is_normalised_on_its_own() -> None:
    image = two_sequence_case(0).image
    shown = image_slices(image.channels, image.spacing, 1.5)
    for channel, array in enumerate(image.channels):
        alone = image_slices(array, image.spacing, 1.5)
        assert torch.equal(shown[:, channel : channel + 1], alone)


def test_grey_levels_of_each_sequence_vary_on_their_own_and_places_together() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(32, 32)
    item = Slice(
        torch.stack([ramp, ramp]),
        torch.zeros(1, 32, 32, dtype=torch.int16),
        torch.zeros(0, 32, 32),
        torch.tensor([[16, 16]]),
        "a",
        2,
    )
    still = TrainConfig().updated({"patch": (32, 32), "intensity": 0.0})
    image, _, _ = augmented([item], still, np.random.default_rng(0))
    assert torch.equal(image[:, 0], image[:, 1])
    varied, _, _ = augmented([item], still.updated({"intensity": 0.3}), np.random.default_rng(0))
    assert not torch.allclose(varied[:, 0], varied[:, 1], atol=0.05)


def test_air_around_a_slice_is_the_lowest_value_of_each_sequence() -> None:
    plane = torch.ones(2, 8, 8) * torch.tensor([-1.0, -3.0])[:, None, None]
    nothing = torch.zeros(1, 8, 8, dtype=torch.int16)
    item = Slice(plane, nothing, torch.zeros(0, 8, 8), torch.zeros(0, 2, dtype=torch.int64), "a", 2)
    config = TrainConfig().updated({"patch": (32, 32), "intensity": 0.0})
    image, _, _ = augmented([item], config, np.random.default_rng(0))
    torch.testing.assert_close(image[0, 0], torch.full((32, 32), -1.0))
    torch.testing.assert_close(image[0, 1], torch.full((32, 32), -3.0))


def test_windows_show_every_sequence_in_its_place() -> None:
    class Same(PartialCE):
        sample = "patch"

        @classmethod
        def patch_depth(cls, options) -> int:
            return 2

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.cat([image, image[:, :1] * 0], 1)

    method = Same(3, PartialCE.spec.Config(), 2)
    slices = torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    means = torch.cat([m for _, m in window_means(method, slices, choose_machine("cpu"))], 1)
    expected = torch.cat([slices, slices[:, :1] * 0], 1).softmax(1).movedim(1, 0)
    torch.testing.assert_close(means, expected)


def test_a_method_that_knows_one_channel_only_says_so() -> None:
    class Old(PartialCE):
        def __init__(self, n_classes, options) -> None:
            super().__init__(n_classes, options)

    assert Old.made_for(3, PartialCE.spec.Config(), 1).n_channels == 1
    with pytest.raises(TaskNotSupported, match="learns from one sequence, and the cases have 2"):
        Old.made_for(3, PartialCE.spec.Config(), 2)


def test_models_that_are_given_away_name_their_sequences(tmp_path) -> None:
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 3))
    changes = {**CHANGES, "steps": 1}
    run = prepare_run(dataset, tmp_path / "run", method="partial_ce", changes=changes)
    list(train(run))
    path = export_network(run, tmp_path / "network.ts", "torchscript")
    notes = {"scribseg.json": ""}
    network = torch.jit.load(path, _extra_files=notes)
    assert json.loads(notes["scribseg.json"])["input"]["channels"] == ["T2", "ADC"]
    assert network(torch.zeros(1, 2, 32, 32)).shape == (1, 3, 32, 32)
    with pytest.raises(InvalidInput, match="sees 2 sequences"):
        export_network(run, tmp_path / "bundle.zip", "monai-bundle")
    model = load_model(export_model(run, tmp_path / "model.scribseg"), device="cpu")
    assert model.sequences == ("T2", "ADC")
    assert "several sequences of a patient (T2, ADC" in card_of(tmp_path / "model.scribseg")
