"""What other programs may import from the package, and that it is really there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import napari_scribseg


@pytest.mark.parametrize("name", napari_scribseg.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    thing = getattr(napari_scribseg, name)
    assert isinstance(thing, str) or thing.__doc__


def test_the_three_lists_of_names_agree() -> None:
    """For people (`__all__`), for type checkers (TYPE_CHECKING), and where each name lives."""
    tree = ast.parse(Path(napari_scribseg.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name for node in block.body for alias in getattr(node, "names", [])}
    public = set(napari_scribseg.__all__) - {"__version__"}
    assert typed == public == set(napari_scribseg._HOMES)
    assert set(dir(napari_scribseg)) == {*public, "__version__"}


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        napari_scribseg.trian  # noqa: B018
