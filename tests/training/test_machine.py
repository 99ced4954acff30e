"""Which device computes, in which arithmetic; what this computer can't do is said in a sentence."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.training.machine import choose_machine, choose_threads


def test_threads_are_those_wanted_or_the_fastest(monkeypatch) -> None:
    before = torch.get_num_threads()
    try:
        cpu = choose_machine("cpu", "float32")
        assert choose_threads(cpu, 1) == torch.get_num_threads() == 1
        for fastest in (1, 3):
            torch.set_num_threads(3)
            seconds = {n: 1.0 + (n != fastest) for n in (1, 3)}
            monkeypatch.setattr(
                "napari_scribseg.training.machine._trial_seconds", lambda _, n, s=seconds: s[n]
            )
            assert choose_threads(cpu) == torch.get_num_threads() == fastest
    finally:
        torch.set_num_threads(before)


def test_the_cpu_as_asked() -> None:
    machine = choose_machine("cpu", "float32")
    assert (str(machine), machine.precision) == ("cpu", "float32")
    assert choose_machine("cpu", "bfloat16").dtype is torch.bfloat16


@pytest.mark.parametrize(("faster", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_the_faster_arithmetic_of_a_cpu(faster, precision, monkeypatch) -> None:
    monkeypatch.setattr("napari_scribseg.training.machine.is_bfloat16_faster", lambda: faster)
    assert choose_machine("cpu", "auto").precision == precision


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_device(cuda, mps, chosen, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_machine("auto", "float32").device.type == chosen


@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float16")])
def test_auto_takes_float16_on_a_gpu_that_only_emulates_bfloat16(
    native, precision, monkeypatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: native)
    assert choose_machine("cuda:0", "auto").precision == precision


def test_float16_on_the_cpu_is_refused() -> None:
    with pytest.raises(InvalidInput, match="float16 needs a GPU"):
        choose_machine("cpu", "float16")


@pytest.mark.parametrize(("count", "device"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2")])
def test_a_gpu_that_is_not_there_is_refused_with_what_there_is(count, device, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(InvalidInput, match=f"'{device}' .* sees {count} CUDA device"):
        choose_machine(device)


def test_mps_elsewhere_than_on_an_apple_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InvalidInput, match="Apple GPU"):
        choose_machine("mps")


@pytest.mark.parametrize("word", ["gpu", "", "meta", "cuda:x", "CPU"])
def test_an_unknown_device_is_answered_with_the_known_ones(word) -> None:
    with pytest.raises(InvalidInput, match="Choose auto, cpu, cuda, cuda:1 or mps"):
        choose_machine(word)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_convolutions_use_the_arithmetic_and_weights_stay_float32(precision) -> None:
    machine = choose_machine("cpu", precision)
    layer = machine.place(nn.Conv2d(1, 2, 3))
    image = torch.zeros(1, 1, 8, 8).to(memory_format=machine.memory_format)
    with machine.autocast():
        assert layer(image).dtype is machine.dtype
    assert layer.weight.dtype is torch.float32
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
