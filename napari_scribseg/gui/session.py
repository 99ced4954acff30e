"""Session: what one window works on - the chosen layers, the structures, the strokes, the project.

The tabs read it, ask it to change, and hear from it; they don't know each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import PRESETS, LabelSchema
from napari_scribseg.core.region import Region
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui import recent
from napari_scribseg.gui.background import Background
from napari_scribseg.gui.canvas import case_titles, layers, painting
from napari_scribseg.gui.canvas.chosen_layers import (
    SLOTS,
    Selected,
    Slot,
    kept_as,
    mismatch_of,
    note_region,
    problem_of,
    region_of,
    snapshot_of,
    still_offered,
)
from napari_scribseg.gui.canvas.layer_grid import SERIES_AXES
from napari_scribseg.gui.canvas.layers_of_cases import (
    layer_beside,
    layer_of_frame,
    new_scribbles_on,
    put_in_place,
    with_own_layers,
)
from napari_scribseg.gui.canvas.slices import Plane, shown_plane
from napari_scribseg.gui.canvas.stroke_feed import Look, StrokeFeed
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.values import Inputs, Level, Snapshot
from napari_scribseg.runs.warm_child import WarmChild

if TYPE_CHECKING:
    import napari.viewer

T = TypeVar("T")


class Session(QObject):
    """What the window works on.

    Args:
        viewer: napari's viewer.
        project_folder: the folder that receives the runs; the user's own when None.
    """

    offers_changed = Signal()
    """Other layers may be chosen now: layers came, went or were renamed."""
    selected_changed = Signal()
    """Other layers are chosen."""
    case_changed = Signal(object)
    """The CaseKey of the case that is worked on, or None; also when it is called otherwise now."""
    schema_changed = Signal(object)
    """A LabelSchema."""
    strokes_drawn = Signal()
    """Something was drawn on the chosen scribbles just now; comes with every movement."""
    strokes_counted = Signal(object)
    """A Look: slices of the chosen scribbles changed; `drawn` is up to date."""
    region_changed = Signal(object)
    """A Region outside of which everything is background, or None."""
    plane_changed = Signal()
    """Another plane is worked on: see `plane`."""
    value_selected = Signal(int)
    """The scribbles layer paints this value from now on."""
    run_chosen = Signal(object)
    """The folder of a run with weights, that predicts from now on."""
    runs_changed = Signal()
    """Runs that can predict have come or gone; which of them do so is the user's."""
    run_completed = Signal(object)
    """The folder of a run whose training has just used up its budget."""
    reference_loaded = Signal(object)
    """The array (z, y, x) of a reference that was just loaded for the chosen image."""
    project_changed = Signal(object)
    """The folder of another project, which receives the runs from now on."""
    device_used = Signal(str)
    """What computes now ("cpu, bfloat16"), "" = nothing does."""
    said = Signal(str, str)
    """A sentence for the user and its level."""

    def __init__(self, viewer: napari.viewer.Viewer, project_folder: Path | None = None) -> None:
        super().__init__()
        self.viewer = viewer
        self.front: Any = viewer
        """The viewer whose canvas the mouse was over last: that of the window, or a further one."""
        self.project_folder = project_folder or recent.newest_project() or recent.default_project()
        self.background = Background()
        self.warm = WarmChild()
        self.schema: LabelSchema = PRESETS["cardiac"]
        self.selected = Selected()
        self.case: CaseKey | None = None
        self._computing: dict[str, str] = {}
        self._identities: dict[CaseKey, CaseKey] = {}
        """What cases of a project were when they came into the window; see `know_as`."""
        self._strokes = StrokeFeed(self, self.background, self.refuse)
        self._strokes.drawn_on.connect(self.strokes_drawn)
        self._strokes.looked.connect(self.strokes_counted)
        self._strokes.value_selected.connect(self.value_selected)
        events = viewer.layers.events
        events.inserted.connect(self._layer_inserted)
        events.removed.connect(self._offer)
        events.reordered.connect(self._offer)
        for layer in viewer.layers:
            layer.events.name.connect(self._offer)
        case_titles.tell_apart(viewer.layers)

    # What is there

    @property
    def look(self) -> Look | None:
        """The strokes as they were seen last; None = not looked at yet."""
        return self._strokes.last

    @property
    def drawn(self) -> Mapping[int, int] | None:
        """Voxels of the chosen scribbles by scribble value; None = not counted yet."""
        return None if self._strokes.last is None else self._strokes.last.drawn

    @property
    def has_new_strokes(self) -> bool:
        """Whether something was drawn that was not looked at yet."""
        return self._strokes.is_behind

    @property
    def plane(self) -> Plane | None:
        """The plane of the chosen scribbles that is worked on; None beyond their ends."""
        return shown_plane(self.front, self.selected.scribbles)

    @property
    def frame(self) -> int:
        """The time point that is shown, when the image is a time series."""
        step = self.viewer.dims.current_step
        # While the series leaves the viewer its axis is gone already.
        return int(step[-SERIES_AXES]) if self.is_series and len(step) > 3 else 0

    @property
    def is_series(self) -> bool:
        """Whether the chosen image is a time series."""
        image = self.selected.image
        return image is not None and layers.is_series(image)

    def offered(self, slot: Slot) -> list[Layer]:
        """The layers that may be chosen for a slot."""
        return [layer for layer in self.viewer.layers if layers.usable_as(layer, slot)]

    def inputs(self) -> Inputs:
        """What is chosen, as far as it decides what can be done."""
        names = {slot: getattr(getattr(self.selected, slot), "name", None) for slot in SLOTS}
        problem = problem_of(self.selected)
        return Inputs(**names, schema=self.schema, drawn=self.drawn, problem=problem)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return snapshot_of(self.selected, self.schema, self.kept, self.viewer.layers)

    @property
    def kept(self) -> CaseKey | None:
        """The case of the project that keeps the chosen strokes on the chosen image, if any."""
        scribbles = self.selected.scribbles
        case_id = None if scribbles is None else kept_as(scribbles, self.project_folder)
        if case_id is None:
            return None
        kept = CaseKey.in_project(self.project_folder, case_id)
        # Somebody may have chosen the strokes of another case.
        return kept if self.identity_of(kept) == self.case else None

    @property
    def stored(self) -> CaseKey | None:
        """The case that files about what is shown are named after; see `Snapshot.stored`."""
        return self.kept or self.case

    def identity_of(self, kept: CaseKey) -> CaseKey:
        """Which case a case of a project is in this window: it stays what it was at first."""
        return self._identities.get(kept, kept)

    @property
    def region(self) -> Region | None:
        """The region of interest of the chosen scribbles: outside everything is background."""
        return region_of(self.selected.scribbles)

    # What may be asked

    def set_region(self, region: Region | None) -> None:
        """Let everything outside of a region be background; None = the whole image counts."""
        scribbles = self.selected.scribbles
        if scribbles is not None and region != self.region:
            note_region(scribbles, region)
            self.region_changed.emit(region)

    def use_canvas(self, viewer: Any) -> None:
        """Let the plane that a viewer shows be the one that keys and counts are about."""
        if viewer is not self.front:
            self.front = viewer
            self.plane_changed.emit()

    def know_as(self, kept: CaseKey, case: CaseKey) -> None:
        """The project keeps a case from elsewhere from now on; it stays the same case."""
        if kept != case:
            self._identities[kept] = case

    def say(self, text: str, level: Level = "info") -> None:
        """Tell the user a sentence, which stays until the next one."""
        self.said.emit(text, level)

    def set_project(self, folder: Path) -> None:
        """Let another project receive the runs from now on."""
        if folder != self.project_folder:
            self.project_folder = folder
            self.project_changed.emit(folder)

    def refuse(self, message: str) -> None:
        """Tell the user what went wrong."""
        self.say(message, "error")

    def computing(self, who: str, what: str) -> None:
        """Tell what one part of the window computes now, "" = nothing."""
        self._computing[who] = what
        self.device_used.emit(" · ".join(filter(None, self._computing.values())))

    def run(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        """Do something slow in the background, then `done` with its result; errors are told."""
        self.background.run(job, done, self.refuse)

    def adopt(self) -> None:
        """Choose among the layers that were there before us."""
        images = self.offered("image")
        ours = [layer for layer in images if layers.role_of(layer) is not None]
        if images:
            self.choose(image=(ours or images)[-1])

    def choose(self, **changes: Layer | None) -> None:
        """Choose layers by slot; with another image come its own scribbles and reference."""
        chosen = self.selected
        image = changes.get("image", chosen.image)
        if image is not chosen.image:
            chosen = with_own_layers(image, self.viewer.layers)
        self.set_selected(
            Selected(
                image=image,
                scribbles=changes.get("scribbles", chosen.scribbles),
                reference=changes.get("reference", chosen.reference),
            )
        )

    def take(self, wanted: Selected) -> None:
        """Choose what somebody has picked; another image comes with its own layers."""
        before = self.selected
        if wanted.image is before.image:
            self.set_selected(wanted)
            return
        picked = {
            slot: getattr(wanted, slot)
            for slot in SLOTS
            if getattr(wanted, slot) is not getattr(before, slot)
        }
        self.choose(**picked)

    def set_selected(self, selected: Selected) -> None:
        """Choose exactly these layers."""
        before, self.selected = self.selected, selected
        if all(getattr(before, slot) is getattr(selected, slot) for slot in SLOTS):
            return
        if selected.scribbles is not before.scribbles:
            self._follow(selected.scribbles)
        if selected.reference is not None and layers.schema_of(selected.reference) is None:
            layers.recolour(selected.reference, self.schema)
        case = None if selected.image is None else layers.identified(selected.image)
        changed, self.case = case != self.case, case
        self.selected_changed.emit()
        if changed:
            self.case_changed.emit(case)
        mismatch = mismatch_of(selected)
        if mismatch is not None:
            self.say(mismatch, "warning")

    def set_schema(self, schema: LabelSchema) -> None:
        """Draw these structures from now on."""
        if schema == self.schema:
            return
        self.schema = schema
        if self.selected.scribbles is not None:
            painting.dress(self.selected.scribbles, schema)
            self._strokes.look()
        if self.selected.reference is not None:
            layers.recolour(self.selected.reference, schema)
        self.schema_changed.emit(schema)

    def new_scribbles(self) -> None:
        """Add an empty scribbles layer on the grid of the image, ready to paint."""
        try:
            layer = new_scribbles_on(self.selected.image, self.schema, self.viewer.layers)
        except ScribsegError as error:
            self.say(str(error), "warning")
            return
        self.viewer.add_layer(layer)
        self.choose(scribbles=layer)
        self.choose_value(1)

    def choose_value(self, value: int) -> None:
        """Paint this scribble value from now on."""
        layer = self.selected.scribbles
        if layer is None:
            self.say("There is no scribbles layer yet: press New.", "warning")
            return
        self.viewer.layers.selection.active = layer
        painting.select_value(layer, value)

    def touch_strokes(self) -> None:
        """Tell that strokes changed in a way that napari does not tell: undo and redo."""
        self._strokes.touch()

    def use_frame(self) -> None:
        """Take the time point that is shown as a 3D image of its own."""
        series = self.selected.image
        if series is None:
            return
        layer = layer_of_frame(series, self.frame)
        self.viewer.add_layer(layer)
        series.visible = False
        self.choose(image=layer)

    def put(
        self, data: layers.LayerData, role: layers.Role, case: CaseKey, run: str | None = None
    ) -> Layer:
        """Add a layer under the scribbles, or renew the one of this role, case and run."""
        new = layers.layer_of(data)
        put_in_place(self.viewer.layers, new, role, case, run, below=self.selected.scribbles)
        return new

    def end(self) -> None:
        """Hear and tell nothing any more."""
        self.background.end()
        self.warm.end()
        self._strokes.end()
        events = self.viewer.layers.events
        events.inserted.disconnect(self._layer_inserted)
        events.removed.disconnect(self._offer)
        events.reordered.disconnect(self._offer)

    # Inside

    def _layer_inserted(self, event: Any) -> None:
        layer: Layer = event.value
        layer.events.name.connect(self._offer)
        if case_titles.tell_apart(self.viewer.layers):
            self._tell_title()
        self._offer()
        role, image = layers.role_of(layer), self.selected.image
        if role in ("image", "series") or (image is None and layers.usable_as(layer, "image")):
            self.choose(image=layer)
        elif role in ("scribbles", "reference") and (
            image is None or layers.identified(image) == layers.case_of(layer)
        ):
            self.choose(**{role: layer})

    def _tell_title(self) -> None:
        """Tell that the case that is worked on is called otherwise now."""
        image = self.selected.image
        if image is not None:
            self.case = layers.identified(image)
            self.case_changed.emit(self.case)

    def _offer(self, _event: object = None) -> None:
        """Let go of chosen layers that are gone, and tell what may be chosen now."""
        before = self.selected.image
        kept = still_offered(self.selected, self.offered)
        self.offers_changed.emit()
        twin = layer_beside(self.viewer.layers, "image", before) if kept.image is None else None
        if twin is not None:  # a duplicate was thrown away: the case stays open
            self.choose(image=twin)
            return
        self.set_selected(kept)

    def _follow(self, layer: Layer | None) -> None:
        """Make another layer the scribbles layer, and follow what is drawn on it."""
        if layer is not None:
            schema = layers.schema_of(layer)
            if schema is not None and schema != self.schema:
                self.schema = schema
                self.schema_changed.emit(schema)
            painting.dress(layer, self.schema)
        self._strokes.follow(layer)
