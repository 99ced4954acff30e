"""Proposal: strokes that were made by an algorithm, shown until they are accepted or dropped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QObject

from napari_scribseg.annotation.simulate import Style, simulate_scribbles
from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import UNLABELLED, is_structure
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid
from napari_scribseg.gui.canvas import brush, layers
from napari_scribseg.gui.canvas.slices import Plane, plane_axis, show_plane
from napari_scribseg.gui.project_cases import case_of, drawn_before
from napari_scribseg.gui.qt import Signal
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Snapshot
from napari_scribseg.propagate.interpolation import interpolate_strokes


class Proposal(QObject):
    """Makes proposals for the chosen scribbles, and takes them in or away.

    Args:
        session: what the window works on.
    """

    changed = Signal()
    """There is a proposal now, or there is none any more."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._is_busy = False
        session.viewer.layers.events.removed.connect(self._tell)
        session.selected_changed.connect(self._other_layers)

    @property
    def layer(self) -> Layer | None:
        """The layer that shows the proposal, None = there is none."""
        case = self._session.case
        return None if case is None else layers.find(self._session.viewer.layers, "proposal", case)

    @property
    def is_busy(self) -> bool:
        """Whether a proposal is being made."""
        return self._is_busy

    def interpolate(self) -> None:
        """Propose strokes between scribbled slices, or between planes like the shown one."""
        scribbles = self._scribbles()
        if scribbles is None:
            return
        drawn, grid = scribbles[0].copy(), scribbles[1]
        axis = plane_axis(self._session.front)
        self._make(
            lambda: _interpolated(drawn, grid.spacing, axis),
            grid,
            "There is nothing to interpolate: draw a class on two slices, near the same place, "
            "that have others between them.",
            axis,
        )

    def simulate(self, style: Style, every: int) -> None:
        """Propose strokes that somebody who knows the reference might have drawn.

        Args:
            style: see `simulate.STYLES`.
            every: draw on every n-th slice.
        """
        known = self._known()
        if known is None:
            return
        reference, scribbles = known.reference, known.scribbles
        if reference is None or scribbles is None:
            self._session.say("Choose a reference and scribbles in the Case tab.", "warning")
            return

        def draw() -> Array:
            rng = np.random.default_rng()
            made = simulate_scribbles(
                reference, known.schema, known.image.spacing, rng, style=style, every=every
            )
            return np.where(scribbles == 0, made, 0).astype(np.uint8)

        self._make(draw, known.image.grid, "Everything that could be simulated is drawn already.")

    def carry_here(self) -> None:
        """Propose the strokes of the nearest drawn slice where their anatomy lies on this one."""
        known, plane = self._known(), self._session.plane
        if known is None or known.scribbles is None or plane is None:
            return
        scribbles = known.scribbles
        drawn, seen = (np.moveaxis(one, plane.axis, 0) for one in (scribbles, known.image.array))
        pixels = np.delete(known.image.spacing, plane.axis)
        structures = is_structure(drawn)
        near = [int(z) for z in np.flatnonzero(structures.any(axis=(1, 2))) if z != plane.index]
        if not near:
            self._session.say("Draw a structure on another slice first.", "warning")
            return
        source = min(near, key=lambda z: abs(z - plane.index))

        def carry() -> Array:
            from napari_scribseg.propagate.carry_over import carry_slice

            made = np.zeros_like(scribbles)
            spacing = (float(pixels[0]), float(pixels[1]))
            found = carry_slice(seen[source], drawn[source], seen[plane.index], spacing)
            plane.of(made)[:] = np.where(plane.of(scribbles) == UNLABELLED, found, UNLABELLED)
            return made

        nothing = f"Nothing of slice {source} was found again on this one."
        self._make(carry, known.image.grid, nothing, plane.axis)

    def carry_from(self, case_id: str) -> None:
        """Propose the strokes of another case where their anatomy lies in this one.

        Args:
            case_id: one of `earlier_cases`.
        """
        known, project = self._known(), self._session.project_folder
        if known is None or known.scribbles is None:
            return
        scribbles, image = known.scribbles, known.image

        def carry() -> Array:
            from napari_scribseg.propagate.carry_over import carry_case

            source = case_of(project, case_id, known.strokes_of)
            if source.scribbles is None:
                raise InvalidInput(f"There are no such strokes on {case_id}.")
            made = carry_case(source.image, source.scribbles, image)
            return np.where(scribbles == UNLABELLED, made, UNLABELLED).astype(np.uint8)

        self._make(carry, image.grid, f"Nothing that is drawn on {case_id} was found again here.")

    def earlier_cases(self) -> tuple[str, ...]:
        """Ids of the other cases of the patient that strokes can be carried from."""
        session = self._session
        try:
            return drawn_before(session.project_folder, session.kept, session.schema)
        except ScribsegError as error:
            session.refuse(str(error))
            return ()

    def accept(self) -> None:
        """Draw what is proposed, in one step that can be undone."""
        layer, scribbles = self.layer, self._session.selected.scribbles
        if layer is None or scribbles is None:
            self._session.say("There is no proposal to accept.", "warning")
            return
        n = brush.write(scribbles, np.asarray(layer.data))
        self._session.viewer.layers.remove(layer)
        self._session.viewer.layers.selection.active = scribbles
        self._session.say(f"{n} voxels drawn. Undo takes them all back at once.", "good")

    def drop(self) -> None:
        """Take the proposal away."""
        layer = self.layer
        if layer is None:
            self._session.say("There is no proposal to drop.", "warning")
            return
        self._session.viewer.layers.remove(layer)
        self._session.say("The proposal was dropped; the scribbles are as they were.")

    def end(self) -> None:
        """Follow nothing any more."""
        self._session.viewer.layers.events.removed.disconnect(self._tell)

    def _known(self) -> Snapshot | None:
        """The chosen layers, unless they can't be used: then it was said why."""
        try:
            return self._session.snapshot()
        except ScribsegError as error:
            self._session.refuse(str(error))
            return None

    def _scribbles(self) -> tuple[Array, Grid] | None:
        layer = self._session.selected.scribbles
        if layer is None:
            self._session.say(
                "There is no scribbles layer yet: press New in the Case tab.", "warning"
            )
            return None
        try:
            volume = layers.volume_of(layer)
        except ScribsegError as error:
            self._session.refuse(str(error))
            return None
        return volume.array, volume.grid

    def _make(self, job: Callable[[], Array], grid: Grid, nothing: str, axis: int = 0) -> None:
        if self._is_busy:
            return
        self._is_busy = True
        self.changed.emit()
        self._session.background.run(
            job,
            partial(self._take, self._session.selected.scribbles, grid, nothing, axis),
            self._fail,
        )

    def _take(self, layer: Layer | None, grid: Grid, nothing: str, axis: int, made: Array) -> None:
        self._is_busy = False
        case = self._session.case
        if case is None or layer is not self._session.selected.scribbles:
            self.changed.emit()
            return
        touched = np.flatnonzero(np.moveaxis(made, axis, 0).any(axis=(1, 2)))
        if not len(touched):
            self._session.say(nothing, "warning")
            self.changed.emit()
            return
        data = layers.proposal_data(grid, self._session.schema, case=case, array=made)
        self._session.put(data, "proposal", case)
        if layer is not None:
            middle = Plane(axis, int(touched[len(touched) // 2]))
            show_plane(self._session.front, layer, middle)
        called = "slice(s)" if axis == 0 else "plane(s)"
        self._session.say(
            f"Proposed on {len(touched)} {called}. Look at them, then accept or drop."
        )
        self.changed.emit()

    def _fail(self, message: str) -> None:
        self._is_busy = False
        self._session.refuse(message)
        self.changed.emit()

    def _other_layers(self) -> None:
        """A proposal is for the scribbles it was made from."""
        known = self._session.viewer.layers
        for old in [one for one in known if layers.role_of(one) == "proposal"]:
            if layers.case_of(old) != self._session.case:
                known.remove(old)
        self.changed.emit()

    def _tell(self, _event: object = None) -> None:
        self.changed.emit()


def _interpolated(drawn: Array, spacing: tuple[float, float, float], axis: int) -> Array:
    """New strokes (z, y, x) between planes across an axis."""
    others = [one for one in range(3) if one != axis]
    z, y, x = (spacing[one] for one in (axis, *others))
    made = interpolate_strokes(np.moveaxis(drawn, axis, 0), (z, y, x))
    return np.ascontiguousarray(np.moveaxis(made, 0, axis))
