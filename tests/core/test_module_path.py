"""The folder of the package is known, wherever in it the module that asks lies."""

from __future__ import annotations

from pathlib import Path

import napari_scribseg
from napari_scribseg.core import module_path


def test_home_is_the_folder_that_holds_the_package():
    assert module_path._home() == str(Path(napari_scribseg.__file__).absolute().parents[1])
