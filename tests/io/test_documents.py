"""JSON documents: strict when read, equal when read again, newer ones left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.documents import load_document, read_json, save_document


class Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    count: int
    share: float = 0.5
    where: Path = Path("a")
    sizes: tuple[int, int] = (1, 2)


GOOD = '{"version": 1, "count": 3}'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.json"


def test_a_saved_model_is_read_back_equal(path):
    note = Note(count=3, share=0.1 + 0.2, where=Path("b/ü"), sizes=(4, 5))
    save_document(path, note)
    assert load_document(path, Note) == note
    assert read_json(path)["sizes"] == [4, 5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ('{"a": 1', "not valid JSON"),
        ("[1]", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "1" * 5000 + "}", "not valid JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' is there twice"),
        ('{"b": {"a": 1, "a": 1}}', "'a' is there twice"),
        ('{"a": "\\ud800"}', "not valid JSON"),
        ('{"\\udfff": 1}', "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 100 + "1" + "}" * 100, "nested too deeply"),
        ('{"a": "\n"}', "not valid JSON"),
    ],
)
def test_json_that_is_not_strict_is_refused(path, text, words):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=words):
        read_json(path)


def test_other_files_are_refused(path, tmp_path):
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_json(path)
    with path.open("wb") as file:
        file.truncate(17 * 1024**2)
    with pytest.raises(InvalidInput, match="17 MB|18 MB"):
        read_json(path)
    for strange in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InvalidInput):
            read_json(strange)


def test_a_byte_order_mark_does_no_harm(path):
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"version": 2, "count": 3}', "newer napari-scribseg"),
        ('{"version": 99, "unheard": 3}', "newer napari-scribseg"),
        ('{"count": 3}', "version None"),
        ('{"version": true, "count": 3}', "version True"),
        ('{"version": 1.0, "count": 3}', "version 1.0"),
        ('{"version": "1", "count": 3}', "version '1'"),
        ('{"version": 0, "count": 3}', "version 0"),
        ('{"version": 1}', "count"),
        ('{"version": 1, "count": true}', "count"),
        ('{"version": 1, "count": "3"}', "count"),
        ('{"version": 1, "count": 3.0}', "count"),
        ('{"version": 1, "count": 3, "share": "0.5"}', "share"),
        ('{"version": 1, "count": 3, "sizes": [1]}', "sizes"),
        ('{"version": 1, "count": 3, "colour": 1}', "colour"),
    ],
)
def test_documents_of_another_kind_are_refused_by_name(path, text, words):
    path.write_text(text)
    with pytest.raises(InvalidInput, match=words):
        load_document(path, Note)


def test_a_newer_document_is_never_saved_over(path):
    text = '{"version": 2, "more": "that we know nothing of"}'
    path.write_text(text)
    with pytest.raises(InvalidInput, match="newer"):
        save_document(path, Note(count=1))
    assert path.read_text() == text


def test_a_damaged_document_may_be_replaced(path):
    path.write_text("{")
    save_document(path, Note(count=1))
    assert load_document(path, Note).count == 1


def test_a_model_that_json_can_not_hold_is_not_saved(path):
    path.write_text(GOOD)
    with pytest.raises(InvalidInput):
        save_document(path, Note(count=1, share=float("nan")))
    with pytest.raises(InvalidInput):
        save_document(path, Note(count=1, where=Path("\ud800")))
    assert load_document(path, Note).count == 3
