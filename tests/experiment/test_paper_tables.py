"""Tables of the papers and sweeps: the rows they stand for, and two of them end to end."""

from __future__ import annotations

import csv
import json

import pytest
from phantoms import phantom_dataset

from napari_scribseg.cli import main
from napari_scribseg.core.config import apply_changes
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.paper_tables import TABLES, table_named
from napari_scribseg.experiment.recipe import Recipe
from napari_scribseg.experiment.sweep import parse_sweeps, swept
from napari_scribseg.methods.em_crf import ROWS
from napari_scribseg.methods.recipes import WSL4MIS
from napari_scribseg.methods.registry import spec_named
from napari_scribseg.methods.unet_crf import UNetCRFConfig


@pytest.mark.parametrize("shortened", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_a_recipe_of_methods_and_settings_that_exist(name, shortened):
    table = TABLES[name]
    recipe = Recipe.model_validate(
        {
            "dataset": "/data",
            "methods": table.choices(shortened=shortened),
            "split": dict(table.split),
        }
    )
    for choice in recipe.methods:
        preset = spec_named(choice.method).preset(choice.preset)
        apply_changes(choice.settings, preset.options, preset.training)


def test_em_crf_has_the_eight_rows_of_its_table():
    spec = spec_named("em_crf")
    rows = {row.title: row for row in TABLES["em_crf-1-acdc"].rows}
    assert list(rows) == list(ROWS)
    for title, row in rows.items():
        options, _ = apply_changes(dict(row.settings), *_paper(spec))
        assert options == ROWS[title]
    prostate = spec.preset("paper_prostate").options
    assert (prostate.tau, prostate.bilateral_sigma, prostate.grey_sigma) == (0.9, 3.0, 0.01)
    grid = [choice["settings"] for choice in TABLES["em_crf-grid"].choices()]
    for found in (spec.preset("paper").options, prostate):
        assert {name: getattr(found, name) for name in grid[0]} | {"crf": "dense"} in grid
    assert {row.preset for row in TABLES["em_crf-1-prostate"].rows} == {"paper_prostate"}


def _paper(spec):
    preset = spec.preset("paper")
    return preset.options, preset.training


def test_rows_without_a_paper_preset_train_as_long_as_the_others():
    rw = next(c for c in TABLES["effdnet-1-acdc"].choices() if c["label"] == "rw")
    assert rw["settings"]["steps"] == 60_000
    short = next(c for c in TABLES["effdnet-1-acdc"].choices(shortened=True) if c["label"] == "rw")
    assert "steps" not in short["settings"]


@pytest.mark.parametrize("name", TABLES)
def test_published_rows_of_the_schedule_of_wsl4mis_train_alike(name):
    """Also those of methods that have a preset "quick" only, which trains without dropout."""
    for row in TABLES[name].choices():
        preset = spec_named(row["method"]).preset(row["preset"])
        options, training = apply_changes(row["settings"], preset.options, preset.training)
        if training.steps == WSL4MIS.steps and training.optimiser == "sgd":
            rate = {"learning_rate": training.learning_rate}  # full supervision's is higher
            assert training == WSL4MIS.updated(rate), row["label"]
        if row["method"] == "unet_crf":
            assert options == UNetCRFConfig()


def test_without_sbpm_is_without_the_active_boundary_as_well():
    rows = {row.title: row for row in TABLES["scribble2d5-1"].rows}
    assert rows["w/o SBPM"].settings == {"sbpm": False, "abl": False}
    assert rows["w/o ABL"].settings == {"abl": False}


def test_what_we_lack_is_said_with_the_reason():
    lacking = {name for table in TABLES.values() for name, _ in table.absent}
    assert lacking == {"ScribFormer", "MAAG", "InExtremIS", "ScribbleSeg (ZScribbleSeg)"}
    assert all(len(why) > 30 for table in TABLES.values() for _, why in table.absent)


def test_a_sweep_has_every_combination():
    choice = {"label": "e", "method": "effdnet", "preset": "quick", "settings": {"fadc": False}}
    grid = parse_sweeps(["blocks=4,8", "e.fbsl_weight=0.1,0.3"], ["e"])["e"]
    rows = swept(choice, grid)
    assert [row["label"] for row in rows] == [
        "e.blocks_4.fbsl_weight_0.1",
        "e.blocks_4.fbsl_weight_0.3",
        "e.blocks_8.fbsl_weight_0.1",
        "e.blocks_8.fbsl_weight_0.3",
    ]
    assert rows[1]["settings"] == {"fadc": False, "blocks": 4, "fbsl_weight": 0.3}
    long = swept({**choice, "label": "a_label_of_many_letters_for_a_method"}, grid)
    assert [row["label"][-2:] for row in long] == [".1", ".2", ".3", ".4"]
    assert len({row["label"] for row in long}) == 4
    Recipe.model_validate({"dataset": "/d", "methods": long})


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("blocks=4", "two different"),
        ("blocks=4,4", "two different"),
        ("blocks", "two different"),
        ("other.blocks=4,8", "isn't there"),
    ],
)
def test_strange_sweeps_are_refused(word, why):
    with pytest.raises(InvalidInput, match=why):
        parse_sweeps([word], ["e"])


def test_a_setting_can_t_be_set_and_swept():
    choice = {"label": "e", "method": "effdnet", "preset": "quick", "settings": {"blocks": 4}}
    with pytest.raises(InvalidInput, match="both set and swept"):
        swept(choice, {"blocks": [4, 8]})
    with pytest.raises(InvalidInput, match="There is no table 'exmod-3'"):
        table_named("exmod-3")


def saved(tmp_path, *words):
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    out = tmp_path / "recipe.json"
    out.unlink(missing_ok=True)
    assert main(["experiment", str(data), *words, "--save-recipe", str(out)]) == 0
    return json.loads(out.read_text())


def test_the_command_makes_the_recipe_of_a_table(tmp_path, capsys):
    recipe = saved(tmp_path, "--table", "effdnet-2-acdc", "--set", "pseudo_weight=0.5")
    assert [choice["label"] for choice in recipe["methods"]] == ["baseline", "fbsl", "fadc", "both"]
    assert recipe["methods"][0]["settings"] == {"fbsl": False, "fadc": False, "pseudo_weight": 0.5}
    assert recipe["split"] == {"kind": "published", "name": "wsl4mis"}
    assert "table 2" in recipe["title"]
    recipe = saved(tmp_path, "--table", "effdnet-1-acdc", "--steps", "100", "--folds", "3")
    assert all("steps" not in choice["settings"] for choice in recipe["methods"])
    assert recipe["split"]["folds"] == 3
    recipe = saved(tmp_path, "--method", "x=effdnet", "--sweep", "x.blocks=2,4")
    assert [choice["settings"] for choice in recipe["methods"]] == [{"blocks": 2}, {"blocks": 4}]
    capsys.readouterr()
    bad = ["experiment", str(tmp_path / "data"), "--table", "exmod-2", "--method", "ustm"]
    assert main([*bad, "--dry-run"]) == 2
    assert "or a paper's table" in capsys.readouterr().err


def test_the_tables_are_listed(capsys):
    assert main(["paper-tables"]) == 0
    assert "em_crf-grid" in capsys.readouterr().out
    assert main(["paper-tables", "effdnet-1-acdc"]) == 0
    text = capsys.readouterr().out
    assert "lacking: ScribFormer" in text
    assert "rw: random_walker:quick" in text


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("table", "labels"),
    [
        ("exmod-1-acdc", {"exmod"}),
        ("effdnet-2-prostate", {"baseline", "fbsl", "fadc", "both"}),
    ],
)
def test_a_shortened_table_runs_from_data_to_summary(table, labels, tmp_path):
    data = phantom_dataset(tmp_path / "data", 2, shape=(3, 32, 32))
    out = tmp_path / "out"
    command = ["experiment", str(data), "--out", str(out), "--table", table, "--shortened"]
    command += ["--folds", "2", "--steps", "2", "--set", "patch=32,32", "--jobs", "1"]
    assert main(command) == 0
    rows = list(csv.DictReader((out / "summary.csv").open()))
    assert {row["label"] for row in rows} == labels
    scores = list(csv.DictReader((out / "scores.csv").open()))
    for row in rows:
        own = [
            float(s["dice"])
            for s in scores
            if (s["label"], s["class"]) == (row["label"], row["class"]) and s["dice"]
        ]
        if own:
            assert float(row["dice_max"]) == pytest.approx(max(own))
