"""JSON documents: read strictly, as plain data or as frozen models with a version.

A newer program's document is refused and never saved over: it may hold what we'd lose.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from napari_scribseg.core.config import explain
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.atomic import write_text
from napari_scribseg.io.regular_file import read_regular, reason, shown

MAX_DOCUMENT_BYTES: Final = 16 * 1024**2
_MAX_DEPTH: Final = 64

Model = TypeVar("Model", bound=BaseModel)


def read_json(path: str | Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InvalidInput: the file can't be read, is larger than 16 MB, is not UTF-8 or not JSON, is
            not an object, is nested too deeply, or has NaN, infinity, a key twice in one object,
            or half a character (a lone surrogate).
    """
    return _parse(_text(path), path)


def load_document(path: str | Path, model: type[Model]) -> Model:
    """The document in a file, as a checked model.

    Args:
        path: a JSON file.
        model: has a field `version: Literal[1]` (or more versions). Types are strict: true is not
            1, "1" is not 1.

    Raises:
        InvalidInput: see `read_json`; or the document is of a newer version, has none, or has a
            field that is unknown, missing or of the wrong type.
    """
    text = _text(path)
    _check_version(_parse(text, path), model, path)
    return _validated(text, model, path)


def save_document(path: str | Path, document: BaseModel) -> None:
    """Write a model with a version as JSON, so that `load_document` gives an equal one.

    Raises:
        InvalidInput: the file could not be written (the old one is untouched), the document in
            its place is of a newer version, or the model doesn't survive JSON (NaN, too large).
    """
    model = type(document)
    try:
        text = document.model_dump_json(indent=2) + "\n"
    except ValueError as error:
        raise InvalidInput(f"{shown(path)} was not saved: {reason(error)}.") from error
    if len(text.encode()) > MAX_DOCUMENT_BYTES:
        raise InvalidInput(f"{shown(path)} was not saved: the document is larger than 16 MB.")
    _check_version(_parse(text, path), model, path)
    if _validated(text, model, path) != document:
        raise InvalidInput(
            f"{shown(path)} was not saved: the document would not be read back equal."
        )
    _refuse_newer(path, model)
    write_text(path, text)


def _text(path: str | Path) -> str:
    try:
        return read_regular(path, MAX_DOCUMENT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{shown(path)} is not text in UTF-8 (byte {error.start}), expected a JSON document."
        ) from error


def _parse(text: str, path: str | Path) -> dict[str, Any]:
    try:
        document = json.loads(
            text,
            parse_constant=_no_constant,
            parse_float=_finite,
            object_pairs_hook=_object,
        )
        _check_strings(document, 0)
    except RecursionError as error:
        raise InvalidInput(
            f"{shown(path)} is nested too deeply for a JSON document of ours."
        ) from error
    except ValueError as error:
        raise InvalidInput(f"{shown(path)} is not valid JSON: {reason(error)}.") from error
    if not isinstance(document, dict):
        raise InvalidInput(
            f"{shown(path)} holds a {type(document).__name__}, expected a JSON object."
        )
    return document


def _validated(text: str, model: type[Model], path: str | Path) -> Model:
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise InvalidInput(f"{shown(path)}: {explain(error, model)}") from error


def _check_version(document: dict[str, Any], model: type[BaseModel], path: str | Path) -> None:
    known: tuple[int, ...] = get_args(model.model_fields["version"].annotation)
    version = document.get("version")
    if isinstance(version, int) and not isinstance(version, bool):
        if version > max(known):
            raise InvalidInput(
                f"{shown(path)} was written by a newer napari-scribseg (document version "
                f"{version}, this one knows {max(known)}); update napari-scribseg to use it."
            )
        if version in known:
            return
    raise InvalidInput(
        f"{shown(path)} has the document version {version!r}, expected one of {list(known)}; it is "
        "not a document of this kind."
    )


def _refuse_newer(path: str | Path, model: type[BaseModel]) -> None:
    """Refuse to write over a newer document; anything else that lies there may be replaced."""
    if not Path(path).is_file():
        return
    try:
        there = read_json(path)
    except InvalidInput:
        return
    version = there.get("version")
    if isinstance(version, int) and version > max(
        get_args(model.model_fields["version"].annotation)
    ):
        _check_version(there, model, path)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} is there twice")
    return document


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _check_strings(value: Any, depth: int) -> None:
    """Raises ValueError for a lone surrogate in any text, RecursionError when nested deeply."""
    if depth > _MAX_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode("utf-8")
            _check_strings(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_strings(item, depth + 1)
