"""Titles of the cases in the viewer: two files of one name are called p1/image and p2/image."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from napari.layers import Layer

from napari_scribseg.data.case import CaseKey
from napari_scribseg.data.names import told_apart
from napari_scribseg.gui.canvas import layers


def tell_apart(known: Iterable[Layer]) -> bool:
    """Give layers of cases that have one name titles that differ; True = a title is new.

    Only cases that are from files are renamed, since only they have folders to be told apart by.
    An image layer that is called like its case gets the new name, too.
    """
    noted = [(layer, case) for layer in known if (case := layers.case_of(layer)) is not None]
    cases = list(dict.fromkeys(case for _, case in noted if Path(case.source).is_absolute()))
    projects = {layers.notes(layer).get("project") for layer, _ in noted}
    files = [case for case in cases if case.source not in projects]
    titles = told_apart([_file_name(case) for case in files], [Path(c.source) for c in files])
    wanted = dict(zip(files, titles, strict=True))
    changed = False
    for layer, case in noted:
        title = wanted.get(case, case.name)
        if title == case.name:
            continue
        changed = True
        layers.note_case(layer, replace(case, title=title))
        sequence = str(layers.notes(layer).get("sequence") or "")
        if _is_called(layer.name, layers.image_name(case.name, sequence)):
            layer.name = layers.image_name(title, sequence)
    return changed


def _file_name(case: CaseKey) -> str:
    """What a case is called without the folders that were put in front."""
    return case.name.rsplit("/", 1)[-1]


def _is_called(name: str, title: str) -> bool:
    """Whether a layer has this name, maybe with the number that napari gives a second one."""
    return bool(re.fullmatch(re.escape(title) + r"( \[\d+\])?", name))
