"""Recipes: what is written is what is read, and what makes no sense is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.recipe import Recipe, load_recipe, share_text
from napari_scribseg.io.documents import save_document

METHODS = ({"label": "walk", "method": "random_walker"}, {"label": "slow", "method": "effdnet"})


def recipe(**changes: object) -> Recipe:
    return Recipe.model_validate({"dataset": "/data/acdc", "methods": METHODS, **changes})


@pytest.mark.parametrize(
    "split",
    [
        {"kind": "cross-validation", "folds": 3, "random_seed": 7},
        {"kind": "published", "name": "maag"},
        {"kind": "dataset", "train": "train", "test": "test"},
        {"kind": "listed", "folds": [{"name": "a", "train": ["p1"], "test": ["p2"]}]},
    ],
)
def test_every_kind_of_recipe_survives_its_file(tmp_path, split):
    settings = {"tau": 0.9, "patch": [64, 64], "flips": True}
    written = recipe(
        title="Äpfel & <Birnen>",
        split=split,
        methods=({**METHODS[0], "settings": settings, "preset": "paper"},),
        random_seeds=(0, 1),
        minutes=2.5,
        clock="cpu",
        shares=(0.25, 0.5, 1.0),
        shares_of="strokes",
        locked=("maag", "patient009"),
    )
    save_document(tmp_path / "recipe.json", written)
    assert load_recipe(tmp_path / "recipe.json") == written


def test_a_relative_dataset_is_looked_for_beside_the_recipe(tmp_path):
    (tmp_path / "recipe.json").write_text(
        json.dumps({"version": 1, "dataset": "../data", "methods": [METHODS[0]]})
    )
    assert Path(load_recipe(tmp_path / "recipe.json").dataset) == tmp_path.parent / "data"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods": (METHODS[0], METHODS[0])}, "method labels must differ, got walk"),
        ({"methods": ()}, "at least 1"),
        ({"methods": ({"label": "../x", "method": "a"},)}, "string should match"),
        ({"random_seeds": (1, 1)}, "random seeds must differ"),
        ({"shares": (0.5, 0.5)}, "shares must differ, got 50"),
        ({"shares": (0.0, 1.0)}, "greater than 0"),
        ({"steps": 3, "minutes": 1.0}, "steps or minutes"),
        ({"split": {"kind": "cross-validation", "folds": 1}}, "greater than or equal to 2"),
        ({"split": {"kind": "cross-validation", "folds": 10**6}}, "less than or equal to 1000"),
        ({"steps": 10**12}, "less than or equal to 10000000"),
        ({"minutes": 1e9}, "less than or equal to 43200"),
        ({"threads": 10**6}, "less than or equal to 1024"),
        ({"random_seeds": tuple(range(5000))}, "at most 1000"),
        (
            {
                "split": {"kind": "cross-validation", "folds": 1000},
                "random_seeds": tuple(range(200)),
            },
            r"x 1000 fold\(s\) x 200 seed\(s\) x \d+ share\(s\) are \d+ trials, more than the 1000",
        ),
        ({"epochs": 3}, "extra"),
        ({"device": "toaster"}, "string should match"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, said):
    with pytest.raises(ValidationError, match=f"(?i){said}"):
        recipe(**changes)


def test_a_damaged_or_newer_recipe_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"version": 2, "dataset": "x", "methods": []}')
    with pytest.raises(InvalidInput, match="newer napari-scribseg"):
        load_recipe(path)
    path.write_text('{"version": 1, "dataset": "x", "methods": [], "fold": 3}')
    with pytest.raises(InvalidInput, match="no setting 'fold'"):
        load_recipe(path)


def test_differences_are_named():
    assert recipe().differences(recipe()) == ()
    assert recipe().differences(recipe(steps=3, part="train")) == ("part", "steps")


def test_shares_are_called_by_their_percentage():
    assert [share_text(share) for share in (0.25, 1.0, 0.125, 0.07)] == ["25", "100", "12.5", "7"]
