"""How patients are divided: folds, a published split, or the dataset's own."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.experiment.recipe import (
    CrossValidation,
    DatasetSplit,
    ListedFolds,
    PublishedFolds,
    Split,
)
from napari_scribseg.experiment.splits import PUBLISHED
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, tame

_FOLDS = "folds by patient"
_OWN = "the dataset's own"
_LISTED = "listed in the recipe"
_LARGEST = 2**31 - 1
_TIP = Qt.ItemDataRole.ToolTipRole


class SplitEdit(QWidget):
    """Edits a `Split`."""

    value_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._listed: ListedFolds | None = None
        self.kind = QComboBox()
        self.kind.addItems([_FOLDS, *(f"published: {name}" for name in PUBLISHED), _OWN])
        for place, split in enumerate(PUBLISHED.values(), start=1):
            self.kind.setItemData(place, f"<p>{split.note}</p>", _TIP)
        self.folds, self.seed = QSpinBox(), QSpinBox()
        self.folds.setRange(2, 1000)
        self.folds.setToolTip("Number of folds: every patient is tested once")
        self.seed.setRange(0, _LARGEST)
        self.seed.setToolTip("Which patients are in which fold; the same seed gives the same folds")
        self.train, self.test = QLineEdit(), QLineEdit()
        self.train.setToolTip("The dataset's split to train on")
        self.test.setToolTip("The dataset's split to test on")
        self._lay_out()
        self.set_value(CrossValidation())
        self.kind.currentIndexChanged.connect(self._changed)
        for spin in (self.folds, self.seed):
            spin.valueChanged.connect(self._changed)
        for edit in (self.train, self.test):
            edit.textChanged.connect(self._changed)

    def value(self) -> Split:
        """How patients are divided."""
        kind = self.kind.currentText()
        if kind == _OWN:
            return DatasetSplit(train=self.train.text().strip(), test=self.test.text().strip())
        if kind == _LISTED and self._listed is not None:
            return self._listed
        if kind == _FOLDS:
            return CrossValidation(folds=self.folds.value(), random_seed=self.seed.value())
        return PublishedFolds(name=kind.partition(": ")[2])

    def set_value(self, split: Split) -> None:
        """Show this division."""
        own = DatasetSplit()
        if self._listed is not None:
            self.kind.removeItem(self.kind.findText(_LISTED))
            self._listed = None
        match split:
            case CrossValidation():
                text = _FOLDS
                self.folds.setValue(split.folds)
                self.seed.setValue(split.random_seed)
            case PublishedFolds():
                text = f"published: {split.name}"
                if self.kind.findText(text) < 0:
                    self.kind.addItem(text)  # the check says which ones there are
            case DatasetSplit():
                text, own = _OWN, split
            case ListedFolds():
                text, self._listed = _LISTED, split
                self.kind.addItem(text)
        self.train.setText(own.train)
        self.test.setText(own.test)
        self.kind.setCurrentText(text)
        self._show()

    def _lay_out(self) -> None:
        for widget in (self.kind, self.folds):
            tame(widget)
        self.kind.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.folds.setFixedWidth(64)
        tame(self.seed)
        first = QHBoxLayout()
        first.setSpacing(GAP)
        first.addWidget(self.kind, 1)
        first.addWidget(self.folds)
        self._names = QWidget()
        second = QHBoxLayout(self._names)
        second.setContentsMargins(0, 0, 0, 0)
        second.setSpacing(GAP)
        for title, edit in (("train", self.train), ("test", self.test)):
            edit.setMinimumWidth(40)
            second.addWidget(QLabel(title))
            second.addWidget(edit, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(first)
        layout.addWidget(self._names)

    def _changed(self, _news: object = None) -> None:
        self._show()
        self.value_changed.emit()

    def _show(self) -> None:
        kind = self.kind.currentText()
        self.folds.setVisible(kind == _FOLDS)
        self.seed.setEnabled(kind == _FOLDS)
        self._names.setVisible(kind == _OWN)
        name = kind.partition(": ")[2]
        note = PUBLISHED[name].note if name in PUBLISHED else "Patients are never divided"
        self.kind.setToolTip(f"<p>{note}</p>")
