"""Which folder on the way to a file is called like its patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from napari_scribseg.data.patients import is_part_of_examination, is_visit

_SITE: Final = re.compile(
    r"(?:site|cent(?:er|re)|hospital|clinic|institution|vendor|scanner|cohort|group|batch|part|fold|"
    r"split|set|data(?:set|base)?|study|release|version|v|disc|disk|train(?:ing)?|test(?:ing)?|"
    r"val(?:id(?:ation)?)?)[ _-]?[A-Za-z0-9]{0,4}",
    re.IGNORECASE,
)
"""Folders that many patients may lie in, with what tells one from the other (site2, centre_B)."""


def patient_folders(places: Sequence[tuple[str, ...]]) -> list[str | None]:
    """The folder on the way to each file that is called like a patient; None where none is.

    The outermost one with a number, or with a visit or a date right inside: what lies in it may be
    numbered, too, as scans and series are. Visits, dates and sites are no patients, nor is a folder
    that all files lie in.

    Args:
        places: the folders on the way to each file, the outermost first.
    """
    n_shared = 0
    while len({place[: n_shared + 1] for place in places}) == 1 and len(places[0]) > n_shared:
        n_shared += 1
    return [_patient_folder(place[n_shared:]) for place in places]


def _patient_folder(place: Sequence[str]) -> str | None:
    for index, name in enumerate(place):
        if is_part_of_examination(name) or _SITE.fullmatch(name):
            continue
        if re.search(r"\d", name) or any(is_visit(inside) for inside in place[index + 1 :][:1]):
            return name
    return None
