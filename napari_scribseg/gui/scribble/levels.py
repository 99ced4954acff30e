"""Levels: the grey levels that are shown, by preset or by dragging, remembered by modality."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from napari.layers import Layer
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QMenu

from napari_scribseg.gui.canvas import brush
from napari_scribseg.gui.canvas.grey_levels import (
    SHARES,
    WINDOWS,
    LevelDrag,
    modality_of,
    presets_for,
    show_preset,
    window_of,
)
from napari_scribseg.gui.scribble.habits import keep_habits, load_habits
from napari_scribseg.gui.scribble.planes import Planes
from napari_scribseg.gui.session import Session


class Levels(QObject):
    """Fills a menu with presets, and lets the mouse change the grey levels.

    Args:
        session: what the window works on.
        menu: of the button.
        planes: the further canvases.
        key: what switches dragging.
    """

    def __init__(self, session: Session, menu: QMenu, planes: Planes, key: str) -> None:
        super().__init__()
        self._session, self._menu, self._planes, self._key = session, menu, planes, key
        self._image: Layer | None = None
        self._tool: brush.Tool | None = None
        self._end_watch: Callable[[], None] | None = None
        self.drag = LevelDrag(self._viewers, lambda: session.selected.image, self._tell)
        menu.aboutToShow.connect(self._fill)
        session.selected_changed.connect(self._follow)
        self._follow()

    def switch(self) -> None:
        """Let dragging change the grey levels, or give the tool back."""
        if self.drag.is_on:
            self._stop()
            if self._tool is not None and self._session.selected.scribbles is not None:
                brush.take_tool(self._session.selected.scribbles, self._tool)
            self._session.say("Dragging does what it did before.")
            return
        if self._session.selected.image is None:
            self._session.say("Open a case first: there is no image.", "warning")
            return
        scribbles = self._session.selected.scribbles
        if scribbles is not None:
            self._tool = brush.tool_of(scribbles)
            brush.put_away(scribbles)
            self._end_watch = brush.watch_tool(scribbles, self._tool_taken)
        self.drag.start()
        self._session.say(
            "Drag over the image: right and left for the width of the grey levels, up and down for "
            f"their level. {self._key} again, or any tool, ends it."
        )

    def show(self, preset: str) -> None:
        """Show a preset, now and for the next images of this modality."""
        image = self._session.selected.image
        if image is None:
            return
        show_preset(image, preset)
        self._tell()
        habits = load_habits()
        levels = {**habits.levels, modality_of(image): preset}
        keep_habits(habits.model_copy(update={"levels": levels}))

    def end(self) -> None:
        """Leave mouse and images alone."""
        self._stop()

    # Inside

    def _viewers(self) -> tuple[object, ...]:
        dock = self._planes.dock
        return (self._session.viewer, *(() if dock is None else dock.linked.models))

    def _stop(self) -> None:
        self.drag.stop()
        if self._end_watch is not None:
            self._end_watch()
            self._end_watch = None

    def _tool_taken(self) -> None:
        layer = self._session.selected.scribbles
        if self.drag.is_on and layer is not None and not brush.is_idle(layer):
            self._stop()

    def _follow(self) -> None:
        image = self._session.selected.image
        if image is self._image:
            return
        self._image = image
        self._stop()
        if image is None:
            return
        levels = load_habits().levels
        chosen = levels.get(modality_of(image)) if levels else None
        if chosen in (*WINDOWS, *SHARES):
            show_preset(image, chosen)

    def _fill(self) -> None:
        self._menu.clear()
        image = self._session.selected.image
        if image is None:
            action = self._menu.addAction("Open a case first")
            assert action is not None
            action.setEnabled(False)
            return
        for name in presets_for(modality_of(image)):
            if name == next(iter(SHARES)):
                self._menu.addSeparator()
            action = self._menu.addAction(name)
            assert action is not None
            action.triggered.connect(partial(self._ask, name))
        self._menu.addSeparator()
        action = self._menu.addAction(f"By dragging over the image ({self._key})")
        assert action is not None
        action.setCheckable(True)
        action.setChecked(self.drag.is_on)
        action.triggered.connect(self._ask_to_switch)

    def _ask(self, name: str, _checked: bool = False) -> None:
        self.show(name)

    def _ask_to_switch(self, _checked: bool) -> None:
        self.switch()

    def _tell(self) -> None:
        image = self._session.selected.image
        if image is not None:
            level, width = window_of(image)
            self._session.say(f"Grey levels: level {level:.4g}, width {width:.4g}.")
