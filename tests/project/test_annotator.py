"""The name of whoever draws: asked once, kept, and never a reason to crash."""

from __future__ import annotations

import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.project import annotator


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(annotator, "setting_path", lambda: tmp_path / "config" / "annotator.json")


def test_it_is_the_login_until_a_name_is_given(monkeypatch):
    monkeypatch.setattr(annotator, "this_user", lambda: "ana")
    assert annotator.given_name() is None
    assert annotator.annotator_name() == "ana"
    assert annotator.set_annotator("  Dr.\tAna  Ruiz\n") == "Dr. Ana Ruiz"
    assert annotator.annotator_name() == annotator.given_name() == "Dr. Ana Ruiz"


@pytest.mark.parametrize("login", ["", "   ", "unknown", "\x00"])
def test_a_login_without_a_name_is_no_crash(monkeypatch, login):
    monkeypatch.setattr(annotator, "this_user", lambda: login)
    assert annotator.annotator_name() == "annotator"


def test_a_damaged_setting_is_as_none():
    annotator.setting_path().parent.mkdir()
    annotator.setting_path().write_text('{"version": 1, "name": ""}')
    assert annotator.given_name() is None
    assert annotator.annotator_name()


@pytest.mark.parametrize("name", ["", " ", "consensus", "Together", "UNKNOWN", "x" * 61])
def test_what_is_no_name_is_refused_and_the_old_one_stays(name):
    annotator.set_annotator("Ana")
    with pytest.raises(InvalidInput):
        annotator.set_annotator(name)
    assert annotator.annotator_name() == "Ana"
