"""How the panels look: distances, headings, folds, and the few colours napari's theme lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QIcon, QPainter, QPaintEvent, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_scribseg.gui.widgets.help import help_button

GAP = 6
"""Pixels between widgets that belong together."""
SECTION_GAP = 14
"""Pixels between panels."""
MARGIN = 10
"""Pixels around the dock's content."""
ARROW = 56
"""Pixels of a box of choices, in napari's theme, beside its text."""

_WIDEST_LIST = 560
"""Pixels; longer entries of a list are cut off all the same."""
_ON_DARK = {"info": "", "good": "#2fa26f", "warning": "#c98f06", "error": "#ea5c50"}
_ON_LIGHT = {"info": "", "good": "#14663f", "warning": "#7a5200", "error": "#b3261a"}
"""With a contrast of at least 4.5 to 1 on the background of napari's light theme."""


_HALF = 127
"""Lightness between black and white."""


class _LevelColors(Mapping[str, str]):
    """The colour of every level, as it can be read on the theme of now."""

    def __getitem__(self, level: str) -> str:
        return (_ON_LIGHT if _is_light() else _ON_DARK)[level]

    def __iter__(self) -> Iterator[str]:
        return iter(_ON_DARK)

    def __len__(self) -> int:
        return len(_ON_DARK)


LEVEL_COLORS: Final[Mapping[str, str]] = _LevelColors()
"""Text colours of messages, readable on napari's dark and light themes; "" = the theme's own."""


def _is_light() -> bool:
    """Whether napari's window is light; without a window it is not."""
    from napari import current_viewer
    from napari.utils.theme import get_theme

    viewer = current_viewer()
    if viewer is None:
        return False
    return QColor(str(get_theme(str(viewer.theme)).background)).lightness() > _HALF


def quiet() -> str:
    """Style of text that explains and asks for no attention, as it can be read on this theme."""
    return f"color: {'#5c626b' if _is_light() else '#8d939c'};"


_PRIMARY = """
QPushButton { background-color: #2f6fd0; color: white; font-weight: 600; padding: 7px 14px;
              border-radius: 3px; }
QPushButton:hover { background-color: #3f80e4; }
QPushButton:pressed { background-color: #255bb0; }
QPushButton:disabled { background-color: rgba(128, 128, 128, 50);
                       color: rgba(150, 150, 150, 200); }
"""
SECONDARY = "QPushButton { padding: 7px 12px; border-radius: 3px; }"


class Panel(QWidget):
    """A titled part of the dock; `body` is where its widgets go.

    Args:
        title: its heading.
        aside: at the right of the heading.
        page: of the documentation, as in `help.address_of`; None = none explains it.
    """

    def __init__(self, title: str, aside: QWidget | None = None, page: str | None = None) -> None:
        super().__init__()
        self.page = page
        self.body = QVBoxLayout()
        self.body.setSpacing(GAP)
        self.body.setContentsMargins(0, 0, 0, 0)
        head = QHBoxLayout()
        head.setSpacing(GAP)
        label = QLabel(title)
        label.setStyleSheet("font-weight: 600; font-size: 11pt;")
        head.addWidget(label)
        if page is not None:
            head.addWidget(help_button(title, page))
        head.addStretch()
        if aside is not None:
            head.addWidget(aside)
        line = QFrame()
        line.setFixedHeight(1)
        line.setStyleSheet("background-color: rgba(128, 128, 128, 110); border: none;")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GAP)
        outer.addLayout(head)
        outer.addWidget(line)
        outer.addLayout(self.body)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)


class Tab(QScrollArea):
    """The scrolling content of one tab; `column` is where its panels go."""

    def __init__(self) -> None:
        super().__init__()
        content = QWidget()
        content.setObjectName("content")
        outer = QVBoxLayout(content)
        outer.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        self.column = QVBoxLayout()
        self.column.setSpacing(SECTION_GAP)
        outer.addLayout(self.column)
        outer.addStretch()
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """As wide as its panels need: what is narrower would be cut off at the right."""
        content, bar = self.widget(), self.verticalScrollBar()
        if content is None or bar is None:
            return super().minimumSizeHint()
        wide = content.minimumSizeHint().width() + bar.sizeHint().width()
        return QSize(wide, super().minimumSizeHint().height())

    def reveal(self, widget: QWidget) -> None:
        """Scroll to a widget, once the layout has made room for it."""
        QTimer.singleShot(0, lambda: self.ensureWidgetVisible(widget))


class Fold(QWidget):
    """A title with an arrow that shows or hides what lies under it."""

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._content = content
        self._button = QToolButton()
        self._button.setText(f" {title}")
        self._button.setCheckable(True)
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setArrowType(Qt.ArrowType.RightArrow)
        self._button.setStyleSheet(
            "QToolButton, QToolButton:checked { border: none; background: transparent; }"
        )
        self._button.toggled.connect(self._toggle)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self._button)
        layout.addWidget(content)
        content.setVisible(False)

    def open(self) -> None:
        """Show what lies under it."""
        self._button.setChecked(True)

    def set_title(self, title: str) -> None:
        """Call it otherwise."""
        self._button.setText(f" {title}")

    def _toggle(self, is_open: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self._button.setArrowType(arrow)
        self._content.setVisible(is_open)


class ElidedLabel(QLabel):
    """One line that is cut in the middle where there is no room for it, with dots that say so.

    The whole text is its tooltip then, and `text` always gives it.
    """

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Draw what there is room for."""
        metrics, room = self.fontMetrics(), self.contentsRect()
        shown = metrics.elidedText(self.text(), Qt.TextElideMode.ElideMiddle, room.width())
        if shown == self.text():
            super().paintEvent(a0)
            return
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(room, int(self.alignment()), shown)
        painter.end()

    def event(self, e: QEvent | None) -> bool:
        """The tooltip is the whole text."""
        if e is not None and e.type() == QEvent.Type.ToolTip and self.text():
            self.setToolTip(self.text())
        return super().event(e)


def button(text: str, tooltip: str = "", *, primary: bool = False) -> QPushButton:
    """A push button; the primary one is what the panel is for."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.setStyleSheet(_PRIMARY if primary else SECONDARY)
    return made


def note_label(text: str = "") -> QLabel:
    """A small, wrapped, quiet line of explanation."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setStyleSheet(quiet())
    return label


def swatch(color: str, size: int = 14) -> QIcon:
    """An icon that is a rounded square of this colour (#rrggbb)."""
    pixmap = QPixmap(size, size)
    pixmap.fill(QColor(0, 0, 0, 0))
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawRoundedRect(0, 0, size, size, 3, 3)
    painter.end()
    return QIcon(pixmap)


def tame(widget: QWidget) -> None:
    """Narrow enough for the dock, and deaf to a passing wheel."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.setMinimumWidth(70)
    widget.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    widget.installEventFilter(_WheelGuard(widget))


def tell_in_full(box: QComboBox) -> None:
    """Show long entries of a box in full: on hovering, and as wide as they are when it is open."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    for row in range(box.count()):
        box.setItemData(row, box.itemText(row), Qt.ItemDataRole.ToolTipRole)
    entries = box.view()
    if entries is not None:
        entries.setMinimumWidth(min(entries.sizeHintForColumn(0) + 24, _WIDEST_LIST))


class _WheelGuard(QObject):
    """Keeps the wheel from changing values while somebody scrolls past them."""

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Leave the wheel to the scroll area unless the widget has the focus."""
        if a1 is None or a1.type() != QEvent.Type.Wheel:
            return False
        if not isinstance(a0, QWidget) or a0.hasFocus():
            return False
        a1.ignore()
        return True
