"""The main dock: choose layers, draw, train, predict, compare.

It shows panels, hands what they ask for to the presenter, and carries results into the viewer.
What is possible and what happens next is decided in `presenter`; what a layer is, in `layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_scribseg.engine.run import RunFolder
from napari_scribseg.errors import ScribsegError
from napari_scribseg.gui import catalogue, layers, painting, work
from napari_scribseg.gui.background import Background, BackgroundJobs
from napari_scribseg.gui.case_opener import CaseOpener
from napari_scribseg.gui.classes_panel import ClassesPanel
from napari_scribseg.gui.inputs_panel import InputsPanel
from napari_scribseg.gui.presenter import Inputs, Outcome, Phase, Presenter, Screen, Snapshot
from napari_scribseg.gui.results_panel import ResultsPanel
from napari_scribseg.gui.selection import (
    SLOTS,
    TIME_SERIES_AXES,
    Selected,
    case_of,
    facts_of,
    problem_of,
    snapshot_of,
)
from napari_scribseg.gui.status_line import StatusLine
from napari_scribseg.gui.stroke_watch import StrokeWatch
from napari_scribseg.gui.style import MARGIN, SECTION_GAP
from napari_scribseg.gui.training_panel import TrainingPanel
from napari_scribseg.gui.wording import Row
from napari_scribseg.labels import LabelSchema

if TYPE_CHECKING:
    import napari.viewer


_MINIMUM_WIDTH = 340


class ScribbleDock(QWidget):
    """Scribble segmentation in one dock.

    Args:
        viewer: napari's viewer.
        project: the folder that receives the runs; the user's own when None.
    """

    def __init__(self, viewer: napari.viewer.Viewer, project: Path | None = None) -> None:
        super().__init__()
        self._viewer = viewer
        self._background = Background()
        self._jobs = BackgroundJobs(self._background, project or work.default_project())
        self.inputs, self.classes = InputsPanel(), ClassesPanel()
        self.training, self.results = TrainingPanel(), ResultsPanel()
        self.status = StatusLine()
        self.presenter = Presenter(view=self, jobs=self._jobs)
        self._jobs.presenter = self.presenter
        self.opener = CaseOpener(self, viewer, self._background, self.presenter.say)
        self._strokes = StrokeWatch(self, self._background, self._refused)
        self._arrange()
        self._connect()
        self._offer_layers()
        self._adopt_layers()
        # After the first paint: the dock shows at once, the methods come when they come.
        QTimer.singleShot(0, self._load_methods)
        # Bound to the jobs and not to this object, which is gone by then.
        self.destroyed.connect(self._jobs.end)

    def end(self) -> None:
        """End what runs in the background; the dock is of no use afterwards."""
        self._jobs.end()
        self._strokes.end()
        events = self._viewer.layers.events
        events.inserted.disconnect(self._layer_inserted)
        events.removed.disconnect(self._offer_layers)
        events.reordered.disconnect(self._offer_layers)

    def event(self, a0: QEvent | None) -> bool:
        """Qt's events; napari takes a closed dock out of its window, which ends it."""
        taken_out = a0 is not None and a0.type() == QEvent.Type.ParentChange
        if taken_out and self.parent() is None:
            self.end()
        return super().event(a0)

    # What the presenter asks for

    def show_screen(self, screen: Screen) -> None:
        """Show a state."""
        if screen.phase is Phase.TRAINING and not self.training.is_training:
            self._reveal(self.training.curve)
        self.training.show_screen(screen)
        self.results.show_screen(screen)
        self.status.show_screen(screen)

    def show_loss(self, step: int, loss: float) -> None:
        """Add a point to the curve."""
        self.training.add_loss(step, loss)

    def clear_losses(self) -> None:
        """Begin a new curve."""
        self.training.clear_losses()

    def show_outcome(self, outcome: Outcome) -> None:
        """Put a prediction into the viewer, under the scribbles; a newer one replaces it."""
        case, outline = outcome.case, self.results.outline
        data = layers.segmentation_data(
            outcome.segmentation, outcome.schema, case=case, outline=outline
        )
        self._put(data, "segmentation", case)
        if outcome.uncertainty is not None:
            self._put(layers.uncertainty_data(outcome.uncertainty, case=case), "uncertainty", case)

    def show_scores(self, rows: Sequence[Row]) -> None:
        """Show the table of scores."""
        self.results.set_rows(rows)
        self._reveal(self.results)

    def snapshot(self) -> Snapshot:
        """The chosen layers as they are now.

        Raises:
            InvalidInput: no image is chosen, or a layer can't be used.
        """
        return snapshot_of(self.inputs.value(), self.classes.schema(), self._frame)

    # What the user does

    def new_scribbles(self) -> None:
        """Add an empty scribbles layer on the grid of the image, ready to paint."""
        image = self.inputs.value().image
        if image is None:
            self.presenter.say("Choose an image, or open a case.", "warning")
            return
        try:
            grid = layers.grid_of(image)
        except ScribsegError as error:
            self.presenter.say(str(error), "error")
            return
        schema, case = self.classes.schema(), case_of(image)
        layer = layers.layer_of(layers.scribbles_data(grid, schema, case=case))
        self._viewer.add_layer(layer)
        self._choose(scribbles=layer)
        self.choose_value(1)

    def choose_value(self, value: int) -> None:
        """Paint this scribble value from now on."""
        self.classes.set_value(value)
        layer = self.inputs.value().scribbles
        if layer is None:
            self.presenter.say("There is no scribbles layer yet: press New.", "warning")
            return
        self._viewer.layers.selection.active = layer
        painting.select_value(layer, value)

    def use_frame(self) -> None:
        """Take the time point that is shown as a 3D image of its own."""
        series = self.inputs.value().image
        if series is None:
            return
        case = f"{case_of(series)}_t{self._frame:02d}"
        volume = layers.volume_of(series, self._frame)
        layer = layers.layer_of(layers.image_data(volume, case=case))
        self._viewer.add_layer(layer)
        series.visible = False
        self._choose(image=layer)

    def use_run(self, folder: Path) -> None:
        """Predict with an earlier run, with its schema."""
        try:
            run = RunFolder.open(folder)
        except ScribsegError as error:
            self.presenter.say(str(error), "error")
            return
        if not run.weights.exists():
            self.presenter.say(f"The run {folder.name} has saved no weights yet.", "warning")
            return
        self.presenter.use_run(folder)

    # Inside

    @property
    def _frame(self) -> int:
        """The time point that is shown, when the image is a time series."""
        image = self.inputs.value().image
        if image is None or image.ndim != TIME_SERIES_AXES:
            return 0
        return int(self._viewer.dims.current_step[-TIME_SERIES_AXES])

    def _arrange(self) -> None:
        content = QWidget()
        content.setObjectName("content")
        column = QVBoxLayout(content)
        column.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        column.setSpacing(SECTION_GAP)
        for panel in (self.inputs, self.classes, self.training, self.results):
            column.addWidget(panel)
        column.addStretch()
        scroll = self._scroll = QScrollArea()
        scroll.setWidget(content)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.status)
        self.setMinimumWidth(_MINIMUM_WIDTH)

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Wide enough for every row, and no taller than a small screen."""
        return QSize(400, 640)

    def _connect(self) -> None:
        self.inputs.value_changed.connect(self._inputs_changed)
        self.inputs.new_scribbles_asked.connect(self.new_scribbles)
        self.inputs.frame_asked.connect(self.use_frame)
        self.inputs.open_asked.connect(self.opener.ask)
        self.classes.value_chosen.connect(self.choose_value)
        self.classes.schema_changed.connect(self._schema_changed)
        self._strokes.value_selected.connect(self.classes.set_value)
        self._strokes.counted.connect(self._strokes_counted)
        self.training.train_asked.connect(self._train)
        self.training.stop_asked.connect(self.presenter.stop)
        self.training.finish_asked.connect(partial(self.presenter.stop, keep_going_to_best=True))
        self.results.predict_asked.connect(self.presenter.predict)
        self.results.run_asked.connect(self._ask_for_run)
        self.results.project_asked.connect(self._ask_for_project)
        self.results.outline_changed.connect(self._outline_changed)
        events = self._viewer.layers.events
        events.inserted.connect(self._layer_inserted)
        events.removed.connect(self._offer_layers)
        events.reordered.connect(self._offer_layers)
        for layer in self._viewer.layers:
            layer.events.name.connect(self._offer_layers)

    def _load_methods(self) -> None:
        def show(entries: tuple[catalogue.MethodEntry, ...]) -> None:
            self.training.set_methods(entries)
            self.presenter.methods_loaded()

        self._background.run(catalogue.load_in_child, show, self._refused)

    def _refused(self, message: str) -> None:
        self.presenter.say(message, "error")

    def _ask_for_run(self) -> None:
        runs = str(self._jobs.project / "runs")
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a run", runs)
        if folder:
            self.use_run(Path(folder))

    def _ask_for_project(self) -> None:
        before = str(self._jobs.project)
        folder = QFileDialog.getExistingDirectory(self, "Keep runs in this folder", before)
        if folder:
            self._jobs.project = Path(folder)
            self.presenter.say(f"New runs are kept in {folder}.")

    def _layer_inserted(self, event: Any) -> None:
        layer: Layer = event.value
        layer.events.name.connect(self._offer_layers)
        self._offer_layers()
        role = layers.role_of(layer)
        nothing_yet = self.inputs.value().image is None and layers.usable_as(layer, "image")
        if role in ("image", "series") or nothing_yet:
            self._choose(image=layer)
        elif role in ("scribbles", "reference"):
            image = self.inputs.value().image
            if image is None or layers.case_of(image) == layers.case_of(layer):
                self._choose(**{role: layer})

    def _offer_layers(self, _event: object = None) -> None:
        for slot in SLOTS:
            offered = [x for x in self._viewer.layers if layers.usable_as(x, slot)]
            self.inputs.set_choices(slot, offered)

    def _adopt_layers(self) -> None:
        """Choose among the layers that were there before the dock."""
        images = [x for x in self._viewer.layers if layers.usable_as(x, "image")]
        if images:
            ours = [x for x in images if layers.role_of(x) is not None]
            self._choose(image=(ours or images)[-1])
        else:
            self._inputs_changed()

    def _choose(self, **changes: Layer) -> None:
        chosen = self.inputs.value()
        if "image" in changes and changes["image"] is not chosen.image:
            case = layers.case_of(changes["image"])
            known = {
                slot: None if case is None else layers.find(self._viewer.layers, slot, case)
                for slot in ("scribbles", "reference")
            }
            chosen = Selected(None, known["scribbles"], known["reference"])
        self.inputs.set_value(
            Selected(
                image=changes.get("image", chosen.image),
                scribbles=changes.get("scribbles", chosen.scribbles),
                reference=changes.get("reference", chosen.reference),
            )
        )

    def _inputs_changed(self) -> None:
        chosen = self.inputs.value()
        if chosen.scribbles is not self._strokes.layer:
            self._follow(chosen.scribbles)
        series = chosen.image is not None and chosen.image.ndim == TIME_SERIES_AXES
        if chosen.reference is not None and layers.schema_of(chosen.reference) is None:
            layers.recolour(chosen.reference, self.classes.schema())
        self.inputs.show_facts(facts_of(chosen.image), is_series=series)
        self._tell_presenter()

    def _tell_presenter(self) -> None:
        chosen = self.inputs.value()
        self.presenter.inputs_changed(
            Inputs(
                image=None if chosen.image is None else chosen.image.name,
                scribbles=None if chosen.scribbles is None else chosen.scribbles.name,
                reference=None if chosen.reference is None else chosen.reference.name,
                schema=self.classes.schema(),
                drawn=self._strokes.drawn,
                problem=problem_of(chosen),
            )
        )

    def _follow(self, layer: Layer | None) -> None:
        """Make another layer the scribbles layer, and follow what is drawn on it."""
        self.classes.set_drawn({})
        if layer is not None:
            schema = layers.schema_of(layer)
            if schema is not None:
                self.classes.set_schema(schema)
            painting.dress(layer, self.classes.schema())
        self._strokes.follow(layer)

    def _strokes_counted(self) -> None:
        self.classes.set_drawn(self._strokes.drawn or {})
        self._tell_presenter()

    def _schema_changed(self, schema: LabelSchema) -> None:
        chosen = self.inputs.value()
        if chosen.scribbles is not None:
            painting.dress(chosen.scribbles, schema)
            self.classes.set_value(painting.selected_value(chosen.scribbles))
            self._strokes.count()
        if chosen.reference is not None:
            layers.recolour(chosen.reference, schema)
        self._tell_presenter()

    def _train(self) -> None:
        try:
            choice = self.training.value()
        except ScribsegError as error:
            self.presenter.say(str(error), "error")
            return
        if choice is not None:
            self.presenter.train(choice)

    def _reveal(self, widget: QWidget) -> None:
        """Scroll to a widget, once the layout has made room for it."""
        QTimer.singleShot(0, lambda: self._scroll.ensureWidgetVisible(widget))

    def _put(self, data: layers.LayerData, role: layers.Role, case: str) -> None:
        """Add a layer under the scribbles, or renew the one with this role of this case."""
        old = layers.find(self._viewer.layers, role, case)
        active = self._viewer.layers.selection.active
        new = layers.layer_of(data)
        if old is not None:
            new.visible = old.visible
            new.opacity = old.opacity
            place = self._viewer.layers.index(old)
            self._viewer.layers.remove(old)
        else:
            scribbles = self.inputs.value().scribbles
            place = len(self._viewer.layers)
            if scribbles is not None and scribbles in self._viewer.layers:
                place = self._viewer.layers.index(scribbles)
        self._viewer.layers.insert(place, new)
        if active is None or active not in self._viewer.layers:
            active = self.inputs.value().scribbles
        if active is not None:
            self._viewer.layers.selection.active = active

    def _outline_changed(self, outline: bool) -> None:
        for layer in self._viewer.layers:
            if layers.role_of(layer) == "segmentation":
                layers.set_outline(layer, outline=outline)
