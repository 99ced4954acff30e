"""The brush: widths of brush and eraser, what is protected and filled, undo and redo."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QWidget,
)

from napari_scribseg.gui.canvas.tools import Tool, Unit, Widths, voxels_of_width, width_of_voxels
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.widgets.style import GAP, Panel, button, tame

_LARGEST_VOXELS = 200
_SPIN_WIDTH = 62
"""Pixels: two digits, a decimal and napari's two buttons."""


class BrushPanel(Panel):
    """Edits `Widths`, and two switches."""

    widths_changed = Signal(object)
    """Widths."""
    tool_asked = Signal(str)
    protect_changed = Signal(bool)
    fill_changed = Signal(bool)
    sphere_changed = Signal(bool)
    undo_asked = Signal()
    redo_asked = Signal()
    fill_asked = Signal()
    planes_asked = Signal()

    def __init__(self, fill_key: str, planes_key: str) -> None:
        self._unit = QComboBox()
        self._unit.addItems(["in voxels", "in mm"])
        self._unit.setToolTip("Whether widths are in voxels or in millimetres in the slice")
        self._unit.setAccessibleName("Unit of the widths")
        tame(self._unit)
        self._unit.currentIndexChanged.connect(self._show_widths)
        super().__init__("Brush", aside=self._make_aside(), page="guide/scribble.md#brush")
        self._widths = Widths()
        self._voxel_mm = 1.0
        self._tools: dict[Tool, QPushButton] = {
            "paint": button("Paint", "Paint the chosen class (key P)"),
            "erase": button("Erase", "Erase: nobody drew here (key E)"),
        }
        self._spins: dict[Tool, QDoubleSpinBox] = {}
        grid = QGridLayout()
        grid.setSpacing(GAP)
        titles: tuple[tuple[Tool, str], ...] = (("paint", "brush"), ("erase", "eraser"))
        for column, (tool, title) in enumerate(titles):
            self._tools[tool].setCheckable(True)
            self._tools[tool].clicked.connect(partial(self._ask_for_tool, tool))
            spin = QDoubleSpinBox()
            spin.setKeyboardTracking(False)
            tame(spin)
            spin.setStyleSheet(f"min-width: {_SPIN_WIDTH}px;")  # napari's style asks for more
            spin.setToolTip(f"Width of the {title}; keys [ and ] change that of the tool in use")
            spin.setAccessibleName(f"Width of the {title}")
            spin.valueChanged.connect(partial(self._width_entered, tool))
            self._spins[tool] = spin
            grid.addWidget(self._tools[tool], 0, 2 * column)
            grid.addWidget(spin, 0, 2 * column + 1)
        self._protect = QCheckBox("Protect others")
        self._protect.setToolTip("Painting leaves the strokes of other classes alone (key B)")
        self._protect.toggled.connect(self.protect_changed)
        self._fill = QCheckBox("Fill contours")
        self._fill.setToolTip("A contour that a stroke closes is filled with its class at once")
        self._fill.toggled.connect(self.fill_changed)
        self._sphere = QCheckBox("Ball")
        self._sphere.setToolTip(
            "The brush reaches into neighbouring slices, round in mm (key S); off: a disc"
        )
        self._sphere.toggled.connect(self.sphere_changed)
        switches = QHBoxLayout()
        for one in (self._protect, self._fill, self._sphere):
            switches.addWidget(one)
        self.body.addLayout(grid)
        self.body.addLayout(switches)
        self.body.addLayout(self._steps(fill_key, planes_key))
        self._show_widths()

    def _make_aside(self) -> QWidget:
        """At the right of the heading: the grey levels, and the unit of the widths."""
        levels = button("Levels", "Window and level: which grey levels of the image are shown")
        self.levels = QMenu(levels)
        levels.setMenu(self.levels)
        made = QWidget()
        row = QHBoxLayout(made)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(levels)
        row.addWidget(self._unit)
        return made

    def _steps(self, fill_key: str, planes_key: str) -> QHBoxLayout:
        """Buttons that do something once."""
        steps = QHBoxLayout()
        steps.setSpacing(GAP)
        self.undo = button("Undo", "Take back the last step, 100 steps across slices (Ctrl+Z)")
        self.redo = button("Redo", "Do it again (Ctrl+Shift+Z)")
        self.fill_now = button(
            "Fill contour",
            f"Fill what the chosen class encloses on this slice (key {fill_key}). A drag with "
            "the right mouse button encircles and fills, too.",
        )
        self._planes = button(
            "Planes",
            "The other two planes below the image, to be drawn on like this one "
            f"(key {planes_key})",
        )
        self._planes.setCheckable(True)
        self._planes.clicked.connect(self._ask_for_planes)
        self.undo.clicked.connect(self.undo_asked)
        self.redo.clicked.connect(self.redo_asked)
        self.fill_now.clicked.connect(self.fill_asked)
        for one in (self.undo, self.redo, self.fill_now):
            steps.addWidget(one)
        steps.addStretch()
        steps.addWidget(self._planes)
        return steps

    @property
    def fills(self) -> bool:
        """Whether contours are filled when they are closed."""
        return self._fill.isChecked()

    def value(self) -> Widths:
        """The widths in voxels."""
        return self._widths

    def set_value(self, widths: Widths) -> None:
        """Show these widths; nothing is emitted."""
        self._widths = widths
        self._show_widths()

    def set_voxel(self, side_mm: float) -> None:
        """Say how large a voxel is in the slice."""
        self._voxel_mm = side_mm
        self._show_widths()

    def show_tool(self, tool: Tool | None, *, protects: bool, sphere: bool = False) -> None:
        """Show which tool is in the hand, and how it draws; nothing is emitted."""
        for name, one in self._tools.items():
            one.setChecked(name == tool)
        with QSignalBlocker(self._protect):
            self._protect.setChecked(protects)
        with QSignalBlocker(self._sphere):
            self._sphere.setChecked(sphere)

    def show_planes(self, *, on: bool) -> None:
        """Show whether the other planes are there; nothing is emitted."""
        self._planes.setChecked(on)

    def _ask_for_planes(self, checked: bool) -> None:
        self._planes.setChecked(not checked)  # it is told when they are there
        self.planes_asked.emit()

    def _ask_for_tool(self, tool: Tool, *_checked: bool) -> None:
        self.tool_asked.emit(tool)

    def _width_entered(self, tool: Tool, width: float) -> None:
        voxels = voxels_of_width(width, self._chosen_unit(), self._voxel_mm)
        self._widths = self._widths.with_width(tool, voxels)
        self._show_widths()
        self.widths_changed.emit(self._widths)

    def _show_widths(self, _index: int = 0) -> None:
        unit = self._chosen_unit()
        step = width_of_voxels(1, unit, self._voxel_mm)
        for tool, spin in self._spins.items():
            voxels = self._widths.paint if tool == "paint" else self._widths.erase
            with QSignalBlocker(spin):
                spin.setDecimals(0 if unit == "voxels" else 1)
                spin.setSingleStep(step)
                spin.setRange(round(step, 1) if unit == "mm" else 1, _LARGEST_VOXELS * step)
                spin.setValue(width_of_voxels(voxels, unit, self._voxel_mm))

    def _chosen_unit(self) -> Unit:
        return "mm" if self._unit.currentIndex() == 1 else "voxels"
