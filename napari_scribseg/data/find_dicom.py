"""DICOM series of a folder tree as cases: whose they are, and what is no volume."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.found import FoundCase, LeftOut
from napari_scribseg.data.names import slug
from napari_scribseg.data.pseudonyms import digest, safe_id
from napari_scribseg.io.dicom import read_headers
from napari_scribseg.io.dicom_folder import Found as FoundDicom
from napari_scribseg.io.dicom_kinds import SEGMENTATION, STRUCTURES
from napari_scribseg.io.series import SeriesInfo, series_in

BY_HEADERS: Final = "told by the DICOM headers"
BY_PLACE: Final = "told by the folders where DICOM headers are blank"
_LOCALIZER: Final = re.compile(r"localizer|localiser|scout|survey|topogram|locator", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class DicomFolder:
    """The DICOM files that lie in a folder itself.

    Args:
        folder: absolute.
        root: the folder that names are told from.
        found: its files, sorted into series.
        only: of all series only that of this file.
    """

    folder: Path
    root: Path
    found: FoundDicom
    only: Path | None = None

    @property
    def name(self) -> str:
        """What to call it on the screen."""
        inside = self.folder == self.root or self.root in self.folder.parents
        name = self.folder.relative_to(self.root).as_posix() if inside else self.folder.name
        return self.folder.name if name == "." else name


@dataclass
class SeriesCases:
    """The cases among DICOM series, and what gives none."""

    cases: tuple[FoundCase, ...] = ()
    left_out: list[LeftOut] = field(default_factory=list)
    patients_from: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Part:
    """A series as far as it lies in one folder."""

    where: DicomFolder
    info: SeriesInfo
    patient: str


def cases_of_series(folders: Sequence[DicomFolder]) -> SeriesCases:
    """A case for every series; one that lies in several folders is one series."""
    out = SeriesCases()
    parts: dict[str, list[_Part]] = defaultdict(list)
    for where in folders:
        for one in where.found.left_out:
            why = f"DICOM, but {one.kind}"
            if one.kind in {SEGMENTATION, STRUCTURES}:
                why += "; `scribseg import-segmentation` makes labels of it"
            out.left_out.append(LeftOut(_file_name(one.path, where), why))
        if where.found.n_other and where.only is None:
            why = f"{where.found.n_other} file(s) in it that are not DICOM"
            out.left_out.append(LeftOut(where.name, why))
        for info in series_in(where.found):
            slices = where.found.series[info.uid]
            if where.only is None or any(item.path == where.only for item in slices):
                parts[info.uid].append(_Part(where, info, slices[0].patient))
    out.cases = tuple(_case(uid, there) for uid, there in parts.items())
    named = {bool(max(there, key=_n_files).patient) for there in parts.values()}
    told = {True: BY_HEADERS, False: BY_PLACE}
    out.patients_from = "; ".join(told[known] for known in sorted(named, reverse=True))
    return out


def series_case_id(info: SeriesInfo) -> str:
    """An id for a DICOM series: kind and description, never the name of the folder.

    Folders are often called like the patient.
    """
    words = slug(f"{info.modality}-{info.description}", 40).lower()
    return f"{words}-{hashlib.sha256(info.uid.encode()).hexdigest()[:6]}"


def looks_like_dicom(path: Path) -> bool:
    """Whether a file is DICOM, whole or not."""
    try:
        return read_headers(path) is not None
    except InvalidInput:
        return False


def _case(uid: str, parts: Sequence[_Part]) -> FoundCase:
    first = max(parts, key=_n_files)
    info, where = first.info, first.where
    folder = where.folder
    if len(parts) > 1:
        folder = Path(os.path.commonpath([part.where.folder for part in parts]))
    alone = len(parts) == 1 and len(where.found.series) == 1
    n_places = info.shape[0] if len(parts) == 1 else sum(part.info.shape[0] for part in parts)
    problem = next(iter(where.found.problems_of(uid)), "")
    remark = problem or _remark(info, n_places)
    name = where.name if alone else f"{where.name}: {info.description or '(no description)'}"
    return FoundCase(
        CaseFiles(id=series_case_id(info), patient=_patient(first), image=folder),
        name,
        (n_places, *info.shape[1:]),
        info.spacing,
        info.n_frames,
        info.modality,
        info.description,
        series="" if alone else uid,
        is_ticked=not remark or info.n_frames > 1,
        remark=remark,
    )


def _n_files(part: _Part) -> int:
    return part.info.n_files


def _remark(info: SeriesInfo, n_places: int) -> str:
    """Why a series is not taken unasked; "" = it is."""
    if n_places == 1:
        return "A single slice."
    if _LOCALIZER.search(info.description):
        return "A localizer by its description."
    if math.isnan(info.spacing[0]):
        return "All slices lie in one place."
    return "A time series: one frame of it becomes a case." if info.n_frames > 1 else ""


def _patient(part: _Part) -> str:
    """A pseudonym for whose a series is; where the header is blank, by the outermost folder.

    What lies in no folder of its own is taken for one patient's: that tears nobody apart.
    """
    if part.patient:
        return f"patient-{digest(part.patient)}"
    where = part.where
    inside = where.root in where.folder.parents
    name = where.folder.relative_to(where.root).parts[0] if inside else where.folder.name
    return safe_id(name, series=True)


def _file_name(path: Path, where: DicomFolder) -> str:
    return f"{where.name}/{path.name}"
