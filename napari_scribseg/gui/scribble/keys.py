"""The keys of drawing, and what the user made of them in napari's Preferences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from napari_scribseg.gui.scribble.presenter import KeyAction

DEFAULTS: Final[dict[KeyAction, str]] = {
    "previous_slice": "A",
    "next_slice": "D",
    "fill_contour": "C",
    "interpolate": "I",
    "carry": "R",
    "grow": "G",
    "accept": "Y",
    "drop": "U",
    "keyboard_pen": "K",
    "nothing_here": "O",
    "sphere": "S",
    "planes": "T",
    "levels": "W",
    "unsure": "J",
}
"""Letters that napari leaves free on a labels layer. The same names stand in napari.yaml."""

ALSO: Final[dict[KeyAction, str]] = {"previous_slice": "PageUp", "next_slice": "PageDown"}
"""Second keys, which can't be changed."""


def chosen_keys() -> dict[KeyAction, str]:
    """The key of every action; the default where napari keeps no settings (before 0.9)."""
    stored = _stored()
    keys = {
        action: str(stored.get(action) or DEFAULTS[action]).strip()
        for action in get_args(KeyAction)
    }
    taken = list(keys.values())
    return {
        action: key if usable(key) and taken.count(key) == 1 else DEFAULTS[action]
        for action, key in keys.items()
    }


def usable(key: str) -> bool:
    """Whether a key is one letter or a function key, which are the ones that may be chosen."""
    function_key = key[:1] == "F" and key[1:].isdigit() and 1 <= int(key[1:]) <= 12
    return function_key or (len(key) == 1 and key.isalpha() and key.isascii() and key.isupper())


def _stored() -> Mapping[str, Any]:
    try:
        from napari.settings import get_plugin_settings

        kept: Any = get_plugin_settings("napari-scribseg")
        return kept.drawing_keys.model_dump()
    except (ImportError, KeyError, AttributeError, ValueError):
        return {}
