"""Which predicted cases are end diastole and end systole of one heart, and their segmentations.

A project knows the phase and the patient of its cases; elsewhere the names of cases tell them.
What a run has predicted in an earlier session, or of all cases at once, is read when it is needed.
No Qt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.patients import patient_of
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.gui.project_cases import project_of
from napari_scribseg.gui.results.comparison import Comparison, compare
from napari_scribseg.gui.results.saved_predictions import is_corrected, newest_predictions
from napari_scribseg.gui.values import Prediction
from napari_scribseg.io import read_labels
from napari_scribseg.project.case_names import places_of, shown_names
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.model_file import described

DIASTOLE: Final = "ED"
SYSTOLE: Final = "ES"


@dataclass(frozen=True)
class PhaseCase:
    """A predicted case that may be a phase of a heart.

    Args:
        key: the case.
        patient: whose it is; "" = the name tells it.
        phase: "ED" or "ES" where somebody has said so; "" = the name may tell it.
        frame: of a time series.
    """

    key: CaseKey
    patient: str = ""
    phase: str = ""
    frame: int | None = None

    @property
    def whose(self) -> str:
        """The patient."""
        return self.patient or patient_of(self.key.name)

    def is_of(self, phase: str) -> bool:
        """Whether it is this phase, as far as that is known."""
        known = self.phase.upper()
        if known in (DIASTOLE, SYSTOLE):
            return known == phase
        return re.search(rf"(?<![A-Za-z]){phase}(?![A-Za-z])", self.key.name) is not None


def predicted_cases(project: Path, run: Path) -> tuple[PhaseCase, ...]:
    """The cases of a project that a run has segmented as a whole, in the project's order.

    Args:
        project: a project folder; one without a document has no cases.
        run: folder of a run.

    Raises:
        InvalidInput: the project can't be read.
    """
    found = newest_predictions(run)
    if not found or not (project / "project.json").is_file():
        return ()
    with Project.open(project, read_only=True) as opened:
        cases = opened.cases
    names = shown_names(cases, places_of(project))
    keys = [CaseKey.in_project(project, case.id, names[case.id]) for case in cases]
    return tuple(
        PhaseCase(key, case.patient, case.phase or "", case.frame)
        for key, case in zip(keys, cases, strict=True)
        if key.id_among(project_of(run)) in found
    )


def proposed(
    cases: Sequence[PhaseCase], shown: CaseKey | None
) -> tuple[PhaseCase | None, PhaseCase | None]:
    """End diastole and end systole of one patient, that of the shown case if it has both.

    Where no patient has both, any of each; None = there is none.
    """
    diastoles = [case for case in cases if case.is_of(DIASTOLE)]
    systoles = [case for case in cases if case.is_of(SYSTOLE)]
    both = {case.whose for case in diastoles} & {case.whose for case in systoles}
    mine = next((case.whose for case in cases if case.key == shown), None)

    def order(case: PhaseCase) -> tuple[bool, bool]:
        return case.whose not in both, case.whose != mine

    return (
        min(diastoles, key=order, default=None),
        min(systoles, key=order, default=None),
    )


def read_segmentation(case: PhaseCase, run: Path, cleaning: PostProcessing) -> Comparison:
    """The newest segmentation of a case in the folder of a run, cleaned up as the shown ones.

    Raises:
        InvalidInput: there is none any more, or it can't be read.
    """
    path = newest_predictions(run).get(case.key.id_among(project_of(run)))
    if path is None:
        raise InvalidInput(f"{run.name} has no saved prediction of {case.key}: predict it.")
    found = read_labels(path)
    prediction = Prediction(
        case=case.key,
        segmentation=Volume(found.array.astype(np.uint8), found.grid, frame=case.frame),
        uncertainty=None,
        schema=described(run)[1],
        run=run,
        corrected=is_corrected(path),
    )
    return compare(prediction, None, cleaning)
