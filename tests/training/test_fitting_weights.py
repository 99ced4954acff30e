"""A run folder whose documents and weights don't fit together is refused in one sentence."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import save
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.core.errors import InvalidInput, RunError, ScribsegError
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.random_walker.method import RandomWalker
from napari_scribseg.training import checkpoint
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.predict import load_model
from napari_scribseg.training.train import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = phantom_run(tmp_path_factory.mktemp("trained"), PartialCE, steps=2)
    list(train(run))
    return run


@pytest.fixture
def run(trained, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(trained.path, tmp_path / "run")


def _edit(path, **changes) -> None:
    document = json.loads(path.read_text())
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(document))


def _rewrite(path, change, **info) -> None:
    """A checkpoint with other content and a right check sum."""
    groups, header = load_checkpoint(path)
    for group in groups.values():
        change(group)
    tensors = {f"{group}|{name}": t for group, some in groups.items() for name, t in some.items()}
    text = json.dumps({**header.model_dump(), **info})  # writes NaN as NaN, unlike pydantic
    path.write_bytes(save(tensors, {"info": text, "sha256": checkpoint._digest(text, tensors)}))


def _refusal(folder, word, error=RunError) -> None:
    """Loading is refused in one sentence with this word, and without the words of a library."""
    with pytest.raises(error, match=word) as told:
        load_model(folder)
    assert "\n" not in str(told.value)
    assert str(told.value).endswith(".")
    assert "pydantic" not in str(told.value)
    assert "state_dict" not in str(told.value)


@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_although_their_sum_is_right(run, strange) -> None:
    def spoil(group) -> None:
        name = next(n for n, t in group.items() if t.is_floating_point())
        group[name].view(-1)[0] = strange

    _rewrite(run / "checkpoints" / "best.safetensors", spoil)
    _refusal(run, "not finite")


@pytest.mark.parametrize("spacing", [0.0, float("nan"), float("inf"), -1.0, "wide"])
def test_a_pixel_size_that_is_none_is_refused(run, spacing) -> None:
    _rewrite(run / "checkpoints" / "best.safetensors", lambda group: None, spacing_mm=spacing)
    _refusal(run, "'spacing_mm' can't be")


def test_a_newer_checkpoint_asks_for_an_update(run) -> None:
    _rewrite(run / "checkpoints" / "best.safetensors", lambda group: None, version=2)
    _refusal(run, "newer napari-scribseg")


def test_another_number_of_classes_in_labels_json_is_refused(run) -> None:
    labels = json.loads((run / "labels.json").read_text())["classes"]
    _edit(run / "labels.json", classes=labels[:1])
    _refusal(run, r"3 classes apart.*names 2 \(background, bright\)")


def test_exchanged_names_in_labels_json_are_refused(run) -> None:
    labels = json.loads((run / "labels.json").read_text())["classes"]
    _edit(run / "labels.json", classes=labels[::-1])
    _refusal(run, "trained for background, bright, dim, and labels.json says background, dim, bri")


def test_other_colours_and_another_title_are_fine(run) -> None:
    labels = json.loads((run / "labels.json").read_text())["classes"]
    _edit(run / "labels.json", classes=[{**c, "color": "#123456"} for c in labels], title="Else")
    assert load_model(run).schema.title == "Else"


def test_a_checkpoint_of_before_class_names_were_noted_loads(run) -> None:
    _rewrite(run / "checkpoints" / "best.safetensors", lambda group: None, class_names=())
    assert load_model(run).schema.n_classes == 3


def test_weights_of_another_method_are_refused(run) -> None:
    _edit(run / "run.json", method=RandomWalker.spec.name)
    _refusal(run, "weights of partial_ce, run.json says random_walker")


def test_another_pixel_size_in_run_json_is_refused(run) -> None:
    _edit(run / "run.json", training__spacing_mm=7.5)
    _refusal(run, "run.json says 7.5 mm")


def test_weights_of_another_shape_are_refused_with_name_and_shapes(run) -> None:
    def widen(group) -> None:
        name = next(n for n, t in group.items() if t.ndim == 4)
        group[name] = torch.zeros(1, 2, 3, 4)

    _rewrite(run / "checkpoints" / "best.safetensors", widen)
    _refusal(run, r"the shape \(1, 2, 3, 4\), expected")


def test_a_missing_weight_is_named(run) -> None:
    lost: list[str] = []

    def lose(group) -> None:
        lost.append(next(iter(group)))
        del group[lost[-1]]

    _rewrite(run / "checkpoints" / "best.safetensors", lose)
    _refusal(run, f"{lost[0]} is missing")


@pytest.mark.parametrize("options", [{"width": "broad"}, {"no_such_thing": 1}])
def test_options_that_the_method_does_not_know_are_refused(run, options) -> None:
    _rewrite(run / "checkpoints" / "best.safetensors", lambda group: None, options=options)
    _refusal(run, "can't be used")


@pytest.mark.parametrize("name", ["labels.json", "cases.json", "run.json"])
@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"version": 1, "x": NaN}', "\0"])
def test_a_document_that_is_missing_or_no_document_is_told_by_name(run, name, content) -> None:
    path = run / name
    path.unlink() if content is None else path.write_text(content)
    _refusal(run, name, InvalidInput)


def test_no_weights_at_all_are_told(run) -> None:
    shutil.rmtree(run / "checkpoints")
    _refusal(run, "There is no checkpoint")


def test_the_command_line_says_it_in_a_sentence_and_writes_nothing(
    run, trained, tmp_path, capsys
) -> None:
    _edit(run / "run.json", method=RandomWalker.spec.name)
    image = trained.cases[0].files.image
    code = main(["predict", str(run), str(image), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert code == 4
    assert "does not belong to the files beside it" in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"method": RandomWalker.spec.name}, "run.json says random_walker"),
        ({"training__optimiser": "sgd"}, "optimiser has kept"),
    ],
)
def test_resuming_with_edited_settings_is_refused_in_a_sentence(run, changes, word) -> None:
    from napari_scribseg.runs.folder import RunFolder

    _edit(run / "run.json", **changes, training__steps=4)
    with pytest.raises(ScribsegError, match=word):
        list(train(RunFolder.open(run), resume=True))
