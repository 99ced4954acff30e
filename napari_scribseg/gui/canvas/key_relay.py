"""KeyRelay: our keys work wherever the mouse draws, whatever has the focus.

napari gives a key to the layer that is active, and only while the canvas has the focus. Somebody
with the mouse over the image who has just clicked a button of the dock, or moved a shape, means the
image all the same: a stroke must not be drawn as another class because a digit was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from napari.layers import Labels, Layer
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QOpenGLWidget,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

if TYPE_CHECKING:
    import napari.viewer

_FIELDS: Final = (QAbstractSpinBox, QLineEdit, QPlainTextEdit, QTextEdit)
_NAMED: Final = {Qt.Key.Key_PageUp: "PageUp", Qt.Key.Key_PageDown: "PageDown"}


class KeyRelay(QObject):
    """Gives our keys to the scribbles when somebody else has the focus.

    Args:
        viewer: napari's viewer.
        layer: gives the layer that is drawn on.
        digit: is given a digit that was pressed.
        actions: gives what other keys do, by napari's names of the keys.
        say: tells the user a sentence.
        over_further_canvas: whether the mouse is over a canvas of ours beside napari's.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        layer: Callable[[], Layer | None],
        digit: Callable[[int], None],
        actions: Callable[[], Mapping[str, Callable[[], None]]],
        say: Callable[[str], None],
        over_further_canvas: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__()
        self._viewer, self._layer = viewer, layer
        self._digit, self._actions, self._say = digit, actions, say
        self._over_further_canvas = over_further_canvas
        self._watched: QWidget | None = None
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._follow)
            self._follow(None, QApplication.focusWidget())

    def end(self) -> None:
        """Leave all keys alone."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.disconnect(self._follow)
        self._follow(self._watched, None)

    def _follow(self, _old: QWidget | None, now: QWidget | None) -> None:
        """Only the widget with the focus is watched: a filter of everything would cost time."""
        if self._watched is not None:
            self._watched.removeEventFilter(self)
        self._watched = now
        if now is not None:
            now.installEventFilter(self)
            now.destroyed.connect(self._forget)

    def _forget(self, _gone: QObject | None = None) -> None:
        self._watched = None

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Qt's question whether an event is taken."""
        if isinstance(a1, QKeyEvent) and a1.type() == QEvent.Type.KeyPress:
            return self.take(a0, a1)
        return False

    def take(self, focused: QObject | None, event: QKeyEvent) -> bool:
        """Do what a key means, if it is ours and napari would not give it to us."""
        layer = self._layer()
        active = self._viewer.layers.selection.active
        is_over = self._viewer.mouse_over_canvas or self._over_further_canvas()
        if layer is None or not is_over or event.isAutoRepeat():
            return False
        is_on_canvas = _is_canvas(focused)
        if is_on_canvas and active is layer:
            return False  # the layer's own keys
        key = _name_of(event)
        is_digit = len(key) == 1 and key.isdigit()
        if _takes_text(focused):
            if is_digit:
                self._say(f"{key} went into a field of the dock: click the image, then press it.")
            return False
        if isinstance(active, Labels) and active is not layer:
            if is_digit and is_on_canvas:
                self._say(
                    f"{key} is a key of the layer '{active.name}' now: choose the scribbles first."
                )
            return False
        if is_digit:
            self._digit(int(key))
            return True
        action = self._actions().get(key) if active is layer else None
        if action is None:
            return False
        action()
        return True


def _is_canvas(widget: QObject | None) -> bool:
    """Whether napari gives a widget's keys to the active layer: it is in no dock, and no slider.

    A canvas does so in a dock, too.
    """
    if isinstance(widget, QOpenGLWidget):
        return True
    if isinstance(widget, QAbstractSlider):
        return False
    while isinstance(widget, QWidget) and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return not isinstance(widget, QDockWidget)


def _takes_text(widget: QObject | None) -> bool:
    is_editable = isinstance(widget, QComboBox) and widget.isEditable()
    return is_editable or isinstance(widget, _FIELDS)


def _name_of(event: QKeyEvent) -> str:
    """Napari's name of a key; "" for one with other modifiers than Shift."""
    others = event.modifiers() & ~(
        Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
    )
    if others != Qt.KeyboardModifier.NoModifier:
        return ""
    name = _NAMED.get(Qt.Key(event.key()), event.text().upper())
    is_shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
    return f"Shift-{name}" if is_shifted and name.isalpha() else name
