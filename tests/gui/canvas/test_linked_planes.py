"""Three planes of one case are one case: strokes, look and the shown point are the same on all."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from phantoms import TWO_BALLS, two_ball_case

from napari_scribseg.core.volume import Volume
from napari_scribseg.gui.canvas import brush, layers
from napari_scribseg.gui.canvas.linked_planes import LinkedPlanes
from napari_scribseg.gui.canvas.slices import Plane, show_plane, shown_plane, step_plane

CASE = two_ball_case((6, 48, 40))


@pytest.fixture
def viewer(qapp) -> ViewerModel:
    viewer = ViewerModel()
    for data in layers.case_data(CASE, TWO_BALLS):
        viewer.add_layer(layers.layer_of(data))
    layers.find(viewer.layers, "scribbles").data[:] = 0
    return viewer


@pytest.fixture
def linked(viewer):
    linked = LinkedPlanes(viewer, lambda layer: layers.role_of(layer) is not None)
    linked.wake()
    yield linked
    linked.end()


def scribbles(viewer):
    return layers.find(viewer.layers, "scribbles")


def draw(layer, value, start, end) -> None:
    """What napari does while the mouse is pressed."""
    with layer.block_history():
        layer._draw(value, start, start)
        layer._draw(value, start, end)


def test_the_other_two_planes_are_shown_of_the_same_voxels(viewer, linked):
    assert [model.dims.order for model in linked.models] == [(1, 0, 2), (2, 0, 1)]
    for model in linked.models:
        assert len(model.layers) == len(viewer.layers)
        for layer, twin in zip(viewer.layers, model.layers, strict=True):
            assert np.shares_memory(layer.data, twin.data)
            assert twin.visible == layer.visible
            np.testing.assert_allclose(twin.scale, layer.scale)
    viewer.dims.order = (1, 0, 2)
    assert [model.dims.order for model in linked.models] == [(0, 1, 2), (2, 0, 1)]


def test_a_stroke_on_another_plane_is_one_step_of_the_same_history(viewer, linked):
    layer = scribbles(viewer)
    layer.selected_label, layer.brush_size, layer.mode = 2, 1, "paint"
    twin = linked.twin_of(layer, linked.models[0])
    assert (twin.selected_label, twin.brush_size, twin.mode) == (2, 1, "paint")
    finished, drawn = [], []
    brush.watch_strokes(layer, lambda: finished.append(1))
    linked.drawn.connect(lambda: drawn.append(1))
    y = shown_plane(linked.models[0], layer).index
    draw(twin, 2, (1, y, 10), (4, y, 10))
    assert np.argwhere(layer.data).tolist() == [[z, y, 10] for z in (1, 2, 3, 4)]
    assert len(finished) == 1
    assert drawn
    draw(layer, 1, (0, 3, 5), (0, 3, 9))
    brush.undo(layer)
    brush.undo(layer)
    assert not layer.data.any()
    twin.redo()
    assert layer.data[1, y, 10] == 2


def test_what_is_drawn_is_shown_on_all_planes(viewer, linked, qtbot):
    layer, (one, other) = scribbles(viewer), linked.models
    layer.mode = "paint"
    viewer.dims.set_point((0, 1, 2), (layer.data_to_world((2, 20, 15))))
    assert shown_plane(one, layer) == Plane(1, 20)
    shown = []
    for name, seen in (("window", layer), ("other", linked.twin_of(layer, other))):
        seen.events.set_data.connect(lambda _event, name=name: shown.append(name))
    draw(linked.twin_of(layer, one), 1, (1, 20, 15), (3, 20, 15))
    qtbot.waitUntil(lambda: set(shown) == {"window", "other"})
    shown.clear()
    layer.data[2, 20, 16] = 1
    layer.refresh(extent=False)  # as the automatic mask does
    qtbot.waitUntil(lambda: "other" in shown)
    qtbot.wait(120)
    assert shown.count("other") == 1, "they don't keep refreshing each other"


def test_the_shown_point_is_the_same(viewer, linked):
    layer, (one, other) = scribbles(viewer), linked.models
    show_plane(one, layer, Plane(1, 7))
    assert shown_plane(other, layer).axis == 2
    assert viewer.dims.point == one.dims.point == other.dims.point
    show_plane(viewer, layer, Plane(0, 4))
    assert viewer.dims.point == one.dims.point == other.dims.point
    step_plane(other, layer, -3)
    assert viewer.dims.point == one.dims.point == other.dims.point
    linked.go_to(layer.data_to_world((1.3, 9.8, 30.2)))
    planes = [shown_plane(seen, layer) for seen in (viewer, one, other)]
    assert planes == [Plane(0, 1), Plane(1, 10), Plane(2, 30)]
    linked.go_to((1e5, 1e5, 1e5))
    assert None not in [shown_plane(seen, layer) for seen in (viewer, one, other)]


def test_layers_that_come_go_or_change_do_so_everywhere(viewer, linked, qtbot):
    case = layers.case_of(scribbles(viewer))
    mask = Volume(CASE.reference, CASE.grid)
    new = layers.layer_of(layers.segmentation_data(mask, TWO_BALLS, case=case))
    viewer.layers.insert(1, new)
    model = linked.models[1]
    qtbot.waitUntil(lambda: len(model.layers) == len(viewer.layers))
    assert model.layers[1] is linked.twin_of(new, model)
    before = model.dims.point
    assert before == viewer.dims.point
    new.opacity = 0.25
    assert model.layers[1].opacity == 0.25
    model.layers[1].contour = 4
    assert new.contour == 4
    viewer.layers.move(1, 0)
    qtbot.waitUntil(lambda: model.layers[0] is linked.twin_of(new, model))
    new.data = np.zeros_like(new.data)
    qtbot.waitUntil(lambda: len(model.layers) == len(viewer.layers))
    assert np.shares_memory(model.layers[0].data, new.data)
    viewer.layers.selection.active = scribbles(viewer)
    assert model.layers.selection.active is linked.twin_of(scribbles(viewer), model)
    viewer.layers.remove(new)
    qtbot.waitUntil(lambda: len(model.layers) == len(viewer.layers))
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not model.layers)


def test_planes_that_nobody_sees_hold_nothing(viewer, linked, qtbot):
    linked.sleep()
    layer = scribbles(viewer)
    assert not any(model.layers for model in linked.models)
    draw(layer, 1, (0, 3, 5), (0, 3, 9))
    viewer.add_labels(np.zeros((6, 48, 40), np.uint8))
    qtbot.wait(50)
    assert not any(model.layers for model in linked.models)
    linked.wake()
    assert all(len(model.layers) == 3 for model in linked.models)
