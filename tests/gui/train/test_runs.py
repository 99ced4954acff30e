"""Runs as cards and as panel: what is shown of a folder, and what can be done with it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS, two_ball_case
from qtpy.QtCore import Qt

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import Finished, Stepped, Validated
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, CaseKey
from napari_scribseg.gui.own_presets import OwnPreset, forget_preset, keep_preset, own_presets
from napari_scribseg.gui.train import new_run
from napari_scribseg.gui.train.preview_dice import PreviewDice
from napari_scribseg.gui.train.run_cards import RunCard, choice_of, delete_run, list_cards
from napari_scribseg.gui.train.runs_panel import RunsPanel, term_title
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.gui.widgets.line_plot import Line, LinePlot
from napari_scribseg.gui.widgets.style import LEVEL_COLORS
from napari_scribseg.io import write_volume
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.history import History
from napari_scribseg.runs.queue import RunQueue

CHOICE = Choice("partial_ce", "quick", {}, TrainConfig(steps=4))
FINISHED = Finished(outcome="completed", step=4, message="Done.", seconds=90.0)


@pytest.fixture
def run(tmp_path):
    case = two_ball_case()
    shown = Snapshot(case.key, case.image, case.scribbles, None, TWO_BALLS)
    return new_run.write_run(tmp_path, shown, CHOICE)


def only_card(tmp_path: Path) -> RunCard:
    (card,) = list_cards(tmp_path / "runs")
    return card


class TestCards:
    def test_a_written_run_waits_to_be_started(self, run, tmp_path):
        assert only_card(tmp_path).actions == ("start", "delete")
        RunQueue(tmp_path / "runs").add(run.path)
        assert only_card(tmp_path).state == "waiting"

    def test_a_living_run_can_be_paused_and_is_not_deleted(self, run, tmp_path):
        run.heartbeat()
        assert only_card(tmp_path).actions == ("pause", "finish", "abort")
        run.request("pause")
        assert only_card(tmp_path).state == "paused"
        with pytest.raises(InvalidInput, match="abort it first"):
            delete_run(run.path)

    def test_an_interrupted_run_is_resumed_from_its_checkpoint(self, run, tmp_path):
        run.append(FINISHED.model_copy(update={"outcome": "crashed", "message": "Gone."}))
        assert only_card(tmp_path).actions == ("start", "delete")
        run.checkpoint("last").write_bytes(b"weights")
        card = only_card(tmp_path)
        assert card.actions == ("resume", "more", "delete")
        assert card.message == "Gone."
        assert "4 steps in 90 s" in card.status_text

    def test_a_complete_run_shows_its_score_and_can_be_trained_more(self, run, tmp_path):
        run.append(Validated(step=4, measure="dice", scores={}, mean=0.8, best=True))
        run.append(FINISHED)
        card = only_card(tmp_path)
        assert card.actions == ("more", "delete")
        assert "Dice 0.800" in card.status_text
        assert choice_of(run.path, {}).method == "partial_ce"

    def test_deleting_removes_the_folder(self, run, tmp_path):
        delete_run(run.path)
        assert not run.path.exists()
        assert list_cards(tmp_path / "runs") == ()

    def test_a_run_shows_its_own_case_in_previews(self, run):
        request = run.preview_request
        assert request is not None
        assert request.case.image.exists()

    def test_a_guest_comes_first_and_can_only_be_looked_at(self, run, tmp_path):
        elsewhere = tmp_path / "experiment" / "cells" / "b-fold1-seed0-100" / "run"
        shutil.copytree(run.path, elsewhere)
        visited, own = list_cards(tmp_path / "runs", elsewhere)
        assert (visited.title, visited.actions) == ("b-fold1-seed0-100", ("log",))
        assert own.folder == run.path
        assert "delete" in own.actions
        assert list_cards(tmp_path / "runs", tmp_path) == (own,), "one that is gone is left out"

    def test_more_of_another_method_is_refused(self, run, tmp_path):
        case = two_ball_case()
        shown = Snapshot(case.key, case.image, case.scribbles, None, TWO_BALLS)
        other = Choice("effdnet", "quick", {}, TrainConfig())
        with pytest.raises(InvalidInput, match="the same method"):
            new_run.write_run(tmp_path, shown, other, run.path)


def stepped(step: int) -> Stepped:
    terms = {"strokes": 0.5 / step, "smooth": 0.1}
    return Stepped(
        step=step,
        progress=0.1,
        eta_seconds=1,
        loss=0.1 + 0.5 / step,
        terms=terms,
        learning_rate=0.1,
        slices_per_second=1,
    )


@pytest.fixture
def panel(qtbot) -> RunsPanel:
    panel = RunsPanel()
    qtbot.addWidget(panel)
    cards = [
        RunCard(Path("2026-01-02T10-00-00_a_0000"), "a", "quick", "running", 5, 60.0),
        RunCard(Path("2026-01-01T10-00-00_b_0000"), "b", "paper", "completed", 9, 99.0),
    ]
    panel.show_cards(cards, cards[0].folder)
    panel.show()
    return panel


class TestPanel:
    def test_only_what_is_possible_can_be_pressed(self, panel, qtbot):
        assert panel.offered() == ["pause", "finish", "abort"]
        with qtbot.waitSignal(panel.asked) as asked:
            qtbot.mouseClick(panel.button("pause"), Qt.MouseButton.LeftButton)
        assert asked.args[0] == "pause"
        with qtbot.waitSignal(panel.chosen) as chosen:
            qtbot.keyClick(panel.list, Qt.Key.Key_Down)
        assert chosen.args[0].name.endswith("b_0000")
        assert panel.offered() == ["more", "delete"]

    def test_several_runs_are_deleted_at_once(self, panel, qtbot):
        panel.list.selectAll()
        assert panel.offered() == ["delete"]
        with qtbot.waitSignal(panel.delete_asked) as asked:
            qtbot.mouseClick(panel.button("delete"), Qt.MouseButton.LeftButton)
        assert [run.name[-6:] for run in asked.args[0]] == ["a_0000", "b_0000"]
        panel.show_cards(panel._cards, panel._cards[0].folder)
        assert len(panel.selected()) == 2, "news of a training change no selection"

    def test_what_the_card_of_the_training_does_is_not_there_twice(self, panel):
        cards = panel._cards
        panel.show_cards(cards, cards[0].folder, trained=cards[0].folder)
        assert panel.offered() == []

    def test_no_loss_is_called_dice(self, panel):
        panel.show_history(History.of([stepped(1), stepped(2)]), {})
        assert term_title("dice") == "Dice loss"
        assert term_title("pasted_pseudo_labels") == "pasted pseudo labels"

    def test_green_is_said_of_a_score_only(self, panel):
        panel.show_history(History.of([stepped(i) for i in range(1, 400)]), {})
        assert LEVEL_COLORS["good"] not in panel.trend.styleSheet()
        panel.show_previews((10, 300), {10: {"RV": 0.2}, 300: {"RV": 0.6}})
        assert LEVEL_COLORS["good"] in panel.trend.styleSheet()
        assert "Dice of the preview: 0.600" in panel.trend.text()

    def test_every_term_has_a_line_and_every_class_a_score(self, panel):
        scored = Validated(step=2, measure="dice", scores={"RV": 0.5}, mean=0.5, best=True)
        panel.show_history(History.of([stepped(1), stepped(2), scored]), {"RV": "#ff0000"})
        assert panel.losses.points("smooth") == [(1, 0.1), (2, 0.1)]
        assert panel.losses.points("total loss")[0][1] == pytest.approx(0.6)
        assert panel.scores.points("RV") == [(2, 0.5)]
        assert "far too short" in panel.trend.text()

    def test_the_slider_follows_the_training_until_it_is_moved_back(self, panel, qtbot):
        panel.show_previews((10, 20), {})
        assert panel.preview_step == 20
        panel.show_previews((10, 20, 30), {})
        assert panel.preview_step == 30
        with qtbot.waitSignal(panel.preview_asked) as asked:
            panel.slider.setValue(0)
        assert asked.args == [10]
        panel.show_previews((10, 30, 40), {})
        assert panel.preview_step == 10


def test_a_plot_paints_whatever_it_gets(qtbot):
    plot = LinePlot("nothing yet")
    qtbot.addWidget(plot)
    plot.grab()
    wild = [(1.0, float("nan")), (2.0, 1e9), (3.0, -1.0)]
    plot.set_lines([Line("a", "#ff0000", wild), Line("b", "#00ff00", [(1, 1.0)])] * 8)
    before = plot.grab().toImage()
    plot.set_lines([Line("a", "#ff0000", wild[1:])])
    assert plot.grab().toImage() != before


def test_own_presets_stay_until_forgotten():
    mine = OwnPreset(method="a", name="mine", options={"x": 1}, training=TrainConfig(steps=7))
    keep_preset(mine)
    keep_preset(mine.model_copy(update={"options": {"x": 2}}))
    keep_preset(mine.model_copy(update={"method": "b"}))
    assert [preset.options for preset in own_presets("a")] == [{"x": 2}]
    forget_preset("a", "mine")
    assert own_presets("a") == ()
    assert len(own_presets("b")) == 1


def test_previews_are_scored_once_against_the_shown_reference(tmp_path):
    case = two_ball_case()
    path = tmp_path / "3.nii.gz"
    write_volume(path, Volume(case.reference, case.image.grid))
    known = PreviewDice()
    assert known.score({3: path}, case.reference, TWO_BALLS)
    assert known.of({3: path, 4: tmp_path / "4.nii.gz"}) == {3: {"bright": 1.0, "dim": 1.0}}
    assert not known.score({3: path}, case.reference, TWO_BALLS)
    other = np.where(case.reference == 1, 0, case.reference)
    assert known.score({3: path}, other, TWO_BALLS), "another reference gives other scores"
    assert known.of({3: path}) == {3: {"bright": 0.0, "dim": 1.0}}
    assert known.score({3: path}, case.reference, TWO_BALLS), "others are shown again"
    assert known.of({3: path}) == {3: {"bright": 1.0, "dim": 1.0}}


def test_whole_patients_are_held_out_where_there_are_enough_and_never_the_shown_one(tmp_path):
    cases = [two_ball_case(seed=i) for i in range(6)]
    with Project.create(tmp_path / "p", TWO_BALLS) as project:
        for case in cases:
            project.add_case(case)
    key = CaseKey.in_project(tmp_path / "p", cases[0].id)
    shown = Snapshot(key, cases[0].image, cases[0].scribbles, None, TWO_BALLS)
    held_back = CHOICE.training.updated({"held_out_strokes": 0.2})
    choice = replace(CHOICE, all_cases=True, training=held_back)
    run = new_run.write_run(tmp_path / "p", shown, choice)
    assert run.cases[0].role == "train"
    assert [case.role for case in run.cases].count("validate") == 1, "a fifth of five"
    assert run.record.checkpoint_choice == "score on the validation cases"
    alone = new_run.write_run(tmp_path / "p", shown, replace(choice, all_cases=False))
    assert [case.role for case in alone.cases] == ["train"]
    assert (alone.record.validate_on, alone.record.checkpoint_choice) == (
        "strokes",
        "agreement with held-out strokes",
    )


def test_what_is_trained_more_is_validated_on_patients_it_does_not_know(tmp_path):
    cases = [two_ball_case(seed=i, shape=(2, 32, 32)) for i in range(6)]
    with Project.create(tmp_path / "p", TWO_BALLS) as project:
        for case in cases:
            project.add_case(case)
    key = CaseKey.in_project(tmp_path / "p", cases[0].id)
    shown = Snapshot(key, cases[0].image, cases[0].scribbles, None, TWO_BALLS)

    def trained(seed: int, continues=None) -> set[str]:
        training = CHOICE.training.updated({"held_out_strokes": 0.4, "random_seed": seed})
        choice = replace(CHOICE, all_cases=True, training=training)
        run = new_run.write_run(tmp_path / "p", shown, choice, continues)
        run.checkpoint("last").write_bytes(b"weights")
        runs.append(run.path)
        return {c.files.patient for c in run.cases if c.role == "validate"}

    runs = []
    first = trained(0)
    assert len(first) == 2
    assert len({frozenset(trained(seed)) for seed in range(1, 5)}) > 1, "others by other seeds"
    assert all(trained(seed, runs[0]) == first for seed in range(1, 5))


@pytest.mark.parametrize("known_by", ["case", "file", "another frame"])
def test_no_other_case_of_the_shown_patient_is_validated_on(tmp_path, known_by):
    """Six patients with two phases each; the first phase of the first patient is shown."""
    images = []
    with Project.create(tmp_path / "p", TWO_BALLS) as project:
        for i in range(12):
            case = two_ball_case(seed=i, shape=(2, 32, 32))
            images.append(tmp_path / f"{i}.nii.gz")
            write_volume(images[-1], case.image)
            files = CaseFiles(id=f"c{i}", patient=f"p{i // 2}", image=images[-1])
            project.add_case(files, copy=False)
            project.save_scribbles(f"c{i}", case.scribbles)
    case = two_ball_case(seed=0, shape=(2, 32, 32))
    key = CaseKey.in_project(tmp_path / "p", "c0")
    if known_by != "case":
        key = CaseKey.of_file(images[0], "heart")
    image = replace(case.image, frame=3) if known_by == "another frame" else case.image
    file = None if known_by == "case" else images[0].resolve()
    shown = Snapshot(key, image, case.scribbles, None, TWO_BALLS, file=file)
    for seed in range(4):
        training = CHOICE.training.updated({"held_out_strokes": 0.8, "random_seed": seed})
        choice = replace(CHOICE, all_cases=True, training=training)
        run = new_run.write_run(tmp_path / "p", shown, choice)
        held = {c.files.patient for c in run.cases if c.role == "validate"}
        learnt = {c.files.patient for c in run.cases if c.role == "train"}
        assert held, "there are enough other patients"
        assert not held & learnt
        assert run.cases[0].files.patient == "p0"
        assert "c1" in {c.files.id for c in run.cases if c.role == "train"}


def test_clearing_the_queue_gives_what_waited(run, tmp_path):
    queue = RunQueue(tmp_path / "runs")
    queue.add(run.path)
    assert queue.clear() == [run.path]
    assert queue.waiting() == []
    assert queue.take() is None


def test_the_other_scribbled_cases_of_a_project_join_as_copies(tmp_path):
    cases = [two_ball_case(seed=i) for i in range(3)]
    empty = replace(cases[2], scribbles=np.zeros_like(cases[2].scribbles))
    with Project.create(tmp_path / "p", TWO_BALLS) as project:
        for case in (*cases[:2], empty):
            project.add_case(case)
    key = CaseKey.in_project(tmp_path / "p", cases[0].id)
    shown = Snapshot(key, cases[0].image, cases[0].scribbles, None, TWO_BALLS)
    run = new_run.write_run(tmp_path / "p", shown, replace(CHOICE, all_cases=True))
    assert [case.files.id for case in run.cases] == [cases[0].id, cases[1].id]
    other = run.cases[1].files
    assert other.scribbles.is_relative_to(run.path)
    assert other.reference is None, "the reference must not be near the training"
    assert np.array_equal(other.load(TWO_BALLS).scribbles, cases[1].scribbles)
    assert choice_of(run.path, {}).all_cases
