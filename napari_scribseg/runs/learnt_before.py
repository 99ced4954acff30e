"""What the weights that a run starts from have learnt: scores on that would flatter.

A run knows the name of the one that it continues, which lies beside it as a rule; from there the
way goes on to the one before. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os.path import realpath
from pathlib import Path

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.runs.folder import RunFolder, is_run


def run_before(run: RunFolder) -> RunFolder | None:
    """The run whose weights this one started from; None where there is none, or it is gone."""
    path = run.path.parent / run.record.continues
    if not run.record.continues or path == run.path or not is_run(path):
        return None
    try:
        return RunFolder.open(path)
    except InvalidInput:
        return None


def learnt_patients(
    source: RunFolder | None, cases: Iterable[CaseFiles], folder: Path
) -> frozenset[str]:
    """The patients of some cases that a run has learnt from, itself or by its first weights.

    Names of patients tell that within one dataset or project; elsewhere only an image that is the
    same file does, since people of two datasets may both be called 01.

    Args:
        source: the run; None = nothing is learnt yet.
        cases: that shall be learnt from, or validated on, now.
        folder: of the dataset or project that they are of.
    """
    names, images = set[str](), set[str]()
    for run in _and_those_before(source):
        learnt = run.files("train")
        images |= {realpath(files.image) for files in learnt}
        if realpath(run.record.dataset_folder or run.path.parent.parent) == realpath(folder):
            names |= {files.patient for files in learnt}
    return frozenset(
        files.patient
        for files in cases
        if files.patient in names or realpath(files.image) in images
    )


def _and_those_before(run: RunFolder | None) -> Iterator[RunFolder]:
    seen = set[Path]()
    while run is not None and run.path not in seen:
        seen.add(run.path)
        yield run
        run = run_before(run)
