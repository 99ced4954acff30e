"""Which found cases are taken, with which classes, and where to: decided without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, PRESETS, UNLABELLED, LabelSchema
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.found import Found, FoundCase, LeftOut
from napari_scribseg.data.label_values import LabelValues
from napari_scribseg.gui.case.class_choices import choices_for, schema_of_text
from napari_scribseg.gui.case.import_request import OpenProject
from napari_scribseg.gui.case.presenter import ImportPresenter, ImportScreen

HEART, ORGANS = PRESETS["cardiac"], PRESETS["abdomen"]


class View:
    screen: ImportScreen

    def show_screen(self, screen: ImportScreen) -> None:
        self.screen = screen


def case(name="a", *, reference=False, **more) -> FoundCase:
    files = CaseFiles(
        id=name,
        patient=name,
        image=Path(f"/d/{name}.nii.gz"),
        reference=Path(f"/d/{name}_seg.nii.gz") if reference else None,
    )
    return FoundCase(files, f"{name}.nii.gz", (3, 4, 5), (8.0, 1.0, 1.0), **more)


def presenter(tmp_path, *cases, project=None, **found) -> ImportPresenter:
    made = ImportPresenter(
        Found("data", cases or (case(),), **found),
        project or OpenProject(tmp_path / "default", "default", is_own=False),
        tmp_path / "home",
    )
    made.attach(View())
    return made


def heart_project(tmp_path, **more) -> OpenProject:
    return OpenProject(tmp_path / "hearts", "Hearts", HEART, 3, **more)


def values(kind="reference", **counts) -> LabelValues:
    return LabelValues(kind, {int(v[1:]): n for v, n in counts.items()}, 1, 1)


def test_a_newcomer_needs_one_key_and_gets_a_project_of_its_own(tmp_path):
    made = presenter(tmp_path)
    screen = made.screen()
    assert (screen.why_not, screen.action) == ("", "Add 1 case")
    assert screen.targets == ("New project",)
    request = made.request()
    assert request.schema == PRESETS["structure"], "nothing tells the organ"
    assert request.folder == tmp_path / "home" / "data"
    assert not made.needs_no_question, "classes are asked once"


def test_one_more_image_for_a_project_is_asked_nothing(tmp_path):
    made = presenter(tmp_path, project=heart_project(tmp_path))
    assert made.needs_no_question
    assert made.request().schema == HEART
    assert made.request().folder == tmp_path / "hearts"
    series = presenter(
        tmp_path, case(n_frames=30, remark="A time series."), project=heart_project(tmp_path)
    )
    assert not series.needs_no_question
    two = presenter(tmp_path, case(), case("b"), project=heart_project(tmp_path))
    assert not two.needs_no_question


def test_data_of_other_classes_go_to_a_project_of_their_own(tmp_path):
    named = case(schema=ORGANS, by_document=True)
    made = presenter(tmp_path, named, project=heart_project(tmp_path))
    assert made.screen().target == 1
    assert made.request().schema == ORGANS
    made.choose_target(0)
    request = made.request()
    assert request.schema == HEART
    assert request.schema_of(named) == ORGANS, "its labels mean other things"
    same = case(schema=LabelSchema.of("rv", "myo", "lv"), by_document=True)
    made = presenter(tmp_path, same, project=heart_project(tmp_path))
    assert made.screen().target == 0
    assert made.request().schema_of(same) == HEART


def test_samples_and_read_only_projects_take_no_own_data(tmp_path):
    made = presenter(tmp_path, project=heart_project(tmp_path, is_own=False))
    assert made.screen().targets[made.screen().target] == "New project"
    made = presenter(tmp_path, project=heart_project(tmp_path, read_only=True))
    assert made.screen().targets == ("New project",)


def test_ids_of_public_hearts_are_proposed_and_can_be_said_otherwise(tmp_path):
    found = values(v0=900, v200=30, v500=40, v600=30)
    made = presenter(tmp_path, case(reference=True), values=(found,))
    view = made._view
    assert view.screen.is_odd
    assert {row.value: row.meaning for row in view.screen.values} == {
        0: BACKGROUND,
        200: 2,
        500: 3,
        600: 1,
    }
    assert made.request().schema.names == HEART.names
    made.say_meaning("reference", 600, BACKGROUND)
    (taken,) = made.request().cases
    convention = taken.files.reference_convention
    assert convention.read(np.array([600]))[0].tolist() == [BACKGROUND]


def test_what_nobody_can_tell_is_asked_before_it_is_read(tmp_path):
    found = values(v0=900, v11=50, v12=20, v13=20, v14=10)
    made = presenter(
        tmp_path, case(reference=True), values=(found,), project=heart_project(tmp_path)
    )
    view = made._view
    assert "11, 12, 13, 14" in view.screen.why_not
    assert not made.needs_no_question
    for value, meaning in ((11, 1), (12, 2), (13, 3), (14, UNLABELLED)):
        made.say_meaning("reference", value, meaning)
    assert view.screen.why_not == ""


def test_only_ticked_cases_are_taken_those_with_strokes_first(tmp_path):
    drawn = case("c")
    files = drawn.files.model_copy(update={"scribbles": Path("/d/c_s.nii.gz")})
    drawn = FoundCase(files, "c.nii.gz")
    made = presenter(tmp_path, case("a"), case("b", is_ticked=False, remark="One slice."), drawn)
    assert made.screen().ticked == (True, False, True)
    assert [one.files.id for one in made.request().cases] == ["c", "a"]
    made.tick_only(set())
    assert made.screen().why_not == "Tick the cases that are to be added."
    made.tick(1, is_on=True)
    assert made.screen().action == "Add 1 case"


def test_the_frame_of_many_series_is_asked_and_of_one_chosen_on_it(tmp_path):
    series = [case(name, n_frames=n) for name, n in (("a", 30), ("b", 20))]
    made = presenter(tmp_path, *series)
    assert made.screen().asks_frame
    made.set_frame(24)
    assert [one.files.frame for one in made.request().cases] == [24, 19]
    made.tick(1, is_on=False)
    assert not made.screen().asks_frame
    assert made.request().cases[0].is_series


def test_a_project_needs_a_name_and_gets_a_free_folder(tmp_path):
    (tmp_path / "home" / "data").mkdir(parents=True)
    made = presenter(tmp_path)
    assert made.screen().place == str(tmp_path / "home" / "data-2")
    made.set_name("  ")
    assert made.screen().why_not == "Give the new project a name."


def test_names_of_files_propose_the_classes():
    def likeliest(title, *names, **more):
        found = Found(title, tuple(case(name) for name in names), **more)
        return choices_for(found)[0].schema

    assert likeliest("x", "patient001_frame01") == HEART
    assert likeliest("prostateX", "a") == PRESETS["prostate"]
    assert likeliest("CHAOS", "ct_3") == ORGANS
    assert likeliest("x", "a") == PRESETS["structure"]
    four = values(v0=1, v1=1, v2=1, v3=1, v4=1, v5=1)
    five = likeliest("heart", "a", values=(four,))
    assert five.names[1:] == ("class 1", "class 2", "class 3", "class 4", "class 5")


def test_own_classes_are_names_with_commas(tmp_path):
    assert schema_of_text("liver, tumour,").names == ("background", "liver", "tumour")
    assert schema_of_text("RV; MYO; LV") == HEART
    for text in (" , ", "a, a", "background"):
        with pytest.raises(InvalidInput):
            schema_of_text(text)
    made = presenter(tmp_path)
    made.choose_classes(len(made.screen().classes) - 1)
    assert "names of the classes" in made.screen().why_not
    made.set_own_names("tumour")
    assert made.request().schema.names == ("background", "tumour")


def test_what_was_left_out_is_said_with_the_reason(tmp_path):
    found = Found(
        "d", (case(),), left_out=(LeftOut("a.txt", "text, not images"), LeftOut("r", "a run"))
    )
    made = ImportPresenter(found, OpenProject(tmp_path, "p"), tmp_path)
    assert made.screen().left_out == ("a.txt: text, not images.", "r: a run.")
