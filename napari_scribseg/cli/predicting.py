"""predict and evaluate: from a trained run to segmentations, and from those to scores."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scribseg.cli.answer import Answer, columns, new_folder, refuse_existing, told_names
from napari_scribseg.cli.progress import Display
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import CONVENTIONS
from napari_scribseg.data.names import few
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import described
from napari_scribseg.runs.worker import sentence_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_scribseg.core.volume import Grid, Volume
    from napari_scribseg.data.case import CaseFiles, Dataset
    from napari_scribseg.training.predict import Prediction


@dataclass(frozen=True)
class Item:
    """One thing to predict.

    Args:
        id: what its files are called.
        place: where it lies: the file or DICOM folder, or the dataset and its id there.
        read: reads its image.
        is_listed: whether it is a case of a dataset or project.
        name: of the file or folder, where the id is a hash: for the screen only.
    """

    id: str
    place: Path
    read: Callable[[], Volume]
    is_listed: bool = False
    name: str = ""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add predict and evaluate."""
    predict = commands.add_parser(
        "predict",
        parents=[common],
        help="segment images with a trained run or a model file",
        description="Segment images with a trained run or a model file: <case id>.nii.gz on the "
        "grid of the image; images of one name get their folders in front, p1_image.nii.gz and "
        "p2_image.nii.gz. "
        "An image that can't be segmented does not stop the others (exit code 1 then).",
    )
    predict.add_argument("folder", metavar="RUN", type=Path, help="a run folder or a model file")
    predict.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        type=Path,
        help="image files, folders of one DICOM series, dataset or project folders",
    )
    predict.add_argument("--out", required=True, type=Path, help="a new folder")
    predict.add_argument("--split", default="all", help="part of a dataset folder; default: all")
    predict.add_argument(
        "--probabilities", action="store_true", help="also write one map per class, 0 to 1"
    )
    predict.add_argument("--uncertainty", action="store_true", help="also write a map, 0 to 1")
    predict.add_argument(
        "--largest-component",
        action="store_true",
        help="keep only the largest piece of each class (off: no method here does it)",
    )
    predict.add_argument(
        "--fill-holes",
        action="store_true",
        help="fill background that a slice's structures enclose (off, likewise)",
    )
    predict.add_argument(
        "--slice", type=int, metavar="N", help="only this slice (from 0), as of the whole volume"
    )
    predict.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    predict.set_defaults(run=run_predict)

    evaluate = commands.add_parser(
        "evaluate",
        parents=[common],
        help="compare segmentations with references",
        description="Compare segmentations with references: Dice, HD95, ASSD, precision, recall "
        "and volume per class and case. A missing segmentation counts as Dice 0, a reference that "
        "can't be used is left out of the means; both are listed (exit code 1).",
    )
    evaluate.add_argument("predictions", metavar="PREDICTIONS", type=Path, help="what to judge")
    evaluate.add_argument(
        "references",
        metavar="REFERENCES",
        type=Path,
        help="a dataset folder, or a folder of label files of the same names",
    )
    evaluate.add_argument("--out", required=True, type=Path, help="a new folder for the tables")
    evaluate.add_argument("--split", default="all", help="part of a dataset folder; default: all")
    evaluate.add_argument(
        "--convention",
        choices=tuple(CONVENTIONS),
        help="how the references are written, if they are scribbles or label only some of the "
        "voxels; scores are then of the labelled voxels alone",
    )
    evaluate.set_defaults(run=run_evaluate)


def run_predict(arguments: argparse.Namespace, display: Display) -> Answer:
    """Segment the inputs."""
    described(arguments.folder)  # before torch is loaded
    refuse_existing(arguments.out)
    return predict_into(
        arguments.folder,
        _items(arguments.inputs, arguments.split),
        arguments.out,
        display,
        device=arguments.device,
        probabilities=arguments.probabilities,
        uncertainty=arguments.uncertainty,
        z=arguments.slice,
        cleaning=PostProcessing(
            largest_component=arguments.largest_component, fill_holes=arguments.fill_holes
        ),
    )


def predict_into(
    source: RunFolder | Path,
    items: Sequence[Item],
    folder: Path,
    display: Display,
    *,
    device: str = "auto",
    probabilities: bool = False,
    uncertainty: bool = False,
    z: int | None = None,
    cleaning: PostProcessing = PostProcessing(),  # noqa: B008  frozen
) -> Answer:
    """Segment every item into a new folder; what fails is told at the end.

    `source` is what `engine.predict.load_model` takes.
    """
    from napari_scribseg.io.documents import save_document
    from napari_scribseg.training.predict import load_model, predict_case

    schema = source.schema if isinstance(source, RunFolder) else described(source)[1]
    model = load_model(source, device=device)
    out = new_folder(folder)
    save_document(out / "labels.json", schema)
    save_document(out / "post_processing.json", cleaning)
    written: dict[str, list[str]] = {}
    failures: dict[str, str] = {}
    notes: dict[str, list[str]] = {}
    interrupted = False
    for done, item in enumerate(items):
        display.count(f"segmenting {item.id},", done, len(items))
        try:
            prediction = predict_case(model, item.read(), z)
            names = schema.names if probabilities else ()
            maps = _maps(item.id, prediction, cleaning, names, uncertainty=uncertainty)
            written[item.id] = _write(out, maps, prediction.grid)
            notes |= {item.id: list(prediction.notes)} if prediction.notes else {}
        except KeyboardInterrupt:
            interrupted = True
            break
        except Exception as error:  # noqa: BLE001  one bad image must not cost the others
            failures[item.id] = sentence_of(error)
    document = {
        "out": out,
        "post_processing": cleaning.model_dump(),
        "inputs": {item.id: item.place for item in items},
        "written": written,
        "failed": failures,
        "notes": notes,
        "not_done": [i.id for i in items if i.id not in written and i.id not in failures],
    }
    problems = [f"{case}: {reason}" for case, reason in failures.items()]
    if interrupted:
        problems.append(f"Interrupted after {len(written)} of {len(items)} images.")
    code = 130 if interrupted else 1 if failures else 0
    text = f"{len(written)} of {len(items)} images segmented, in {out}."
    names = told_names({item.id: item.name for item in items if item.name})
    text = "\n".join([text + names, *_told_once(notes)])
    return Answer(document, text, tuple(problems), code)


def _told_once(notes: dict[str, list[str]]) -> list[str]:
    """The notes on images, each sentence once with the images that it is true of."""
    cases: dict[str, list[str]] = {}
    for case, sentences in notes.items():
        for sentence in sentences:
            cases.setdefault(sentence, []).append(case)
    return [f"Note on {few(which)}: {sentence}" for sentence, which in cases.items()]


def _items(inputs: list[Path], split: str) -> list[Item]:
    """What to predict, each with an id of its own; what is given twice is predicted once.

    Raises:
        InvalidInput: an input is not there.
    """
    from napari_scribseg.data.names import distinct_ids

    given = [item for path in inputs for item in _items_of(path, split)]
    items = list({(i.is_listed, os.path.realpath(i.place)): i for i in given}.values())
    series = {item.id for item in items if item.place.is_dir()}
    places = [item.place.absolute() for item in items]
    ids = distinct_ids([item.id for item in items], places, series)
    return [replace(item, id=each) for item, each in zip(items, ids, strict=True)]


def _items_of(path: Path, split: str) -> list[Item]:
    from napari_scribseg.data.dataset import read_dataset
    from napari_scribseg.data.names import stem_of
    from napari_scribseg.data.pseudonyms import renamed_from, safe_id
    from napari_scribseg.io import EXTENSIONS, read_volume

    if not path.exists():
        raise InvalidInput(f"{path} does not exist; expected an image file or a dataset folder.")
    if (path / "project.json").is_file():
        from napari_scribseg.project.folder import Project

        with Project.open(path, read_only=True) as project:
            return dataset_items(project.dataset(), split)
    if path.is_dir() and _looks_like_a_dataset(path):
        return dataset_items(read_dataset(path), split)
    if split != "all":
        raise InvalidInput(f"{path} is a single image and has no split '{split}'.")
    stem = path.name if path.is_dir() else stem_of(path.name, EXTENSIONS)
    name = stem or path.name
    case = safe_id(name, series=path.is_dir())
    return [Item(name, path, lambda: read_volume(path), name=renamed_from(case, path))]


def dataset_items(dataset: Dataset, split: str) -> list[Item]:
    """The images of one split of a dataset."""
    from napari_scribseg.data.pseudonyms import renamed_from

    # Drawings don't matter for prediction, so a bad one must not prevent it.
    bare = {"scribbles": None, "reference": None}
    images = [case.model_copy(update=bare) for case in dataset.split(split)]

    def reader(files: CaseFiles) -> Callable[[], Volume]:
        return lambda: files.load(dataset.schema).image

    return [
        Item(
            files.id,
            dataset.folder / files.id,
            reader(files),
            is_listed=True,
            name=renamed_from(files.id, files.image),
        )
        for files in images
    ]


def _looks_like_a_dataset(folder: Path) -> bool:
    # Anything that is not only files: a DICOM series has no folders inside.
    has_folders = any(child.is_dir() for child in folder.iterdir())
    return has_folders or (folder / "dataset.json").is_file()


def _maps(
    case: str,
    prediction: Prediction,
    cleaning: PostProcessing,
    names: tuple[str, ...],
    *,
    uncertainty: bool,
) -> dict[str, npt.NDArray[Any]]:
    """The arrays to write, by file name without ending; `names`: classes of wanted maps."""
    from napari_scribseg.data.names import distinct_slugs

    segmentation = cleaning.applied(prediction.segmentation)
    maps: dict[str, npt.NDArray[Any]] = {case: segmentation}
    for k, name in enumerate(distinct_slugs(names)):
        maps[f"{case}_probabilities_{name}"] = prediction.probabilities[k]
    if uncertainty:
        maps[f"{case}_uncertainty"] = prediction.uncertainty
    return maps


def _write(folder: Path, maps: dict[str, npt.NDArray[Any]], grid: Grid) -> list[str]:
    """Write arrays as volumes and give the names of the files."""
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.io import write_volume

    for name, array in maps.items():
        path = folder / f"{name}.nii.gz"
        if path.exists():
            raise InvalidInput(f"{path.name} belongs to another input already; rename one of them.")
        write_volume(path, Volume(array, grid))
    return [f"{name}.nii.gz" for name in maps]


def run_evaluate(arguments: argparse.Namespace, display: Display) -> Answer:
    """Score a folder of segmentations."""
    return evaluate_into(
        arguments.predictions,
        arguments.references,
        arguments.out,
        display,
        split=arguments.split,
        convention=arguments.convention,
    )


def evaluate_into(
    predictions: Path,
    references: Path,
    out: Path,
    display: Display,
    *,
    split: str,
    convention: str | None = None,
) -> Answer:
    """Score a folder of segmentations, with tables in a new folder."""
    from napari_scribseg.evaluation.folders import evaluate_folders
    from napari_scribseg.evaluation.tables import document, sentences, table

    refuse_existing(out)
    evaluation = evaluate_folders(
        predictions,
        references,
        out=out,
        split=split,
        convention=convention,
        progress=lambda done, total: display.count("comparing", done, total),
    )
    problems = (
        *(f"{f.case}: {f.reason}" for f in evaluation.failures),
        *(f"{u.case} has no usable reference: {u.reason}" for u in evaluation.unusable),
    )
    text = "\n".join(
        [
            columns(table(evaluation)),
            "",
            *sentences(evaluation),
            f"The tables are in {out}.",
        ]
    )
    answer = {**document(evaluation), "out": out}
    return Answer(answer, text, problems, 1 if problems else 0)
