"""The plan as plain values: labels, settings in words, folders, the user's own presets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import platformdirs
import pytest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui.batch.plan import (
    choice_of,
    free_label,
    proposed_folder,
    settings_in,
    text_of,
)
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry
from napari_scribseg.gui.own_presets import OwnPreset

QUICK = PresetEntry(
    name="quick", note="Fast.", options={"tau": 0.9, "k": 3}, training=TrainConfig(steps=400)
)
ENTRY = MethodEntry(
    name="effdnet", title="E", summary="", source="", options_schema={}, presets=(QUICK,)
)
MINE = OwnPreset(
    method="effdnet",
    name="my best",
    options={"tau": 0.5, "k": 3},
    training=TrainConfig(steps=900, batch_size=4, device="cuda", random_seed=7),
)


def test_no_two_rows_have_one_label():
    assert free_label("effdnet", "quick", []) == "effdnet"
    assert free_label("effdnet", "paper", ["EFFDNET"]) == "effdnet_paper"
    assert free_label("effdnet", "my best", ["effdnet", "effdnet_my_best"]) == "effdnet_2"
    assert free_label("m", "quick", ["m", "m_quick", "m_2", "m_3"]) == "m_4"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tau": 0.95, "patch": [192, 192], "flips": False},
        {"device": "cuda:1", "minutes": None, "note": "two words", "odd": "a,b"},
        {"like_a_number": "1", "nested": {"a": [1, 2]}},
    ],
)
def test_settings_come_back_from_their_line(settings):
    assert settings_in(text_of(settings)) == settings


def test_settings_are_written_as_on_the_command_line():
    assert settings_in("tau=0.95  patch=192,192 flips=false") == {
        "tau": 0.95,
        "patch": [192, 192],
        "flips": False,
    }
    with pytest.raises(InvalidInput, match="expected KEY=VALUE"):
        settings_in("tau 0.95")


def test_a_preset_of_one_s_own_is_written_out():
    choice = choice_of(ENTRY, MINE, "a", {"zoom": 0.1}, has_budget=False)
    assert choice.preset == "quick"
    assert choice.settings == {"tau": 0.5, "steps": 900, "batch_size": 4, "zoom": 0.1}
    assert "steps" not in choice_of(ENTRY, MINE, "a", {}, has_budget=True).settings


def test_the_proposed_folder_is_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path)
    first = proposed_folder(Path("Our data (2)"), date(2026, 3, 14))
    assert first.name == "Our-data-2_2026-03-14"
    first.mkdir(parents=True)
    assert proposed_folder(Path("Our data (2)"), date(2026, 3, 14)).name == f"{first.name}_2"
