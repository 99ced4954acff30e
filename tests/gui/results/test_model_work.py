"""Models that somebody gave away, among the runs of a project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from phantoms import two_ball_case
from small_runs import phantom_run

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.gui.results import model_work, predictions, saved_predictions
from napari_scribseg.gui.results.run_list import runs_with_weights
from napari_scribseg.gui.values import Snapshot
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.runs import commands
from napari_scribseg.training.model_export import export_model
from napari_scribseg.training.train import train


def snapshot() -> Snapshot:
    case = two_ball_case()
    schema = LabelSchema.of("bright", "dim")
    return Snapshot(case.key, case.image, case.scribbles, case.reference, schema)


@pytest.fixture
def model(tmp_path):
    run = phantom_run(tmp_path / "elsewhere", PartialCE, steps=1)
    list(train(run))
    return export_model(run, tmp_path / "my heart.scribseg")


def test_a_model_file_becomes_an_entry_of_the_list(model, tmp_path):
    project = tmp_path / "project"
    folder = model_work.take_model(project, model)
    assert model_work.take_model(project, model) == folder, "the same one is not copied again"
    (entry,) = runs_with_weights(project)
    assert entry.folder == folder
    assert entry.title.startswith("Partial cross-entropy · model ")
    assert entry.about == "model file; bright, dim"


def test_it_predicts_into_its_folder_and_is_found_again(model, tmp_path):
    folder = model_work.take_model(tmp_path / "project", model)
    taken = snapshot()
    outcome = predictions.predict(folder, taken, commands.Children())
    assert outcome.schema.names == ("background", "bright", "dim")
    back = saved_predictions.saved_prediction(folder, taken)
    assert np.array_equal(back.segmentation.array, outcome.segmentation.array)


def test_exporting_names_the_file_and_passes_the_child_s_refusal_on(model, tmp_path):
    with pytest.raises(RunError, match=r"not a run|no run\.json"):
        model_work.export_model(tmp_path, tmp_path / "x", commands.Children())


def test_something_else_is_refused_before_anything_is_copied(tmp_path):
    (tmp_path / "x.scribseg").write_bytes(b"PK\x03\x04")
    with pytest.raises(InvalidInput, match="not a model"):
        model_work.take_model(tmp_path / "project", tmp_path / "x.scribseg")
    assert not (tmp_path / "project").exists()


class _Writer:
    """Stands for the children: writes what `export-model` would, or fails half way."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content

    def run(self, arguments) -> dict[str, object]:
        Path(arguments[2]).write_bytes(self.content or b"half")
        if self.content is None:
            raise RunError("The disk is full.")
        return {}


def test_a_model_that_was_chosen_to_be_replaced_is_replaced_once_the_new_one_is_whole(tmp_path):
    path = tmp_path / "heart.scribseg"
    run = tmp_path / "run"
    assert model_work.export_model(run, tmp_path / "heart", _Writer(b"first")) == path
    with pytest.raises(RunError):
        model_work.export_model(run, path, _Writer(None))
    assert path.read_bytes() == b"first"
    model_work.export_model(run, path, _Writer(b"second"))
    assert path.read_bytes() == b"second"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["heart.scribseg"]
