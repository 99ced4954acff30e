"""Volume files of a folder tree as cases: which are images, and which labels belong to which."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.found import FoundCase, LeftOut
from napari_scribseg.data.label_values import is_drawn
from napari_scribseg.data.names import distinct_ids, distinct_names
from napari_scribseg.data.pairing import Kind, first_channels, pair
from napari_scribseg.data.patient_folders import patient_folders
from napari_scribseg.data.patients import (
    BY_NAMES,
    named_patients,
    one_spelling,
    patient_of,
    pseudonyms_of,
    sequence_of,
)
from napari_scribseg.data.pseudonyms import safe_id
from napari_scribseg.data.sequences import nameless_channels, several
from napari_scribseg.data.volume_file import VolumeFile
from napari_scribseg.io import read_frames
from napari_scribseg.io.headers import read_header
from napari_scribseg.io.label_rule import looks_like_labels

BY_FOLDERS: Final = "told by the folders"
_MOST_LOOKED_INTO: Final = 12
"""Files of a folder whose names don't say what they are. Where none of them looks like labels, the
others are taken for images, too."""
_NEARBY_VOXELS: Final = 0.5
_SAME_DIRECTION: Final = 1e-3
_PHASE_LINE: Final = re.compile(r"^\s*(ED|ES)\s*:\s*(\d+)\s*$", re.MULTILINE)
_FRAME: Final = re.compile(r"frame[_-]?(\d+)$", re.IGNORECASE)
_PHASE: Final = re.compile(r"[_-](ED|ES)$", re.IGNORECASE)


@dataclass
class VolumeCases:
    """The cases among volume files, and what none of them has."""

    cases: tuple[FoundCase, ...] = ()
    left_out: list[LeftOut] = field(default_factory=list)
    lone_labels: tuple[Path, ...] = ()
    patients_from: str = ""
    notes: tuple[str, ...] = ()


def cases_of_volumes(files: Sequence[VolumeFile], table: Path | None = None) -> VolumeCases:
    """The cases among the volume files of some folders.

    Args:
        files: with their headers.
        table: a patients.csv.
    """
    out = VolumeCases()
    kinds = _kinds(files, out)
    places: dict[tuple[Path, tuple[str, ...]], list[VolumeFile]] = defaultdict(list)
    for file in files:
        places[file.root, file.place].append(file)
    made: list[tuple[VolumeFile, str, dict[str, Path]]] = []
    for here in places.values():
        made += _pairs_of(here, kinds, out)
    if not made:
        return out
    names = [name for _, name, _ in made]
    where = [file.path.relative_to(file.root) for file, _, _ in made]
    ids = distinct_ids(names, where)
    patients, out.patients_from = _patients(made, distinct_names(names, where))
    cases = [
        _case(file, case_id, patient, belongings)
        for (file, _, belongings), case_id, patient in zip(made, ids, patients, strict=True)
    ]
    cases = [each for case in cases for each in _frames(case, cases)]
    out.cases = tuple(_named_by_table(cases, table, out))
    return out


def described(files: CaseFiles, root: Path) -> FoundCase:
    """A case that a document describes, with what its header says."""
    path = files.image
    name = path.relative_to(root).as_posix() if root in path.parents else path.name
    remark, shape, spacing, n_frames = "", None, None, 1
    try:
        if path.is_file():
            header = read_header(path)
            shape, spacing = header.grid.shape, header.grid.spacing
            n_frames = header.n_frames
    except InvalidInput as error:
        remark = str(error)
    return FoundCase(
        files,
        name,
        shape,
        spacing,
        n_frames,
        modality_of(path.name),
        sequence_of(files.id),
        is_ticked=not remark,
        remark=remark,
    )


def modality_of(name: str) -> str:
    """CT, MR or PET, where a name says so; else ""."""
    words = {word.upper() for word in re.findall(r"[A-Za-z]+", name)}
    if words & {"MR", "MRI", "BSSFP", "LGE", "FLAIR", "CINE", "SAX"}:
        return "MR"
    return next((one for one in ("CT", "PET") if one in words), "")


# Inside


def _kinds(files: Sequence[VolumeFile], out: VolumeCases) -> dict[Path, Kind]:
    """What each file is: as its name says, else as it looks, else an image."""
    kinds: dict[Path, Kind | None] = {file.path: file.kind for file in files}
    silent: dict[Path, list[VolumeFile]] = defaultdict(list)
    for file in files:
        if kinds[file.path] is None:
            kinds[file.path] = "image"
            if file.header.n_frames == 1:
                silent[file.path.parent].append(file)
    n_assumed = 0
    for here in silent.values():
        first, rest = here[:_MOST_LOOKED_INTO], here[_MOST_LOOKED_INTO:]
        found = [file for file in first if _holds_labels(file)]
        if found:
            found += [file for file in rest if _holds_labels(file)]
        else:
            n_assumed += len(rest)
        for file in found:
            kinds[file.path] = "labels"
    if n_assumed:
        out.notes += (
            f"{n_assumed} file(s) whose names don't say what they are were taken for images, as "
            "the others in their folder.",
        )
    for file in files:  # what is called labels may be strokes
        if kinds[file.path] == "labels":
            kinds[file.path] = _label_kind(file)
    return {path: kind for path, kind in kinds.items() if kind is not None}


def _holds_labels(file: VolumeFile) -> bool:
    try:
        return looks_like_labels(read_frames(file.path).first.array)
    except InvalidInput:
        return False  # it is told when the case is taken


def _label_kind(file: VolumeFile) -> Kind:
    try:
        return "scribbles" if is_drawn(file.path, 0) else "labels"
    except InvalidInput:
        return "labels"  # why it can't be used is told when its values are read


def _pairs_of(
    here: Sequence[VolumeFile], kinds: Mapping[Path, Kind], out: VolumeCases
) -> list[tuple[VolumeFile, str, dict[str, Path]]]:
    """Images of one place with their names and what belongs to each."""
    images: dict[str, VolumeFile] = {}
    extra: list[VolumeFile] = []
    of_kind: dict[str, dict[str, VolumeFile]] = {"scribbles": {}, "reference": {}}
    for file in here:
        kind = kinds[file.path]
        if kind == "prediction":
            out.left_out.append(LeftOut(file.name, "named as a prediction, not as a reference"))
            continue
        target = images if kind == "image" else of_kind["reference" if kind == "labels" else kind]
        if file.stem not in target:
            target[file.stem] = file
        elif kind == "image":
            extra.append(file)
        else:
            out.left_out.append(LeftOut(file.name, "another file of that name is taken"))
    named, belongings = _by_case(images, of_kind)
    for kind, labels in of_kind.items():
        _add_pairs(named, labels, kind, belongings, out)
    return [
        *((file, name, belongings[name]) for name, file in named.items()),
        *((file, file.stem, {}) for file in extra),
    ]


def _by_case(
    images: Mapping[str, VolumeFile], of_kind: Mapping[str, Mapping[str, VolumeFile]]
) -> tuple[dict[str, VolumeFile], dict[str, dict[str, Path]]]:
    """Images by the name of their case, and further channels of nnU-Net by case and number."""
    labels = [name for labels in of_kind.values() for name in labels]
    firsts = {image: case for case, image in first_channels(images, labels).items()}
    named: dict[str, VolumeFile] = {}
    belongings: dict[str, dict[str, Path]] = {}
    for name, file in images.items():
        if name not in firsts and name[:-5] in firsts.values() and re.search(r"_\d{4}$", name):
            belongings.setdefault(name[:-5], {})[name[-4:]] = file.path
        else:
            named[firsts.get(name, name)] = file
            belongings.setdefault(firsts.get(name, name), {})
    return named, belongings


def _add_pairs(
    images: Mapping[str, VolumeFile],
    labels: Mapping[str, VolumeFile],
    kind: str,
    belongings: dict[str, dict[str, Path]],
    out: VolumeCases,
) -> None:
    """Give images the labels of one kind that belong to them."""
    pairs = pair(images, labels)
    of = dict(pairs.of)
    lone = [labels[name] for name in pairs.lone]
    free = [name for name in images if name not in of]
    volumes = [name for name in free if images[name].header.n_frames == 1]
    # image + seg in a folder; or the sequences of one patient with one segmentation.
    of_one = len({patient_of(name) for name in volumes}) == 1
    if len(lone) == 1 and of_one and all(_fits(images[name], lone[0]) for name in volumes):
        of |= dict.fromkeys(volumes, lone[0].stem)
        lone = []
    for name, label in of.items():
        if _fits(images[name], labels[label]):
            belongings[name][kind] = labels[label].path
        else:
            why = f"does not lie on the voxels of {images[name].name}"
            out.left_out.append(LeftOut(labels[label].name, why))
    if not images:
        out.lone_labels += tuple(file.path for file in lone)
    for file in lone:
        why = "labels that belong to no image" if not images else "labels of no image by name"
        out.left_out.append(LeftOut(file.name, why))


def _fits(image: VolumeFile, labels: VolumeFile) -> bool:
    """Whether labels may lie on an image; where axes are stored otherwise, reading tells."""
    one, other = image.header.grid, labels.header.grid
    same_axes = np.abs(one.directions - other.directions).max() <= _SAME_DIRECTION
    if same_axes and one.oriented == other.oriented:
        return one.offset_from(other) <= _NEARBY_VOXELS
    return sorted(one.shape) == sorted(other.shape)


def _patients(
    made: Sequence[tuple[VolumeFile, str, dict[str, Path]]], names: Sequence[str]
) -> tuple[list[str], str]:
    """Whose each case is, and how that is known.

    Args:
        made: the cases.
        names: of them, see `distinct_names`.
    """
    folders = patient_folders([file.place for file, _, _ in made])
    known = {folder for folder in folders if folder}
    if all(folders) and len(known) > 1:
        named = _names_say(made, folders)
        numbered = len({re.sub(r"\d+", "#", folder.casefold()) for folder in known}) == 1
        repeated = 2 * len({name.casefold() for _, name, _ in made}) <= len(made)
        if named or numbered or repeated:
            told = one_spelling(patient_of(str(folder)) for folder in folders)
            return [safe_id(patient) for patient in told], BY_NAMES if named else BY_FOLDERS
    return [*pseudonyms_of(names)], BY_NAMES


def _names_say(
    made: Sequence[tuple[VolumeFile, str, dict[str, Path]]], folders: Sequence[str | None]
) -> bool:
    """Whether names begin with the patient's folder: patient001/patient001_frame01."""
    return all(
        folder is not None and patient_of(name).casefold().startswith(folder.casefold())
        for (_, name, _), folder in zip(made, folders, strict=True)
    )


def _case(
    file: VolumeFile, case_id: str, patient: str, belongings: Mapping[str, Path]
) -> FoundCase:
    header = file.header
    phase = _PHASE.search(file.stem)
    files = CaseFiles(
        id=case_id,
        patient=patient,
        image=file.path,
        scribbles=belongings.get("scribbles"),
        reference=belongings.get("reference"),
        phase=phase[1].upper() if phase else _phase_told(file),
        **_sequences(file.path, belongings),
    )
    return FoundCase(
        files,
        file.name,
        header.grid.shape,
        header.grid.spacing,
        header.n_frames,
        modality_of("_".join((*file.folders, file.stem))),
        sequence_of(file.stem),
    )


def _sequences(image: Path, belongings: Mapping[str, Path]) -> dict[str, Any]:
    """The further channels of a case, which no document names."""
    others = {int(name): path for name, path in belongings.items() if name.isdecimal()}
    return several(nameless_channels(others), {0: image, **others})


def _phase_told(file: VolumeFile) -> str | None:
    """ED or ES, where an Info.cfg beside the file says which frame is which."""
    frame = _FRAME.search(file.stem)
    if frame is None:
        return None
    return next((p for p, n in _phases(file.path).items() if n == int(frame[1])), None)


def _phases(image: Path) -> dict[str, int]:
    """Frames (counted from 1) by phase, as the Info.cfg of ACDC has them."""
    path = image.with_name("Info.cfg")
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return {}
    return {phase: int(number) for phase, number in _PHASE_LINE.findall(text[:4096])}


def _frames(case: FoundCase, all_cases: Sequence[FoundCase]) -> list[FoundCase]:
    """A case; a time series as the frames that a document names, or with what is to be known."""
    if not case.is_series:
        return [case]
    folder, stem = case.files.image.parent, patient_of(case.files.image.name.partition(".")[0])
    singles = [
        other
        for other in all_cases
        if not other.is_series
        and other.files.image.parent == folder
        and patient_of(other.files.image.name.partition(".")[0]) == stem
    ]
    if singles:
        remark = "A time series; single frames of it are in the list."
        return [replace(case, is_ticked=False, remark=remark)]
    phases = {p: n for p, n in _phases(case.files.image).items() if 1 <= n <= case.n_frames}
    made = [
        replace(one, files=one.files.model_copy(update={"phase": phase}))
        for phase, number in phases.items()
        for one in [case.at_frame(number - 1)]
    ]
    return made or [replace(case, remark="A time series: one frame of it becomes a case.")]


def _named_by_table(
    cases: Sequence[FoundCase], table: Path | None, out: VolumeCases
) -> list[FoundCase]:
    """The cases with the patients that a patients.csv names."""
    if table is None:
        return [*cases]
    schema = LabelSchema.of("structure")
    files = tuple(case.files for case in cases)
    try:
        named = named_patients(Dataset("", "", table.parent, schema, files), table=table)
    except InvalidInput as error:
        out.notes += (f"{table.name} was not used: {error}",)
        return [*cases]
    out.patients_from = named.patients_from
    return [replace(c, files=f) for c, f in zip(cases, named.cases, strict=True)]
