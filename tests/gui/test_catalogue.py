"""The methods as plain data, from a child process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_scribseg.core.errors import RunError
from napari_scribseg.gui import catalogue
from napari_scribseg.methods import METHODS
from napari_scribseg.runs import children


def test_every_method_is_described_as_it_is():
    entries = catalogue.describe().methods
    assert [entry.name for entry in entries] == [method.name for method in METHODS]
    for entry, method in zip(entries, METHODS, strict=True):
        assert set(entry.options_schema.get("properties", {})) == set(method.Config.model_fields)
        for preset in entry.presets:
            original = method.presets()[preset.name]
            assert method.Config.model_validate(preset.options) == original.options
            assert preset.training == original.training


def test_it_survives_the_way_through_a_child_process():
    assert catalogue.load_in_child() == catalogue.describe().methods


def test_a_child_that_fails_says_why(monkeypatch):
    fails = "import sys; sys.exit('Traceback\\nImportError: no torch')"
    monkeypatch.setattr(children, "PROGRAM", (sys.executable, "-c", fails))
    with pytest.raises(RunError, match="no torch"):
        catalogue.load_in_child()


def test_the_module_is_told_by_name():
    """What load_in_child starts exists under that name."""
    code = "import napari_scribseg.gui.catalogue, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
