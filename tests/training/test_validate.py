"""Validation while training: when, on what, which weights are kept, and when it ends early."""

from __future__ import annotations

import re
from itertools import pairwise
from types import SimpleNamespace

import pytest
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_run

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.events import Finished, Previewed, Validated, Warned
from napari_scribseg.methods.full_2d.method import Full2D
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.runs.documents import PreviewRequest
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training import validate
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.train import train


@pytest.fixture
def scores(monkeypatch):
    """Gives validations these means, in order, whatever the network does."""
    given: list[float] = []
    measure = ["dice"]

    def scored(method, cases, schema, spacing_mm, machine, step):
        return Validated(step=step, measure=measure[0], scores={}, mean=given.pop(0), best=False)

    monkeypatch.setattr(validate, "validation_scores", scored)

    def give(*means: float, of: str = "dice") -> None:
        given[:] = means
        measure[0] = of

    return give


def validated(events) -> list[Validated]:
    return [event for event in events if isinstance(event, Validated)]


def best_step(run: RunFolder) -> int:
    return load_checkpoint(run.checkpoint("best"))[1].step


def test_strokes_are_held_out_of_one_case_and_choose_the_weights(tmp_path) -> None:
    settings = {"held_out_strokes": 0.25, "validation_interval": 2, "steps": 4}
    run = phantom_run(tmp_path, PartialCE, patients=1, **settings)
    events = list(train(run))
    told = [event.message for event in events if isinstance(event, Warned)]
    assert len(told) == 1
    assert re.fullmatch(r"\d strokes are held out to validate on\.", told[0])
    assert [event.measure for event in validated(events)] == ["stroke agreement"] * 2
    assert set(validated(events)[0].scores) == {"background", "bright", "dim"}
    assert run.checkpoint("best").exists()


def test_what_is_held_out_is_not_learnt(tmp_path) -> None:
    """The same first step on fewer strokes has another loss."""
    losses = []
    for share in (0.0, 0.5):
        run = phantom_run(
            tmp_path, PartialCE, patients=1, folder=f"r{share}", steps=1, held_out_strokes=share
        )
        losses.append(next(e.loss for e in train(run) if e.kind == "stepped"))
    assert losses[0] != losses[1]


def test_cases_that_validate_win_over_held_out_strokes(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, validate=1, steps=1, held_out_strokes=0.5)
    events = list(train(run))
    assert [event.measure for event in validated(events)] == ["dice"]
    assert not [event for event in events if isinstance(event, Warned)]


def test_a_method_that_learns_from_references_holds_no_stroke_out(tmp_path) -> None:
    run = phantom_run(tmp_path, Full2D, steps=1, held_out_strokes=0.5)
    events = list(train(run))
    (told,) = [event.message for event in events if isinstance(event, Warned)]
    assert "learns from references" in told
    assert not validated(events)


def test_training_ends_when_the_score_gets_no_better(tmp_path, scores) -> None:
    settings = {"validation_interval": 1, "patience": 2, "steps": 50}
    run = phantom_run(tmp_path, PartialCE, validate=1, **settings)
    scores(0.5, 0.6, 0.55, 0.6, 0.7)
    events = list(train(run))
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.outcome, end.step) == ("completed", 4), "0.55 and another 0.6 are no better"
    assert "Ended early at step 4" in end.message
    assert best_step(run) == 2


def test_a_training_that_ended_early_goes_on_when_it_is_resumed(tmp_path, scores) -> None:
    settings = {"validation_interval": 1, "patience": 1, "steps": 50}
    run = phantom_run(tmp_path, PartialCE, validate=1, **settings)
    scores(0.6, 0.5)
    assert list(train(run))[-1].step == 2
    scores(0.7, 0.65)
    end = list(train(run, resume=True))[-1]
    assert (end.outcome, end.step) == ("completed", 4)
    assert best_step(run) == 3


def test_agreement_a_little_below_the_best_keeps_the_later_weights(tmp_path, scores) -> None:
    """Held-out strokes are few pixels: the first of many equal scores was only lucky."""
    settings = {"validation_interval": 1, "steps": 4, "held_out_strokes": 0.25}
    run = phantom_run(tmp_path, PartialCE, patients=1, **settings)
    scores(0.9, 0.895, 0.85, 0.88, of="stroke agreement")
    assert [event.best for event in validated(train(run))] == [True, True, False, False]
    assert best_step(run) == 2
    assert load_checkpoint(run.checkpoint("last"))[1].best_score == 0.9


def test_agreement_that_only_counts_as_equal_ends_the_training(tmp_path, scores) -> None:
    """Or it would never end on a plateau, which is what patience is for."""
    settings = {"validation_interval": 1, "patience": 2, "steps": 50, "held_out_strokes": 0.25}
    run = phantom_run(tmp_path, PartialCE, patients=1, **settings)
    scores(0.8, 0.9, 0.895, 0.9, 0.9, of="stroke agreement")
    end = list(train(run))[-1]
    assert isinstance(end, Finished)
    assert (end.outcome, end.step) == ("completed", 4)
    assert best_step(run) == 4, "the later of equal weights"


@pytest.mark.parametrize(("validate_on", "told"), [(0, "Nothing validates"), (1, "No case to")])
def test_patience_without_scores_is_told(tmp_path, validate_on, told) -> None:
    run = phantom_run(tmp_path, PartialCE, validate=validate_on, patience=2, steps=1)
    bare = {"scribbles": None, "reference": None}
    cases = tuple(
        case.model_copy(update={"files": case.files.model_copy(update=bare)})
        if case.role == "validate"
        else case
        for case in run.cases
    )
    events = list(train(RunFolder(run.path, run.record, run.schema, cases)))
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert warning.startswith(told)
    assert "patience=2 ends nothing early" in warning


def test_finish_now_keeps_the_best_weights(tmp_path, scores) -> None:
    run = phantom_run(tmp_path, PartialCE, validate=1, validation_interval=1, steps=50)
    scores(0.4, 0.8, 0.6, 0.5, 0.5)
    for event in (events := train(run)):
        if event.kind == "validated" and event.step == 3:
            run.request("finish")
            break
    assert list(events)[-1].outcome == "completed"
    assert best_step(run) == 2


def test_a_warm_start_is_scored_before_its_first_step_and_kept_if_it_stays_best(
    tmp_path, scores
) -> None:
    first = phantom_run(tmp_path, PartialCE, validate=1, folder="first", steps=1)
    scores(0.3)
    list(train(first))
    record = first.record
    second = RunFolder.create(
        tmp_path / "second",
        method=record.method,
        options=record.options,
        training=record.training.updated({"steps": 2, "validation_interval": 1}),
        schema=first.schema,
        cases=first.cases,
        preset="quick",
        continues=first,
    )
    second.ask_preview(PreviewRequest(case=first.cases[0].files))
    scores(0.8, 0.7, 0.75)
    events = list(train(second))
    assert [(event.step, event.best) for event in validated(events)] == [
        (0, True),
        (1, False),
        (2, False),
    ]
    assert best_step(second) == 0
    assert next(event.step for event in events if isinstance(event, Previewed)) == 0


def test_a_budget_in_minutes_is_validated_at_every_twentieth(monkeypatch) -> None:
    seconds = iter(range(1000))
    monkeypatch.setattr(validate.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(
        validate,
        "validation_scores",
        lambda *_: Validated(step=1, measure="dice", scores={}, mean=0.5, best=False),
    )
    config = TrainConfig(minutes=100 / 60, validation_interval=10_000)
    learner = SimpleNamespace(
        config=config,
        step=1,
        progress=0.0,
        best_score=None,
        not_better=0,
        predictor=None,
        machine=None,
    )
    looks = []
    validation = validate.Validation([two_ball_case()], TWO_BALLS, 1.5)
    for percent in range(1, 101):
        learner.step, learner.progress = percent, percent / 100
        if validation.is_due(learner):
            validation.look(learner)
            looks.append(percent)
    # A look takes one of a hundred seconds, so that a tenth of the time allows one in ten.
    assert 6 <= looks[0] <= 7
    assert len(looks) == 10
    assert all(10 <= after - before <= 11 for before, after in pairwise(looks))


def test_an_answer_at_once_is_validated_too() -> None:
    learner = SimpleNamespace(config=TrainConfig(), step=0, progress=1.0, not_better=0)
    case = two_ball_case()
    assert validate.Validation([case], TWO_BALLS, 1.5).is_missing(learner)


def test_without_cases_nothing_is_ever_due() -> None:
    learner = SimpleNamespace(config=TrainConfig(minutes=1), step=200, progress=0.9, not_better=9)
    validation = validate.Validation([], TWO_BALLS, 1.5)
    assert not validation.is_due(learner)
    assert not validation.is_missing(learner)
    assert not validation.is_over(learner)
    assert validation.look(learner) is None
