"""What a run has made of a case can be looked at: seeds, relabelled voxels, edges."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import BACKGROUND, IGNORE
from napari_scribseg.io import read_labels, read_volume
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.inspect_maps import CaseMaps, case_maps
from napari_scribseg.training.relabel import relabelled_file
from napari_scribseg.training.train import train

CASE = "patient00"


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIBSEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """EM-CRF after one E-step."""
    run = phantom_run(tmp_path_factory.mktemp("maps"), EMCRF, patients=1, steps=4)
    list(train(run))
    return run


def test_seeds_and_relabelled_voxels_are_two_layers(trained) -> None:
    maps = case_maps(trained, CASE)
    assert maps.relabels == 1
    layers = maps.layers()
    assert set(layers) == {"seeds", "targets", "targets_relabelled"}
    scribbles = maps.case.scribbles
    drawn = scribbles > 0
    for array in layers.values():
        assert array.dtype == np.uint8
        assert set(np.unique(array)) <= {0, 1, 2, BACKGROUND}
        np.testing.assert_array_equal(array[drawn], scribbles[drawn])
    np.testing.assert_array_equal(layers["seeds"], layers["targets"])
    grown = layers["seeds"] == 0
    assert grown.any()
    relabelled = grown & (layers["targets_relabelled"] > 0)
    assert maps.changed == {"seeds": 0, "targets": int(relabelled.sum())}
    assert maps.changed["targets"] > 0


def test_the_command_writes_volumes_on_the_grid_of_the_case(trained, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert main(["maps", str(trained.path), CASE, "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = {f"{CASE}_{n}.nii.gz" for n in ("seeds", "targets", "targets_relabelled")}
    assert set(document["written"]) == names
    assert {p.name for p in out.iterdir()} == names | {"labels.json"}
    assert document["relabels"] == 1
    maps = case_maps(trained, CASE)
    stored = read_labels(out / f"{CASE}_targets_relabelled.nii.gz")
    np.testing.assert_array_equal(stored.array, maps.layers()["targets_relabelled"])
    assert stored.grid.offset_from(maps.case.grid) < 0.001
    assert document["relabelled_voxels"] == maps.changed


def test_before_training_there_are_the_prepared_maps(tmp_path) -> None:
    maps = case_maps(phantom_run(tmp_path, RandomWalker, patients=1), CASE)
    assert maps.relabels == 0
    assert set(maps.layers()) == {"seeds"}
    assert maps.changed == {"seeds": 0}


def test_edges_stay_numbers_and_what_is_the_same_everywhere_is_left_out(tmp_path) -> None:
    run = phantom_run(tmp_path, Scribble2D5, patients=1)
    out = tmp_path / "out"
    assert main(["maps", str(run.path), CASE, "--out", str(out)]) == 0
    edges = read_volume(out / f"{CASE}_edges.nii.gz").array
    assert edges.dtype.kind == "f"
    assert 0 <= edges.min() < edges.max() <= 1
    assert {p.name for p in out.glob("*.nii.gz")} == {
        f"{CASE}_edges.nii.gz",
        f"{CASE}_pseudo_labels.nii.gz",
    }


def test_unlabelled_and_background_are_told_apart(tmp_path) -> None:
    run = phantom_run(tmp_path, RandomWalker, patients=1)
    case = case_maps(run, CASE).case
    then = np.full((1, 2, 2), IGNORE, np.int16)
    now = np.array([[[0, 1], [2, IGNORE]]], np.int16)
    maps = CaseMaps(case, run.schema, {"targets": then}, {"targets": now}, relabels=2)
    assert maps.layers()["targets_relabelled"].tolist() == [[[BACKGROUND, 1], [2, 0]]]
    assert maps.changed == {"targets": 3}


def test_what_can_not_be_shown_is_said(trained, tmp_path, capsys) -> None:
    with pytest.raises(InvalidInput, match="does not train on a case 'nobody'. It trains on: pat"):
        case_maps(trained, "nobody")
    with pytest.raises(InvalidInput, match="makes no maps"):
        case_maps(phantom_run(tmp_path, PartialCE, patients=1), CASE)
    out = tmp_path / "out"
    assert main(["maps", str(trained.path), "nobody", "--out", str(out)]) == 2
    assert not out.exists()


def test_lost_targets_are_told(trained) -> None:
    path = relabelled_file(trained.path, 1, CASE)
    content = path.read_bytes()
    path.write_bytes(content[:100])
    try:
        with pytest.raises(RunError, match="missing or damaged"):
            case_maps(trained, CASE)
    finally:
        path.write_bytes(content)


def test_strokes_that_are_held_out_have_no_part_in_the_seeds(tmp_path) -> None:
    whole = phantom_run(tmp_path, RandomWalker, patients=1, folder="whole")
    parted = phantom_run(tmp_path, RandomWalker, patients=1, folder="parted", held_out_strokes=0.5)
    seeds = [case_maps(run, CASE).layers()["seeds"] for run in (whole, parted)]
    drawn = case_maps(whole, CASE).case.scribbles
    assert np.array_equal(seeds[0][drawn > 0], drawn[drawn > 0])
    assert not np.array_equal(seeds[0], seeds[1])
