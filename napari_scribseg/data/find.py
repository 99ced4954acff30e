"""Cases in any files and folders: trees of volumes, DICOM exports, datasets; nothing is changed.

Names say what belongs together (see `pairing`), headers must agree, and what no name explains is
looked into. What is no case is listed with the reason, and nothing asks for a document that can be
made from what is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.find_dicom import DicomFolder, cases_of_series, looks_like_dicom
from napari_scribseg.data.find_volumes import cases_of_volumes, described
from napari_scribseg.data.found import Found, FoundCase, LeftOut, from_dataset
from napari_scribseg.data.label_values import LabelKind, LabelValues, look_into, with_names
from napari_scribseg.data.names import few
from napari_scribseg.data.told_names import are_numbered_alike, common_numbers, names_by_value
from napari_scribseg.data.volume_file import VolumeFile
from napari_scribseg.io import EXTENSIONS, extension_of
from napari_scribseg.io.dicom_folder import MAX_FILES, scan_own
from napari_scribseg.io.headers import read_header
from napari_scribseg.io.regular_file import reason

_DOCUMENTS: Final = frozenset(
    {"dataset.json", "labels.json", "patients.csv", "info.cfg", "dicomdir", "participants.tsv"}
)
"""Files that say something about the cases and are none, in lower case."""
_TEXTS: Final = frozenset(
    {".txt", ".md", ".json", ".csv", ".tsv", ".xml", ".yaml", ".yml", ".html", ".pdf", ".py"}
)
_PICTURES: Final = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif"})
_ARCHIVES: Final = frozenset({".zip", ".tar", ".tgz", ".7z", ".rar", ".gz"})
_KINDS: Final[tuple[LabelKind, ...]] = ("scribbles", "reference")
_NAMELESS: Final = (
    "its numbers have no names, and files of 3D Slicer beside it give one number several meanings"
)
_MARKS: Final = {"run.json": "a training run", "experiment.json": "an experiment"}


@dataclass
class _Gathered:
    """What lies in the folders, before it is known what belongs together."""

    volumes: list[VolumeFile] = field(default_factory=list)
    dicom: list[DicomFolder] = field(default_factory=list)
    cases: list[FoundCase] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    projects: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    n_files: int = 0


def find_cases(paths: Sequence[Path | str]) -> Found:
    """The cases in files and folders of any kind, and what was left out and why.

    Args:
        paths: volume files, DICOM files, folders with any of these in any depth, dataset folders,
            projects.

    Raises:
        InvalidInput: a path is not there, or a folder can't be read or has too many files.

    Example:
        >>> from napari_scribseg import find_cases, sample_folder
        >>> found = find_cases([sample_folder("prostate")])
        >>> len(found.cases), found.left_out
        (3, ())
    """
    gathered = _Gathered()
    roots = _roots([Path(path) for path in paths])
    for path, root in roots.items():
        if path.is_dir():
            _look_through(path, root, gathered)
        elif path.is_file():
            _take_file(path, root, gathered, is_given=True)
        else:
            raise InvalidInput(f"There is no {path}. Give a file or a folder.")
    table = next((p / "patients.csv" for p in roots if (p / "patients.csv").is_file()), None)
    volumes = cases_of_volumes(gathered.volumes, table)
    series = cases_of_series(gathered.dicom)
    cases = (*gathered.cases, *volumes.cases, *series.cases)
    left_out = [*gathered.left_out, *volumes.left_out, *series.left_out]
    looked = _looked_into(cases)
    cases = tuple(_numbered(case, looked.numbers) for case in cases)
    bad = looked.bad
    left_out += [LeftOut(p.name, f"not usable as labels ({why})") for p, why in bad.items()]
    told = {why for why in (volumes.patients_from, series.patients_from) if why}
    if not told and cases:
        told = {"named in dataset.json"}
    return Found(
        title=_title(list(roots)),
        cases=_without_bad_labels(cases, bad),
        left_out=tuple(left_out),
        projects=tuple(gathered.projects),
        lone_labels=volumes.lone_labels,
        values=looked.values,
        patients_from="; ".join(sorted(told)),
        notes=tuple(dict.fromkeys((*gathered.notes, *volumes.notes, *series.notes, *looked.notes))),
    )


def _title(roots: Sequence[Path]) -> str:
    """What was given: its name, of several the name of the folder that they lie in."""
    if len(roots) == 1:
        return roots[0].name
    parents = {path.parent for path in roots}
    return parents.pop().name if len(parents) == 1 else next((path.name for path in roots), "")


def _roots(paths: Sequence[Path]) -> dict[Path, Path]:
    """What was given, absolute and once each, with the folder that names are told from."""
    given = list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # noqa: PTH100
    documents = {"dataset.json", "project.json", "dicomdir"}
    given = [p.parent if p.name.lower() in documents else p for p in given]
    # A folder and something in it: the folder has it.
    outer = [p for p in dict.fromkeys(given) if not any(o in p.parents for o in given)]
    if not outer:
        return {}
    parents = [str(p if len(outer) == 1 and p.is_dir() else p.parent) for p in outer]
    root = (
        Path(os.path.commonpath(parents)) if len({Path(p).anchor for p in parents}) == 1 else None
    )
    return {p: root or p.parent for p in outer}


def _look_through(folder: Path, root: Path, gathered: _Gathered) -> None:
    """Take in a folder and those inside it."""
    name = _name(folder, root)
    real = os.path.realpath(folder)
    if real in gathered.seen:  # a link that leads back
        return
    gathered.seen.add(real)
    if (folder / "project.json").is_file():
        gathered.projects.append(folder)
        return
    for mark, why in _MARKS.items():
        if (folder / mark).is_file():
            gathered.left_out.append(LeftOut(name, why))
            return
    if _is_described(folder, root, gathered):
        return
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        gathered.left_out.append(LeftOut(name, f"not readable ({reason(error)})"))
        return
    entries = [entry for entry in entries if not entry.name.startswith(".")]
    others = [
        entry
        for entry in entries
        if entry.is_file() and not _take_file(entry, root, gathered, is_given=False)
    ]
    _take_dicom(folder, others, root, gathered)
    for entry in entries:
        if entry.is_dir():
            _look_through(entry, root, gathered)


def _is_described(folder: Path, root: Path, gathered: _Gathered) -> bool:
    """Take in a dataset whose document says what is in it; False where there is none."""
    plain = (folder / "labels.json").is_file() and (folder / "images").is_dir()
    if not (folder / "dataset.json").is_file() and not plain:
        return False
    try:
        dataset = read_dataset(folder)
    except InvalidInput as error:
        gathered.notes.append(f"What its document says was not used: {error}")
        return False
    gathered.cases += from_dataset(dataset, lambda files: described(files, root))
    gathered.notes += [*dataset.notes, *dataset.faults]
    return True


def _take_file(path: Path, root: Path, gathered: _Gathered, *, is_given: bool) -> bool:
    """Take in a file; False = it may be DICOM."""
    gathered.n_files += 1
    if gathered.n_files > MAX_FILES:
        raise InvalidInput(
            f"There are more than {MAX_FILES} files; choose a folder inside this one."
        )
    name, suffix = _name(path, root), path.suffix.lower()
    if path.name.lower() in _DOCUMENTS:
        return True
    if extension_of(path) in EXTENSIONS:
        try:
            gathered.volumes.append(VolumeFile(path, root, read_header(path)))
        except InvalidInput as error:
            gathered.left_out.append(LeftOut(name, f"not readable ({_cause(error, path)})"))
        return True
    for endings, why in (
        (_TEXTS, "text, not images"),
        (_PICTURES, "pictures without a place in the patient"),
        (_ARCHIVES, "packed; unpack it first"),
    ):
        if suffix in endings:
            gathered.left_out.append(LeftOut(name, why))
            return True
    if not is_given:
        return False
    if looks_like_dicom(path):
        gathered.dicom.append(DicomFolder(path.parent, root, scan_own(path.parent), only=path))
    else:
        gathered.left_out.append(LeftOut(name, "no volume, and no DICOM file"))
    return True


def _take_dicom(folder: Path, others: Sequence[Path], root: Path, gathered: _Gathered) -> None:
    """Take in the DICOM files of a folder; the rest of its files is left out."""
    if not others:
        return
    found = scan_own(folder)
    if found.series or found.left_out:
        gathered.dicom.append(DicomFolder(folder, root, found))
        return
    unknown = sorted({path.suffix or path.name for path in others})
    gathered.left_out.append(
        LeftOut(_name(folder, root), f"files of unknown kinds ({few(unknown)})")
    )


@dataclass(frozen=True)
class _Looked:
    """What is in the label files that no document explains.

    Args:
        values: by kind, in numbers that all its files share.
        bad: why files can't be used.
        numbers: by file, which value is which of the shared ones, where they are not the same.
        notes: what was noticed, in sentences.
    """

    values: tuple[LabelValues, ...]
    bad: Mapping[Path, str]
    numbers: Mapping[Path, Mapping[int, int]]
    notes: tuple[str, ...] = ()


def _looked_into(cases: Iterable[FoundCase]) -> _Looked:
    """What is in the label files that no document explains, by the names that the files tell."""
    free = [case for case in cases if not case.by_document]
    files: dict[LabelKind, list[tuple[Path, int | None]]] = {
        kind: [(path, c.files.frame) for c in free if (path := getattr(c.files, kind)) is not None]
        for kind in _KINDS
    }
    told = names_by_value(path for some in files.values() for path, _ in some)
    alike = are_numbered_alike(told.values())
    numbers = {} if alike else common_numbers(told)
    shared = {path: numbers.get(path, dict(zip(t, t, strict=True))) for path, t in told.items()}
    values: list[LabelValues] = []
    bad: dict[Path, str] = {}
    for kind, some in files.items():
        named = [path for path, _ in some if path in told]
        if named and not alike:  # a number without a name has no meaning among these
            bad |= {path: _NAMELESS for path, _ in some if path not in told}
        usable = [(path, frame) for path, frame in some if path not in bad]
        if not usable:
            continue
        found, problems = look_into(usable, kind, numbers)
        names = {shared[path][v]: name for path in named for v, name in told[path].items()}
        values.append(with_names(found, names))
        bad |= problems
    odd = few(sorted(path.name for path in numbers))
    note = f"{odd}: their segments are numbered differently and are taken by their names."
    return _Looked(tuple(values), bad, numbers, (note,) if numbers else ())


def _numbered(case: FoundCase, numbers: Mapping[Path, Mapping[int, int]]) -> FoundCase:
    """The case with the shared numbers of its label files."""
    if case.by_document:
        return case
    of = {kind: numbers[p] for kind in _KINDS if (p := getattr(case.files, kind)) in numbers}
    return replace(case, numbers=of)


def _without_bad_labels(
    cases: Iterable[FoundCase], bad: Mapping[Path, str]
) -> tuple[FoundCase, ...]:
    """The cases without label files that can't be used."""
    kept: list[FoundCase] = []
    for case in cases:
        changes = {k: None for k in ("scribbles", "reference") if getattr(case.files, k) in bad}
        files = case.files.model_copy(update=changes) if changes else case.files
        kept.append(replace(case, files=files))
    return tuple(kept)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path != root else path.name


def _cause(error: InvalidInput, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").rstrip(".")
