"""Where to write a file: asks for its name, adds the ending, and never replaces one unasked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


@dataclass(frozen=True)
class FileKind:
    """A kind of file that can be written.

    Args:
        words: what it is.
        endings: that its files may have; the first is added where none is.
    """

    words: str
    endings: tuple[str, ...]

    @property
    def filter(self) -> str:
        """As a file dialog shows it."""
        return f"{self.words} ({' '.join(f'*{ending}' for ending in self.endings)})"

    def named(self, name: str) -> Path:
        """The file of this kind that somebody means who typed this name."""
        path = Path(name)
        if path.name.lower().endswith(self.endings):
            return path
        return path.with_name(path.name + self.endings[0])


def ask_where_to_save(
    parent: QWidget, title: str, start: Path | str, kinds: Sequence[FileKind], first: int = 0
) -> tuple[Path, FileKind] | None:
    """Ask for a file to write; None = nothing is to be written.

    The dialog asks before a file is replaced that has the typed name. The name with its ending is
    asked about here.

    Args:
        parent: the widget that asks.
        title: of the dialog.
        start: the file that is proposed.
        kinds: what can be written.
        first: which of them is proposed.
    """
    name, chosen = QFileDialog.getSaveFileName(
        parent, title, str(start), ";;".join(kind.filter for kind in kinds), kinds[first].filter
    )
    if not name:
        return None
    kind = next((one for one in kinds if one.filter == chosen), kinds[first])
    path = kind.named(name)
    if path != Path(name) and path.exists() and not _may_replace(parent, path):
        return None
    return path, kind


def _may_replace(parent: QWidget, path: Path) -> bool:
    question = QMessageBox(parent)
    question.setIcon(QMessageBox.Icon.Question)
    question.setWindowTitle("Replace the file?")
    question.setText(f"{path.name} exists already. Do you want to replace it?")
    replace = question.addButton("Replace", QMessageBox.ButtonRole.AcceptRole)
    question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
    question.exec()
    clicked = question.clickedButton()
    question.deleteLater()
    return clicked is replace
