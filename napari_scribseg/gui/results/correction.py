"""Correct the shown segmentation with the brush: scored, kept and learnt from as one goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from napari.layers import Layer
from qtpy.QtWidgets import QPushButton

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas.correction import Correction, focus_canvas
from napari_scribseg.gui.qt import single_shot
from napari_scribseg.gui.results.kept import Key, key_of
from napari_scribseg.gui.results.presenter import ResultsPresenter
from napari_scribseg.gui.results.saved_predictions import corrected_file, keep_corrected
from napari_scribseg.gui.results.shown_layers import ShownLayers
from napari_scribseg.gui.session import Session
from napari_scribseg.gui.values import Prediction, Snapshot

_SCORE_MS = 400
"""Scores follow once nothing was painted for this long."""
_KEEP_MS = 2000
"""The file follows once nothing was painted for this long."""


class CorrectionController:
    """Works the button that lets the shown segmentation be painted on.

    Args:
        switch: a checkable button.
        session: what the window works on.
        presenter: has the segmentation.
        shown: has its layer.
    """

    def __init__(
        self,
        switch: QPushButton,
        session: Session,
        presenter: ResultsPresenter,
        shown: ShownLayers,
    ) -> None:
        self._switch = switch
        self._session = session
        self._presenter = presenter
        self._shown = shown
        self._correction: Correction | None = None
        self._key: Key | None = None
        """Case and run of what is corrected."""
        self._place: Snapshot | None = None
        """Which case the file is named after, and on which grid it lies."""
        self._file: Path | None = None
        """Of this correction; the next one gets its own, so that no state is lost."""
        self._unkept: Prediction | None = None
        self._score_soon = single_shot(switch, _SCORE_MS, self._take_over)
        self._keep_soon = single_shot(switch, _KEEP_MS, self.keep)
        switch.toggled.connect(self._toggled)
        session.viewer.layers.events.removed.connect(self._removed)

    @property
    def is_on(self) -> bool:
        """Whether a segmentation can be painted on now."""
        return self._correction is not None

    def follow(self, case: CaseKey | None, run: Path | None) -> None:
        """Another segmentation is shown now: what was corrected is kept, and let go."""
        if self._key is not None and self._key != (case, run):
            self.stop()

    def stop(self) -> None:
        """Keep what was corrected, and paint on the scribbles again."""
        correction = self._correction
        if correction is None:
            return
        if self._score_soon.isActive():
            self._take_over()
        self.keep()
        self._correction, self._key, self._shown.painted = None, None, None
        correction.end()
        self._switch.blockSignals(True)
        self._switch.setChecked(False)
        self._switch.blockSignals(False)
        scribbles, known = self._session.selected.scribbles, self._session.viewer.layers
        if scribbles is not None and scribbles in known:
            known.selection.active = scribbles

    def end(self) -> None:
        """The window closes: keep what was corrected."""
        self.stop()
        self._session.viewer.layers.events.removed.disconnect(self._removed)

    def keep(self) -> None:
        """Write what was corrected beside the predictions of its run."""
        prediction, self._unkept = self._unkept, None
        place, file = self._place, self._file
        self._keep_soon.stop()
        if prediction is None or place is None or file is None:
            return
        self._session.run(lambda: keep_corrected(prediction, place, file), lambda _none: None)

    def _toggled(self, on: bool) -> None:
        if not on:
            self.stop()
            return
        comparison, session = self._presenter.shown, self._session
        layer = None if comparison is None else self._shown.segmentation_of(comparison)
        problem = ""
        if comparison is None or layer is None:
            problem = "Predict this volume first; then it can be corrected."
        elif session.schema.names != comparison.prediction.schema.names:
            problem = "The run knows other structures than the scribbles have."
        elif comparison.prediction.z is not None:
            problem = "Only one slice was predicted; predict the volume to correct it."
        if problem or comparison is None or layer is None:
            self._switch.setChecked(False)
            session.say(problem, "warning")
            return
        self._begin(layer, comparison.prediction)

    def _begin(self, layer: Layer, prediction: Prediction) -> None:
        session = self._session
        if session.selected.scribbles is None:
            session.new_scribbles()
        try:
            self._file = corrected_file(prediction.run)
        except InvalidInput as error:
            self._switch.setChecked(False)
            session.refuse(str(error))
            return
        self._key = key_of(prediction)
        self._shown.painted = layer, prediction
        self._place = Snapshot(
            prediction.case, prediction.segmentation, None, None, prediction.schema, session.kept
        )
        self._correction = Correction(
            layer, session.selected.scribbles, prediction.schema, self._painted
        )
        session.viewer.layers.selection.active = layer
        focus_canvas(session.viewer)  # the keys of the layer work from now on
        names = prediction.schema.names
        session.say(
            f"Painting adds {names[1]}; the keys 1 to {min(9, len(names) - 1)} choose a structure, "
            "0 takes away. Every correction is a stroke for the next training, too."
        )

    def _painted(self) -> None:
        self._session.touch_strokes()
        self._score_soon.start()
        self._keep_soon.start()

    def _take_over(self) -> None:
        """The corrected segmentation is the prediction from now on."""
        self._score_soon.stop()
        before = None if self._key is None else self._presenter.kept.predictions.get(self._key)
        if self._correction is None or before is None:
            return
        array = np.array(self._correction.layer.data, np.uint8)
        raw = before.segmentation
        volume = Volume(array, raw.grid, frame=raw.frame)
        self._unkept = replace(before, segmentation=volume, corrected=True)
        self._presenter.corrected(self._unkept)

    def _removed(self, event: object) -> None:
        """The layer is gone: another case was opened, or a newer prediction has come."""
        gone = getattr(event, "value", None)
        if self._correction is not None and gone is self._correction.layer:
            self.stop()
