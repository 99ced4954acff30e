"""Checkpoints: what was saved comes back to the bit, and no damage goes unnoticed."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from napari_scribseg.core.errors import RunError
from napari_scribseg.training.checkpoint import (
    CheckpointInfo,
    load_checkpoint,
    optimiser_tensors,
    restore_optimiser,
    save_checkpoint,
)

INFO = CheckpointInfo(
    method="partial_ce",
    options={"tau": 0.99, "words": ["ä", "b"]},
    n_classes=3,
    spacing_mm=1.5,
    step=7,
    seconds=1.25,
    batch_size=4,
    best_score=1 / 3,
)


def _groups() -> dict[str, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 3, generator=generator)
    return {
        "model": {
            "a.weight": weight,
            "tied": weight,
            "strided": weight.T,
            "half": weight.bfloat16(),
            "count": torch.tensor(5),
            "none": torch.zeros(0, 3),
        },
        "average": {"a.weight": 2 * weight},
    }


def _assert_equal(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    for group, tensors in first.items():
        assert tensors.keys() == second[group].keys()
        for name, tensor in tensors.items():
            assert tensor.dtype == second[group][name].dtype
            assert torch.equal(tensor, second[group][name]), name


def test_tensors_and_everything_else_come_back(tmp_path) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _groups(), INFO)
    groups, info = load_checkpoint(path)
    _assert_equal(groups, _groups())
    assert info == INFO
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p, 0.1),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    ],
    ids=["adamw", "sgd"],
)
def test_an_optimiser_goes_on_as_if_never_interrupted(make, tmp_path) -> None:
    def step(model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        model(image).square().sum().backward()
        optimiser.step()

    torch.manual_seed(0)
    image = torch.randn(2, 3, 8, 8)
    unbroken = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimiser = make(unbroken.parameters())
    step(unbroken, optimiser)
    path = tmp_path / "last.safetensors"
    groups = {"model": unbroken.state_dict(), "optimiser": optimiser_tensors(optimiser)}
    save_checkpoint(path, groups, INFO)

    groups, _ = load_checkpoint(path)
    resumed = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    resumed.load_state_dict(groups["model"])
    again = make(resumed.parameters())
    restore_optimiser(again, groups["optimiser"], list(resumed.parameters()))
    for _ in range(3):
        step(unbroken, optimiser)
        step(resumed, again)
    _assert_equal({"model": unbroken.state_dict()}, {"model": resumed.state_dict()})
    _assert_equal(
        {"optimiser": optimiser_tensors(optimiser)}, {"optimiser": optimiser_tensors(again)}
    )


@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_not_saved_and_the_old_file_stays(
    strange, tmp_path
) -> None:
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _groups(), INFO)
    before = path.read_bytes()
    broken = {"model": {"a.weight": torch.tensor([1.0, strange])}}
    with pytest.raises(RunError, match=r"model holds numbers that are not finite \(a\.weight\)"):
        save_checkpoint(path, broken, INFO)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_checkpoint_is_said_to_be_missing(tmp_path) -> None:
    with pytest.raises(RunError, match="There is no checkpoint best.safetensors"):
        load_checkpoint(tmp_path / "best.safetensors")


def _refused_or_equal(path) -> bool:
    """Whether loading was refused; fails if it was not and something else comes back."""
    try:
        groups, info = load_checkpoint(path)
    except RunError:
        return True
    _assert_equal(groups, _groups())
    assert info == INFO
    return False


def test_a_cut_checkpoint_is_refused(tmp_path) -> None:
    """200 places at which a disk may have been full, the empty file among them."""
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _groups(), INFO)
    whole = path.read_bytes()
    for length in [0, *random.Random(0).sample(range(1, len(whole)), 199)]:
        path.write_bytes(whole[:length])
        assert _refused_or_equal(path), f"cut to {length} of {len(whole)} bytes"


def test_a_flipped_byte_is_noticed(tmp_path) -> None:
    """200 places; only padding between header and tensors may change without harm."""
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, _groups(), INFO)
    whole = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= rng.randrange(1, 256)
        path.write_bytes(damaged)
        refused += _refused_or_equal(path)
    assert refused >= 195


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"PK\x03\x04 a zip", b"\x00" * 8 + b"{}"])
def test_a_file_of_another_kind_is_refused(content, tmp_path) -> None:
    path = tmp_path / "last.safetensors"
    path.write_bytes(content)
    with pytest.raises(RunError, match="is damaged"):
        load_checkpoint(path)


def test_a_folder_in_its_place_is_refused(tmp_path) -> None:
    with pytest.raises(RunError, match="is damaged"):
        load_checkpoint(tmp_path)
