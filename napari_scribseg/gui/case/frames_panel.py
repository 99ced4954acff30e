"""The frames of a time series: which one to work on, and which ones are ED and ES."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton

from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, Panel, button, note_label

PHASES: Final = {"ED": "End-diastole (ED)", "ES": "End-systole (ES)"}


class FramesPanel(Panel):
    """Shown while the image is a time series, or one of its frames."""

    work_asked = Signal()
    """Work on the frame that is shown."""
    mark_asked = Signal(str)
    """The frame that is shown is this phase ("ED" or "ES")."""
    phase_asked = Signal(str)
    """Open the frame that is this phase."""
    series_asked = Signal()
    """Show the whole series again."""

    def __init__(self) -> None:
        super().__init__("Time series", page="guide/case.md#time-series")
        self._note = note_label()
        self._work = button(
            "Work on this frame", "Make the frame that is shown a case", primary=True
        )
        self._series = button("Show the series", "Go back to all frames")
        self._work.clicked.connect(self.work_asked)
        self._series.clicked.connect(self.series_asked)
        self._frames: dict[str, QLabel] = {}
        self._open: dict[str, QPushButton] = {}
        self._set: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(GAP)
        grid.setColumnStretch(1, 1)
        for row, (phase, name) in enumerate(PHASES.items()):
            self._frames[phase] = note_label()
            self._open[phase] = button("Open", f"Open the frame that is {name.lower()}")
            self._set[phase] = button("Set here", f"The frame that is shown is {name.lower()}")
            self._open[phase].clicked.connect(partial(self._ask_phase, phase))
            self._set[phase].clicked.connect(partial(self._ask_mark, phase))
            grid.addWidget(QLabel(phase), row, 0)
            for column, widget in enumerate(
                (self._frames[phase], self._open[phase], self._set[phase]), start=1
            ):
                grid.addWidget(widget, row, column)
        self.body.addWidget(self._note)
        self.body.addLayout(grid)
        self.body.addWidget(self._work)
        self.body.addWidget(self._series)

    def show_series(
        self, frame: int, count: int, phases: Mapping[str, int], *, can_mark: bool
    ) -> None:
        """Show that the image is a series.

        Args:
            frame: the one on the screen, counted from 0.
            count: of frames.
            phases: the frame of "ED" and "ES", where they are known.
            can_mark: whether the series is a file, so that its phases can be remembered.
        """
        self._note.setText(
            f"Frame {frame + 1} of {count} is shown (napari's t slider counts from 0). Scribbles "
            "are drawn on single frames: move the slider, then work on the frame."
        )
        self._show(phases, is_series=True, can_mark=can_mark)

    def show_frame(self, frame: int | None, phases: Mapping[str, int]) -> None:
        """Show that the image is one frame of a series; None = it isn't known which one."""
        which = "one frame" if frame is None else f"frame {frame + 1}"
        self._note.setText(f"This is {which} of a time series.")
        self._show(phases, is_series=False, can_mark=frame is not None)

    def _show(self, phases: Mapping[str, int], *, is_series: bool, can_mark: bool) -> None:
        for phase in PHASES:
            known = phase in phases
            self._frames[phase].setText(f"frame {phases[phase] + 1}" if known else "not set")
            self._open[phase].setEnabled(known)
            self._set[phase].setEnabled(can_mark)
        self._work.setVisible(is_series)
        self._series.setVisible(not is_series)

    def _ask_phase(self, phase: str, *_clicked: bool) -> None:
        self.phase_asked.emit(phase)

    def _ask_mark(self, phase: str, *_clicked: bool) -> None:
        self.mark_asked.emit(phase)
