"""The trials of an experiment as cards: what is read of their folders, and how often."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Finished, Stepped
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment, trials_of
from napari_scribseg.experiment.schedule import compute_trials
from napari_scribseg.experiment.settings import Cost
from napari_scribseg.experiment.trial_run import prepared_run
from napari_scribseg.gui.batch import trials as batch_trials
from napari_scribseg.gui.batch.trials import TrialsWatch
from napari_scribseg.runs.folder import RunFolder

NAME = "good-fold1-seed0-100"
STEPPED = Stepped(
    step=1,
    progress=0.4,
    eta_seconds=1.0,
    loss=0.5,
    terms={},
    learning_rate=0.1,
    slices_per_second=1.0,
)


def compute(folder: Path, experiment: Experiment, names: list[str]) -> None:
    for _ in compute_trials(folder, experiment, names, jobs=2, programs=stubs()):
        pass


def begin(folder: Path, experiment: Experiment) -> RunFolder:
    (folder / "cells" / NAME).mkdir(parents=True)
    return prepared_run(folder, experiment, trials_of(experiment)[NAME])


def test_from_waiting_to_finished(tmp_path):
    experiment, folder = phantom_experiment(tmp_path, "good", "bad"), tmp_path / "out"
    with at_work(folder, experiment, "test"):
        watch = TrialsWatch(
            folder, jobs=2, costs=[Cost(label="good", seconds=50, memory_mib=1, device="cpu")]
        )
        at_first = watch.look()
        assert at_first.count("waiting") == 4
        assert at_first.is_worked_on
        assert at_first.seconds_left > 50
        assert at_first.cards[0].train == "2 patients, 2 cases"
        compute(folder, experiment, list(trials_of(experiment)))
        at_last = watch.look()
    assert (at_last.count("finished"), at_last.count("failed")) == (2, 2)
    assert at_last.share == 1.0
    by_name = {card.name: card for card in at_last.cards}
    assert 0.5 < by_name[NAME].dice <= 1.0
    failed = by_name["bad-fold1-seed0-100"]
    assert "not finite" in failed.reason
    assert math.isnan(failed.dice)
    assert watch.look().seconds_left is None, "nobody works on it any more"


def test_a_training_is_followed_by_its_events(tmp_path):
    experiment, folder = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    with at_work(folder, experiment, "test"):
        run = begin(folder, experiment)
        watch = TrialsWatch(folder)
        run.heartbeat()
        assert watch.look().cards[0].state == "preparing"
        run.append(STEPPED)
        card = watch.look().cards[0]
        assert (card.state, card.state_text) == ("running", "running 40%")
        assert card.done == pytest.approx(0.36)
        run.append(Finished(outcome="completed", step=3, message="Done.", seconds=1.0))
        run.end_heartbeat()
        assert watch.look().cards[0].state == "scoring"
    assert watch.look().cards[0].state == "interrupted", "whoever worked on it is gone"


def test_a_silent_training_is_interrupted(tmp_path):
    experiment, folder = phantom_experiment(tmp_path, "good"), tmp_path / "out"
    with at_work(folder, experiment, "test"):
        begin(folder, experiment).append(STEPPED)
        assert TrialsWatch(folder).look().cards[0].state == "interrupted"


def test_what_has_ended_is_not_looked_at_again(tmp_path, monkeypatch):
    experiment, folder = phantom_experiment(tmp_path, "good", "plain"), tmp_path / "out"
    names = list(trials_of(experiment))
    with at_work(folder, experiment, "test"):
        compute(folder, experiment, names[:3])
        watch = TrialsWatch(folder)
        watch.look()
        looked: list[str] = []
        monkeypatch.setattr(
            batch_trials, "state_of", lambda _, trial: looked.append(trial.name) or "waiting"
        )
        watch.look()
    assert looked == names[3:]


def test_hundreds_of_trials_are_all_shown(tmp_path):
    experiment = phantom_experiment(tmp_path, "good", "plain", random_seeds=list(range(100)))
    folder = tmp_path / "out"
    with at_work(folder, experiment, "test"):
        watch = TrialsWatch(folder)
        watch.look()
        progress = watch.look()
    assert len(progress.cards) == 400


def test_an_experiment_that_was_planned_anew_is_read_anew(tmp_path):
    folder = tmp_path / "out"
    experiment = phantom_experiment(tmp_path, "good")
    with at_work(folder, experiment, "test"):
        compute(folder, experiment, list(trials_of(experiment)))
    watch = TrialsWatch(folder)
    assert watch.look().count("finished") == 2
    other = experiment.model_copy(update={"package_version": "0.0.0"})
    with at_work(folder, other, "test"):
        assert watch.look().count("outdated") == 2


def test_a_folder_without_an_experiment_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="not an experiment"):
        TrialsWatch(tmp_path)
