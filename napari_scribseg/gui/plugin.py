"""What napari.yaml points at. Importing it loads nothing else, since napari may do so early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
NoLayer = tuple[None]
"""napari's word for a file that was read and gives no layer."""
Reader = Callable[[str | list[str]], list[LayerData] | list[NoLayer]]

_DICOM_MARK_AT = 128
_MOST_FILES_LOOKED_AT = 20
_DICOM_ENDINGS = (".dcm", ".ima")


def get_reader(path: str | list[str]) -> Reader | None:
    """The reader of volume files and DICOM folders; None for what is neither.

    With the dock open it reads folders of any kind: the dock says what is in them.
    """
    from napari_scribseg.gui.takers import taker_here

    paths = [Path(p) for p in ([path] if isinstance(path, str) else path)]
    if taker_here() is None and any(p.is_dir() and not _has_dicom(p) for p in paths):
        return None
    return read


def read(path: str | list[str]) -> list[LayerData] | list[NoLayer]:
    """The layers of a volume file or DICOM folder; of a list, one series of all of them.

    napari gives a list when files are to be stacked; otherwise it asks for each file alone.

    Raises:
        InvalidInput: one can't be read, or they can't be stacked.
    """
    from napari_scribseg.gui.canvas.opening import layers_of_path, layers_of_stack, note_of
    from napari_scribseg.gui.takers import taker_here

    taker = taker_here()
    if isinstance(path, str) and taker is not None:
        taker([Path(path)])
        return [(None,)]
    if isinstance(path, str):
        file = Path(path)
        made = layers_of_path(file.parent if file.suffix.lower() in _DICOM_ENDINGS else file)
    else:
        made = layers_of_stack([Path(one) for one in path])
    _tell([f"{data[1]['name']}: {note_of(data)}" for data in made if note_of(data)])
    return made


def write_image(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write an image layer with its true geometry; gives the written paths.

    Raises:
        InvalidInput: the layer is no volume or series, or the file can't be written.
    """
    return _write(path, data, meta, "image")


def write_labels(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a labels layer with its true geometry, as uint8 or uint16; gives the written paths.

    Raises:
        InvalidInput: a value is outside 0 to 65535, or the file can't be written.
    """
    return _write(path, data, meta, "labels")


def write_layers(path: str, layers: list[LayerData]) -> list[str]:
    """Write image and labels layers into a folder, one file each; gives the written paths.

    Raises:
        InvalidInput: one of them can't be written.
    """
    from napari_scribseg.gui.canvas.saving import save_layers

    files, notes = save_layers(Path(path), layers, _shown_layers())
    _tell(notes)
    return [str(file) for file in files]


def open_cardiac_sample() -> list[LayerData]:
    """File > Open Sample: a synthetic short-axis heart with scribbles and reference."""
    from napari_scribseg.gui.canvas.opening import layers_of_sample

    return layers_of_sample("cardiac")


def open_prostate_sample() -> list[LayerData]:
    """File > Open Sample: a synthetic prostate with scribbles and reference."""
    from napari_scribseg.gui.canvas.opening import layers_of_sample

    return layers_of_sample("prostate")


def _write(path: str, data: Any, meta: dict[str, Any], kind: str) -> list[str]:
    from napari_scribseg.gui.canvas.saving import save_layer

    _tell(save_layer(Path(path), (data, meta, kind), _shown_layers()))
    return [path]


def _shown_layers() -> list[Any]:
    """The layers in napari's window, if there is one."""
    from napari import current_viewer

    viewer = current_viewer()
    return [] if viewer is None else list(viewer.layers)


def _tell(notes: Sequence[str]) -> None:
    """Show sentences to the user."""
    from napari.utils.notifications import show_info

    for note in notes:
        show_info(note)


def _has_dicom(folder: Path) -> bool:
    """Whether one of the first files of a folder bears the mark of DICOM."""
    files = (file for file in folder.iterdir() if file.is_file())
    for _, file in zip(range(_MOST_FILES_LOOKED_AT), files, strict=False):
        with file.open("rb") as stream:
            stream.seek(_DICOM_MARK_AT)
            if stream.read(4) == b"DICM":
                return True
    return False
