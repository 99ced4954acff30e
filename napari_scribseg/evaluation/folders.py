"""Evaluation of a folder of segmentations against the references they should have matched.

A case without a segmentation, or with one that can't be read, lies elsewhere in the patient or has
strange class numbers, is listed with its reason and counts as failed. One whose reference can't be
read or has strange class numbers is listed with its reason and counts nowhere. The others go on.
Partial references are scored on what they label.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from napari_scribseg.core.conventions import CONVENTIONS, ScribbleConvention, check_convention
from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import BACKGROUND, LabelSchema
from napari_scribseg.core.notes import Notes
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.classes import guessed_from_references, values_in, written_by_values
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.data.names import stem_of
from napari_scribseg.data.on_grid import put_on_grid
from napari_scribseg.data.pairing import pair
from napari_scribseg.data.pseudonyms import safe_id, without_paths
from napari_scribseg.data.stored_labels import read_reference
from napari_scribseg.data.told_names import told_by_segments, told_by_slicer
from napari_scribseg.evaluation.segmentation_values import class_indices
from napari_scribseg.evaluation.tables import (
    Evaluation,
    Failure,
    Item,
    NoReference,
    Pair,
    check_out,
    evaluate_cases,
    save_evaluation,
)
from napari_scribseg.io import EXTENSIONS, frame_count, read_labels
from napari_scribseg.io.documents import load_document
from napari_scribseg.io.geometry import orientation_notes

ReadReference = Callable[[], Volume]

SUFFIX: Final = "_segmentation"
"""A prediction is called <case id> or <case id>_segmentation."""


def evaluate_folders(
    predictions: Path | str,
    references: Path | str | Dataset,
    schema: LabelSchema | None = None,
    out: Path | str | None = None,
    *,
    split: str = "all",
    convention: str | None = None,
    frame: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The scores of a folder of segmentations.

    Args:
        predictions: holds <case id>.<ext> or <case id>_segmentation.<ext>.
        references: a folder of label files <case id>.<ext>, a dataset folder, or a dataset, such
            as a project's.
        schema: the classes; None takes them from the dataset, else from a labels.json in or above
            the references or in the predictions, else from the numbers in the references.
        out: folder for the tables (see `scores`); None writes nothing.
        split: the part of a dataset that is expected; a folder of label files has only "all".
        convention: how the references are written, a word of `conventions.CONVENTIONS`: that of
            scribbles or of partial references. None = class indices, unless the folder tells.
        frame: the frame to take from files that are a time series; a dataset says so itself.
        progress: called after each case was read, with the number of cases so far and of all.

    Raises:
        InvalidInput: a folder is not there, there is no reference, or two of one name, or `out`
            already has tables.

    Example:
        >>> from napari_scribseg import evaluate_folders, sample_folder
        >>> found = evaluate_folders("predictions", sample_folder("cardiac"), split="val")
        >>> len(found.cases), 0 <= found.mean_dice <= 1
        (4, True)
    """
    predictions = Path(predictions)
    references = references if isinstance(references, Dataset) else Path(references)
    out = None if out is None else Path(out)
    _check_folder(predictions)
    folder = references.folder if isinstance(references, Dataset) else references
    _check_folder(folder)
    if out is not None:
        check_out(out)
    check_convention(convention)
    wanted = _expected(predictions, references, schema, split, convention, frame)
    expected, schema, notes = wanted.readers, wanted.schema, list(wanted.notes)
    found, habit = _paired_by_habit(_volumes(predictions), expected)
    notes += habit
    notes += _unexpected(found, set(expected))
    named = _volumes(folder)
    noticed = Notes()

    def items() -> Iterator[Item]:
        for done, case in enumerate(expected, start=1):
            files = [*found.get(case, ()), *found.get(case + SUFFIX, ()), *named.get(case, ())]
            item, seen = _item(case, found, wanted, frame)
            if not isinstance(item, Pair):
                reason = without_paths(item.reason, {case: files})
                item = replace(item, reason=_without_folders(reason, predictions, folder))
            seen = [without_paths(note, {case: files}) for note in seen]
            noticed.add(case, [_without_folders(note, predictions, folder) for note in seen])
            yield item
            if progress is not None:
                progress(done, len(expected))

    evaluation = evaluate_cases(items(), schema, notes)
    evaluation = replace(evaluation, notes=(*evaluation.notes, *noticed))
    if out is not None:
        save_evaluation(evaluation, out)
    return evaluation


@dataclass(frozen=True)
class _Expected:
    """What should have been segmented.

    Args:
        readers: how to read the reference of every case.
        schema: the classes.
        notes: what was assumed, in sentences.
        written: by case, how a reference is written whose values are no class indices.
    """

    readers: dict[str, ReadReference]
    schema: LabelSchema
    notes: tuple[str, ...] = ()
    written: Mapping[str, ScribbleConvention | None] = field(default_factory=dict)


def _item(
    case: str,
    found: dict[str, list[Path]],
    wanted: _Expected,
    frame: int | None,
) -> tuple[Item, tuple[str, ...]]:
    """A case to score, or why it can't be, and what was noticed about both files.

    The reference comes first, as it counts for everybody.
    """
    try:
        reference = wanted.readers[case]()
    except ScribsegError as error:
        return NoReference(case, str(error)), ()
    try:
        path = _prediction(case, found, wanted.readers)
        stored = labels_of(path, frame)
        told = told_by_segments(path, wanted.schema, "The segmentation")
        on_grid, notes = put_on_grid(stored, reference.grid, "The segmentation")
        segmentation, doubt = class_indices(on_grid, told, wanted.written.get(case), wanted.schema)
    except ScribsegError as error:
        return Failure(case, str(error)), reference.notes
    doubts = (doubt,) if doubt else ()
    notes = tuple(dict.fromkeys((*notes, *orientation_notes(reference.grid), *doubts)))
    item = Pair(case, segmentation, reference.array, reference.spacing, " ".join(notes))
    return item, tuple(dict.fromkeys((*reference.notes, *notes)))


def labels_of(path: Path, frame: int | None) -> Volume:
    """The labels in a file; the frame is that of a time series, and of no other file."""
    is_series = frame is not None and frame_count(path) > 1
    return read_labels(path, frame=frame if is_series else None)


def _expected(
    predictions: Path,
    references: Path | Dataset,
    schema: LabelSchema | None,
    split: str,
    convention: str | None,
    frame: int | None,
) -> _Expected:
    """How to read the reference of each expected case, the classes, and notes."""
    if isinstance(references, Dataset):
        return _expected_of_dataset(predictions, references, schema, split, convention)
    labels = _volumes(references)
    if not labels:
        dataset = read_dataset(references)
        dataset = dataset if frame is None else dataset.at_frame(frame)
        return _expected_of_dataset(predictions, dataset, schema, split, convention)
    if split != "all":
        raise InvalidInput(
            f"{references} is a plain folder of label files and has no split '{split}'; give the "
            "dataset folder instead."
        )
    twice = [case for case, paths in labels.items() if len(paths) > 1]
    if twice:
        raise InvalidInput(f"{references} has more than one file called {', '.join(twice[:5])}.")
    files = {case: paths[0] for case, paths in labels.items()}
    _refuse_itself(predictions, files.values())
    if schema is None:
        schema = _schema_beside(references, references.parent, predictions)
    return _expected_of_files(files, references, schema, convention, frame)


def _expected_of_files(
    files: Mapping[str, Path],
    folder: Path,
    schema: LabelSchema | None,
    convention: str | None,
    frame: int | None,
) -> _Expected:
    """The same for label files by case, which lie in a folder without a document about cases."""
    paths = tuple(files.values())
    written, note = None, ""
    by_file: Mapping[Path, ScribbleConvention] = {}
    if schema is None and (described := _described_beside(folder)) is not None:
        schema = described.schema
        written = next((c.convention or c.reference_convention for c in described.cases), None)
    elif convention is None and (told := told_by_slicer(paths, schema)):
        by_file, note = told.of, "" if schema else told.note
        schema = told.schema
    if schema is None:
        schema, written, note = _guessed(paths, folder, convention, frame)
    elif convention is None and written is None and not by_file:
        written, note = written_by_values(paths, schema, frame)
    if convention is not None:
        written = CONVENTIONS[convention](schema.n_classes - 1)
    of = {case: by_file.get(path, written) for case, path in files.items()}
    by = partial(_reader, schema=schema, frame=frame, by_names=convention is None)
    readers = {case: by(path, of[case]) for case, path in files.items()}
    return _Expected(readers, schema, (note,) if note else (), of)


def _guessed(
    paths: Sequence[Path], folder: Path, convention: str | None, frame: int | None
) -> tuple[LabelSchema, ScribbleConvention | None, str]:
    """The classes by the values in the files, how they are written, and what to say."""
    if convention is None:
        guess = guessed_from_references(paths, folder, "Class numbers", frame)
        return guess.schema, guess.convention, guess.note if guess.convention else ""
    highest = max((v for v in values_in(paths, frame=frame).classes if v != BACKGROUND), default=0)
    n = highest
    for fewer in range(1, highest):  # where the convention has a value above those of the classes
        with contextlib.suppress(InvalidInput):
            n = fewer if CONVENTIONS[convention](fewer).unlabelled == highest else n
    schema = LabelSchema.of(*(f"class {k}" for k in range(1, n + 1)), title="Class numbers")
    return schema, None, ""


def _reader(
    path: Path,
    written: ScribbleConvention | None,
    *,
    schema: LabelSchema,
    frame: int | None,
    by_names: bool,
) -> ReadReference:
    def read() -> Volume:
        stored = labels_of(path, frame)
        told = told_by_segments(path, schema, "The reference") if by_names else None
        reference = read_reference(stored.array, told or written, schema, "The reference")
        return Volume(reference, stored.grid, stored.notes)

    return read


def _expected_of_dataset(
    predictions: Path,
    dataset: Dataset,
    schema: LabelSchema | None,
    split: str,
    convention: str | None,
) -> _Expected:
    if convention is not None:
        dataset = dataset.references_as(CONVENTIONS[convention])
    schema = schema or dataset.schema
    cases = dataset.split(split)
    expected = {c.id: _case_reader(c, schema) for c in cases if c.reference is not None}
    _refuse_itself(predictions, (c.reference for c in cases if c.reference is not None))
    without = len(cases) - len(expected)
    if not expected:
        raise InvalidInput(
            f"{dataset.folder} has no reference in the split '{split}' to compare with. To compare "
            "with scribbles, give their folder and the convention in which they are written."
        )
    notes = [f"{without} case(s) without a reference were not scored."] if without else []
    written = {c.id: c.reference_convention for c in cases}
    return _Expected(expected, schema, (*notes, *dataset.notes), written)


def _case_reader(files: CaseFiles, schema: LabelSchema) -> ReadReference:
    def read() -> Volume:
        case = files.model_copy(update={"scribbles": None}).load(schema)
        if case.reference is None:
            raise InvalidInput(f"Case {files.id} has no reference.")
        return Volume(case.reference, case.grid, case.notes)

    return read


def _schema_beside(*folders: Path) -> LabelSchema | None:
    for folder in folders:
        if (folder / "labels.json").is_file():
            return load_document(folder / "labels.json", LabelSchema)
    return None


def _described_beside(references: Path) -> Dataset | None:
    """The nnU-Net or MSD dataset whose labels these are (labelsTr, labelsTs)."""
    above = references.parent
    is_there = (above / "dataset.json").is_file() and references.name.startswith("labels")
    return read_dataset(above) if is_there else None


def _paired_by_habit(
    found: dict[str, list[Path]], expected: Iterable[str]
) -> tuple[dict[str, list[Path]], list[str]]:
    """Segmentations by the name of their case, where only what tools add differs; and a note."""
    missing = [case for case in expected if case not in found and case + SUFFIX not in found]
    taken = {name for case in expected for name in (case, case + SUFFIX)}
    free = {name: paths for name, paths in found.items() if name not in taken}
    pairs = pair(missing, free)
    if not pairs.of:
        return found, []
    renamed = {name: case for case, name in pairs.of.items()}
    case, name = next(iter(pairs.of.items()))
    note = (
        f"{len(renamed)} segmentation(s) have other names than their references and were paired by "
        f"what tools add: {name} is compared with {case}."
    )
    return {renamed.get(name, name): paths for name, paths in found.items()}, [note]


def _volumes(folder: Path) -> dict[str, list[Path]]:
    """The volume files that lie directly in a folder, by name without extension."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        stem = stem_of(path.name, EXTENSIONS)
        if stem and path.is_file() and not path.name.startswith("."):
            found.setdefault(_id_of(stem), []).append(path)
    return found


def _id_of(stem: str) -> str:
    """The id that a file is of: as `predict` and the datasets call it."""
    bare = stem.removesuffix(SUFFIX)
    return safe_id(bare) + (SUFFIX if bare != stem else "")


def _prediction(case: str, found: dict[str, list[Path]], expected: Collection[str]) -> Path:
    paths = list(found.get(case, []))
    if case + SUFFIX not in expected:  # else that file is about the other case
        paths += found.get(case + SUFFIX, [])
    if not paths:
        raise InvalidInput(f"There is no segmentation called {case} or {case}{SUFFIX}.")
    if len(paths) > 1:
        names = ", ".join(p.name for p in paths)
        raise InvalidInput(f"There is more than one segmentation of {case}: {names}.")
    return paths[0]


def _unexpected(found: dict[str, list[Path]], expected: set[str]) -> list[str]:
    """A note on segmentations that nobody asked for; maps beside a known case are no surprise."""
    extra = [
        name for name in found if not any(name == c or name.startswith(c + "_") for c in expected)
    ]
    if not extra:
        return []
    listing = ", ".join(extra[:5]) + (", ..." if len(extra) > 5 else "")
    return [
        f"{len(extra)} segmentation(s) belong to no expected case and were not scored: {listing}."
    ]


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder; expected one with volume files.")


def _refuse_itself(predictions: Path, references: Iterable[Path]) -> None:
    """A folder compared with itself has Dice 1 everywhere, which somebody would believe."""
    if predictions.resolve() in {path.resolve().parent for path in references}:
        raise InvalidInput(
            f"{predictions} is the folder of the references themselves; give the folder of the "
            "segmentations to be scored."
        )


def _without_folders(sentence: str, *folders: Path) -> str:
    """The sentence without folder names, which are nobody's business in a report."""
    for folder in folders:
        sentence = sentence.replace(f"{folder}/", "").replace(f"{folder}\\", "")
    return sentence
