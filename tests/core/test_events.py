"""Events: whatever training tells must come back from its line of JSON unchanged."""

from __future__ import annotations

import json
import math

import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.events import (
    Event,
    Finished,
    Prepared,
    Previewed,
    Relabelled,
    Saved,
    Started,
    Stepped,
    Validated,
    Warned,
    from_line,
    to_line,
)

STEPPED = Stepped(
    step=7,
    progress=0.35,
    eta_seconds=12.5,
    loss=1 / 3,
    terms={"scribbles": 0.1, "fbsl": 1e-12},
    learning_rate=2e-3,
    slices_per_second=31.7,
)

EVERY_KIND: list[Event] = [
    Started(
        method="effdnet",
        device="cuda (A GPU)",
        precision="bfloat16",
        cases=3,
        slices=40,
        first_step=1,
        steps=2000,
        minutes=None,
    ),
    Prepared(done=1, total=3, case="patient01", cached=True),
    STEPPED,
    Relabelled(step=100, changed=0.25),
    Validated(
        step=200,
        measure="dice",
        scores={"RV": 0.9, "MYO": None},
        mean=0.9,
        best=True,
    ),
    Previewed(step=200, case="patient01", path="previews/patient01/200.nii.gz", seconds=0.4),
    Saved(step=200, path="checkpoints/best.safetensors"),
    Warned(message='two\nlines, "quotes", Žluťoučký \u2028 separator'),
    Finished(outcome="stopped", step=200, message="Stopped.", seconds=61.0, time=1.75e9),
]


def test_every_kind_of_event_is_in_the_list() -> None:
    assert {type(e) for e in EVERY_KIND} == set(Event.__args__)


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda e: e.kind)
def test_an_event_is_one_line_and_comes_back_equal(event) -> None:
    line = to_line(event)
    assert "\n" not in line
    assert from_line(line) == event
    assert json.loads(line)["kind"] == event.kind


@pytest.mark.parametrize("strange", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_not_finite_come_back(strange) -> None:
    """A diverging loss is the event one needs most; strict JSON has no word for it."""
    event = STEPPED.model_copy(update={"loss": strange, "terms": {"scribbles": strange}})
    line = to_line(event)
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    back = from_line(line)
    assert isinstance(back, Stepped)
    for number in (back.loss, back.terms["scribbles"]):
        assert number == strange or (math.isnan(number) and math.isnan(strange))


def test_scores_that_are_not_finite_come_back() -> None:
    event = Validated(step=1, measure="dice", scores={"RV": math.inf}, mean=math.inf, best=False)
    assert from_line(to_line(event)) == event


@pytest.mark.parametrize(
    "line",
    [
        "",
        "not json",
        "[]",
        '{"kind": "exploded"}',
        '{"step": 1}',
        '{"kind": "saved", "step": 1}',
        '{"kind": "saved", "step": "one", "path": "x"}',
        '{"kind": "warned", "message": "x", "colour": "red"}',
        to_line(STEPPED)[:-5],
        "[" * 100_000,
    ],
)
def test_what_is_no_event_is_refused(line) -> None:
    with pytest.raises(InvalidInput, match="Not an event of a run"):
        from_line(line)


def test_an_event_can_not_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        STEPPED.step = 8
