"""What a budget gives on this machine, which one is proposed, and what is remembered of it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from napari_scribseg.core.config import TrainConfig, apply_changes, parse_assignments
from napari_scribseg.gui.train import budget, remembered
from napari_scribseg.gui.train.budget import Speed
from napari_scribseg.gui.train.command import command_of
from napari_scribseg.gui.values import Choice
from napari_scribseg.methods.registry import spec_named

QUICK = spec_named("effdnet").presets["quick"]
CHOICE = Choice("effdnet", "quick", QUICK.options.model_dump(mode="json"), QUICK.training)


@pytest.mark.parametrize(
    ("seconds_per_step", "start", "proposed"),
    [
        (0.05, "random", {"minutes": None, "steps": 2000}),  # 100 s for all of them
        (0.5, "random", {"minutes": 2.0}),  # 240 steps in two minutes
        (0.7, "random", {"minutes": None, "steps": 2000}),  # 171 are too few: come back later
        (0.7, "anatomy", {"minutes": 2.0}),  # but not for weights that know anatomy
        (2.4, "anatomy", {"minutes": 2.0}),  # 50 steps: a fortieth
        (2.5, "anatomy", {"minutes": None, "steps": 2000}),
    ],
)
def test_the_speed_of_the_machine_decides_what_is_proposed(seconds_per_step, start, proposed):
    training = TrainConfig().updated({"start": start})
    assert budget.proposal(Speed(seconds_per_step), training, 2000) == proposed


@pytest.mark.parametrize(
    ("speed", "settings", "sentence"),
    [
        (Speed(0.04, 900), {}, "About 80 s now: 2000 steps of 0.04 s, 900 MiB of memory."),
        (Speed(1.2, 2048), {}, "Come back in 40 min: 2000 steps of 1.2 s, 2.0 GiB of memory."),
        (
            Speed(4.6),
            {"minutes": 2},
            "About 2 min now: some 26 steps of 4.6 s. Far too short. All of about 2000 would take "
            "2 h 33 min.",
        ),
    ],
)
def test_what_a_budget_gives_is_said_before_the_click(speed, settings, sentence):
    assert budget.sentence(speed, TrainConfig().updated(settings), 2000) == sentence


def test_steps_are_measured_once_for_every_budget_and_again_for_another_patch():
    known = budget.measured_as(CHOICE, 3)
    for changes, same in (
        ({"minutes": 5.0}, True),
        ({"random_seed": 3, "held_out_strokes": 0.2}, True),
        ({"patch": (64, 64)}, False),
    ):
        other = replace(CHOICE, training=CHOICE.training.updated(changes))
        assert (budget.measured_as(other, 3) == known) is same
    assert budget.measured_as(CHOICE, 4) != known


def test_settings_and_speeds_outlive_the_session(tmp_path, monkeypatch):
    monkeypatch.setattr(remembered, "document_path", lambda: tmp_path / "state" / "last.json")
    assert remembered.last_training().choice is None
    mine = replace(CHOICE, training=CHOICE.training.updated({"minutes": 7.0}), all_cases=True)
    remembered.remember(mine, {"a": Speed(0.5, 900.0)})
    remembered.remember(None, {"a": Speed(0.5, 900.0), "b": Speed(2.0)})
    last = remembered.last_training()
    assert last.choice == mine
    assert last.known_speeds() == {"a": Speed(0.5, 900.0), "b": Speed(2.0)}
    (tmp_path / "state" / "last.json").write_text("{")
    assert remembered.last_training().choice is None, "a damaged one is not worth a word"


@pytest.mark.parametrize(
    "changes",
    [{}, {"minutes": 5.0}, {"steps": 300}, {"minutes": 1.0, "patch": (96, 128), "flips": True}],
)
def test_the_command_trains_with_what_the_form_shows(changes):
    shown = CHOICE.training.updated({**changes, "held_out_strokes": 0.2})
    options = {**CHOICE.options, "fbsl": False, "temperature": 0.1}
    words = shlex.split(command_of(replace(CHOICE, training=shown, options=options), Path("/p q")))
    assert words[:7] == ["scribseg", "train", "/p q", "--method", "effdnet", "--preset", "quick"]
    given = parse_assignments(words[i + 1] for i, word in enumerate(words) if word == "--set")
    for name in ("minutes", "steps"):
        if f"--{name}" in words:
            given[name] = float(words[words.index(f"--{name}") + 1])
    got_options, got = apply_changes(given, QUICK.options, QUICK.training)
    assert got == shown
    assert got_options.model_dump(mode="json") == options
    assert words[words.index("--validate") + 1] == "strokes"
