"""The form of a batch evaluation: the recipe that it shows is the recipe that it gives."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import MagicMock

import pytest

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.gui.batch.plan_panel import BatchPlanPanel
from napari_scribseg.gui.batch.widget import BatchEvaluation
from napari_scribseg.gui.catalogue import MethodEntry, PresetEntry

GOOD = {"label": "good", "method": "good"}
EVERYTHING = {
    "title": "All of it",
    "convention": "background-0",
    "reference_convention": "background-0",
    "frame": 3,
    "strokes_of": "consensus",
    "sequences": ["T2", "ADC"],
    "part": "train",
    "patient_pattern": r"^(p\d+)",
    "patients": ["p1", "p2", "p3"],
    "split": {"kind": "cross-validation", "folds": 3, "random_seed": 4},
    "random_seeds": [1, 2],
    "steps": 7,
    "clock": "cpu",
    "shares": [0.5, 1.0],
    "shares_of": "strokes",
    "locked": ["p3"],
    "device": "cpu",
    "threads": 2,
}
IN_OTHER_WAYS = {"patient_table": "/somewhere/patients.csv", "minutes": 2.5}
"""Fields that exclude some of the above."""


@pytest.fixture
def panel(qtbot, tmp_path) -> BatchPlanPanel:
    panel = BatchPlanPanel()
    qtbot.addWidget(panel)
    presets = (PresetEntry("quick", "Fast.", {}, TrainConfig()),)
    panel.set_methods(
        [MethodEntry(name, name, "Learns.", "Somebody.", {}, presets) for name in ("plain", "good")]
    )
    panel.out.setText(str(tmp_path / "out"))
    return panel


def recipe_of(**fields: object) -> Recipe:
    return Recipe.model_validate({"dataset": "/data", "methods": [GOOD], **fields})


def test_no_field_of_a_recipe_is_lost(panel):
    fixed = {"version", "dataset", "methods"}
    assert {*EVERYTHING, *IN_OTHER_WAYS, *fixed} == set(Recipe.model_fields), "a field is new"
    other = {k: v for k, v in EVERYTHING.items() if k not in {"patient_pattern", "steps"}}
    for recipe in (
        recipe_of(**EVERYTHING),
        recipe_of(**other, **IN_OTHER_WAYS),
        recipe_of(convention="of my own", reference_convention="of my own, too"),
        recipe_of(),
    ):
        panel.set_value(recipe, None)
        assert recipe.differences(panel.value().recipe) == ()


@pytest.mark.parametrize(
    ("strange", "said"),
    [
        ({"method": "my_method"}, "my_method, unknown here; there are plain, good"),
        (
            {"method": "good", "preset": "gold"},
            "preset gold of good, unknown here; there are quick",
        ),
    ],
)
def test_a_method_that_is_unknown_here_leaves_no_plan(panel, strange, said):
    recipe = recipe_of(methods=[{"label": "mine", **strange}, GOOD])
    with pytest.raises(InvalidInput, match=said):
        panel.set_value(recipe, None)
    assert [row.entry.name for row in panel.methods.rows] == ["good"], "not the first that there is"
    panel.more.title.setText("Something else")
    with pytest.raises(InvalidInput, match=said):
        panel.value()
    panel.methods.add.click()
    assert [choice.method for choice in panel.value().recipe.methods] == ["good", "plain"]


def test_a_later_recipe_is_not_refused_for_an_earlier_one(panel):
    with pytest.raises(InvalidInput, match="unknown here"):
        panel.set_value(recipe_of(methods=[{"label": "mine", "method": "my_method"}]), None)
    panel.set_value(recipe_of(), None)
    assert panel.value().recipe == recipe_of()


def test_the_widget_gives_what_could_not_be_shown():
    widget = MagicMock()
    widget.plan.set_value.side_effect = InvalidInput("The method x is unknown here.")
    told = BatchEvaluation.show_plan(widget, recipe_of(), Path("out"))
    assert told == "The method x is unknown here."
    widget.plan.set_value.side_effect = None
    assert not BatchEvaluation.show_plan(widget, recipe_of(), Path("out"))
