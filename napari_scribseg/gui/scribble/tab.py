"""The Scribble tab: classes, brush, help with strokes, and the checklist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDialog, QFileDialog

from napari_scribseg.annotation.checklist import checklist, voxels_of
from napari_scribseg.annotation.simulate import Style
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, UNSURE, LabelSchema
from napari_scribseg.gui.canvas import brush, layers, painting
from napari_scribseg.gui.canvas.key_relay import KeyRelay
from napari_scribseg.gui.canvas.slices import plane_axis, show_slice
from napari_scribseg.gui.canvas.tools import Widths
from napari_scribseg.gui.scribble.automatic import AutomaticMask
from napari_scribseg.gui.scribble.brush_panel import BrushPanel
from napari_scribseg.gui.scribble.checklist_panel import ChecklistPanel
from napari_scribseg.gui.scribble.classes_panel import ClassesPanel
from napari_scribseg.gui.scribble.drawing import Drawing
from napari_scribseg.gui.scribble.habits import keep_habits, load_habits
from napari_scribseg.gui.scribble.keys import chosen_keys
from napari_scribseg.gui.scribble.levels import Levels
from napari_scribseg.gui.scribble.pen import KeyboardPen
from napari_scribseg.gui.scribble.planes import Planes
from napari_scribseg.gui.scribble.presenter import (
    chip_counts,
    plane_counts,
    suspicion_items,
    why_not_interpolated,
    why_not_schema,
)
from napari_scribseg.gui.scribble.proposal import Proposal
from napari_scribseg.gui.scribble.region import RegionOfInterest
from napari_scribseg.gui.scribble.region_panel import RegionPanel
from napari_scribseg.gui.scribble.schema_dialog import SchemaDialog
from napari_scribseg.gui.scribble.stroke_scan import StrokeScan
from napari_scribseg.gui.scribble.strokes_panel import StrokesPanel
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.widgets.save_as import FileKind, ask_where_to_save
from napari_scribseg.gui.widgets.style import Fold, Tab
from napari_scribseg.io.documents import load_document, save_document

_SCHEMA = FileKind("Label schemas", (".json",))


class ScribbleTab(Tab):
    """Draw.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        keys = chosen_keys()
        self.classes = ClassesPanel(keys["unsure"])
        self.brush = BrushPanel(keys["fill_contour"], keys["planes"])
        self.strokes = StrokesPanel(keys)
        self.checklist = ChecklistPanel()
        self.region_panel = RegionPanel(keys["nothing_here"])
        for panel in (self.classes, self.brush, self.strokes):
            self.column.addWidget(panel)
        self.column.addWidget(Fold("Where nothing is", self.region_panel))
        self.column.addWidget(self.checklist)
        self.scan = StrokeScan(session)
        self.automatic = AutomaticMask(session)
        self.proposal = Proposal(session)
        self.pen = KeyboardPen(session)
        self.planes = Planes(session)
        self.levels = Levels(session, self.brush.levels, self.planes, keys["levels"])
        self.drawing = Drawing(
            session,
            self.scan,
            {
                "interpolate": self.proposal.interpolate,
                "carry": self.proposal.carry_here,
                "grow": lambda: self._switch_automatic(not self.automatic.is_on),
                "accept": self.proposal.accept,
                "drop": self.proposal.drop,
                "keyboard_pen": self.pen.switch,
                "planes": self.planes.switch,
                "levels": self.levels.switch,
                "unsure": lambda: session.choose_value(UNSURE),
            },
        )
        self.planes.pressed.connect(self.drawing.pressed)
        self.relay = KeyRelay(
            session.viewer,
            lambda: session.selected.scribbles,
            self._press_digit,
            lambda: self.drawing.actions,
            session.say,
            lambda: self.planes.is_mouse_over,
        )
        self.region = RegionOfInterest(session, self.region_panel)
        self.region_panel.nothing_asked.connect(self.drawing.nothing_here)
        self.classes.set_schema(session.schema)
        self._connect_classes()
        self._connect_brush()
        self._connect_strokes()
        self._show_scan()
        self.automatic.switch(on=load_habits().automatic_mask)

    def end(self) -> None:
        """Follow nothing any more."""
        self._session.viewer.dims.events.current_step.disconnect(self._show_counts)
        self.automatic.end()
        self.region.end()
        self.relay.end()
        self.levels.end()
        self.planes.end()
        self.proposal.end()
        self.pen.end()
        self.drawing.end()

    def _connect_classes(self) -> None:
        session = self._session
        self.classes.value_chosen.connect(session.choose_value)
        self.classes.schema_asked.connect(self._ask_for_schema)
        self.classes.edit_asked.connect(self._edit_schema)
        self.classes.import_asked.connect(self._import_schema)
        self.classes.export_asked.connect(self._export_schema)
        session.schema_changed.connect(self._show_schema)
        session.value_selected.connect(self._show_value)
        session.selected_changed.connect(self._take_brush)

    def _connect_brush(self) -> None:
        panel, drawing = self.brush, self.drawing
        panel.set_value(drawing.widths)
        panel.widths_changed.connect(self._set_widths)
        panel.tool_asked.connect(drawing.take_tool)
        panel.protect_changed.connect(drawing.protect)
        panel.fill_changed.connect(self._set_filling)
        panel.sphere_changed.connect(drawing.set_sphere)
        panel.undo_asked.connect(drawing.undo)
        panel.redo_asked.connect(drawing.redo)
        panel.fill_asked.connect(drawing.fill_contour)
        panel.planes_asked.connect(self.planes.switch)
        self.planes.switched.connect(self._show_planes)
        drawing.tool_changed.connect(self._show_tool)
        self._show_tool()

    def _connect_strokes(self) -> None:
        panel, session = self.strokes, self._session
        panel.interpolate_asked.connect(self.proposal.interpolate)
        panel.carry_here_asked.connect(self.proposal.carry_here)
        panel.carry_asked.connect(self.proposal.carry_from)
        panel.list_sources = self.proposal.earlier_cases
        panel.automatic_switched.connect(self._switch_automatic)
        panel.simulate_asked.connect(self._simulate)
        panel.accept_asked.connect(self.proposal.accept)
        panel.drop_asked.connect(self.proposal.drop)
        self.automatic.switched.connect(self._show_automatic)
        self.automatic.told.connect(panel.tell_source)
        self.scan.network = lambda: self.automatic.network
        self.automatic.told.connect(self.scan.ask)
        self.proposal.changed.connect(self._show_helpers)
        self.scan.scanned.connect(self._show_scan)
        session.selected_changed.connect(self._show_helpers)
        session.viewer.dims.events.current_step.connect(self._show_counts)
        session.plane_changed.connect(self._show_counts)
        session.plane_changed.connect(self._show_helpers)
        self.checklist.slice_asked.connect(self._go_to)

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802  Qt's name
        """Who opens this tab wants to draw."""
        super().showEvent(a0)
        self._take_brush()

    # What the user asks

    def _take_brush(self) -> None:
        if self.isVisible():
            self.drawing.take_up()

    def _press_digit(self, digit: int) -> None:
        value = BACKGROUND if digit == 0 else digit
        if value in self._session.schema.scribble_values:
            self._session.choose_value(value)

    def _ask_for_schema(self, schema: LabelSchema) -> None:
        problem = why_not_schema(schema, self._session.schema, voxels_of(self.scan.facts))
        if problem is None:
            self._session.set_schema(schema)
        else:
            self._session.say(problem, "warning")

    def _edit_schema(self) -> None:
        dialog = SchemaDialog(self, self._session.schema, voxels_of(self.scan.facts))
        accepted = dialog.exec() == QDialog.DialogCode.Accepted
        schema = dialog.value()
        dialog.deleteLater()
        if accepted and schema is not None:
            self._ask_for_schema(schema)

    def _import_schema(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Read a label schema", "", _SCHEMA.filter)
        if name:
            self.read_schema(Path(name))

    def read_schema(self, path: Path) -> None:
        """Draw the structures of a labels.json from now on."""
        self._session.run(lambda: load_document(path, LabelSchema), self._ask_for_schema)

    def _export_schema(self) -> None:
        given = ask_where_to_save(self, "Write the label schema", "labels.json", [_SCHEMA])
        if given is not None:
            self.write_schema(given[0])

    def write_schema(self, path: Path) -> None:
        """Write the structures as a labels.json."""
        schema = self._session.schema
        self._session.run(
            lambda: save_document(path, schema),
            lambda _none: self._session.say(f"The classes were written to {path}.", "good"),
        )

    def _set_widths(self, widths: Widths) -> None:
        self.drawing.set_widths(widths)

    def _set_filling(self, fills: bool) -> None:
        self.drawing.fills_contours = fills

    def _switch_automatic(self, on: bool) -> None:
        self.automatic.switch(on=on)
        keep_habits(load_habits().model_copy(update={"automatic_mask": on}))

    def _simulate(self, style: Style, every: int) -> None:
        self.proposal.simulate(style, every)

    def _go_to(self, z: int) -> None:
        layer = self._session.selected.scribbles
        if layer is not None:
            show_slice(self._session.viewer, layer, z)
            self._session.viewer.layers.selection.active = layer

    # What is shown

    def _show_schema(self, schema: LabelSchema) -> None:
        self.classes.set_schema(schema)
        scribbles = self._session.selected.scribbles
        if scribbles is not None:
            self._show_value(painting.selected_value(scribbles))
        self._show_scan()

    def _show_scan(self) -> None:
        """Show what the last scan found: numbers, checklist, what can be asked."""
        facts, schema = self.scan.facts, self._session.schema
        self.checklist.set_value(
            (*checklist(facts, schema), *suspicion_items(self.scan.suspicions, schema))
            if facts
            else (),
            has_layer=self._session.selected.scribbles is not None,
        )
        self._show_counts()
        self._show_helpers()

    def _show_counts(self, _event: object = None) -> None:
        plane, layer = self._session.plane, self._session.selected.scribbles
        here = None
        if plane is not None and layer is not None and not plane.is_acquired:
            here = plane_counts(plane.of(np.asarray(layer.data)))
        z = None if plane is None else plane.index
        self.classes.set_counts(chip_counts(self.scan.facts, z, here))

    def _show_tool(self) -> None:
        layer = self.drawing.layer
        self.brush.set_value(self.drawing.widths)
        if layer is not None:
            self.brush.show_tool(
                brush.tool_of(layer),
                protects=brush.is_protecting(layer),
                sphere=brush.is_sphere(layer),
            )
            self._show_value(painting.selected_value(layer))
            self._show_voxel()

    def _show_value(self, value: int) -> None:
        """Light a class only while a click would draw it."""
        layer = self._session.selected.scribbles
        is_used = layer is not None and brush.uses_value(layer)
        self.classes.set_value(value if is_used else UNLABELLED)

    def _show_voxel(self) -> None:
        layer = self.drawing.layer
        if layer is None:
            return
        try:
            self.brush.set_voxel(min(layers.grid_of(layer).spacing[1:]))
        except ScribsegError:
            return  # the Case tab tells what is wrong with the layer

    def _show_planes(self, on: bool) -> None:
        self.brush.show_planes(on=on)

    def _show_automatic(self, on: bool) -> None:
        self.strokes.show_automatic(on=on)

    def _show_helpers(self) -> None:
        chosen = self._session.selected
        why_not_simulate = (
            None
            if chosen.reference is not None and chosen.scribbles is not None
            else "Choose a reference and scribbles in the Case tab."
        )
        self.strokes.set_state(
            # Across other axes it is only found out by trying.
            None if plane_axis(self._session.front) else why_not_interpolated(self.scan.facts),
            why_not_simulate,
            has_proposal=self.proposal.layer is not None,
            busy=self.proposal.is_busy,
        )
