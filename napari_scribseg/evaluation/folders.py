"""Evaluation of a folder of segmentations against the references they should have matched.

A case without a segmentation, or with one that can't be read, lies elsewhere in the patient or has
strange class numbers, is listed with its reason, counts as failed, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.labels import MAX_CLASSES, LabelSchema
from napari_scribseg.core.notes import Notes
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, put_on_grid
from napari_scribseg.data.names import stem_of
from napari_scribseg.evaluation.tables import (
    Evaluation,
    Failure,
    Pair,
    check_out,
    evaluate_cases,
    save_evaluation,
)
from napari_scribseg.io import EXTENSIONS, frame_count, read_labels
from napari_scribseg.io.documents import load_document
from napari_scribseg.project.folder import cases_in

ReadReference = Callable[[], Volume]

SUFFIX: Final = "_segmentation"
"""A prediction is called <case id> or <case id>_segmentation."""


def evaluate_folders(
    predictions: Path,
    references: Path,
    schema: LabelSchema | None = None,
    out: Path | None = None,
    *,
    split: str = "all",
    frame: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The scores of a folder of segmentations.

    Args:
        predictions: holds <case id>.<ext> or <case id>_segmentation.<ext>.
        references: a folder of label files <case id>.<ext>, or a dataset folder.
        schema: the classes; None takes them from the dataset, else from a labels.json in or above
            the references or in the predictions, else from the numbers in the references.
        out: folder for the tables (see `scores`); None writes nothing.
        split: the part of a dataset that is expected; a folder of label files has only "all".
        frame: the frame to take from files that are a time series.
        progress: called after each case was read, with the number of cases so far and of all.

    Raises:
        InvalidInput: a folder is not there, there is no reference, or two of one name, or `out`
            already has tables.
    """
    _check_folder(predictions)
    _check_folder(references)
    if out is not None:
        check_out(out)
    expected, schema, notes = _expected(predictions, references, schema, split, frame)
    found = _volumes(predictions)
    notes += _unexpected(found, set(expected))
    noticed = Notes()

    def items() -> Iterator[Pair | Failure]:
        for done, (case, read_reference) in enumerate(expected.items(), start=1):
            try:
                pair, seen = _pair(case, _prediction(case, found), read_reference, frame)
                noticed.add(case, seen)
                yield pair
            except ScribsegError as error:
                yield Failure(case, _without_folders(str(error), predictions, references))
            if progress is not None:
                progress(done, len(expected))

    evaluation = evaluate_cases(items(), schema, notes)
    evaluation = replace(evaluation, notes=(*evaluation.notes, *noticed))
    if out is not None:
        save_evaluation(evaluation, out)
    return evaluation


def _pair(
    case: str, prediction: Path, read_reference: ReadReference, frame: int | None
) -> tuple[Pair, tuple[str, ...]]:
    """What is compared, and what was noticed about both files."""
    reference = read_reference()
    stored = _labels(prediction, frame)
    segmentation, notes = put_on_grid(stored, reference.grid, "The segmentation")
    pair = Pair(case, segmentation, reference.array, reference.spacing, " ".join(notes))
    return pair, (*reference.notes, *notes)


def _labels(path: Path, frame: int | None) -> Volume:
    is_series = frame is not None and frame_count(path) > 1
    return read_labels(path, frame=frame if is_series else None)


def _expected(
    predictions: Path,
    references: Path,
    schema: LabelSchema | None,
    split: str,
    frame: int | None,
) -> tuple[dict[str, ReadReference], LabelSchema, list[str]]:
    """How to read the reference of each expected case, the classes, and notes."""
    labels = _volumes(references)
    if not labels:
        return _expected_of_dataset(predictions, references, schema, split, frame)
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
        schema = _schema_beside(references, references.parent, predictions) or _schema_of_numbers(
            files.values(), frame
        )
    return {case: _reader(path, frame) for case, path in files.items()}, schema, []


def _reader(path: Path, frame: int | None) -> ReadReference:
    return lambda: _labels(path, frame)


def _expected_of_dataset(
    predictions: Path, folder: Path, schema: LabelSchema | None, split: str, frame: int | None
) -> tuple[dict[str, ReadReference], LabelSchema, list[str]]:
    dataset = cases_in(folder, frame)
    schema = schema or dataset.schema
    cases = dataset.split(split)
    expected = {c.id: _case_reader(c, schema) for c in cases if c.reference is not None}
    _refuse_itself(predictions, (c.reference for c in cases if c.reference is not None))
    without = len(cases) - len(expected)
    if not expected:
        raise InvalidInput(f"{folder} has no reference in the split '{split}' to compare with.")
    notes = [f"{without} case(s) without a reference were not scored."] if without else []
    notes += dataset.notes
    return expected, schema, notes


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


def _schema_of_numbers(paths: Iterable[Path], frame: int | None) -> LabelSchema:
    highest = max(int(_labels(path, frame).array.max()) for path in paths)
    if not 1 <= highest <= MAX_CLASSES:
        raise InvalidInput(
            f"The highest class number in the references is {highest}, expected 1 to "
            f"{MAX_CLASSES}; give the classes in a labels.json beside the files."
        )
    return LabelSchema.of(*(f"class {k}" for k in range(1, highest + 1)), title="Class numbers")


def _volumes(folder: Path) -> dict[str, list[Path]]:
    """The volume files that lie directly in a folder, by name without extension."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        stem = stem_of(path.name, EXTENSIONS)
        if stem and path.is_file() and not path.name.startswith("."):
            found.setdefault(stem, []).append(path)
    return found


def _prediction(case: str, found: dict[str, list[Path]]) -> Path:
    paths = found.get(case, []) + found.get(case + SUFFIX, [])
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
