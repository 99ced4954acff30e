"""Datasets described by a dataset.json: scribble-bench, nnU-Net raw, MSD.

The documents are other people's: what is needed is checked strictly, the rest is left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_scribseg import io
from napari_scribseg.core.config import explain
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import UNLABELLED, LabelSchema, schema_from_names
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.names import (
    TEST,
    TRAIN,
    distinct_ids,
    distinct_names,
    few,
    path_inside,
    stem_of,
    volumes_in,
)
from napari_scribseg.data.pairing import pair
from napari_scribseg.data.patients import BY_NAMES, with_patients_by_name
from napari_scribseg.data.pseudonyms import safe_id, safe_title
from napari_scribseg.data.sequence_files import SequenceFile
from napari_scribseg.data.sequences import channel_names, several
from napari_scribseg.io.documents import read_json

Document = TypeVar("Document", bound=BaseModel)


class _Foreign(BaseModel):
    """A document of somebody else: what we need is checked, the rest is left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _BenchClass(_Foreign):
    name: str
    ground_truth: int
    scribble: int


class _BenchCase(_Foreign):
    id: str
    subject: str
    image: str
    scribble: str | None = None
    label: str | None = None
    group: str | None = None
    phase: str | None = None
    frame: int | None = None
    split: str | None = None
    shape: list[int] = []


class _Bench(_Foreign):
    name: str
    title: str | None = None
    classes: list[_BenchClass]
    scribble_unlabelled: int = UNLABELLED
    splits: dict[str, list[str]] = {}
    cases: list[_BenchCase]


class _NnUnet(_Foreign):
    name: str | None = None
    channel_names: dict[str, str]
    labels: dict[str, int | list[int]]
    file_ending: str


class _DecathlonCase(_Foreign):
    image: str
    label: str


class _Decathlon(_Foreign):
    name: str | None = None
    modality: dict[str, str] = {}
    labels: dict[str, str]
    training: list[_DecathlonCase]
    test: list[str] = []


def read_described(folder: Path) -> Dataset | None:
    """The cases that a folder's dataset.json lists; None when it is of no known kind.

    Raises:
        InvalidInput: the document is damaged, lacks something, or has a path that leaves the
            folder.
    """
    path = folder / "dataset.json"
    document = read_json(path)
    if document.get("schema") == "scribble-bench/2":
        return _read_bench(folder, _checked(document, _Bench, path))
    if "channel_names" in document:
        return _read_nnunet(folder, _checked(document, _NnUnet, path))
    if "training" in document:
        return _read_decathlon(folder, _checked(document, _Decathlon, path))
    return None


def _read_bench(folder: Path, document: _Bench) -> Dataset:
    where = str(folder / "dataset.json")
    by_value = {c.ground_truth: c for c in document.classes}
    if len(by_value) != len(document.classes):
        raise InvalidInput(f"{where}: two classes have one ground_truth value.")
    schema = _schema({k: c.name for k, c in by_value.items()}, where)
    convention = ScribbleConvention(
        f"{document.name} (dataset.json)",
        document.scribble_unlabelled,
        by_value[0].scribble,
        tuple(by_value[k].scribble for k in range(1, schema.n_classes)),
    )
    ours = ScribbleConvention.ours(schema.n_classes - 1)
    if replace(convention, title=ours.title, also=ours.also) == ours:
        convention = None
    splits = _bench_splits(document, where)

    def path(name: str | None) -> Path | None:
        return None if name is None else path_inside(folder, name, where)

    cases = tuple(
        CaseFiles(
            id=safe_id(case.id),
            patient=safe_id(case.subject),
            image=path_inside(folder, case.image, where),
            scribbles=path(case.scribble),
            reference=path(case.label),
            split=splits.get(case.id, TRAIN if not splits else None),
            group=case.group,
            phase=case.phase,
            # Elsewhere the number only tells which frame of the original series the file was.
            frame=case.frame if len(case.shape) == 4 else None,
            convention=convention,
        )
        for case in document.cases
    )
    title = document.title or document.name
    known_by = "named in dataset.json"
    return Dataset(title, "scribble-bench", folder, schema, cases, patients_from=known_by)


def _bench_splits(document: _Bench, where: str) -> dict[str, str]:
    """Split of every case id, from the cases and from the lists; they must agree."""
    named = [(case.id, case.split) for case in document.cases if case.split is not None]
    named += [(i, split) for split, ids in document.splits.items() for i in ids]
    unknown = {i for i, _ in named} - {case.id for case in document.cases}
    if unknown:
        raise InvalidInput(f"{where}: the splits name cases that don't exist: {few(unknown)}.")
    torn = {i for i, split in named if split != dict(named)[i]}
    if torn:
        raise InvalidInput(f"{where}: these cases are in more than one split: {few(torn)}.")
    return dict(named)


def _read_nnunet(folder: Path, document: _NnUnet) -> Dataset:
    where = str(folder / "dataset.json")
    ending = document.file_ending
    if ending not in io.EXTENSIONS:
        raise InvalidInput(
            f"{where}: file_ending {ending!r} can't be read; "
            f"expected one of {', '.join(io.EXTENSIONS)}."
        )
    values = {name: value for name, value in document.labels.items() if isinstance(value, int)}
    if len(values) != len(document.labels):
        raise InvalidInput(
            f"{where}: labels made of regions (lists of values) can't be used; "
            "expected one whole number for each name."
        )
    ignore = values.pop("ignore", None)
    schema = _schema({value: name for name, value in values.items()}, where)
    if len(values) != schema.n_classes or ignore not in {None, schema.n_classes}:
        raise InvalidInput(
            f"{where}: labels must be different whole numbers from 0 on, with ignore as the "
            f"highest; got {document.labels}."
        )
    convention = None if ignore is None else ScribbleConvention.nnunet_ignore(schema.n_classes - 1)
    channels = _channels(document.channel_names, where)
    notes, faults = list[str](), list[str]()
    found: list[CaseFiles] = []
    for letters, split in (("Tr", TRAIN), ("Ts", TEST)):
        some, lone = _nnunet_cases(folder, letters, split, ending, convention, channels)
        found += some
        notes += _unread_images(folder / f"images{letters}", ending, some)
        if lone:
            has_labels = any(files.scribbles or files.reference for files in some)
            (notes if has_labels else faults).append(lone)
    places = [Path(f.image.parent.name, f.image.name) for f in found]
    cases = _with_distinct_names(found, [files.patient for files in found], places)
    if not cases:
        results = volumes_in(folder, (ending,))
        advice = (
            f" The {len(results)} volumes beside it look like results of nnU-Net: score them with "
            "`scribseg evaluate`, or export them with their cases by --predictions."
            if results
            else ""
        )
        raise InvalidInput(f"{where}: there is no image *_0000{ending} in imagesTr.{advice}")
    title = document.name or safe_title(folder.name)
    return Dataset(
        title,
        "nnU-Net raw",
        folder,
        schema,
        cases,
        tuple(notes),
        patients_from=BY_NAMES,
        faults=tuple(faults),
        sequences=tuple(channels.values()) if len(channels) > 1 else (),
    )


def _nnunet_cases(
    folder: Path,
    letters: str,
    split: str,
    ending: str,
    convention: ScribbleConvention | None,
    channels: dict[int, str],
) -> tuple[list[CaseFiles], str]:
    """The cases of one split, and what is to be said of labels that belong to no image."""
    files = volumes_in(folder / f"labels{letters}", (ending,))
    of_channel = {
        number: volumes_in(folder / f"images{letters}", (f"_{number:04d}{ending}",))
        for number in (0, *channels)
    }
    images = of_channel[0]
    pairs = pair(images, files)
    labels = {image: files[name] for image, name in pairs.of.items()}
    lone = (
        f"{len(pairs.lone)} file(s) in labels{letters}/ belong to no image *_0000{ending} "
        f"in images{letters}/: {few(pairs.lone)}."
        if pairs.lone
        else ""
    )
    # Test labels are the truth to score against, also beside scribbled training labels.
    drawn = convention is not None and split == TRAIN
    cases = [
        CaseFiles(
            id=safe_id(stem),
            patient=stem,
            image=image,
            scribbles=labels.get(stem) if drawn else None,
            reference=None if drawn else labels.get(stem),
            split=split,
            convention=convention if drawn else None,
            reference_convention=None if drawn else convention,
            **several(channels, {k: of[stem] for k, of in of_channel.items() if stem in of}),
        )
        for stem, image in images.items()
    ]
    return cases, lone


def _unread_images(folder: Path, ending: str, cases: Sequence[CaseFiles]) -> list[str]:
    """What is to be said of images that no case has read."""
    read = {path.name for files in cases for path in files.paths if path.parent == folder}
    unread = [p.name for p in volumes_in(folder, (ending,)).values() if p.name not in read]
    if not unread:
        return []
    return [
        f"{len(unread)} file(s) in {folder.name}/ were left out, because channel_names of "
        f"dataset.json lacks their channel or their case has no *_0000{ending}: {few(unread)}."
    ]


def _read_decathlon(folder: Path, document: _Decathlon) -> Dataset:
    where = str(folder / "dataset.json")
    try:
        names = {int(value): name for value, name in document.labels.items()}
    except ValueError as error:
        raise InvalidInput(
            f'{where}: labels must be written like {{"0": "background", "1": "liver"}}, '
            f"got {document.labels}."
        ) from error
    # Several modalities are stored as frames of one file.
    modalities = _channels(document.modality, where)
    many = len(modalities) > 1
    listed = [(case.image, case.label, TRAIN) for case in document.training]
    listed += [(image, None, TEST) for image in document.test]
    found: list[CaseFiles] = []
    stems: list[str] = []
    for image, label, split in listed:
        path = path_inside(folder, image, where)
        stem = stem_of(path.name, io.EXTENSIONS) or path.name
        stems.append(stem)
        found.append(
            CaseFiles(
                id=safe_id(stem),
                patient=stem,
                image=path,
                reference=None if label is None else path_inside(folder, label, where),
                split=split,
                frame=min(modalities) if many else None,
                sequence=modalities[min(modalities)] if many else "",
                further=tuple(
                    SequenceFile(name=modalities[k], path=path, frame=k)
                    for k in sorted(modalities)[1:]
                ),
            )
        )
    cases = _with_distinct_names(found, stems, [PurePosixPath(image) for image, _, _ in listed])
    return Dataset(
        document.name or safe_title(folder.name),
        "MSD",
        folder,
        _schema(names, where),
        cases,
        _unnamed_frames(cases, len(modalities)) if many else (),
        patients_from=BY_NAMES,
        sequences=tuple(modalities.values()) if many else (),
    )


def _unnamed_frames(cases: Sequence[CaseFiles], n_named: int) -> tuple[str, ...]:
    """What is to be said of frames that are no modality; only the first file is looked into."""
    try:
        path = cases[0].image
        n_frames = io.frame_count(path)
    except (IndexError, InvalidInput):
        return ()  # told when it is read
    if n_frames <= n_named:
        return ()
    return (
        f"{path.name} has {n_frames} frames, and modality of dataset.json names {n_named}: the "
        "frames after these are left out.",
    )


def _with_distinct_names(
    found: Sequence[CaseFiles], stems: Sequence[str], places: Sequence[PurePath]
) -> tuple[CaseFiles, ...]:
    """Cases with ids and patients by name; those whose files have one name get folders in front."""
    ids = distinct_ids(stems, places)
    cases = [
        files.model_copy(update={"id": case_id}) for files, case_id in zip(found, ids, strict=True)
    ]
    return with_patients_by_name(cases, distinct_names(stems, places))


def _checked(document: dict[str, Any], model: type[Document], path: Path) -> Document:
    try:
        return model.model_validate(document, strict=True)
    except ValidationError as error:
        raise InvalidInput(f"{path}: {explain(error, model)}") from error


def _channels(named: dict[str, str], where: str) -> dict[int, str]:
    try:
        return channel_names(named)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from error


def _schema(names: dict[int, str], where: str) -> LabelSchema:
    """The schema of names by class index, background (0) included."""
    if sorted(names) != list(range(len(names))) or len(names) < 2:
        raise InvalidInput(
            f"{where}: class values must be 0 (background), 1, 2, ... without a gap, "
            f"got {sorted(names)}."
        )
    return schema_from_names([names[k] for k in range(1, len(names))])
