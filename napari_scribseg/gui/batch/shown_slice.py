"""A slice of an experiment in the viewer: image, reference and what a trial made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.batch.results import ShownSlice
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.side_by_side import camera_of
from napari_scribseg.gui.canvas.slices import fit_to, show_slice

if TYPE_CHECKING:
    import napari.viewer


@dataclass(frozen=True, eq=False)
class _Before:
    """What was on the canvas before."""

    visible: tuple[Layer, ...]
    active: Layer | None
    point: tuple[float, ...]
    zoom: float
    center: tuple[float, ...]


class SliceViewer:
    """Shows one case at a time; layers of others are hidden, not removed, until `back`.

    The main dock stays at the case that is open there: these layers are only looked at.

    Args:
        viewer: napari's viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._ours: list[Layer] = []
        self._case: CaseKey | None = None
        self._before: _Before | None = None

    @property
    def is_shown(self) -> bool:
        """Whether there is something to go back from."""
        return self._before is not None

    def back(self) -> None:
        """Take the slice away: what was open before is there again, as it was looked at."""
        before, self._before = self._before, None
        if before is None:
            return
        viewer, known = self._viewer, self._viewer.layers
        for layer in self._ours:
            if layer in known:
                known.remove(layer)
        self._ours, self._case = [], None
        for layer in before.visible:
            if layer in known:
                layer.visible = True
        if before.active in known:
            known.selection.active = before.active
        if len(before.point) == viewer.dims.ndim:
            viewer.dims.point = before.point
        camera = camera_of(viewer)
        camera.zoom, camera.center = before.zoom, before.center

    def show(self, shown: ShownSlice) -> None:
        """Show a slice; the image stays where it is when another method is looked at."""
        case, schema, picked = shown.case, shown.schema, shown.picked
        known = self._viewer.layers
        stays = self._case == case.key and all(layer in known for layer in self._ours)
        if stays:
            known.remove(self._ours.pop())
        else:
            self._put_away()
            made = [layers.image_data(case.image, case=case.key)]
            if case.reference is not None:
                reference = Volume(case.reference, case.grid)
                made.append(layers.reference_data(reference, schema, case=case.key))
            for data in made:
                self._add(layers.layer_of(data))
            self._case = case.key
        self._add(
            layers.layer_of(
                layers.segmentation_data(
                    shown.segmentation,
                    schema,
                    case=case.key,
                    title=picked.label,
                    run=str(shown.run),
                )
            )
        )
        if not stays:
            fit_to(self._viewer, self._ours)
        show_slice(self._viewer, self._ours[0], picked.slice_index)

    def _add(self, layer: Layer) -> None:
        # Not an image or a reference to work with: nothing may choose it.
        layers.note(layer, role="comparison")
        self._ours.append(layer)
        self._viewer.add_layer(layer)

    def _put_away(self) -> None:
        known = self._viewer.layers
        if self._before is None:
            camera: Any = camera_of(self._viewer)
            self._before = _Before(
                visible=tuple(layer for layer in known if layer.visible),
                active=known.selection.active,
                point=tuple(map(float, self._viewer.dims.point)),
                zoom=float(camera.zoom),
                center=tuple(camera.center),
            )
        for layer in self._ours:
            if layer in known:
                known.remove(layer)
        self._ours = []
        for layer in known:
            layer.visible = False
