"""Sweeps: one method once for every value of a setting, or for every combination of several."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from napari_scribseg.core.config import parse_assignments
from napari_scribseg.core.errors import InvalidInput

MOST_ROWS: Final = 1000
"""Of one experiment, see `Recipe`."""
_LONGEST_LABEL: Final = 40

Choice = dict[str, Any]
"""A `MethodChoice` as plain data."""
Grid = Mapping[str, Sequence[Any]]
"""Values by the name of the setting."""


def parse_sweeps(words: Sequence[str], labels: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """The grid of every label, of words like "blocks=4,8,16" and "slow.blocks=4,8".

    Args:
        words: a setting of all methods or, with "LABEL.", of one, and its values.
        labels: of the methods that there are.

    Raises:
        InvalidInput: a word is no such thing, a setting is swept twice, or a label isn't there.
    """
    grids: dict[str, dict[str, list[Any]]] = {label: {} for label in labels}
    for word in words:
        key, equals, text = word.partition("=")
        label, dot, name = key.rpartition(".")
        values = [value.strip() for value in text.split(",") if value.strip()]
        if not equals or not name or len(values) < 2 or len(set(values)) < len(values):
            raise InvalidInput(
                f"--sweep {word!r} can't be used: expected KEY=VALUE,VALUE,... with two different "
                "values or more, such as blocks=4,8,16."
            )
        if dot and label not in grids:
            raise InvalidInput(f"--sweep {word!r} is for the method {label}, which isn't there.")
        parsed = [parse_assignments([f"{name}={value}"])[name] for value in values]
        for each in [label] if dot else labels:
            if name in grids[each]:
                raise InvalidInput(f"{name} is swept twice for {each}; give its values once.")
            grids[each][name] = parsed
    return {label: grid for label, grid in grids.items() if grid}


def swept(choice: Choice, grid: Grid) -> list[Choice]:
    """The rows of a method with every combination of the values of a grid.

    Labels say the values: effdnet.blocks_4; where that is too long they are numbered, and the
    recipe has the values.

    Raises:
        InvalidInput: the method sets one of the settings itself, or there are too many rows.
    """
    twice = sorted(set(grid) & set(choice["settings"]))
    if twice:
        raise InvalidInput(
            f"{choice['label']}: {twice[0]} is both set and swept; leave one of the two out."
        )
    combinations = [dict(zip(grid, one, strict=True)) for one in itertools.product(*grid.values())]
    if len(combinations) > MOST_ROWS:
        raise InvalidInput(
            f"{choice['label']}: {len(combinations)} combinations of values, more than the "
            f"{MOST_ROWS} that an experiment can have; sweep fewer values."
        )
    labels = [_label(choice["label"], values) for values in combinations]
    if max(map(len, labels)) > _LONGEST_LABEL or len(set(labels)) < len(labels):
        stem = choice["label"][: _LONGEST_LABEL - 5]
        labels = [f"{stem}.{number}" for number in range(1, len(labels) + 1)]
    return [
        {**choice, "label": label, "settings": {**choice["settings"], **values}}
        for label, values in zip(labels, combinations, strict=True)
    ]


def _label(label: str, values: Mapping[str, Any]) -> str:
    told = (f"{name}_{value}".replace("-", "m") for name, value in values.items())
    return ".".join([label, *(re.sub(r"[^A-Za-z0-9._]", "", word) for word in told)])
