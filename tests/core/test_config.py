"""Settings that are wrong are named in a sentence, without pouring out what was given."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from napari_scribseg.core.config import TrainConfig, assignments_of, explain, parse_assignments
from napari_scribseg.core.errors import InvalidInput


class Document(BaseModel):
    x: int
    y: int


def explained(values):
    with pytest.raises(ValidationError) as error:
        Document.model_validate(values)
    return explain(error.value, Document)


def test_a_missing_field_is_named_and_nothing_else_is_shown():
    assert explained({"y": 1, "secret": "DOE^JANE"}) == "'x' is missing."


def test_a_wrong_value_is_shown_up_to_80_characters():
    short = explained({"x": "seven", "y": 1})
    assert short.startswith("'x' can't be 'seven': ")
    shown = explained({"x": "7" * 50 + "!" * 5000, "y": 1}).split(": ")[0]
    assert len(shown.removeprefix("'x' can't be ")) == 80
    assert shown.endswith("...")


def test_each_wrong_field_has_its_sentence():
    assert explained({"x": None}).count(".") == 2


def test_an_unknown_setting_is_told_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r"no setting 'stepz'; known ones are: .*\bsteps\b"):
        TrainConfig().updated({"stepz": 3})


def test_a_changed_copy_is_checked_and_the_original_stays():
    config = TrainConfig()
    assert config.updated({"steps": "30"}).steps == 30
    assert config.steps == 2000
    with pytest.raises(InvalidInput, match="'steps' can't be -1"):
        config.updated({"steps": -1})
    assert config.updated({"steps": 0}).at_once
    assert not config.updated({"steps": 0, "minutes": 1}).at_once


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tau=0.25"], {"tau": 0.25}),
        (["patch=192,160"], {"patch": [192, 160]}),
        (["patch=[192,160]"], {"patch": [192, 160]}),
        (["flips=false", "minutes=null"], {"flips": False, "minutes": None}),
        (["device=cpu", "batch-size=4"], {"device": "cpu", "batch_size": 4}),
        (["title=a=b"], {"title": "a=b"}),
        (["x=Infinity"], {"x": "Infinity"}),
    ],
)
def test_assignments_are_read(words: list[str], expected: dict[str, object]) -> None:
    assert parse_assignments(words) == expected


@pytest.mark.parametrize("words", [["tau"], ["=3"], ["a=1", "a=2"]])
def test_assignments_that_say_nothing_or_twice_are_refused(words: list[str]) -> None:
    with pytest.raises(InvalidInput, match="The setting"):
        parse_assignments(words)


@pytest.mark.parametrize(
    "given",
    [{"tau": 0.25, "patch": [192, 160]}, {"title": "a,b", "flips": False}, {"x": " 1 ", "y": "1"}],
)
def test_assignments_of_settings_are_read_as_these_settings(given):
    assert parse_assignments(assignments_of(given)) == given


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"steps": 10**12}, "'steps' can't be 1000000000000: .* less than or equal to 10000000"),
        ({"batch_size": 100_000}, "'batch_size' can't be 100000: .* 1024"),
        ({"patch": (160, 10**9)}, r"'patch.1' can't be 1000000000: .* 4096"),
        ({"minutes": 1e9}, "'minutes' can't be 1000000000.0: .* 43200"),
        ({"minutes": float("nan")}, "'minutes' can't be nan"),
        ({"threads": 5000}, "'threads' can't be 5000: .* 1024"),
        ({"validation_interval": 10**12}, "'validation_interval' can't be"),
        (
            {"batch_size": 1024, "patch": (4096, 4096)},
            r"^A batch of 1024 patches of 4096 x 4096 has 17179869184 pixels, .* smaller",
        ),
    ],
)
def test_numbers_that_no_machine_can_do_are_refused_with_their_limit(changes, word):
    with pytest.raises(InvalidInput, match=word):
        TrainConfig().updated(changes)


def test_the_paper_settings_of_every_method_are_within_the_limits():
    from napari_scribseg.methods.registry import all_methods

    for method in all_methods():
        for preset in method.spec.presets.values():
            assert TrainConfig.model_validate(preset.training.model_dump()) == preset.training
            assert method.spec.Config.model_validate(preset.options.model_dump()) == preset.options


@pytest.mark.parametrize(
    ("method", "gone"),
    [
        ("effdnet", {"ramp_from": 0.0, "confidence": 0.0}),
        ("em_crf", {"first_relabelling": None, "restart": True}),
        ("scribble2d5", {"head_width": None, "head_norm": False, "residual_head": False}),
    ],
)
def test_records_that_name_settings_of_earlier_versions_open_unless_they_were_used(method, gone):
    from napari_scribseg.methods.registry import spec_named

    config = spec_named(method).Config
    record = {**config().model_dump(mode="json"), **gone}
    assert config().updated(record) == config()
    for name, value in gone.items():
        used = 0.2 if not isinstance(value, bool) else not value
        with pytest.raises(InvalidInput, match=f"^The setting '{name}' is gone and was {used!r}"):
            config().updated({**record, name: used})
