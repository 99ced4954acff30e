"""Cases of several sequences in the window: shown as linked layers, made of layers, trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from napari.components import ViewerModel
from phantoms import TWO_BALLS, two_sequence_case, two_sequence_dataset

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.sequences import BY_NUMBERS
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.sequence_layers import (
    case_of_layers,
    image_of,
    link,
    sequence_layers,
    sequences_data,
)
from napari_scribseg.gui.case.tab import CaseTab
from napari_scribseg.gui.results import predictions
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train import new_run
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.io import read_volume, write_volume
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.folder import RunFolder


class Dock:
    """The Case tab alone."""

    def __init__(self, viewer, project) -> None:
        self.session = Session(viewer, project)
        self.tab = CaseTab(self.session)
        self.session.adopt()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


def shown_in(viewer, case):
    image = layers.layer_of(layers.image_data(case.image, case=case.key))
    layers.note(image, sequence=case.image.sequence)
    made = [image, *(layers.layer_of(one) for one in sequences_data(case.image, case=case.key))]
    for layer in made:
        viewer.add_layer(layer)
    return made


def test_sequences_are_hidden_layers_that_move_with_their_image() -> None:
    viewer, case = ViewerModel(), two_sequence_case(0)
    image, adc = shown_in(viewer, case)
    assert (adc.name, adc.visible, image.visible) == ("ADC", False, True)
    assert image.name == f"{case.key} T2", "what is drawn on says what it shows"
    assert sequence_layers(image, viewer.layers) == [adc]
    link(image, viewer)
    image.translate = (1.0, 2.0, 3.0)
    np.testing.assert_array_equal(adc.translate, (1.0, 2.0, 3.0))
    adc.visible = True
    image.contrast_limits = (0.0, 50.0)
    assert adc.contrast_limits != image.contrast_limits
    assert not layers.usable_as(adc, "image"), "strokes are drawn on the first one"


def test_an_image_is_taken_with_the_sequences_that_are_still_there() -> None:
    viewer, case = ViewerModel(), two_sequence_case(0)
    image, adc = shown_in(viewer, case)
    taken = image_of(image, viewer.layers)
    assert taken.sequences == ("T2", "ADC")
    np.testing.assert_array_equal(taken.further["ADC"], case.image.further["ADC"])
    viewer.layers.remove(adc)
    assert image_of(image, viewer.layers).further == {}


def test_layers_become_a_case_on_the_grid_of_the_first() -> None:
    viewer, image = ViewerModel(), two_sequence_case(0).image
    coarse = Grid((4, 24, 24), image.grid.affine @ np.diag([1.0, 2.0, 2.0, 1.0]))
    small = Volume(image.further["ADC"][:, ::2, ::2], coarse)
    for name, volume in (("T2", Volume(image.array, image.grid)), ("ADC", small)):
        key = CaseKey("", name.lower())
        viewer.add_layer(layers.layer_of(layers.image_data(volume, case=key, name=name)))
    case = case_of_layers(list(viewer.layers), viewer.layers)
    assert case.image.sequences == ("T2", "ADC")
    assert case.image.further["ADC"].shape == image.shape
    assert "ADC: resampled linearly" in case.notes[0]
    viewer.layers[1].name = "t2"
    with pytest.raises(InvalidInput, match="Two of the layers have one name"):
        case_of_layers(list(viewer.layers), viewer.layers)
    with pytest.raises(InvalidInput, match="two or more image layers"):
        case_of_layers(list(viewer.layers)[:1], viewer.layers)


def test_a_dataset_is_opened_with_its_sequences_and_trained_on_with_them(
    viewer, tmp_path, qtbot
) -> None:
    dock = Dock(viewer, tmp_path / "project")
    qtbot.addWidget(dock.tab)
    dataset = read_dataset(two_sequence_dataset(tmp_path / "data", 3))
    dock.tab.opener.open_files(dataset.cases, dataset.schema)
    qtbot.waitUntil(lambda: str(dock.session.case) == "patient00", timeout=60_000)
    taken = dock.session.snapshot()
    assert taken.image.sequences == ("T2", "ADC")
    choice = Choice("partial_ce", "quick", {}, TrainConfig(steps=5), all_cases=True)
    run = RunFolder.open(new_run.write_run(tmp_path / "project", taken, choice).path)
    assert run.record.sequences == ("T2", "ADC")
    for files in run.files("train"):
        assert files.read_image().sequences == ("T2", "ADC")
    dock.tab.end()


def test_selected_layers_become_a_case_of_the_project(viewer, tmp_path, qtbot) -> None:
    dock = Dock(viewer, tmp_path / "project")
    qtbot.addWidget(dock.tab)
    image = two_sequence_case(0).image
    for name, array in zip(image.sequences, image.channels, strict=True):
        key = CaseKey("", name.lower())
        one = layers.image_data(Volume(array, image.grid), case=key, name=name)
        viewer.add_layer(layers.layer_of(one))
    dock.session.set_schema(TWO_BALLS)
    viewer.layers.selection = set(viewer.layers)
    dock.session.choose(image=viewer.layers["T2"])
    viewer.layers.selection = set(viewer.layers)
    dock.tab.open.asked.emit("layers")

    def opened() -> bool:
        return dock.session.kept is not None

    qtbot.waitUntil(opened, timeout=60_000)
    assert dock.session.snapshot().image.sequences == ("T2", "ADC")
    dock.tab.end()
    with Project.open(tmp_path / "project", read_only=True) as project:
        (case_id,) = project.case_ids
        stored = project.load_case(case_id).image
    assert stored.sequences == ("T2", "ADC")
    np.testing.assert_array_equal(stored.further["ADC"], image.further["ADC"])


def test_a_run_of_the_window_holds_every_sequence(tmp_path) -> None:
    case = two_sequence_case(0)
    taken = Snapshot(case.key, case.image, case.scribbles, None, TWO_BALLS)
    choice = Choice("partial_ce", "quick", {}, TrainConfig(steps=5))
    run = RunFolder.open(new_run.write_run(tmp_path, taken, choice).path)
    (files,) = run.files("train")
    image = files.read_image()
    assert image.sequences == run.record.sequences == ("T2", "ADC")
    np.testing.assert_array_equal(image.further["ADC"], case.image.further["ADC"])


def test_a_prediction_is_given_the_sequences_in_the_order_of_the_model(tmp_path) -> None:
    case = two_sequence_case(0)
    swapped = Volume(
        case.image.further["ADC"], case.grid, sequence="ADC", further={"T2": case.image.array}
    )
    taken = Snapshot(case.key, case.image, case.scribbles, None, TWO_BALLS)
    choice = Choice("partial_ce", "quick", {}, TrainConfig(steps=5))
    run = new_run.write_run(tmp_path, taken, choice)
    given: dict[str, np.ndarray] = {}

    class Child:
        def run(self, words, **_):
            out = Path(words[words.index("--out") + 1])
            first = Path(words[2])
            given.update({p.name[-8:]: read_volume(p).array for p in first.parent.iterdir()})
            assert first.name.endswith("_0000.mha")
            out.mkdir(parents=True)
            nothing = Volume(np.zeros(case.grid.shape, np.uint8), case.grid)
            for name in ("a.nii.gz", "a_uncertainty.nii.gz"):
                write_volume(out / name, nothing)
            notes = [f"{BY_NUMBERS}: _0000 for T2.", "a doubt"]
            return {"written": {"a": ["a.nii.gz", "a_uncertainty.nii.gz"]}, "notes": notes}

    shown = Snapshot(case.key, swapped, case.scribbles, None, TWO_BALLS)
    found = predictions.predict(run.path, shown, cast("Any", Child()))
    assert found.doubts == ("a doubt",)
    np.testing.assert_array_equal(given["0000.mha"], case.image.array)
    np.testing.assert_array_equal(given["0001.mha"], case.image.further["ADC"])
    # Sequences that nobody named are taken in the order of the model, and that is shown.
    further = {"sequence 2": case.image.further["ADC"]}
    nameless = Volume(case.image.array, case.grid, sequence="sequence 1", further=further)
    plain = Snapshot(case.key, nameless, case.scribbles, None, TWO_BALLS)
    told = predictions.predict(run.path, plain, cast("Any", Child())).doubts
    assert (len(told), "sequence 1 for T2" in told[0]) == (2, True)
    np.testing.assert_array_equal(given["0001.mha"], case.image.further["ADC"])


def test_training_more_wants_the_same_sequences(tmp_path) -> None:
    case = two_sequence_case(0)
    taken = Snapshot(case.key, case.image, case.scribbles, None, TWO_BALLS)
    choice = Choice("partial_ce", "quick", {}, TrainConfig(steps=5))
    run = new_run.write_run(tmp_path, taken, choice)
    alone = Snapshot(case.key, Volume(case.image.array, case.grid), case.scribbles, None, TWO_BALLS)
    with pytest.raises(InvalidInput, match="learnt T2, ADC, and the case has one sequence"):
        new_run.write_run(tmp_path, alone, choice, continues=run.path)
