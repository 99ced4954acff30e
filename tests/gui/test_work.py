"""The slow work behind the dock: run folders, child processes, counting."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.evaluation.post_processing import CLEAN_UP
from napari_scribseg.gui.results import predictions, saved_predictions
from napari_scribseg.gui.train import new_run
from napari_scribseg.gui.train.run_cards import choice_of
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.io import read_labels, write_volume
from napari_scribseg.project.folder import Project
from napari_scribseg.runs import commands
from napari_scribseg.runs.folder import RunFolder

CHOICE = Choice("partial_ce", "quick", {}, TrainConfig(steps=5))


def snapshot(**changes) -> Snapshot:
    case = two_ball_case()
    values = {
        "case": case.key,
        "image": case.image,
        "scribbles": case.scribbles,
        "reference": case.reference,
        "schema": TWO_BALLS,
    }
    return Snapshot(**(values | changes))


def python(code: str) -> commands.Children:
    return commands.Children([sys.executable, "-c", code])


def test_a_run_holds_exactly_what_was_drawn(tmp_path):
    taken = snapshot()
    run = RunFolder.open(new_run.write_run(tmp_path, taken, CHOICE).path)
    assert run.path.parent == tmp_path / "runs"
    assert run.status == "created"
    (files,) = run.files("train")
    case = files.load(run.schema)
    assert np.array_equal(case.scribbles, taken.scribbles)
    assert np.array_equal(case.image.array, taken.image.array)
    assert case.grid.offset_from(taken.image.grid) < 1e-4
    assert case.reference is None, "the reference must not be near the training"


def test_only_a_method_that_learns_from_the_reference_is_given_it(tmp_path):
    taken = snapshot()
    dense = replace(CHOICE, method="full_2d", uses_references=True)
    run = RunFolder.open(new_run.write_run(tmp_path, taken, dense).path)
    (files,) = run.files("train")
    assert np.array_equal(files.load(run.schema).reference, taken.reference)
    assert choice_of(run.path, {}).uses_references, "training more needs it again"


def test_two_runs_in_one_second_have_two_folders(tmp_path):
    paths = {new_run.write_run(tmp_path, snapshot(), CHOICE).path for _ in range(2)}
    assert len(paths) == 2


def test_scribbles_outside_the_schema_are_refused_before_anything_is_written(tmp_path):
    strange = snapshot(scribbles=np.full(two_ball_case().image.shape, 7, np.uint8))
    with pytest.raises(InvalidInput, match="7"):
        new_run.write_run(tmp_path, strange, CHOICE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [bool, np.int64, np.float64, np.float16])
def test_images_of_any_type_can_be_trained_on(tmp_path, kind):
    case = two_ball_case()
    image = Volume((case.image.array > 200).astype(kind), case.grid)
    run = new_run.write_run(tmp_path, snapshot(image=image), CHOICE)
    (files,) = run.files("train")
    assert np.array_equal(files.load(run.schema).image.array, image.array.astype(np.float32))


class TestChildren:
    def test_the_answer_is_the_document(self):
        assert python("import json; print(json.dumps({'done': 1}))").run([]) == {"done": 1}

    @pytest.mark.parametrize(
        "document", [{"error": "The run is empty."}, {"failed": {"one": "The run is empty."}}]
    )
    def test_a_failure_is_told_in_the_child_s_words(self, document):
        with pytest.raises(RunError, match=r"^The run is empty\.$"):
            python(f"import sys; print({json.dumps(document)!r}); sys.exit(2)").run([])

    def test_a_crash_is_told_by_its_last_line(self):
        with pytest.raises(RunError, match="ZeroDivisionError"):
            python("1 / 0").run([])

    def test_ending_kills_what_runs_and_starts_nothing_more(self):
        children = python("import time; time.sleep(60)")
        failures = []

        def wait() -> None:
            try:
                children.run([])
            except RunError as error:
                failures.append(error)

        thread = threading.Thread(target=wait)
        started = time.monotonic()
        thread.start()
        while not children.running and time.monotonic() - started < 10:
            time.sleep(0.01)
        children.end()
        thread.join(10)
        assert not thread.is_alive()
        assert failures
        assert time.monotonic() - started < 30
        with pytest.raises(RunError, match="closing"):
            children.run([])


class _Answering(commands.Children):
    """Writes what `scribseg predict` would write, without torch."""

    def __init__(self, segmentation, notes=()) -> None:
        super().__init__()
        self.segmentation, self.notes = segmentation, notes

    def run(self, arguments, tolerated=0):
        assert Path(arguments[2]).is_file()
        out = arguments[arguments.index("--out") + 1]
        plane = two_ball_case().grid
        grid = type(plane)(self.segmentation.shape, plane.affine)
        folder = Path(out)
        folder.mkdir(parents=True)
        write_volume(folder / "p.nii.gz", Volume(self.segmentation, grid))
        sure = np.zeros(grid.shape, np.float32)
        write_volume(folder / "p_uncertainty.nii.gz", Volume(sure, grid))
        return {"written": {"p": ["p.nii.gz", "p_uncertainty.nii.gz"]}, "notes": self.notes}


class TestPredict:
    def test_brings_back_segmentation_and_uncertainty(self, tmp_path):
        taken = snapshot()
        run = new_run.write_run(tmp_path, taken, CHOICE)
        outcome = predictions.predict(run.path, taken, _Answering(taken.reference))
        assert outcome.segmentation.grid == taken.image.grid
        assert np.array_equal(outcome.segmentation.array, taken.reference)
        assert outcome.uncertainty.array.max() == 0
        assert outcome.run == run.path
        assert outcome.probabilities is None

    def test_one_slice_comes_back_in_its_place(self, tmp_path):
        taken = snapshot()
        run = new_run.write_run(tmp_path, taken, CHOICE)
        outcome = predictions.predict(run.path, taken, _Answering(taken.reference[2:3]), z=2)
        assert np.array_equal(outcome.segmentation.array[2], taken.reference[2])
        assert not outcome.segmentation.array[:2].any()
        assert outcome.z == 2
        assert saved_predictions.newest_predictions(run.path) == {}, (
            "a slice is no prediction of the case"
        )

    def test_the_newest_prediction_of_each_case_is_found(self, tmp_path):
        taken = snapshot()
        run = new_run.write_run(tmp_path, taken, CHOICE)
        for _ in range(2):
            predictions.predict(run.path, taken, _Answering(taken.reference))
        found = saved_predictions.newest_predictions(run.path)
        assert list(found) == ["p"]
        assert found["p"] == max(run.path.glob("predictions/*/output/p.nii.gz"))

    def test_a_saved_prediction_comes_back(self, tmp_path):
        taken = replace(snapshot(), case=CaseKey.in_project(tmp_path, "p"))
        run = new_run.write_run(tmp_path, taken, CHOICE)
        with pytest.raises(InvalidInput, match="no saved prediction"):
            saved_predictions.saved_prediction(run.path, taken)
        made = predictions.predict(run.path, taken, _Answering(taken.reference))
        back = saved_predictions.saved_prediction(run.path, taken)
        assert np.array_equal(back.segmentation.array, made.segmentation.array)
        assert np.array_equal(back.uncertainty.array, made.uncertainty.array)
        assert (back.run, back.schema) == (made.run, made.schema)

    def test_the_newest_of_all_runs_comes_back_and_what_was_corrected_is_newest(self, tmp_path):
        taken = replace(snapshot(), case=CaseKey.in_project(tmp_path, "p"))
        assert saved_predictions.newest_of_case(tmp_path, taken) is None
        first, second = (new_run.write_run(tmp_path, taken, CHOICE).path for _ in range(2))
        made = predictions.predict(second, taken, _Answering(taken.reference))
        assert saved_predictions.newest_of_case(tmp_path, taken).run == second
        for folder in second.glob("predictions/*"):  # it was made earlier
            folder.rename(folder.with_name(f"2020{folder.name[4:]}"))
        predictions.predict(first, taken, _Answering(taken.reference))
        assert saved_predictions.newest_of_case(tmp_path, taken).run == first
        for folder in first.glob("predictions/*"):
            folder.rename(folder.with_name(f"2021{folder.name[4:]}"))
        better = made.segmentation.array.copy()
        better[0] = 2
        corrected = replace(
            made, segmentation=replace(made.segmentation, array=better), corrected=True
        )
        out = saved_predictions.corrected_file(second)
        for _ in range(2):  # kept again and again while somebody paints
            saved_predictions.keep_corrected(corrected, taken, out)
        back = saved_predictions.newest_of_case(tmp_path, taken)
        assert (back.run, back.corrected) == (second, True)
        assert np.array_equal(back.segmentation.array, better)
        assert np.array_equal(back.uncertainty.array, made.uncertainty.array)
        assert len(list(second.glob("predictions/*"))) == 2, "what the run itself said stays"

    def test_what_is_exported_is_cleaned_up_as_what_is_shown(self, tmp_path):
        name = TWO_BALLS.names[1]
        schema = TWO_BALLS.with_anatomy(**{name: {"one_piece": True}})
        with Project.create(tmp_path, schema) as project:
            project.add_case(replace(two_ball_case(), id="p"))
        taken = snapshot(schema=schema, case=CaseKey.in_project(tmp_path, "p"))
        run = new_run.write_run(tmp_path, taken, CHOICE).path
        parted = taken.reference.copy()
        parted[0, 0, 0] = 1
        made = predictions.predict(run, taken, _Answering(parted))

        def exported(out):
            predictions.export_project(
                tmp_path, tmp_path / out, "nifti", run, copy_images=False, cleaning=CLEAN_UP
            )
            (path,) = (tmp_path / out / "predictions").rglob("*.nii.gz")
            return read_labels(path).array

        assert np.array_equal(exported("clean"), CLEAN_UP.applied(parted, schema))
        for folder in run.glob("predictions/*"):  # it was made earlier
            folder.rename(folder.with_name(f"2020{folder.name[4:]}"))
        corrected = replace(made, corrected=True)
        saved_predictions.keep_corrected(corrected, taken, saved_predictions.corrected_file(run))
        assert exported("corrected")[0, 0, 0] == 1

    def test_exporting_needs_a_project(self, tmp_path):
        with pytest.raises(InvalidInput, match="no cases that are saved yet"):
            predictions.export_project(
                tmp_path, tmp_path / "out", "nifti", None, copy_images=True, cleaning=CLEAN_UP
            )

    def test_no_copy_of_the_image_stays_behind(self, tmp_path):
        taken = snapshot()
        run = new_run.write_run(tmp_path, taken, CHOICE)
        predictions.predict(run.path, taken, _Answering(taken.reference))
        with pytest.raises(RunError, match="ZeroDivisionError"):
            predictions.predict(run.path, taken, python("1 / 0"))
        images = [path for path in run.path.rglob("*") if path.stem.startswith(taken.case.id)]
        assert images == []
        assert len(list(run.path.glob("predictions/*/output/p.nii.gz"))) == 1
