"""Some patients held out of a training, to validate on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles

_FEWEST_PATIENTS: Final = 5
"""With fewer patients than this all of them are needed for training."""


def hold_out(
    cases: Sequence[CaseFiles], share: float, random_seed: int, learnt: Collection[str] = ()
) -> tuple[tuple[CaseFiles, ...], tuple[CaseFiles, ...]]:
    """Cases for training and for validation; patients stay whole, order is kept.

    Args:
        cases: of any number of patients; with fewer than 5 patients none is held out.
        share: of the patients to hold out, 0 to below 1; above 0 it is at least one patient.
        random_seed: which patients; the same seed gives the same ones.
        learnt: patients that the weights to begin with have learnt from: none of them is held out.

    Raises:
        InvalidInput: share is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise InvalidInput(f"The share to hold out must be 0 to below 1, got {share}.")
    patients = sorted({case.patient for case in cases})
    count = 0
    if len(patients) >= _FEWEST_PATIENTS and share > 0:
        count = min(max(1, round(share * len(patients))), len(patients) - 1)
    shuffled = np.random.default_rng(random_seed).permutation(len(patients))
    unknown = [patients[i] for i in shuffled if patients[i] not in learnt]
    held = set(unknown[:count])
    return (
        tuple(case for case in cases if case.patient not in held),
        tuple(case for case in cases if case.patient in held),
    )
