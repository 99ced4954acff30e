"""The methods as the window shows them."""

from __future__ import annotations

import subprocess
import sys

from napari_scribseg.gui import catalogue
from napari_scribseg.methods.registry import specs


def test_every_method_is_described_as_it_is():
    entries = catalogue.methods()
    assert [entry.name for entry in entries] == [spec.name for spec in specs()]
    for entry, spec in zip(entries, specs(), strict=True):
        assert set(entry.options_schema.get("properties", {})) == set(spec.Config.model_fields)
        for preset in entry.presets:
            original = spec.presets[preset.name]
            assert spec.Config.model_validate(preset.options) == original.options
            assert preset.training == original.training


def test_an_unknown_preset_is_the_first_one():
    entry = catalogue.methods()[0]
    assert entry.preset("of yesterday") is entry.presets[0]


def test_listing_the_methods_loads_neither_torch_nor_scipy():
    code = (
        "from napari_scribseg.gui import catalogue; catalogue.methods(); import sys; "
        "print([name for name in ('torch', 'scipy', 'skimage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
