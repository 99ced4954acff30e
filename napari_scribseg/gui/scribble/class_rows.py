"""The classes while they are edited: rows that refer to each other by place, not by name.

So a structure can be renamed while another one says that it lies inside of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from napari_scribseg.core.labels import LabelClass, LabelSchema


@dataclass(frozen=True)
class ClassRow:
    """One class.

    Args:
        name: as typed.
        color: #rrggbb.
        one_piece: see `LabelClass`.
        inside: place of the class that it lies inside of, from 0; None = nothing said.
        touches: places of the classes that it touches.
        most_ml: see `LabelClass`.
    """

    name: str
    color: str
    one_piece: bool = False
    inside: int | None = None
    touches: tuple[int, ...] = ()
    most_ml: float | None = None


def rows_of(schema: LabelSchema) -> list[ClassRow]:
    """The rows to begin with."""
    place = {item.name: i for i, item in enumerate(schema.classes)}
    return [
        ClassRow(
            item.name,
            item.color,
            item.one_piece,
            None if item.inside is None else place[item.inside],
            tuple(place[name] for name in item.touches),
            item.most_ml,
        )
        for item in schema.classes
    ]


def schema_of(title: str, rows: Sequence[ClassRow]) -> LabelSchema | None:
    """The classes; None while a name is missing, too long or there twice."""
    names = [row.name.strip() for row in rows]
    try:
        return LabelSchema(
            title=title.strip(),
            classes=tuple(
                LabelClass(
                    name=name,
                    color=row.color,
                    one_piece=row.one_piece,
                    inside=None if row.inside is None else names[row.inside],
                    touches=tuple(names[i] for i in row.touches),
                    most_ml=row.most_ml,
                )
                for name, row in zip(names, rows, strict=True)
            ),
        )
    except ValidationError:
        return None


def without_row(rows: Sequence[ClassRow], gone: int) -> list[ClassRow]:
    """The rows after one is removed; what was said of others with it is no longer said."""

    def moved(place: int) -> int:
        return place - (place > gone)

    return [
        replace(
            row,
            inside=None if row.inside in (None, gone) else moved(row.inside),
            touches=tuple(moved(place) for place in row.touches if place != gone),
        )
        for i, row in enumerate(rows)
        if i != gone
    ]
