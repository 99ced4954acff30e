"""scribseg annotators: lists, compares, agrees, writes the effort down; says what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset

from napari_scribseg.cli import main
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.io import read_labels
from napari_scribseg.project.store import ProjectStore

CASE = "patient00"


@pytest.fixture
def project(tmp_path):
    store = ProjectStore(tmp_path / "journals")
    store.ensure_project(tmp_path / "project", TWO_BALLS)
    (files,) = read_dataset(phantom_dataset(tmp_path / "data", 1)).cases
    store.bring_in(files.model_copy(update={"scribbles": None}), TWO_BALLS)
    store.set_apart(apart=True)
    for name, value in (("Ana", 1), ("Ben", 2)):
        store.work_as(name)
        opened = store.load(CASE)
        drawn = np.zeros(opened.case.image.shape, np.uint8)
        drawn[1, 2, 2:6] = 1
        drawn[1, 2, 6:8] = value
        store.keep(CASE, CASE, drawn, TWO_BALLS, of=opened.strokes_of, seconds=30)
        store.save(CASE, drawn, TWO_BALLS, of=opened.strokes_of)
    store.close()
    return tmp_path / "project"


def call(capsys, *words):
    code = main(["annotators", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_list_and_effort(capsys, project, tmp_path):
    code, found = call(capsys, project, "--effort", tmp_path / "e.csv")
    assert code == 0
    assert [one["name"] for one in found["versions"]] == ["Ana", "Ben"]
    assert [one["pen_minutes"] for one in found["effort"]] == [0.5, 0.5]
    assert "patient00,Ben,0.5,1,1,6,0," in (tmp_path / "e.csv").read_text()


def test_compare_and_consensus(capsys, project, tmp_path):
    _, found = call(capsys, project, "--case", CASE, "--compare", "Ana", "Ben")
    (one,) = found["cases"]
    assert (one["both_drew"], one["conflicts"]) == (6, 2)
    out = tmp_path / "c.nii.gz"
    code, found = call(capsys, project, "--case", CASE, "--consensus", "majority", "--out", out)
    assert code == 0
    assert found["consensus"][0]["undecided"] == 2
    assert np.count_nonzero(read_labels(out).array) == 4
    _, found = call(capsys, project)
    assert found["versions"][-1]["made"]["of"] == ["Ana", "Ben"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--compare", "Ana", "Eve"), "no case with strokes of Ana and Eve"),
        (("--case", CASE, "--compare", "Ana", "Eve"), "has no strokes of 'Eve'"),
        (("--case", "p9"), "no case 'p9'"),
        (("--of", "Ana"), "--consensus"),
        (("--unknown-is", "consensus"), "can't be the name"),
        (("--longest-pause", "-1"), "0 to 3600"),
    ],
)
def test_what_is_wrong_is_said(capsys, project, words, said):
    code, found = call(capsys, project, *words)
    assert code == 2
    assert said in found["error"]
