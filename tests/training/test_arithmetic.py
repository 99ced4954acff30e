"""bfloat16 is chosen where it is faster, and a computer always gets the same answer."""

from __future__ import annotations

import json

import pytest
import torch

from napari_scribseg.training import arithmetic
from napari_scribseg.training.arithmetic import is_bfloat16_faster


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))
    is_bfloat16_faster.cache_clear()
    yield
    is_bfloat16_faster.cache_clear()


@pytest.fixture
def tried(monkeypatch) -> list[float]:
    """Ratios that trials will give, the next one first."""
    ratios: list[float] = []
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(arithmetic, "seconds_ratio", lambda: ratios.pop(0))
    return ratios


@pytest.mark.parametrize(("ratio", "faster"), [(0.8, False), (1.05, False), (1.9, True)])
def test_it_is_chosen_where_it_is_clearly_faster(ratio, faster, tried, tmp_path) -> None:
    tried.append(ratio)
    assert is_bfloat16_faster() is faster
    (entry,) = (tmp_path / "cache").glob("arithmetic-*.json")
    assert json.loads(entry.read_text())["float32_over_bfloat16"] == ratio


def test_a_second_program_gets_the_answer_of_the_first(tried) -> None:
    tried += [1.9, 0.8]
    assert is_bfloat16_faster()
    is_bfloat16_faster.cache_clear()
    assert is_bfloat16_faster()
    assert tried == [0.8], "it was not tried again"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bfloat16_is_faster"'])
def test_a_damaged_answer_is_found_again(text, tried, tmp_path) -> None:
    tried += [1.9, 1.9]
    is_bfloat16_faster()
    (entry,) = (tmp_path / "cache").glob("arithmetic-*.json")
    entry.write_text(text)
    is_bfloat16_faster.cache_clear()
    assert is_bfloat16_faster()
    assert json.loads(entry.read_text())["bfloat16_is_faster"] is True


def test_a_cache_that_cannot_be_written_is_no_hindrance(tried, tmp_path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    tried.append(1.9)
    assert is_bfloat16_faster()


@pytest.mark.parametrize(
    ("able", "faster"),
    [({"amx_bf16": True}, True), ({"avx512_bf16": False, "avx2": True}, False), ({}, False)],
)
def test_nothing_is_tried_where_the_processor_decides(able, faster, tried, monkeypatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert is_bfloat16_faster() is faster


def test_torch_that_is_too_old_to_tell_computes_in_float32(monkeypatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not is_bfloat16_faster()


def test_a_trial_changes_neither_threads_nor_random_numbers() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.manual_seed(5)
        state = torch.get_rng_state()
        assert arithmetic.seconds_ratio() > 0
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(before)
