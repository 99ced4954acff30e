"""Classes while they are edited."""

from __future__ import annotations

from dataclasses import replace

from napari_scribseg.core.labels import PRESETS
from napari_scribseg.gui.scribble.class_rows import rows_of, schema_of, without_row

HEART = PRESETS["cardiac"]


def test_untouched_rows_are_the_schema() -> None:
    assert schema_of(HEART.title, rows_of(HEART)) == HEART


def test_a_renamed_wall_is_still_what_the_cavity_lies_inside_of() -> None:
    rows = rows_of(HEART)
    rows[1] = replace(rows[1], name="wall")
    schema = schema_of("t", rows)
    assert schema is not None
    assert [item.inside for item in schema.classes] == [None, None, "wall"]
    assert schema.classes[0].touches == ("wall",)


def test_what_was_said_with_a_removed_class_is_no_longer_said() -> None:
    schema = schema_of("t", without_row(rows_of(HEART), 1))
    assert schema is not None
    assert [(item.name, item.inside, item.touches) for item in schema.classes] == [
        ("RV", None, ()),
        ("LV", None, ()),
    ]


def test_places_move_up_with_a_removed_class() -> None:
    rows = without_row(rows_of(HEART), 0)
    assert [row.inside for row in rows] == [None, 0]


def test_a_missing_name_gives_no_schema() -> None:
    rows = rows_of(HEART)
    rows[0] = replace(rows[0], name=" ")
    assert schema_of("t", rows) is None
