"""A slice of an experiment in the viewer: image, reference and what a trial made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Layer

from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.batch.results import ShownSlice
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.slices import show_slice

if TYPE_CHECKING:
    import napari.viewer


class SliceViewer:
    """Shows one case at a time; layers of others are hidden, not removed.

    Args:
        viewer: napari's viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._ours: list[Layer] = []
        self._case: CaseKey | None = None

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
            self._viewer.reset_view()
        show_slice(self._viewer, self._ours[0], picked.slice_index)

    def _add(self, layer: Layer) -> None:
        self._ours.append(layer)
        self._viewer.add_layer(layer)

    def _put_away(self) -> None:
        known = self._viewer.layers
        for layer in self._ours:
            if layer in known:
                known.remove(layer)
        self._ours = []
        for layer in known:
            layer.visible = False
