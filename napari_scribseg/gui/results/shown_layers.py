"""What the Results tab shows on the canvas: one run's segmentation at a time, and maps of it.

No panel is known here; the tab tells what to show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import layers, result_layers
from napari_scribseg.gui.canvas.side_by_side import Cell, SideBySide
from napari_scribseg.gui.results.advice import Advice
from napari_scribseg.gui.results.comparison import Comparison
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Prediction

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_scribseg.data.case import CaseKey

Titled = tuple[Comparison, str]
"""A comparison, and the title of its run."""


class ShownLayers:
    """Puts segmentations, and maps about them, under the scribbles.

    Args:
        session: what the window works on.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.side_by_side = SideBySide(session.viewer)
        self.outline = True
        self.difference = False
        self.painted: tuple[Layer, Prediction] | None = None
        """The segmentation layer that somebody paints on now, and what it was at first."""
        self._seen: tuple[CaseKey, Path] | None = None
        """The case and the run whose segmentation was shown last."""

    def show(self, found: Sequence[Titled], run: Path) -> None:
        """Show the segmentation of one run of the case, and keep those of the others hidden."""
        for comparison, title in found:
            self._put_segmentation(comparison, title)
        shown = next(c for c, _ in found if c.prediction.run == run)
        case = shown.prediction.case
        is_new = (case, run) != self._seen
        self._seen = (case, run)
        for layer in self._session.viewer.layers:
            of_case = layers.case_of(layer) == case
            if of_case and layers.role_of(layer) == "segmentation":
                of_run = layers.notes(layer).get("run") == str(run)
                layer.visible = of_run and (is_new or layer.visible)
            elif of_case and is_new and layers.role_of(layer) in ("preview", "automatic"):
                layer.visible = False  # what a run says at last takes its place
        self._show_maps(shown)
        if self.side_by_side.is_on:
            self.compare(found)

    def segmentation_of(self, comparison: Comparison) -> Layer | None:
        """The layer of a segmentation."""
        prediction = comparison.prediction
        known = self._session.viewer.layers
        return layers.find(known, "segmentation", prediction.case, str(prediction.run))

    def set_outline(self, *, outline: bool) -> None:
        """Show segmentations as outlines, or filled, from now on."""
        self.outline = outline
        for layer in self._session.viewer.layers:
            if layers.role_of(layer) == "segmentation":
                layers.set_outline(layer, outline=outline)

    def show_difference(self, comparison: Comparison, *, on: bool) -> None:
        """Show, or take away, what was missed, is too much, or is of another class."""
        self.difference = on
        case = comparison.prediction.case
        old = layers.find(self._session.viewer.layers, "difference", case)
        if on and comparison.difference is not None:
            volume = Volume(comparison.difference, comparison.shown.grid)
            self._renew(result_layers.difference_data(volume, case=case), "difference", case)
        elif old is not None:
            self._session.viewer.layers.remove(old)

    def show_doubt(self, advice: Advice | None, *, on: bool) -> None:
        """Show, or take away, where the doubt is."""
        session, image = self._session, self._session.selected.image
        old = layers.find(session.viewer.layers, "doubt")
        if old is not None and not on:
            session.viewer.layers.remove(old)
        if on and advice is not None and image is not None:
            try:
                volume = Volume(advice.doubt, layers.grid_of(image))
            except ScribsegError as error:
                session.refuse(str(error))
                return
            data = result_layers.doubt_data(volume, case=advice.case, name=advice.kind)
            session.put(data, "doubt", advice.case)

    def show_learnt(self, maps: Mapping[str, Array], grid_of: Volume, case: CaseKey) -> None:
        """Show the maps that a run has made of a case, by name."""
        for name, array in maps.items():
            volume = Volume(array, grid_of.grid)
            schema = self._session.schema
            data = result_layers.learnt_data(volume, schema, case=case, name=name)
            self._session.put(data, "learnt", case, name)

    def compare(self, found: Sequence[Titled]) -> bool:
        """Show every run in a field of its own, the reference in the last one; False = it can't."""
        self.side_by_side.back()
        image, reference = self._session.selected.image, self._session.selected.reference
        if image is None or not found:
            return False
        case = found[0][0].prediction.case
        try:
            shown = layers.image_data(layers.volume_of(image), case=case)
            truth = None if reference is None else layers.volume_of(reference)
        except ScribsegError as error:
            self._session.refuse(str(error))
            return False
        cells: list[Cell] = []
        for comparison, title in found:
            schema = comparison.prediction.schema
            data = layers.segmentation_data(
                comparison.shown, schema, case=case, outline=self.outline
            )
            cells.append((title, data))
        if truth is not None:
            data = layers.reference_data(truth, self._session.schema, case=case)
            cells.append(("the reference", data))
        self.side_by_side.show(shown, cells)
        return True

    # Inside

    def _put_segmentation(self, comparison: Comparison, title: str) -> None:
        """Add or renew a segmentation; one that is the same stays, with tool and history."""
        prediction = comparison.prediction
        case, run = prediction.case, str(prediction.run)
        old = self.segmentation_of(comparison)
        if old is not None and (
            self._is_ahead(old, prediction)
            or np.array_equal(np.asarray(old.data), comparison.shown.array)
        ):
            if old.name != title:
                old.name = title
            return
        data = layers.segmentation_data(
            comparison.shown,
            prediction.schema,
            case=case,
            outline=self.outline,
            title=title,
            run=run,
        )
        # Not the array of the comparison: somebody may paint on the layer.
        data = (comparison.shown.array.copy(), *data[1:])
        if old is None:
            data[1]["visible"] = False
        self._session.put(data, "segmentation", case, run)

    def _is_ahead(self, layer: Layer, prediction: Prediction) -> bool:
        """Whether somebody paints on a layer that was made of this, so that it may be newer."""
        if self.painted is None or layer is not self.painted[0]:
            return False
        return prediction.corrected or prediction is self.painted[1]

    def _show_maps(self, comparison: Comparison) -> None:
        prediction = comparison.prediction
        case = prediction.case
        if prediction.uncertainty is not None:
            data = result_layers.uncertainty_data(prediction.uncertainty, case=case)
            self._renew(data, "uncertainty", case)
        if prediction.probabilities is not None:
            names = prediction.schema.names
            for name, array in zip(names, prediction.probabilities, strict=True):
                volume = Volume(array, comparison.shown.grid)
                made = result_layers.probability_data(volume, case=case, name=name, run=name)
                self._renew(made, "probabilities", case, name)
        self.show_difference(comparison, on=self.difference)

    def _renew(
        self, data: layers.LayerData, role: layers.Role, case: CaseKey, run: str | None = None
    ) -> None:
        """Show other values in the layer of this role, or add it."""
        old = layers.find(self._session.viewer.layers, role, case, run)
        if old is None or not layers.refill(old, data[0]):
            self._session.put(data, role, case, run)
