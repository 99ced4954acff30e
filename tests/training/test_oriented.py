"""A run sees its cases in one orientation: in training, prediction, previews, E-steps, resumed."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_run
from torch import Tensor

from napari_scribseg.cli import main
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.events import Previewed, Stepped, Validated, Warned
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.data.orientation import NOT_RECORDED, Orientation, StoredAxes, Turn
from napari_scribseg.evaluation.metrics import dice
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.methods.scribble2d5.method import Scribble2D5
from napari_scribseg.runs.documents import PreviewRequest
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.checkpoint import checkpoint_info, load_checkpoint, save_checkpoint
from napari_scribseg.training.inspect_maps import case_maps
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.predict import Model, load_model, predict_case
from napari_scribseg.training.train import train

ALL = [Turn(a, r) for a in permutations(range(3)) for r in product((False, True), repeat=3)]
RAS = Turn((0, 1, 2), (False, True, True))
CORONAL_SCAN = Turn((1, 0, 2), (True, False, False))
"""A turn that permutes the slices away from the first axis."""


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIBSEG_CACHE", str(tmp_path / "cache"))


class _KnowsThePlace(PartialCE):
    """Class 1 is what is bright in the first quarter of a slice, class 2 in the last; learnt so."""

    def forward(self, image: Tensor) -> Tensor:
        y, x = (torch.linspace(-1, 1, n) for n in image.shape[-2:])
        place = y[:, None] + x
        bright = image[:, 0] > 0.3
        votes = [~bright, bright & (place < 0), bright & (place >= 0)]
        return 20.0 * torch.stack(votes, 1).float()


def _heart() -> tuple[Volume, np.ndarray]:
    """An oblique image and its reference."""
    case = two_ball_case(shape=(4, 40, 48), spacing=(8.0, 1.5, 1.25), noise=5.0)
    angle = np.radians(25)
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = case.grid.affine.copy()
    affine[:3, :3] = tilt @ affine[:3, :3]
    return Volume(case.image.array, Grid(case.grid.shape, affine)), case.reference


def _model(orientation: Orientation | None) -> Model:
    method = _KnowsThePlace(TWO_BALLS.n_classes, MethodConfig()).eval()
    machine = choose_machine("cpu", "float32")
    return Model(method, TWO_BALLS, 1.25, machine, step=1, orientation=orientation)


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
def test_all_48_orders_of_one_heart_are_segmented_alike(extension, tmp_path) -> None:
    image, reference = _heart()
    model = _model(Orientation.of([StoredAxes.of(image)]))
    expected = predict_case(model, image)
    assert expected.notes == ()
    scores = [dice(expected.segmentation == k, reference == k) for k in (1, 2)]
    assert min(scores) > 0.8
    for number, turn in enumerate(ALL):
        path = tmp_path / f"{number}{extension}"
        write_volume(path, turn.volume(image))
        stored = read_volume(path)
        found = predict_case(model, stored)
        assert found.grid == stored.grid
        assert bool(found.notes) != turn.is_none
        placed, _ = put_on_grid(Volume(found.segmentation, found.grid), image.grid, "It")
        np.testing.assert_array_equal(placed, expected.segmentation)
        np.testing.assert_array_equal(turn.undone(found.probabilities), expected.probabilities)
        np.testing.assert_array_equal(turn.undone(found.uncertainty), expected.uncertainty)


def test_a_run_that_tells_no_orientation_predicts_as_before_and_says_so() -> None:
    image, reference = _heart()
    model = _model(None)
    plain, turned = predict_case(model, image), predict_case(model, RAS.volume(image))
    assert plain.notes == turned.notes == (NOT_RECORDED,)
    assert dice(plain.segmentation == 1, reference == 1) > 0.8
    assert dice(turned.segmentation == 1, RAS.applied(reference) == 1) == 0


@pytest.mark.parametrize("turn", [RAS, CORONAL_SCAN, Turn((0, 2, 1), (True, False, True))])
def test_one_slice_of_a_turned_image_is_that_slice_of_the_whole(turn) -> None:
    image, _ = _heart()
    model = _model(Orientation.of([StoredAxes.of(image)]))
    stored = turn.volume(image)
    whole = predict_case(model, stored)
    for z in (0, stored.shape[0] - 1):
        alone = predict_case(model, stored, z)
        np.testing.assert_array_equal(alone.segmentation[0], whole.segmentation[z])
        np.testing.assert_array_equal(alone.probabilities[:, 0], whole.probabilities[:, z])
        np.testing.assert_allclose(
            alone.grid.position((0, 3, 2)), stored.grid.position((z, 3, 2)), atol=1e-9
        )


def test_windows_of_slices_are_turned_too() -> None:
    image, _ = _heart()
    torch.manual_seed(0)
    options = Scribble2D5.fitted(Scribble2D5.spec.presets["quick"].options, [image.spacing])
    method = Scribble2D5(TWO_BALLS.n_classes, options).eval()
    machine = choose_machine("cpu", "float32", volumes=True)
    orientation = Orientation.of([StoredAxes.of(image)])
    model = Model(method, TWO_BALLS, 4.0, machine, step=1, orientation=orientation)
    expected = predict_case(model, image).probabilities
    for turn in ALL[5::13]:
        found = predict_case(model, turn.volume(image)).probabilities
        np.testing.assert_array_equal(turn.undone(found), expected)


def test_a_coronal_image_given_to_an_axial_model_is_told() -> None:
    image, _ = _heart()
    model = _model(Orientation.of([StoredAxes.of(image)]))
    affine = image.grid.affine.copy()
    affine[:3, :3] = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) @ affine[:3, :3]
    notes = predict_case(model, Volume(image.array, Grid(image.shape, affine))).notes
    assert "slices are coronal, those of the training cases axial" in notes[-1]
    assert "90 degrees" in notes[-1]


# Training


def _restore(run: RunFolder, turns: dict[int, Turn]) -> None:
    """Store the files of some cases of a run in another order."""
    for number, turn in turns.items():
        files = run.cases[number].files
        write_volume(files.image, turn.volume(read_volume(files.image)))
        for path in (files.scribbles, files.reference):
            assert path is not None
            write_volume(path, turn.volume(read_labels(path)))


def _weights(run: RunFolder) -> dict[str, Tensor]:
    groups, _ = load_checkpoint(run.checkpoint("last"))
    return {f"{g}/{n}": t for g, members in groups.items() for n, t in members.items()}


def _assert_same_weights(first: RunFolder, second: RunFolder) -> None:
    weights = _weights(second)
    for name, tensor in _weights(first).items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.parametrize("method", [PartialCE, EMCRF, Scribble2D5])
def test_the_order_of_storage_changes_no_weight_and_no_score(method, tmp_path) -> None:
    events = {}
    for name, turns in (
        ("plain", {}),
        ("mixed", {1: RAS, 2: CORONAL_SCAN, 3: Turn((2, 1, 0), (True, True, False))}),
    ):
        (tmp_path / name).mkdir()
        run = phantom_run(tmp_path / name, method, patients=3, validate=1, steps=2)
        if name == "mixed":
            _restore(run, {0: Turn(), **turns})
        events[name] = list(train(run))
    _assert_same_weights(*(RunFolder.open(tmp_path / n / "run") for n in ("plain", "mixed")))
    scores = [[e.scores for e in e_ if isinstance(e, Validated)] for e_ in events.values()]
    assert scores[0] == scores[1] != []
    told = [[e.message for e in e_ if isinstance(e, Warned)] for e_ in events.values()]
    assert told[0] == []
    assert "2 of 3 case(s) are stored in another order" in told[1][0]
    assert "patient01, patient02" in told[1][0]
    assert "1 of 1 case(s) are stored in another order" in told[1][1]


def test_cases_in_the_orientation_of_the_run_give_the_numbers_of_before(
    tmp_path, monkeypatch
) -> None:
    new = phantom_run(tmp_path, RandomWalker, folder="new", validate=1, steps=3)
    list(train(new))
    monkeypatch.setattr(
        "napari_scribseg.training.train.training_orientation", lambda *_, **__: None
    )
    old = phantom_run(tmp_path, RandomWalker, folder="old", validate=1, steps=3)
    list(train(old))
    _assert_same_weights(old, new)
    assert checkpoint_info(old.checkpoint("last")).orientation is None
    image = read_volume(old.cases[0].files.image)
    found = [predict_case(load_model(run), image).probabilities for run in (old, new)]
    np.testing.assert_array_equal(*found)


def test_the_orientation_stays_with_the_run(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, patients=2, steps=6)
    _restore(run, {0: RAS, 1: RAS})
    events = train(run)
    next(e for e in events if isinstance(e, Stepped))
    run.request("stop")
    list(events)
    expected = checkpoint_info(run.checkpoint("last")).orientation
    assert expected is not None
    np.testing.assert_allclose(expected.directions, [[0, 0, 1], [0, -1, 0], [-1, 0, 0]], atol=1e-9)
    run.clear_requests()
    list(train(run, resume=True))
    assert checkpoint_info(run.checkpoint("last")).orientation == expected
    assert load_model(run).orientation == expected
    # A run that goes on from its weights shows them what they have learnt from.
    data = [case.files for case in run.cases]
    _restore(run, {0: RAS, 1: RAS})
    further = RunFolder.create(
        tmp_path / "further",
        method="partial_ce",
        options=run.record.options,
        training=run.record.training,
        schema=run.schema,
        cases=run.cases,
        preset="quick",
        continues=run,
    )
    assert [case.files for case in further.cases] == data
    list(train(further))
    assert checkpoint_info(further.checkpoint("last")).orientation == expected


def test_a_run_from_before_goes_on_as_it_was(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, patients=2, steps=6)
    events = train(run)
    next(e for e in events if isinstance(e, Stepped))
    run.request("stop")
    list(events)
    run.clear_requests()
    path = run.checkpoint("last")
    groups, info = load_checkpoint(path)
    save_checkpoint(path, groups, info.model_copy(update={"orientation": None}))
    list(train(run, resume=True))
    assert load_model(run).orientation is None


def test_previews_and_maps_lie_on_the_image_as_it_is_stored(tmp_path) -> None:
    found = {}
    for name, turn in (("plain", Turn()), ("turned", CORONAL_SCAN)):
        (tmp_path / name).mkdir()
        run = phantom_run(tmp_path / name, EMCRF, patients=3, steps=4)
        _restore(run, {0: turn})
        case = run.cases[0].files
        run.ask_preview(PreviewRequest(case=case, every_seconds=0.001))
        preview = [e for e in train(run) if isinstance(e, Previewed)][-1]
        grid = read_volume(case.image).grid
        shown = read_labels(run.path / preview.path)
        assert np.allclose(shown.grid.affine, grid.affine, atol=1e-4)
        layers = case_maps(run, case.id).layers()
        assert "targets_relabelled" in layers
        found[name] = {
            "preview": turn.undone(shown.array),
            **{k: turn.undone(a) for k, a in layers.items()},
        }
    assert found["plain"].keys() == found["turned"].keys()
    for name, array in found["plain"].items():
        if name == "preview":
            continue
        np.testing.assert_array_equal(array, found["turned"][name], err_msg=name)
    np.testing.assert_array_equal(found["plain"]["preview"], found["turned"]["preview"])


def test_maps_can_be_seen_before_the_first_checkpoint(tmp_path) -> None:
    run = phantom_run(tmp_path, RandomWalker, patients=3)
    _restore(run, {0: CORONAL_SCAN})
    stored = read_volume(run.cases[0].files.image)
    seeds = case_maps(run, "patient00").layers()["seeds"]
    assert seeds.shape == stored.shape
    plain = case_maps(replace(run, cases=(run.cases[1],)), "patient01").layers()["seeds"]
    assert plain.shape == read_volume(run.cases[1].files.image).shape


# What is told


def _call(capsys, *arguments: object) -> tuple[int, dict]:
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_check_and_predict_tell_which_cases_had_to_be_turned(tmp_path: Path, capsys) -> None:
    run = phantom_run(tmp_path, PartialCE, patients=3, steps=1)
    _restore(run, {1: RAS})
    code, document = _call(capsys, "check", tmp_path / "data")
    assert code == 0
    assert [len(case["notes"]) for case in document["cases"]] == [0, 1, 0]
    assert "(x, y, z: RAS)" in document["cases"][1]["notes"][0]
    assert any("1 of 3 case(s) are stored in another order" in n for n in document["notes"])
    list(train(run))
    code, document = _call(capsys, "predict", run.path, tmp_path / "data", "--out", tmp_path / "a")
    assert code == 0
    assert list(document["notes_by_image"]) == ["patient01"]
    (note,) = document["notes"]
    assert note.startswith("patient01: The image is stored in another order of axes")
    assert (
        main(["predict", str(run.path), str(tmp_path / "data"), "--out", str(tmp_path / "b")]) == 0
    )
    assert "Note: patient01: The image is stored in another order" in capsys.readouterr().out
    for name in ("patient00", "patient01"):
        files = next(c.files for c in run.cases if c.files.id == name)
        stored = read_labels(tmp_path / "a" / f"{name}.nii.gz")
        assert np.allclose(stored.grid.affine, read_volume(files.image).grid.affine, atol=1e-4)
