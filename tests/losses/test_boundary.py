"""Boundary losses on a sphere, whose surface and volume are known, and against the definitions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_scribseg.losses.boundary import (
    active_boundary,
    region_scatter,
    scaled,
    static_boundary,
    surface_density,
)

RADIUS, WIDTH = 10.0, 1.5
SURFACE = 4 * math.pi * (RADIUS**2 + (math.pi * WIDTH) ** 2 / 3)
"""Mean surface of the level sets of sigmoid((R - r) / w): 4 pi (R^2 + variance of r)."""
VOLUME = 4 / 3 * math.pi * (RADIUS**3 + RADIUS * (math.pi * WIDTH) ** 2)
"""Its integral: the mean volume of the level sets."""


def _sphere(thickness: float = 1.0) -> Tensor:
    """A soft sphere (1, 1, Z, Y, X) in a cube of 48 pixels, slices `thickness` pixels apart."""
    n = round(48 / thickness)
    z = (torch.arange(n) - (n - 1) / 2) * thickness
    y = torch.arange(48.0) - 23.5
    r = (z[:, None, None] ** 2 + y[:, None] ** 2 + y**2).sqrt()
    return torch.sigmoid((RADIUS - r) / WIDTH)[None, None]


def _two_classes(u: Tensor) -> Tensor:
    return torch.cat([1 - u, u], 1)


def _everywhere(u: Tensor) -> Tensor:
    return torch.ones(u.shape[0], *u.shape[2:], dtype=torch.bool)


@pytest.mark.parametrize(("thickness", "tolerance"), [(1.0, 0.01), (1.5, 0.02), (2.0, 0.03)])
def test_the_surface_of_a_sphere_is_4_pi_r_squared(thickness, tolerance) -> None:
    u = _sphere(thickness)
    assert float(u.sum()) * thickness == pytest.approx(VOLUME, rel=0.005)
    area = float(surface_density(u, thickness).sum()) * thickness
    assert area == pytest.approx(SURFACE, rel=tolerance)


def test_a_wrong_distance_of_slices_gives_a_wrong_surface() -> None:
    area = float(surface_density(_sphere(2.0), 1.0).sum()) * 2.0
    assert area > 1.2 * SURFACE


def test_an_even_region_has_no_surface() -> None:
    assert float(surface_density(torch.full((1, 2, 3, 4, 5), 0.3), 1.0).abs().max()) < 1e-7


def test_unevenness_within_a_sphere_is_its_volume_times_the_variance() -> None:
    """Upper half 1, lower half 0: mean 1/2, so u (v - c)^2 sums to a quarter of the volume."""
    u = _sphere()
    v = torch.zeros_like(u)
    v[:, :, 24:] = 1
    inside = _everywhere(u)[:, None]
    assert float(region_scatter(u, v, inside).sum()) == pytest.approx(VOLUME / 4, rel=0.005)
    around = 48**3 - VOLUME
    assert float(region_scatter(1 - u, v, inside).sum()) == pytest.approx(around / 4, rel=0.005)
    assert float(region_scatter(u, torch.full_like(v, 0.7), inside).sum()) == pytest.approx(
        0, abs=1e-6
    )


def test_the_loss_is_surface_plus_volumes_over_the_number_of_voxels() -> None:
    u = _sphere()
    v = torch.zeros_like(u)
    v[:, :, 24:] = 1
    loss = active_boundary(
        _two_classes(u),
        v * 30 + 5,
        _everywhere(u),
        anisotropy=1.0,
        inner_weight=1.0,
        outer_weight=0.1,
    )
    expected = SURFACE + 1.0 * VOLUME / 4 + 0.1 * (48**3 - VOLUME) / 4
    assert float(loss) == pytest.approx(expected / 48**3, rel=0.01)


def test_foreground_classes_are_summed_and_background_has_no_surface_of_its_own() -> None:
    u = _sphere()[..., ::2, ::2, ::2]
    inside = _everywhere(u)
    image = torch.randn(u.shape, generator=torch.Generator().manual_seed(0))
    options = {"anisotropy": 1.0}
    one = active_boundary(torch.cat([1 - u, u], 1), image, inside, **options)
    halves = active_boundary(torch.cat([1 - u, u, u], 1), image, inside, **options)
    torch.testing.assert_close(halves, 2 * one)


def test_it_has_a_gradient_that_shrinks_a_lonely_voxel() -> None:
    """The authors' code takes the likeliest class, and so teaches nothing."""
    logits = torch.zeros(1, 2, 5, 7, 7)
    logits[:, 0] = 2.0
    logits[:, 1, 2, 3, 3] = 4.0
    logits.requires_grad_()
    image = torch.zeros(1, 1, 5, 7, 7)
    image[..., 0] = 1.0
    loss = active_boundary(logits.softmax(1), image, _everywhere(image), anisotropy=1.0)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[0, 1, 2, 3, 3] > 0  # descent makes it less likely


def test_the_gradient_is_that_of_finite_differences() -> None:
    """With the mean grey levels held, as the definition has them."""
    torch.manual_seed(0)
    u = torch.rand(1, 1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: surface_density(x, 2.0).mean(), u)


def test_a_region_moves_towards_the_even_part() -> None:
    """A half-sure voxel as bright as the region is drawn in, one as dark as the rest is not."""
    u = torch.full((1, 1, 1, 1, 6), 0.5)
    u[..., :2], u[..., 4:] = 1.0, 0.0
    u.requires_grad_()
    v = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]).view(1, 1, 1, 1, 6)
    inside = torch.ones(1, 1, 1, 1, 6, dtype=torch.bool)
    both = region_scatter(u, v, inside) + region_scatter(1 - u, v, inside)
    (gradient,) = torch.autograd.grad(both.sum(), u)
    assert gradient[..., 2] < 0 < gradient[..., 3]


def test_padding_does_not_count() -> None:
    """Neither for the mean nor for the mean grey levels; only the border touches it."""
    torch.manual_seed(0)
    u, image = torch.rand(1, 1, 4, 8, 8), torch.rand(1, 1, 4, 8, 8)
    options = {"anisotropy": 2.0}
    plain = active_boundary(_two_classes(u), image, _everywhere(u), **options)
    inside = F.pad(_everywhere(u), (0, 0, 0, 0, 0, 3))
    wide_u = F.pad(u, (0, 0, 0, 0, 0, 3), mode="replicate")
    wide_image = F.pad(image, (0, 0, 0, 0, 0, 3), value=-50.0)
    padded = active_boundary(_two_classes(wide_u), wide_image, inside, **options)
    torch.testing.assert_close(padded, plain)


def test_grey_levels_are_scaled_within_the_volume_of_each_sample() -> None:
    image = torch.tensor([[[[[1.0, 3.0, 5.0, 99.0]]]], [[[[2.0, 2.0, 2.0, 2.0]]]]])
    inside = torch.tensor([[[[True, True, True, False]]], [[[True] * 4]]])
    assert scaled(image, inside)[0, 0, 0, :3].tolist() == [0, 0.5, 1]
    assert scaled(image, inside)[1].abs().max() == 0
    assert torch.isfinite(scaled(image, torch.zeros_like(inside))).all()


def test_static_boundary_is_the_binary_cross_entropy_over_the_volume() -> None:
    """By hand: p = 1/2 everywhere costs ln 2 whatever the edge; a sure hit costs nothing."""
    edges = torch.rand(2, 3, 4, 4)
    inside = torch.ones(2, 3, 4, 4, dtype=torch.bool)
    level = static_boundary(torch.zeros(2, 1, 3, 4, 4), edges, inside)
    assert float(level) == pytest.approx(math.log(2), rel=1e-6)
    logits = torch.randn(2, 1, 3, 4, 4)
    half = inside.clone()
    half[:, 1:] = False
    expected = F.binary_cross_entropy_with_logits(logits[:, 0, :1], edges[:, :1])
    torch.testing.assert_close(static_boundary(logits, edges, half), expected)


def test_a_batch_of_padding_only_costs_nothing_and_trains_on() -> None:
    logits = torch.zeros(1, 2, 2, 3, 3, requires_grad=True)
    inside = torch.zeros(1, 2, 3, 3, dtype=torch.bool)
    image = torch.zeros(1, 1, 2, 3, 3)
    active = active_boundary(logits.softmax(1), image, inside, anisotropy=1.0)
    static = static_boundary(logits[:, :1], torch.zeros(1, 2, 3, 3), inside)
    assert float(active) == float(static) == 0
    (active + static).backward()
    assert logits.grad is not None
