"""What qtpy gives to all Qt bindings at run time, told to type checkers once; and a timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from PyQt5.QtCore import pyqtSignal as Signal
else:
    from qtpy.QtCore import Signal

__all__ = ["Signal", "single_shot"]


def single_shot(parent: QObject, milliseconds: int, call: Callable[[], None]) -> QTimer:
    """A timer that calls once, so long after it was last started; it ends with its parent."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(call)
    return timer
