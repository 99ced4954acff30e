"""Presets of the user's own, kept from the form and forgotten. The questions are asked here."""

from __future__ import annotations

from qtpy.QtWidgets import QInputDialog, QWidget

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui.own_presets import OwnPreset, forget_preset, keep_preset
from napari_scribseg.gui.train.method_form import MethodForm


def keep(form: MethodForm, parent: QWidget) -> str:
    """Ask for a name and keep the shown settings under it; gives the name, "" = nothing was kept.

    Raises:
        InvalidInput: a setting is out of its range, or the name is that of a preset of the method.
    """
    name, agreed = QInputDialog.getText(parent, "Keep these settings", "Name of the preset:")
    name = name.strip()
    choice = form.value()
    if not agreed or not name or choice is None:
        return ""
    if name in ("quick", "paper"):
        raise InvalidInput(f"'{name}' is a preset of the method; choose another name.")
    options = dict(choice.options)
    keep_preset(
        OwnPreset(method=choice.method, name=name, options=options, training=choice.training)
    )
    form.own_presets_changed(name)
    return name


def forget(form: MethodForm, name: str) -> None:
    """Remove a preset of the user's own."""
    choice = form.value()
    if choice is not None:
        forget_preset(choice.method, name)
        form.own_presets_changed(None)
