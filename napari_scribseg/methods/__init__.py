"""The methods, listed by hand; each is one file."""

from __future__ import annotations

from napari_scribseg.errors import InvalidInput
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.effdnet import EFFDNet
from napari_scribseg.methods.partial_ce import PartialCE, PartialCEDice
from napari_scribseg.methods.random_walker import RandomWalker

METHODS: tuple[type[Method], ...] = (RandomWalker, PartialCE, PartialCEDice, EFFDNet)
"""Every method there is; the first one is what we propose to somebody who has no opinion."""


def method_named(name: str) -> type[Method]:
    """The method of this name.

    Raises:
        InvalidInput: there is none; the message lists those that exist.
    """
    for method in METHODS:
        if method.name == name:
            return method
    known = ", ".join(method.name for method in METHODS)
    raise InvalidInput(f"There is no method '{name}'. Choose one of: {known}.")
