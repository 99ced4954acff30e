"""Where a file is written: its ending, and nothing replaced unasked."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QWidget

from napari_scribseg.gui.widgets.save_as import FileKind, ask_where_to_save

KINDS = [FileKind("NIfTI", (".nii.gz", ".nii")), FileKind("3D Slicer", (".seg.nrrd",))]


@pytest.fixture
def parent(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    return parent


def answer(word: str) -> None:
    """Press a button of the question that is shown next."""

    def press() -> None:
        (question,) = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox)]
        (button,) = [b for b in question.buttons() if b.text().replace("&", "") == word]
        button.click()

    QTimer.singleShot(0, press)


def chosen(monkeypatch, name, kind=None):
    """The file dialog gives this."""
    told = "" if kind is None else kind.filter
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(name), told))


def test_the_chosen_kind_gives_the_ending(parent, tmp_path, monkeypatch):
    chosen(monkeypatch, tmp_path / "heart", KINDS[1])
    assert ask_where_to_save(parent, "", "", KINDS) == (tmp_path / "heart.seg.nrrd", KINDS[1])
    chosen(monkeypatch, tmp_path / "heart.nii", KINDS[0])
    assert ask_where_to_save(parent, "", "", KINDS) == (tmp_path / "heart.nii", KINDS[0])
    chosen(monkeypatch, tmp_path / "heart")
    assert ask_where_to_save(parent, "", "", KINDS, 1) == (tmp_path / "heart.seg.nrrd", KINDS[1])
    chosen(monkeypatch, "")
    assert ask_where_to_save(parent, "", "", KINDS) is None


def test_a_file_that_the_ending_meets_is_replaced_only_when_wanted(parent, tmp_path, monkeypatch):
    (tmp_path / "heart.nii.gz").write_bytes(b"older")
    chosen(monkeypatch, tmp_path / "heart", KINDS[0])
    answer("Cancel")
    assert ask_where_to_save(parent, "", "", KINDS) is None
    answer("Replace")
    assert ask_where_to_save(parent, "", "", KINDS) == (tmp_path / "heart.nii.gz", KINDS[0])


def test_a_name_that_the_dialog_has_asked_about_is_not_asked_about_again(
    parent, tmp_path, monkeypatch
):
    (tmp_path / "heart.nii.gz").write_bytes(b"older")
    chosen(monkeypatch, tmp_path / "heart.nii.gz", KINDS[0])
    assert ask_where_to_save(parent, "", "", KINDS) == (tmp_path / "heart.nii.gz", KINDS[0])
