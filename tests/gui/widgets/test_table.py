"""The table of cells and slices: numbers sort as numbers, rows keep their keys, nothing is cut."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_scribseg.gui.widgets.table import Field, SortedTable

UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder


def row(name: str, number: float) -> tuple[Field, Field]:
    return Field(name, name), Field(f"{number:g} steps", number)


@pytest.fixture
def table(qtbot) -> SortedTable:
    table = SortedTable((("Name", "What it is called"), ("Steps", "How long")))
    qtbot.addWidget(table)
    table.set_rows({"a": row("effdnet", 1000), "b": row("partial_ce", 20), "c": row("wpce", 400)})
    table.show()
    return table


def test_numbers_sort_as_numbers(table):
    assert table.texts(0) == ["effdnet", "partial_ce", "wpce"], "first as they are given"
    table.sortByColumn(1, UP)
    assert table.texts(1) == ["20 steps", "400 steps", "1000 steps"]
    table.sortByColumn(0, DOWN)
    assert table.texts(0) == ["wpce", "partial_ce", "effdnet"]


def test_a_row_keeps_its_key_and_choice_while_it_changes_and_moves(table, qtbot):
    table.sortByColumn(1, UP)
    with qtbot.waitSignal(table.chosen) as chosen:
        table.selectRow(0)
    assert chosen.args == ["b"]
    table.set_rows({"a": row("effdnet", 1), "b": row("partial_ce", 2000), "c": row("wpce", 400)})
    assert table.texts(0) == ["effdnet", "wpce", "partial_ce"]
    assert table.chosen_key() == "b"
    item = table.item(2, 0)
    with qtbot.waitSignal(table.opened) as opened:
        table.itemDoubleClicked.emit(item)
    assert opened.args == ["b"]


def test_other_rows_take_the_place_of_all(table):
    table.set_rows({"d": row("a_method_with_a_very_long_name_indeed", 3)})
    assert table.rowCount() == 1
    assert table.chosen_key() is None
    needed = table.fontMetrics().horizontalAdvance("a_method_with_a_very_long_name_indeed")
    assert table.columnWidth(0) >= needed
