"""BIDS: images of subjects and sessions, and segmentations among the derivatives.

| file, below sub-1/[ses-1/]anat/          | what it is                                          |
|------------------------------------------|-----------------------------------------------------|
| sub-1[_ses-1][_run-1]_T2w.nii.gz         | the image of a case                                 |
| sub-1[...]_dseg, _desc-manual_dseg, _mask | its reference; in a folder derivatives/NAME        |
| sub-1[...]_desc-scribbles_dseg           | its scribbles, in our values; likewise              |
| derivatives/NAME/dseg.tsv                | index, name and color of the structures             |

Labels with another desc are results of programs, and those in another space lie on another grid;
both are left out, and it is said. The folder of one derivative alone is read likewise.
Source: Brain Imaging Data Structure 1.10, "Common image-derived labels".
"""

from __future__ import annotations

import csv
import io as text_io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import PRESETS, LabelClass, LabelSchema, schema_from_names
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.classes import (
    guessed_from_references,
    guessed_from_scribbles,
    scribbles_with,
)
from napari_scribseg.data.names import TRAIN, distinct_ids, few, path_inside
from napari_scribseg.data.pairing import pair
from napari_scribseg.data.pseudonyms import safe_title
from napari_scribseg.io.documents import read_json
from napari_scribseg.io.regular_file import read_regular

DESCRIPTION: Final = "dataset_description.json"
LABEL_TABLE: Final = "dseg.tsv"
MANUAL: Final = "manual"
SCRIBBLES: Final = "scribbles"
_NAME: Final = re.compile(
    r"(?P<stem>sub-[A-Za-z0-9+]+(?:_[A-Za-z0-9]+-[A-Za-z0-9+]+)*)_(?P<suffix>[A-Za-z0-9]+)\.nii(?:\.gz)?"
)
_LABELS: Final = frozenset({"dseg", "mask"})
_NO_IMAGES: Final = frozenset({"dseg", "mask", "probseg", "bold", "sbref", "dwi", "xfm"})
_OWN_SPACES: Final = frozenset({"", "orig", "individual", "scanner"})
_MOST_TABLE_BYTES: Final = 1 << 20
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class _File:
    """A file with a BIDS name: its stem is all in front of the suffix."""

    path: Path
    stem: str
    suffix: str

    @property
    def entities(self) -> dict[str, str]:
        """Value by key, such as {"sub": "01", "desc": "manual"}."""
        pairs = (part.partition("-") for part in self.stem.split("_"))
        return {key: value for key, _, value in pairs}

    @property
    def image_stem(self) -> str:
        """What the name says of the image that it is about."""
        about_labels = {"desc", "label", "space", "res", "den", "seg", "atlas"}
        return "_".join(f"{k}-{v}" for k, v in self.entities.items() if k not in about_labels)


def is_bids(folder: Path) -> bool:
    """Whether a folder says that it is a BIDS dataset."""
    path = folder / DESCRIPTION
    return path.is_file() and "BIDSVersion" in read_json(path)


def read_bids(folder: Path) -> Dataset:
    """The cases of a BIDS dataset.

    Raises:
        InvalidInput: it has no images or two of one name, or its documents are damaged.
    """
    description = read_json(folder / DESCRIPTION)
    notes: list[str] = []
    images, image_notes = _images(folder)
    notes += image_notes
    labels = [*_files_below(folder), *_derived(folder)]
    labels = [file for file in labels if file.suffix in _LABELS]
    suffix = next(iter(images.values())).suffix
    own = [f for f in labels if f.entities.get("space", "") in {*_OWN_SPACES, suffix}]
    if len(own) < len(labels):
        notes.append(f"{len(labels) - len(own)} label file(s) in another space were left out.")
    drawn = [f for f in own if SCRIBBLES[:-1] in f.entities.get("desc", "").lower()]
    truth, truth_notes = _references([f for f in own if f not in drawn])
    scribbles, drawn_faults = _of_images(images, drawn, "scribbles")
    references, faults = _of_images(images, truth, "references")
    classes = _classes(folder, list(references.values()), list(scribbles.values()))
    notes += [*truth_notes, *([classes.note] if classes.note else [])]
    stems = list(images)
    ids = distinct_ids(stems, [file.path.relative_to(folder) for file in images.values()])
    cases = tuple(
        CaseFiles(
            id=case_id,
            patient=f"sub-{file.entities['sub']}",
            image=file.path,
            scribbles=scribbles.get(stem),
            reference=references.get(stem),
            split=TRAIN,
            convention=classes.scribbles,
            reference_convention=classes.references,
        )
        for case_id, (stem, file) in zip(ids, images.items(), strict=True)
    )
    title = description.get("Name")
    return Dataset(
        title if isinstance(title, str) and title else safe_title(folder.name),
        "BIDS",
        folder,
        classes.schema,
        cases,
        tuple(notes),
        patients_from="named by sub- in the names of the files",
        faults=(*drawn_faults, *faults),
    )


def suffix_of(path: Path) -> str | None:
    """The suffix in the BIDS name of an image, such as T2w; None for another name."""
    match = _NAME.fullmatch(path.name)
    return match["suffix"] if match else None


def _images(folder: Path) -> tuple[dict[str, _File], list[str]]:
    """The image of every case by its stem, all of one suffix, and what was left out."""
    found = [file for file in _files_below(folder) if file.suffix not in _NO_IMAGES]
    anatomical = [file for file in found if file.path.parent.name == "anat"]
    found = [f for f in anatomical or found if "desc" not in f.entities or not anatomical]
    if not found:
        raise InvalidInput(
            f"{folder} is a BIDS dataset without images: expected files such as "
            "sub-01/anat/sub-01_T2w.nii.gz. For a derivative, give the folder of the dataset that "
            "it is in."
        )
    counts = Counter(file.suffix for file in found)
    most = max(counts.values())
    suffix = min(name for name, n in counts.items() if n == most)
    others = [f"{name} ({n})" for name, n in sorted(counts.items()) if name != suffix]
    notes = [f"Only the {suffix} images are used; left out: {', '.join(others)}."] if others else []
    images: dict[str, _File] = {}
    for file in (file for file in found if file.suffix == suffix):
        twin = images.setdefault(file.stem, file)
        if twin is not file:
            both = [one.path.relative_to(folder).as_posix() for one in (twin, file)]
            raise InvalidInput(f"{folder} has both {both[0]} and {both[1]}; keep one.")
    return images, notes


def _files_below(folder: Path) -> list[_File]:
    """Files with BIDS names in the folders of the subjects, in order."""
    paths = [p for sub in sorted(folder.glob("sub-*")) for p in sorted(sub.rglob("*.nii*"))]
    found: list[_File] = []
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match:
            inside = path_inside(folder, path.relative_to(folder).as_posix(), str(folder))
            found.append(_File(inside, match["stem"], match["suffix"]))
    return found


def _derived(folder: Path) -> list[_File]:
    return [file for one in _derivatives(folder) for file in _files_below(one)]


def _derivatives(folder: Path) -> list[Path]:
    above = folder / "derivatives"
    return sorted(p for p in above.iterdir() if p.is_dir()) if above.is_dir() else []


def _references(files: Sequence[_File]) -> tuple[list[_File], list[str]]:
    """Those that somebody made by hand, or that nothing tells who made; masks where no dseg is."""
    dense = [file for file in files if file.suffix == "dseg"] or list(files)
    by_hand = [f for f in dense if f.entities.get("desc", "").lower().startswith(MANUAL)]
    plain = [f for f in dense if "desc" not in f.entities]
    chosen = by_hand or plain
    if not chosen and len({f.entities.get("desc") for f in dense}) == 1:
        return dense, [f"The references are those called desc-{dense[0].entities['desc']}."]
    left = sorted({f.entities.get("desc", "no desc") for f in dense if f not in chosen})
    notes = [f"Labels with other descriptions were left out: {few(left)}."] if left else []
    return chosen, notes


def _of_images(
    images: dict[str, _File], labels: Sequence[_File], what: str
) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The label file of each image, and what is wrong."""
    by_name: dict[str, list[_File]] = {}
    for file in labels:
        by_name.setdefault(file.image_stem, []).append(file)
    several = [name for name, files in by_name.items() if len(files) > 1]
    faults: tuple[str, ...] = ()
    if several:
        places = [str(f.path.name) for f in by_name[several[0]]]
        faults = (
            f"{len(several)} image(s) have several {what}, and none of them was taken: "
            f"{few(several)} has {', '.join(places[:3])}. Keep one of each.",
        )
    single = {name: files[0].path for name, files in by_name.items() if len(files) == 1}
    plain = {file.image_stem: stem for stem, file in images.items()}
    pairs = pair(plain, single)
    if pairs.lone:
        faults += (f"{len(pairs.lone)} of the {what} belong to no image: {few(pairs.lone)}.",)
    return {plain[image]: single[name] for image, name in pairs.of.items()}, faults


@dataclass(frozen=True)
class _Classes:
    schema: LabelSchema
    references: ScribbleConvention | None = None
    scribbles: ScribbleConvention | None = None
    note: str = ""


def _classes(folder: Path, references: list[Path], scribbles: list[Path]) -> _Classes:
    """The structures, by a table of labels or else by what is in the files."""
    title = safe_title(folder.name)[:80]
    tables = [place / LABEL_TABLE for place in (folder, *_derivatives(folder))]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        if references:
            guess = guessed_from_references(references, folder, title)
            return _Classes(guess.schema, guess.convention, None, guess.note)
        guess = guessed_from_scribbles(scribbles, folder, title)
        return _Classes(guess.schema, None, guess.convention, guess.note)
    by_value = _read_table(table)
    values = tuple(sorted(by_value))
    schema = schema_from_names([by_value[v].name for v in values])
    if schema not in PRESETS.values():
        schema = schema.model_copy(update={"classes": tuple(by_value[v] for v in values)})
    if values == tuple(range(1, len(values) + 1)):
        return _Classes(schema)
    return _Classes(schema, ScribbleConvention.stored_values(values), scribbles_with(values))


def _read_table(path: Path) -> dict[int, LabelClass]:
    """Classes by stored value, without the background.

    Raises:
        InvalidInput: a column is missing, or a row is no label.
    """
    text = read_regular(path, _MOST_TABLE_BYTES).decode("utf-8", "replace")
    rows = list(csv.DictReader(text_io.StringIO(text), delimiter="\t"))
    try:
        told = {int(row["index"]): row for row in rows}
        names = {v: str(row["name"]) for v, row in told.items() if v != 0}
        plain = LabelSchema.of(*(names[v] for v in sorted(names)))
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidInput(
            f"{path}: expected the columns index (a whole number) and name, separated by tabs."
        ) from error
    found: dict[int, LabelClass] = {}
    for value, given in zip(sorted(names), plain.classes, strict=True):
        color = told[value].get("color") or ""
        found[value] = LabelClass(
            name=given.name, color=color if _COLOR.fullmatch(color) else given.color
        )
    return found


def bids_names(cases: Iterable[CaseFiles]) -> dict[str, str]:
    """A BIDS stem for every case id: sub-<patient>, with acq- for what else the id says.

    A case that has a BIDS name keeps it.
    """
    found: dict[str, str] = {}
    for files in cases:
        if re.fullmatch(r"sub-[A-Za-z0-9+]+(?:_[A-Za-z0-9]+-[A-Za-z0-9+]+)*", files.id):
            found[files.id] = files.id
            continue
        patient = _alphanumeric(files.patient.removeprefix("sub-"))
        rest = files.id.removeprefix(files.patient)
        stem = f"sub-{patient}"
        found[files.id] = f"{stem}_acq-{_alphanumeric(rest)}" if _alphanumeric(rest) else stem
    counts = Counter(name.casefold() for name in found.values())
    return {
        case: name if counts[name.casefold()] == 1 else f"sub-{_alphanumeric(case)}x{index}"
        for index, (case, name) in enumerate(found.items(), start=1)
    }


def _alphanumeric(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
