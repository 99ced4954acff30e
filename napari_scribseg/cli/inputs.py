"""What predict is given: files, folders, datasets and projects become images with an id each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scribseg.core.errors import InvalidInput

if TYPE_CHECKING:
    from napari_scribseg.core.region import Region
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.data.case import CaseFiles, Dataset


@dataclass(frozen=True)
class Item:
    """One thing to predict.

    Args:
        id: what its files are called.
        place: where it lies: the file or DICOM folder, or the dataset and its id there.
        read: reads its image.
        is_listed: whether it is a case of a dataset or project.
        name: of the file or folder, where the id is a hash, with folders that tell it from others:
            for the screen only.
        image: the file or DICOM folder.
        frame: of it, where it is a time series.
        region: outside of which everything is background.
    """

    id: str
    place: Path
    read: Callable[[], Volume]
    is_listed: bool = False
    name: str = ""
    image: Path | None = None
    frame: int | None = None
    region: Region | None = None


@dataclass(frozen=True)
class Items:
    """The things to predict, and what was noticed where they came from."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


def items_of(
    inputs: list[Path], split: str, frame: int | None, sequences: tuple[str, ...] = ()
) -> Items:
    """What to predict, each with an id of its own; what is given twice is predicted once.

    Args:
        inputs: as they were given.
        split: of a dataset.
        frame: of time series.
        sequences: that the model has learnt: no others are read.

    Raises:
        InvalidInput: an input is not there.
    """
    from napari_scribseg.data.names import distinct_ids, told_apart

    found = [_found_in(path, split, frame, sequences) for path in inputs]
    given = [item for one in found for item in one.items]
    items = list({(i.is_listed, os.path.realpath(i.place)): i for i in given}.values())
    series = {item.id for item in items if item.place.is_dir()}
    places = [item.place.absolute() for item in items]
    names = [item.id for item in items]
    ids = distinct_ids(names, places, series)
    named = tuple(
        replace(item, id=each, name=_name_behind(item, each, called))
        for item, each, called in zip(items, ids, told_apart(names, places), strict=True)
    )
    return Items(named, tuple(note for one in found for note in one.notes))


def _name_behind(item: Item, given: str, called: str) -> str:
    """What an item with a hash for its id is called on the disk; "" where the id tells it.

    Args:
        item: whose own name may be harmless (image), while its folder's is a patient's.
        given: its id among the others.
        called: what tells it from the others, with folders in front where it takes them.
    """
    is_told_by_folder = called != item.id and given != called.replace("/", "_")
    return called if is_told_by_folder else item.name


def _found_in(path: Path, split: str, frame: int | None, sequences: tuple[str, ...]) -> Items:
    from napari_scribseg.data.names import few, stem_of, volumes_in
    from napari_scribseg.io import EXTENSIONS, IMAGE_EXTENSIONS
    from napari_scribseg.project.folder import cases_in
    from napari_scribseg.project.open_document import is_project

    if not path.exists():
        raise InvalidInput(
            f"{path} does not exist; expected an image file, a folder of images or of one DICOM "
            "series, a dataset or a project."
        )
    files = volumes_in(path, EXTENSIONS)
    documents = (path / "dataset.json", path / "dataset_description.json")
    is_described = is_project(path) or any(document.exists() for document in documents)
    # A folder that only has folders is no DICOM series: the layouts are told.
    has_images = (path / "images").is_dir()
    if is_described or has_images or (not files and _has_folders(path)):
        holding = [] if is_described or has_images else _folders_with_volumes(path)
        if holding:
            raise InvalidInput(
                f"{path} is no dataset; {few(holding)} in it hold images, but one may be a scan "
                "and another what was drawn on it. Give the images themselves, or the folders "
                "that hold only images; a line may name many."
            )
        return dataset_items(cases_in(path, frame), split, sequences)
    if split != "all":
        raise InvalidInput(f"{path} is no dataset and has no split '{split}'.")
    if len(sequences) > 1 and (items := _items_of_channels(path, files, sequences)):
        return items
    if not files:
        stem = path.name if path.is_dir() else stem_of(path.name, IMAGE_EXTENSIONS)
        return Items((_item_of_file(stem or path.name, path, frame),))
    items = [_item_of_file(stem, file, frame) for stem, file in files.items()]
    taken = (
        f"The only volume of {path} is taken for an image."
        if len(items) == 1
        else f"All {len(items)} volumes of {path} are taken for images."
    )
    return Items(tuple(items), (taken,))


def _items_of_channels(
    path: Path, files: dict[str, Path], sequences: tuple[str, ...]
) -> Items | None:
    """Files called like nnU-Net's channels (case1_0000, case1_0001), in the order of the model.

    One such file stands for the others beside it.
    """
    from napari_scribseg.data.case import CaseFiles
    from napari_scribseg.data.names import volumes_in
    from napari_scribseg.data.pseudonyms import safe_id
    from napari_scribseg.data.sequences import BY_NUMBERS, channel_cases
    from napari_scribseg.io import EXTENSIONS, extension_of

    ending = extension_of(path) or ""
    if path.is_file() and path.name.endswith(f"_0000{ending}"):
        beside = volumes_in(path.parent, EXTENSIONS)
        begin = path.name.removesuffix(f"_0000{ending}")
        files = {name: file for name, file in beside.items() if name[:-5] == begin}
    found = channel_cases(files, sequences) if files else None
    if found is None:
        return None
    cases = [
        CaseFiles(id=safe_id(name), patient=name, **of_case) for name, of_case in found.items()
    ]
    items = tuple(Item(case.id, case.image, case.read_image, image=case.image) for case in cases)
    order = ", ".join(f"_{number:04d} for {name}" for number, name in enumerate(sequences))
    return Items(items, (f"{BY_NUMBERS}: {order}.",))


def _item_of_file(name: str, path: Path, frame: int | None) -> Item:
    from napari_scribseg.data.pseudonyms import renamed_from, safe_id

    def read() -> Volume:
        from napari_scribseg.io import frame_count, read_volume

        is_series = frame is not None and frame_count(path) > 1
        return read_volume(path, frame=frame if is_series else None)

    given = renamed_from(safe_id(name, series=path.is_dir()), path)
    return Item(name, path, read, name=given, image=path, frame=frame)


def dataset_items(dataset: Dataset, split: str, sequences: tuple[str, ...] = ()) -> Items:
    """The images of one split of a dataset; of named sequences those alone, see `items_of`."""
    from napari_scribseg.data.pseudonyms import renamed_from
    from napari_scribseg.data.sequences import seen_by

    # Drawings don't matter for prediction, so a bad one must not prevent it.
    bare = {"scribbles": None, "reference": None}
    images = [seen_by(case.model_copy(update=bare), sequences) for case in dataset.split(split)]

    def reader(files: CaseFiles) -> Callable[[], Volume]:
        return lambda: files.load(dataset.schema).image

    items = [
        Item(
            files.id,
            dataset.folder / files.id,
            reader(files),
            is_listed=True,
            name=renamed_from(files.id, files.image),
            image=files.image,
            frame=files.frame,
            region=files.region,
        )
        for files in images
    ]
    return Items(tuple(items), dataset.notes)


def _folders_with_volumes(folder: Path) -> list[str]:
    """Names of the folders in a folder that hold volume files, such as one per patient."""
    from napari_scribseg.data.names import volumes_in
    from napari_scribseg.io import EXTENSIONS

    children = sorted(child for child in folder.iterdir() if child.is_dir())
    return [child.name for child in children if volumes_in(child, EXTENSIONS)]


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any(child.is_dir() for child in folder.iterdir())
