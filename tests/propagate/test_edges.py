"""Edges: strong where grey levels change, in mm, slice by slice, by any detector one plugs in."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest
from phantoms import two_ball_case

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.propagate import edges
from napari_scribseg.propagate.edges import edge_function, edge_map, multi_scale_gradient

SPACING = (8.0, 1.5, 1.5)


def test_a_step_is_an_edge_where_it_is() -> None:
    plane = np.zeros((20, 40), np.float32)
    plane[:, 20:] = 1
    strength = multi_scale_gradient(plane, (1.5, 1.5))
    assert set(strength[10].argsort()[-2:].tolist()) == {19, 20}
    assert strength[10, 19] == pytest.approx(strength[10, 20], abs=1e-5)
    assert strength[10, 19] > 0.9
    assert strength[10, 3] < 0.01
    np.testing.assert_allclose(strength, np.broadcast_to(strength[:1], plane.shape), atol=1e-5)


def test_strength_is_a_mean_of_three_gradients_each_by_its_own_strongest() -> None:
    """On a ramp every gradient is one number, so each scale says 1 (edges of the slice apart)."""
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (64, 64))
    strength = multi_scale_gradient(ramp, (1.0, 1.0))
    np.testing.assert_allclose(strength[:, 24:40], 1, atol=1e-3)


def test_scales_are_lengths() -> None:
    """The same disk at half the pixel size has the same edges."""
    y, x = np.mgrid[:64, :64] + 0.5
    fine = (np.hypot(y - 32, x - 32) < 16).astype(np.float32)
    coarse = fine.reshape(32, 2, 32, 2).mean((1, 3))
    strong = multi_scale_gradient(fine, (0.75, 0.75)).reshape(32, 2, 32, 2).mean((1, 3))
    assert (
        np.corrcoef(strong.ravel(), multi_scale_gradient(coarse, (1.5, 1.5)).ravel())[0, 1] > 0.97
    )


def test_a_mirrored_slice_has_mirrored_edges() -> None:
    plane = two_ball_case().image.array[0]
    for axis in (0, 1):
        mirrored = multi_scale_gradient(np.flip(plane, axis), (1.5, 1.5))
        np.testing.assert_allclose(np.flip(mirrored, axis), multi_scale_gradient(plane, (1.5, 1.5)))


def test_a_map_runs_from_0_to_1_and_slices_do_not_know_each_other() -> None:
    image = two_ball_case(shape=(4, 32, 32)).image.array
    whole = edge_map(image, SPACING)
    assert whole.dtype == np.float32
    assert (whole.min(), whole.max()) == (0, 1)
    changed = image.copy()
    changed[0] = np.roll(changed[0], 5, axis=1)  # the grey levels of the volume stay as they are
    np.testing.assert_allclose(edge_map(changed, SPACING)[1:], whole[1:], atol=0.05)
    assert np.abs(edge_map(changed, SPACING)[0] - whole[0]).max() > 0.3


def test_edges_are_stronger_on_borders_of_structures() -> None:
    case = two_ball_case(shape=(4, 48, 48), spacing=SPACING)
    border = multi_scale_gradient(case.reference[1].astype(np.float32), (1.5, 1.5)) > 0.5
    strength = edge_map(case.image.array, SPACING)[1]
    assert strength[border].mean() > 2 * strength[~border].mean()


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 9), (2, 9, 1)])
def test_a_line_and_a_single_pixel_are_slices_too(shape) -> None:
    assert np.isfinite(edge_map(np.arange(np.prod(shape)).reshape(shape), SPACING)).all()


def test_images_without_contrast_or_numbers_have_no_edges() -> None:
    for value in (7.0, np.nan):
        assert not edge_map(np.full((2, 8, 8), value), SPACING).any()
    holes = two_ball_case().image.array.copy()
    holes[0, :3] = np.nan
    assert np.isfinite(edge_map(holes, SPACING)).all()


def test_any_function_can_take_the_place() -> None:
    seen = []

    def detector(plane, spacing):
        seen.append((plane.dtype, plane.min() >= 0, plane.max() <= 1, spacing))
        return plane * 3 + 1

    image = two_ball_case(shape=(3, 16, 16)).image.array
    found = edge_map(image, (8.0, 1.5, 1.2), detector)
    assert seen == [(np.float32, True, True, (1.5, 1.2))] * 3
    assert (found.min(), found.max()) == (0, 1)


@pytest.mark.parametrize("wrong", [lambda p, s: p[1:], lambda p, s: p * np.nan])
def test_what_a_function_gives_is_checked(wrong) -> None:
    with pytest.raises(InvalidInput, match="edge detector"):
        edge_map(two_ball_case(shape=(2, 16, 16)).image.array, SPACING, wrong)


def test_packages_offer_detectors_by_name(monkeypatch) -> None:
    entry = EntryPoint("cosine", "math:cos", edges.GROUP)
    monkeypatch.setattr(edges, "entry_points", lambda group: [entry] * (group == edges.GROUP))
    assert edge_function("gradient") is multi_scale_gradient
    assert edge_function("cosine").__name__ == "cos"
    with pytest.raises(InvalidInput, match="gradient, cosine"):
        edge_function("os:system")
