"""Two patients whose files have one name are two cases, in a real window and in its files."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from importing import add_paths
from phantoms import TWO_BALLS, two_ball_case, write_nifti

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case, CaseFiles, CaseKey
from napari_scribseg.evaluation.post_processing import CLEAN_UP
from napari_scribseg.gui import catalogue
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import Selected, kept_as
from napari_scribseg.gui.dock import ScribbleDock
from napari_scribseg.gui.drawn_strokes import DrawnStrokes
from napari_scribseg.gui.plugin import read
from napari_scribseg.gui.results import predictions, saved_predictions
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.train import new_run
from napari_scribseg.gui.train.presenter import Phase
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.io import read_labels, write_volume
from napari_scribseg.project.case_names import places_of, remember_place, shown_names
from napari_scribseg.project.folder import Project
from napari_scribseg.project.store import ProjectStore
from napari_scribseg.runs import commands
from napari_scribseg.runs.documents import RunCase
from napari_scribseg.runs.folder import RunFolder

ONE, TWO = two_ball_case(seed=1), two_ball_case(seed=2)
TINY = TrainConfig(
    steps=4, patch=(48, 48), batch_size=4, precision="float32", threads=1, device="cpu"
)
CHOICE = Choice("partial_ce", "quick", {}, TINY)


@pytest.fixture
def files(tmp_path):
    """p1/image.nii.gz and p2/image.nii.gz: two patients, one name, one shape."""
    return [
        write_nifti(tmp_path / "clinic" / patient / "image.nii.gz", case.image.array, case.grid)
        for patient, case in (("p1", ONE), ("p2", TWO))
    ]


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch):
    monkeypatch.setattr(catalogue, "methods", lambda: ())
    return make_napari_viewer(show=True)


def drop(viewer, *paths) -> list:
    """Open files the way napari does when they are dropped on it."""
    made = [layers.layer_of(data) for path in paths for data in read(str(path))]
    return [viewer.add_layer(layer) for layer in made]


def draw(session: Session, case: Case) -> np.ndarray:
    """New scribbles on the shown image, with the strokes of a phantom."""
    session.new_scribbles()
    scribbles = session.selected.scribbles
    scribbles.data[:] = case.scribbles
    session.touch_strokes()
    return scribbles.data


def stored(project, case_id: str) -> np.ndarray:
    return read_labels(project / "cases" / case_id / "scribbles.nii.gz").array


class TestInTheWindow:
    @pytest.mark.timeout(900)
    def test_open_draw_train_predict_accept_score_and_start_again(
        self, viewer, tmp_path, files, qtbot
    ):
        project = tmp_path / "project"
        first, second = drop(viewer, *files)  # before the dock, which would take them in itself
        dock = ScribbleDock(viewer, project)
        viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
        session, results = dock.session, dock.results_tab
        session.set_schema(TWO_BALLS)
        assert [first.name, second.name] == ["p1/image", "p2/image"]
        assert dock.status.case.text() == "p2/image"

        # Each has strokes of its own, whichever way it is chosen.
        pick = dock.case_tab.inputs
        pick.set_value(Selected(image=first))
        assert str(session.case) == "p1/image"
        draw(session, ONE)
        pick.set_value(replace(pick.value(), image=second))
        assert session.selected.scribbles is None, "the strokes of p1 are not those of p2"
        assert dock.train_tab.presenter.screen.why_not_train is not None
        draw(session, TWO)
        qtbot.waitUntil(
            lambda: len(list(project.glob("cases/*/image.nii.gz"))) == 2, timeout=60_000
        )
        first.name = "something else"
        pick.set_value(replace(pick.value(), image=first))
        assert np.array_equal(session.selected.scribbles.data, ONE.scribbles)

        # Training takes the strokes and the image of the shown one.
        truth = viewer.add_labels(ONE.reference, name="truth", scale=first.scale)
        truth.translate, truth.units = first.translate, first.units
        pick.set_value(replace(pick.value(), reference=truth))
        train = dock.train_tab.presenter
        train.methods_loaded()
        qtbot.waitUntil(lambda: train.screen.why_not_train is None)
        train.train(CHOICE)
        qtbot.waitUntil(lambda: results.presenter.shown is not None, timeout=180000)
        assert train.screen.phase is Phase.IDLE
        (run,) = (project / "runs").iterdir()
        (used,) = RunFolder.open(run).files("train")
        learnt = used.load(TWO_BALLS)
        assert np.array_equal(learnt.scribbles, ONE.scribbles)
        assert np.allclose(learnt.image.array, ONE.image.array)
        assert np.array_equal(stored(project, used.id), ONE.scribbles)

        # What was predicted of p1 is nothing for p2: not its Dice, not to be accepted.
        verdict = results.presenter.shown
        assert str(verdict.prediction.case) == "p1/image"
        assert verdict.scores is not None
        pick.set_value(replace(pick.value(), image=second))
        assert results.presenter.shown is None
        assert results.presenter.compared_of_case() == []
        assert results.scores.table.rowCount() == 0
        results.accept.where.setCurrentIndex(1)
        results.accepting.accept()
        assert "needs a prediction of this case" in dock.status.text()
        assert np.array_equal(session.selected.scribbles.data, TWO.scribbles)

        # Back at p1 they are there again, and accepted into its strokes only.
        pick.set_value(replace(pick.value(), image=first))
        assert results.presenter.shown is verdict
        results.accept.core.setValue(0.0)
        results.accept.sure.setValue(1.0)
        before = session.selected.scribbles.data.copy()
        results.accepting.accept()
        qtbot.waitUntil(lambda: dock.status.text().startswith("Drawn"), timeout=60_000)
        accepted = session.selected.scribbles.data.copy()
        assert (accepted != before).any()
        pick.set_value(replace(pick.value(), image=second))
        assert np.array_equal(session.selected.scribbles.data, TWO.scribbles)
        qtbot.waitUntil(lambda: not dock.case_tab.autosave.unsaved, timeout=60_000)
        other = next(i for i in ("image", "image-2") if i != used.id)
        qtbot.waitUntil(lambda: np.array_equal(stored(project, used.id), accepted), timeout=60_000)
        dock.case_tab.autosave.save()
        qtbot.waitUntil(lambda: np.array_equal(stored(project, other), TWO.scribbles))

        # The next sitting knows them apart, by name, by strokes and by prediction.
        viewer.window.remove_dock_widget(dock)
        viewer.layers.clear()
        again = ScribbleDock(viewer, project)
        viewer.window.add_dock_widget(again, name="Scribble segmentation", area="right")
        qtbot.waitUntil(lambda: again.case_tab.cases.list.count() == 2)
        rows = {again.case_tab.cases.list.item(i).text() for i in range(2)}
        assert rows == {"p1/image", "p2/image"}
        again.case_tab.opener.open_case(used.id)
        qtbot.waitUntil(lambda: str(again.session.case) == "p1/image", timeout=60_000)
        assert np.array_equal(again.session.selected.scribbles.data, accepted)
        assert (
            saved_predictions.saved_prediction(run, again.session.snapshot()).case
            == again.session.case
        )
        again.case_tab.opener.open_case(other)
        qtbot.waitUntil(lambda: str(again.session.case) == "p2/image", timeout=60_000)
        assert np.array_equal(again.session.selected.scribbles.data, TWO.scribbles)
        with pytest.raises(InvalidInput, match="no saved prediction of p2/image"):
            saved_predictions.saved_prediction(run, again.session.snapshot())

    def test_one_file_dropped_twice_is_one_case(self, viewer, tmp_path, files):
        session = Session(viewer, tmp_path / "project")
        (first,) = drop(viewer, files[0])
        drawn = draw(session, ONE)
        (second,) = drop(viewer, files[0])
        assert session.selected.image is second
        assert session.case == layers.case_of(first)
        assert session.selected.scribbles.data is drawn
        session.end()

    def test_layers_of_other_plugins_are_cases_whatever_they_are_called(self, viewer, tmp_path):
        session = Session(viewer, tmp_path / "project")
        first = viewer.add_image(ONE.image.array, name="image")
        drawn = draw(session, ONE)
        second = viewer.add_image(TWO.image.array, name="another")
        session.choose(image=second)
        first.name, second.name = "left over", "image"
        assert session.selected.scribbles is None
        first_case = session.case
        session.choose(image=first)
        assert session.case != first_case
        assert session.selected.scribbles.data is drawn
        session.end()

    def test_strokes_of_another_image_are_told(self, viewer, tmp_path, files):
        session = Session(viewer, tmp_path / "project")
        said = []
        session.said.connect(lambda text, level: said.append((text, level)))
        drop(viewer, files[0])
        draw(session, ONE)
        strokes = session.selected.scribbles
        drop(viewer, files[1])
        session.choose(scribbles=strokes)
        assert said[-1] == (
            "The strokes in 'scribbles' are of p1/image, the image of p2/image.",
            "warning",
        )
        assert session.kept is None
        session.end()

    def test_files_opened_in_the_case_tab_are_called_by_their_folders(
        self, viewer, tmp_path, files, qtbot
    ):
        dock = ScribbleDock(viewer, tmp_path / "project")
        viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
        add_paths(dock.case_tab.importer, files[:1], qtbot)
        for path, shown in zip(files, ("image", "p2/image"), strict=True):
            dock.case_tab.importer.open_paths([path])  # the second time it is there already
            qtbot.waitUntil(lambda shown=shown: str(dock.session.case) == shown, timeout=60_000)
        qtbot.waitUntil(lambda: dock.case_tab.cases.list.count() == 2, timeout=60_000)
        rows = [dock.case_tab.cases.list.item(i).text() for i in range(2)]
        assert rows == ["p1/image", "p2/image"]
        text = (dock.session.project_folder / "project.json").read_text()
        assert '"id": "image-2"' in text, "ids tell nothing of the folder"

    def test_strokes_that_wait_are_those_of_this_project(self, viewer, tmp_path, files, qtbot):
        """Two projects have a case of one id; what the first could not save stays its own."""
        dock = ScribbleDock(viewer, tmp_path / "b")
        viewer.window.add_dock_widget(dock, name="Scribble segmentation", area="right")
        layer = layers.layer_of(layers.scribbles_data(ONE.grid, TWO_BALLS, case=ONE.key))
        waiting = DrawnStrokes(
            layer, ONE.scribbles, ONE.key, ONE.image, None, True, TWO_BALLS, tmp_path / "a", {}
        )
        dock.case_tab.autosave.unsaved[CaseKey.in_project(tmp_path / "a", "image"), ""] = waiting
        add_paths(dock.case_tab.importer, files[1:], qtbot)
        qtbot.waitUntil(lambda: dock.session.selected.scribbles is not None, timeout=60_000)
        assert kept_as(dock.session.selected.scribbles, dock.session.project_folder) == "image"
        assert dock.session.selected.scribbles is not layer
        dock.case_tab.autosave.unsaved.clear()


class _Answering(commands.Children):
    """Predicts the class it is given everywhere, under the name that it is asked for."""

    def __init__(self, value: int) -> None:
        super().__init__()
        self.value = value

    def run(self, arguments, tolerated=0):
        name = Path(arguments[2]).stem
        out = Path(arguments[arguments.index("--out") + 1])
        out.mkdir(parents=True)
        filled = np.full(ONE.image.shape, self.value, np.uint8)
        written = [f"{name}.nii.gz"]
        write_volume(out / written[0], Volume(filled, ONE.grid))
        if "--uncertainty" in arguments:
            written.append(f"{name}_uncertainty.nii.gz")
            sure = np.zeros(ONE.image.shape, np.float32)
            write_volume(out / written[1], Volume(sure, ONE.grid))
        return {"written": {name: written}}


class TestInTheFiles:
    def snapshot(self, key: CaseKey, case: Case, **more) -> Snapshot:
        return Snapshot(key, case.image, case.scribbles, None, TWO_BALLS, **more)

    def test_predictions_of_four_cases_of_one_name_in_one_run(self, tmp_path, files):
        """Two files, a case of the run's project and one of another: each finds its own."""
        project, elsewhere = tmp_path / "mine", tmp_path / "theirs"
        keys = [
            CaseKey.of_file(files[0], "image"),
            CaseKey.of_file(files[1], "image"),
            CaseKey.in_project(project, "image"),
            CaseKey.in_project(elsewhere, "image"),
        ]
        cases = [self.snapshot(key, ONE) for key in keys]
        run = new_run.write_run(project, cases[2], CHOICE).path
        for value, case in enumerate(cases):
            predictions.predict(run, case, _Answering(value))
        found = [saved_predictions.saved_prediction(run, case).segmentation.array for case in cases]
        assert [set(np.unique(each)) for each in found] == [{0}, {1}, {2}, {3}]
        assert len(saved_predictions.newest_predictions(run)) == 4

    @pytest.mark.parametrize("name", ["mine", "theirs"])
    def test_all_cases_of_a_project_are_found_as_its_own(self, tmp_path, name):
        """A run may predict another project, whose ids mean other cases."""
        cases = {
            owner: self.snapshot(CaseKey.in_project(tmp_path / owner, "image"), ONE)
            for owner in ("mine", "theirs")
        }
        run = new_run.write_run(tmp_path / "mine", cases["mine"], CHOICE).path
        with Project.create(tmp_path / "theirs", TWO_BALLS) as project:
            project.add_case(replace(TWO, id="image"))
        if name == "theirs":
            with Project.create(tmp_path / "mine", TWO_BALLS) as project:
                project.add_case(replace(ONE, id="image"))

        class Child(_Answering):
            def run(self, arguments, tolerated=0):
                answer = super().run([*arguments[:2], "image.mha", *arguments[3:]])
                return {**answer, "failed": {}}

        done, failed = predictions.predict_project(run, tmp_path / name, Child(2), lambda _: None)
        assert failed == {}
        assert done == (CaseKey.in_project(tmp_path / name, "image"),)
        saved = saved_predictions.saved_prediction(run, cases[name])
        assert (saved.segmentation.array == 2).all()
        assert saved.uncertainty is not None, "the cases are ordered by it"
        other = "mine" if name == "theirs" else "theirs"
        with pytest.raises(InvalidInput, match="no saved prediction"):
            saved_predictions.saved_prediction(run, cases[other])
        out = tmp_path / "export"
        done = predictions.export_project(
            tmp_path / "theirs", out, "nifti", run, copy_images=True, cleaning=CLEAN_UP
        )
        assert done.written == ["image"]
        assert (out / "predictions").exists() is (name == "theirs")

    def test_what_a_run_learnt_from_is_found_by_the_image(self, tmp_path, files):
        """Of a run that the command line made, whose ids are those of its dataset."""
        run = new_run.write_run(tmp_path, self.snapshot(CaseKey("", "x"), ONE), CHOICE)
        trained = run.cases[0].files.model_copy(update={"id": "p1_image", "image": files[0]})
        foreign = replace(run, cases=(RunCase(files=trained, role="train"),))
        shown = self.snapshot(CaseKey.in_project(tmp_path / "q", "image"), ONE)
        assert predictions._id_in_run(foreign, replace(shown, file=files[0])) == "p1_image"
        with pytest.raises(InvalidInput, match="was not trained on image"):
            predictions._id_in_run(foreign, replace(shown, file=files[1]))

    def test_a_case_may_be_called_like_a_map(self, tmp_path):
        run = new_run.write_run(
            tmp_path, self.snapshot(CaseKey.in_project(tmp_path, "p"), ONE), CHOICE
        ).path
        strange = self.snapshot(CaseKey.in_project(tmp_path, "p_uncertainty"), ONE)
        predictions.predict(run, strange, _Answering(2))
        assert list(saved_predictions.newest_predictions(run)) == ["p_uncertainty"]

    def test_all_cases_leaves_out_the_shown_one_and_no_other(self, tmp_path, files):
        """A file called "image" is shown; the project's "image" is another patient's."""
        with Project.create(tmp_path / "p", TWO_BALLS) as project:
            project.add_case(replace(TWO, id="image"))
            project.add_case(replace(ONE, id="image-2"))
        every = replace(CHOICE, all_cases=True)
        stranger = self.snapshot(CaseKey.of_file(files[0], "image"), ONE)
        run = new_run.write_run(tmp_path / "p", stranger, every)
        assert [case.files.id for case in run.cases][1:] == ["image", "image-2"]
        assert len({case.files.id for case in run.cases}) == 3
        kept = CaseKey.in_project(tmp_path / "p", "image-2")
        run = new_run.write_run(tmp_path / "p", replace(stranger, kept=kept), every)
        assert [case.files.id for case in run.cases] == ["image-2", "image"]
        assert np.array_equal(run.cases[1].files.load(TWO_BALLS).scribbles, TWO.scribbles)

    def test_a_project_s_case_with_the_very_file_is_the_shown_one(self, tmp_path, files):
        with Project.create(tmp_path / "p", TWO_BALLS) as project:
            for case_id, path, case in (("a", files[0], ONE), ("b", files[1], TWO)):
                entry = replace(case, id=case_id)
                project.add_case(CaseFiles(id=case_id, patient=case_id, image=path), copy=False)
                project.save_scribbles(case_id, entry.scribbles)
        shown = self.snapshot(CaseKey.of_file(files[0], "image"), ONE, file=files[0].resolve())
        run = new_run.write_run(tmp_path / "p", shown, replace(CHOICE, all_cases=True))
        assert [case.files.id for case in run.cases][1:] == ["b"]

    def test_an_id_that_earlier_strokes_wait_under_is_not_given_again(self, tmp_path):
        """Else restoring them would put the first patient's strokes on the second."""
        store = ProjectStore(tmp_path / "journals")
        store.ensure_project(tmp_path / "project", TWO_BALLS)
        left = store.keep(None, "image", ONE.scribbles, TWO_BALLS)
        store.close()  # a crash before the case was added
        later = ProjectStore(tmp_path / "journals")
        later.open_project(tmp_path / "project")
        fresh = later.keep(None, "image", TWO.scribbles, TWO_BALLS)
        assert (left.case, fresh.case) == ("image", "image-2")
        later.close()


class TestShownNames:
    def entries(self, tmp_path, *ids):
        with Project.create(tmp_path / "p", TWO_BALLS) as project:
            for case_id in ids:
                project.add_case(replace(ONE, id=case_id))
            return project.cases

    def test_folders_are_shown_where_names_are_the_same(self, tmp_path):
        cases = self.entries(tmp_path, "image", "image-2", "image-3", "other")
        places = [tmp_path / p for p in ("a/t1/image.mha", "b/t1/image.nii", "b/t2/image.nii")]
        names = shown_names(cases, dict(zip(("image", "image-2", "image-3"), places, strict=True)))
        assert names == {
            "image": "a/t1/image",
            "image-2": "b/t1/image",
            "image-3": "b/t2/image",
            "other": "other",
        }

    def test_ids_that_were_chosen_stay(self, tmp_path):
        cases = self.entries(tmp_path, "heart", "heart-2")
        places = {"heart": tmp_path / "p1" / "image.nii.gz", "heart-2": tmp_path / "p2" / "x.nii"}
        assert shown_names(cases, places) == {"heart": "heart", "heart-2": "heart-2"}

    def test_no_two_have_one_name(self, tmp_path):
        cases = self.entries(tmp_path, "image", "image-2")
        place = tmp_path / "p2" / "image.nii.gz"
        assert shown_names(cases, {"image-2": place}) == {"image": "image", "image-2": "p2/image"}
        both = dict.fromkeys(("image", "image-2"), place)
        assert shown_names(cases, both) == {"image": "image", "image-2": "image-2"}

    def test_places_are_remembered_outside_of_the_project(self, tmp_path):
        place = tmp_path / "p1" / "image.nii.gz"
        remember_place(tmp_path / "p", "image", place)
        remember_place(tmp_path / "q", "image", tmp_path / "p2" / "image.nii.gz")
        assert places_of(tmp_path / "p") == {"image": place.resolve()}
        assert not (tmp_path / "p").exists()


def test_different_cases_never_share_an_id(tmp_path):
    """Whatever their sources and ids, files named after them are apart."""
    sources = [str(tmp_path / name) for name in ("a", "b", "a/b")] + ["layer:1", ""]
    ids = ["image", "Image", "image-2", "x" * 64, "x" * 60 + "yyyy", "CON", "a."]
    keys = [CaseKey(source, case_id) for source, case_id in itertools.product(sources, ids)]
    named = {key.id_among(tmp_path / "elsewhere") for key in keys}
    assert len(named) == len(keys)
    assert all(len(name) <= 64 for name in named)
    assert CaseKey("s", "i", "one title") == CaseKey("s", "i", "another")
    assert len({CaseKey("s", "i", "one title"), CaseKey("s", "i", "another")}) == 1
