"""A trained model as one file, to be given away: weights and all that prediction needs, no data.

It is a safetensors file. Its header says under "model", as JSON, which structures the model
knows, how an image is prepared for it (`preprocessing` in plain words; `record`, `checkpoint` are
what a run keeps), which method it is with which numbers, and the model card. Under "sha256" is a
sum over that text and all tensors. Nothing in it names a case, file, folder, person or machine.

A folder with a `model.scribseg` in it predicts like a run and receives predictions like one.
Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from napari_scribseg.core.config import explain
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.io.regular_file import read_regular, shown
from napari_scribseg.runs.documents import RunRecord
from napari_scribseg.runs.folder import RunFolder

ENDING: Final = ".scribseg"
IN_FOLDER: Final = f"model{ENDING}"
"""The model of a folder that is no run."""

_MODEL, _SUM = "model", "sha256"
_VERSION: Final = 1
_LENGTH_BYTES: Final = 8
_MOST_HEADER_BYTES: Final = 16 * 1024**2
_MOST_BYTES: Final = 4 * 1024**3


class ModelDocument(BaseModel):
    """What a model file says besides its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = _VERSION
    package_version: str
    """Of the napari-scribseg that wrote it."""
    labels: LabelSchema
    preprocessing: dict[str, Any]
    """How an image is prepared, for people and other programs; ours follows the next two."""
    record: RunRecord
    """Of the run, without what tells of data, people and machines."""
    checkpoint: dict[str, Any]
    """Header of the checkpoint, without what tells of data."""
    card: str
    """The model card, as Markdown."""


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A model file that was read as a whole.

    Args:
        path: of the file.
        document: its header.
        tensors: by name in the method.
    """

    path: Path
    document: ModelDocument
    tensors: dict[str, npt.NDArray[Any]]


def model_path(source: Path | str) -> Path | None:
    """The model file that a path means: itself, or the one in its folder; None where a run is.

    Args:
        source: a file, or a folder.
    """
    path = Path(source)
    if path.is_dir():
        inside = path / IN_FOLDER
        return inside if inside.is_file() and not (path / "run.json").exists() else None
    return path if path.exists() else None


def described(source: Path | str) -> tuple[RunRecord, LabelSchema]:
    """What a run folder, a model file or a folder with one says of itself; no weights are read.

    Raises:
        InvalidInput: it is neither, or damaged, or newer.
    """
    path = model_path(source)
    if path is None:
        run = RunFolder.open(source)
        return run.record, run.schema
    document = read_document(path)
    return document.record, document.labels


def weights_of(source: RunFolder | Path | str) -> Path:
    """The file with the weights that predict: a run's best checkpoint, or the model file."""
    path = None if isinstance(source, RunFolder) else model_path(source)
    if path is not None:
        return path
    return (source if isinstance(source, RunFolder) else RunFolder.open(source)).weights


def read_document(path: Path) -> ModelDocument:
    """The header of a model file; its sum is not checked.

    Raises:
        InvalidInput: it is no model file, or damaged, or newer.
    """
    if not path.is_file():
        read_regular(path)  # says what it is instead
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            text = file.read(size) if size <= _MOST_HEADER_BYTES else b""
    except OSError as error:
        raise InvalidInput(f"{shown(path)} can't be read: {error.strerror}.") from error
    return _document(_header(path, text), path)


def read_model_file(path: Path) -> ModelFile:
    """A model file, with its tensors.

    Raises:
        InvalidInput: it is no model file, or damaged, or newer.
    """
    content = read_regular(path, _MOST_BYTES)
    size = int.from_bytes(content[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + size
    header = _header(path, content[_LENGTH_BYTES:start] if size <= _MOST_HEADER_BYTES else b"")
    document = _document(header, path)
    if header["__metadata__"].get(_SUM) != _sum(header, content[start:]):
        raise _damaged(path, "wrong check sum")
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, type(error).__name__) from error
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise _damaged(path, f"{name} holds numbers that are not finite")
    return ModelFile(path, document, tensors)


def metadata_of(document: ModelDocument, packed: bytes) -> dict[str, str]:
    """The metadata that a safetensors file needs to be a model file.

    Args:
        document: what it says.
        packed: the same tensors as a safetensors file without metadata.
    """
    text = document.model_dump_json()
    start = _LENGTH_BYTES + int.from_bytes(packed[:_LENGTH_BYTES], "little")
    header = {**json.loads(packed[_LENGTH_BYTES:start]), "__metadata__": {_MODEL: text}}
    return {_MODEL: text, _SUM: _sum(header, packed[start:])}


def _sum(header: dict[str, Any], content: bytes) -> str:
    """SHA-256 over what the header says, the table of the tensors, and the tensors."""
    table = {name: entry for name, entry in header.items() if name != "__metadata__"}
    digest = hashlib.sha256(header["__metadata__"][_MODEL].encode())
    digest.update(json.dumps(table, sort_keys=True).encode())
    digest.update(content)
    return digest.hexdigest()


def _header(path: Path, text: bytes) -> dict[str, Any]:
    """The header of a safetensors file that holds a model."""
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        header = None
    told: Any = header.get("__metadata__") if isinstance(header, dict) else None
    if isinstance(told, dict) and isinstance(told.get(_MODEL), str):
        return cast("dict[str, Any]", header)
    if isinstance(told, dict) and "info" in told:
        raise InvalidInput(
            f"{shown(path)} is a checkpoint of a run and says too little alone: give the run "
            "folder, or export the run with `scribseg export-model`."
        )
    raise InvalidInput(
        f"{shown(path)} is not a model of napari-scribseg, or its beginning is damaged; expected a "
        f"file *{ENDING} of `scribseg export-model`. Models of other programs are not read, since "
        "many kinds (.pt, .pth, .pkl) can run code."
    )


def _document(header: dict[str, Any], path: Path) -> ModelDocument:
    text = header["__metadata__"][_MODEL]
    try:
        version = json.loads(text).get("version")
    except (ValueError, RecursionError, AttributeError) as error:
        raise _damaged(path, "its description is no JSON object") from error
    if isinstance(version, int) and version > _VERSION:
        raise InvalidInput(
            f"{shown(path)} was written by a newer napari-scribseg (model version {version}, this "
            f"one knows {_VERSION}); update napari-scribseg to use it."
        )
    try:
        return ModelDocument.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise _damaged(path, explain(error, ModelDocument).rstrip(".")) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _damaged(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"The model {shown(path)} is damaged ({why}). Copy or download it again, or ask for it."
    )
