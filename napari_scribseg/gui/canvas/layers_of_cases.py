"""The layers of one case among all of a viewer: found, added and renewed."""

from __future__ import annotations

from functools import partial

from napari.components import LayerList
from napari.layers import Layer

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import CaseKey
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import Selected
from napari_scribseg.gui.canvas.layer_grid import series_problem


def layer_beside(known: LayerList, role: layers.Role, image: Layer | None) -> Layer | None:
    """The newest layer of this role of an image's own case, if it has the image's shape."""
    if image is None:
        return None
    case, shape = layers.identified(image), tuple(image.data.shape[-3:])
    found = [
        layer
        for layer in known
        if layers.role_of(layer) == role
        and layers.case_of(layer) == case
        and tuple(layer.data.shape[-3:]) == shape
    ]
    return found[-1] if found else None


def with_own_layers(image: Layer | None, known: LayerList) -> Selected:
    """An image with the scribbles and the reference of its own case."""
    beside = partial(layer_beside, known, image=image)
    return Selected(image, beside("scribbles"), beside("reference"))


def new_scribbles_on(image: Layer | None, schema: LabelSchema, known: LayerList) -> Layer:
    """An empty scribbles layer on the grid of an image, named after its case beside others.

    Raises:
        InvalidInput: there is no image, it is a time series, or its place can't be told.
    """
    if image is None:
        raise InvalidInput("Choose an image, or open a case.")
    if layers.is_series(image):
        raise InvalidInput(series_problem(image))
    case = layers.identified(image)
    made = layers.layer_of(layers.scribbles_data(layers.grid_of(image), schema, case=case))
    if any(layers.role_of(one) == "scribbles" for one in known):
        made.name = f"scribbles · {case.name}"
    return made


def put_in_place(
    known: LayerList,
    new: Layer,
    role: layers.Role,
    case: CaseKey,
    run: str | None,
    *,
    below: Layer | None,
) -> None:
    """Add a layer below another one, or in the place of the one of this role, case and run.

    What was active stays so, or else the layer that it is put below.
    """
    old = layers.find(known, role, case, run)
    active = known.selection.active
    if old is not None:
        new.visible = old.visible
        new.opacity = old.opacity
        place = known.index(old)
        known.remove(old)
    else:
        place = known.index(below) if below in known else len(known)
    known.insert(place, new)
    if active is None or active not in known:
        active = below
    if active is not None:
        known.selection.active = active


def layer_of_frame(series: Layer, frame: int) -> Layer:
    """A time point (counted from 0) of a series as an image of its own, with a case of its own."""
    whole = layers.identified(series)
    part = f"_frame{frame + 1:02d}"
    case = CaseKey(whole.source, f"{whole.id[:60]}{part}", f"{whole.name}{part}")
    return layers.layer_of(layers.image_data(layers.volume_of(series, frame), case=case))
