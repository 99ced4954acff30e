"""Where to train: on this computer, or on another one that sees the project's folder."""

from __future__ import annotations

from typing import Literal, Protocol

import platformdirs
from pydantic import BaseModel, ConfigDict
from qtpy.QtWidgets import QComboBox, QFormLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui.train.where import HERE, WherePresenter
from napari_scribseg.gui.widgets.style import Fold, note_label, tame
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.runs.process import Command


class _Document(BaseModel):
    """The document computers.json of the user."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    addresses: tuple[str, ...] = ()


class UserAddresses:
    """Addresses that the user has trained on, remembered from window to window."""

    def __init__(self) -> None:
        folder = platformdirs.user_state_path("napari-scribseg", appauthor=False)
        self._path = folder / "computers.json"

    def load(self) -> tuple[str, ...]:
        """Those that were used; none where the list is damaged."""
        try:
            return load_document(self._path, _Document).addresses
        except InvalidInput:
            return ()

    def save(self, addresses: tuple[str, ...]) -> None:
        """Remember these; a list that can't be written is not worth a word."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            save_document(self._path, _Document(addresses=addresses))
        except (InvalidInput, OSError):
            return


class _Trainer(Protocol):
    """What is told where to train."""

    command: Command


class WherePanel(QWidget):
    """Chooses the computer; the view of a `WherePresenter`.

    Args:
        trainer: is given the command line that trains there.
    """

    def __init__(self, trainer: _Trainer) -> None:
        super().__init__()
        self._trainer = trainer
        self.presenter = WherePresenter(self, UserAddresses())
        self.box = QComboBox()
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.box.setAccessibleName("Where to train")
        self.box.setToolTip(
            "here, or a computer that sees the project under the same path: a Dask scheduler "
            "(tcp://10.0.0.1:8786) or a host (ssh://me@gpu1)"
        )
        tame(self.box)
        self._problem = note_label()
        content = QWidget()
        form = QFormLayout(content)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Computer", self.box)
        form.addRow(self._problem)
        self._shown = note_label()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(Fold("Train on another computer", content))
        column.addWidget(self._shown)
        self.presenter.begin()
        self.box.activated.connect(self._chosen)
        editor = self.box.lineEdit()
        if editor is not None:
            editor.editingFinished.connect(self._chosen)

    def show_where(self, choices: tuple[str, ...], chosen: str, problem: str) -> None:
        """Show what can be chosen, what is, and what is wrong with what was typed."""
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        if problem:
            return  # what was typed stays, to be corrected
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItems(choices)
        self.box.setCurrentText(chosen)
        self.box.blockSignals(False)
        self._trainer.command = self.presenter.command
        self._shown.setText("" if chosen == HERE else f"Trainings are computed on {chosen}.")
        self._shown.setVisible(chosen != HERE)

    def _chosen(self) -> None:
        if self.box.currentText() != (self.presenter.address or HERE):
            self.presenter.choose(self.box.currentText())
