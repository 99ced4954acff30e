"""CRF-RNN: filters against sums over all pairs, gradients, and what the weights mean."""

from __future__ import annotations

import pytest
import torch

from napari_scribseg.networks.crf_rnn import CRFRNN, BilateralGrid, GaussianBlur, grey_levels

SIZE = (18, 23)


def _pairs(*features: torch.Tensor) -> torch.Tensor:
    """Gaussian kernel (P, P) between the pixels of a slice, features (y, x) in units of sigma."""
    points = torch.stack([f.reshape(-1) for f in features], -1)
    return torch.exp(-0.5 * ((points[:, None] - points) ** 2).sum(-1))


def _places(sigma: float) -> tuple[torch.Tensor, ...]:
    axes = (torch.arange(n, dtype=torch.float64) / sigma for n in SIZE)
    return torch.meshgrid(*axes, indexing="ij")


def _filtered(kernel: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Normalised filter of one slice (K, y, x)."""
    flat = values.reshape(len(values), -1)
    return ((flat @ kernel) / kernel.sum(0)).reshape(values.shape)


def _two_halves(noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey levels (2, 1, y, x), dark and bright halves, and three maps, one of which is a half."""
    generator = torch.Generator().manual_seed(0)
    halves = (torch.arange(SIZE[1]) >= SIZE[1] // 2).double() * 120
    noisy = torch.randn(2, 1, *SIZE, generator=generator, dtype=torch.float64) * noise
    values = torch.rand(2, 3, *SIZE, generator=generator, dtype=torch.float64)
    values[:, 0] = halves > 0
    return (80 + halves + noisy).clamp(0, 255), values


@pytest.mark.parametrize(("pixels", "grey"), [(160.0, 3.0), (250.0, 3.0), (10.0, 20.0)])
@pytest.mark.parametrize("noise", [1.0, 20.0])
def test_the_grid_filters_like_the_sum_over_all_pairs(pixels, grey, noise) -> None:
    image, values = _two_halves(noise)
    filtered = BilateralGrid(image, pixels, grey)(values)
    for b in range(2):
        kernel = _pairs(*_places(pixels), image[b, 0] / grey)
        error = (filtered[b] - _filtered(kernel, values[b])).abs()
        assert error.max() < 0.015
        assert error.mean() < 0.002


def test_nothing_leaks_over_an_edge() -> None:
    image, values = _two_halves(0.0)
    filtered = BilateralGrid(image, 160.0, 3.0)(values)[:, 0]
    torch.testing.assert_close(filtered, values[:, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("sigma", [3.0, 10.0])
def test_the_blur_is_the_sum_over_all_pairs(sigma) -> None:
    _, values = _two_halves(0.0)
    blurred = GaussianBlur(values, sigma)(values)
    torch.testing.assert_close(blurred[1], _filtered(_pairs(*_places(sigma)), values[1]))


def test_filters_keep_constants() -> None:
    image, values = _two_halves(20.0)
    ones = torch.ones_like(values)
    torch.testing.assert_close(BilateralGrid(image, 160.0, 3.0)(ones), ones)
    torch.testing.assert_close(GaussianBlur(values, 10.0)(ones), ones)


def test_gradients_of_the_grid_are_those_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, 1, 4, 5, generator=generator, dtype=torch.float64) * 255
    values = torch.rand(1, 2, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(BilateralGrid(image, 4.0, 30.0), (values,))


def test_mean_field_is_that_of_the_paper() -> None:
    """q <- softmax(logits + M (Wb kb q + Ws ks q)), with sums over all pairs."""
    image, values = _two_halves(20.0)
    layer = CRFRNN(3, iterations=3, bilateral_sigma=160, grey_sigma=20, spatial_sigma=4)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(torch.rand(weight.shape, generator=generator))
        refined = layer(values.float() * 3, image.float())
        wb, ws, m = (w.double() for w in (layer.bilateral, layer.spatial, layer.compatibility))
    grey = grey_levels(image).double()
    for b in range(2):
        kb, ks = _pairs(*_places(160), grey[b, 0] / 20), _pairs(*_places(4))
        expected = logits = values[b].float().double() * 3
        for _ in range(3):
            q = expected.softmax(0)
            message = torch.einsum("kj,jyx->kyx", wb, _filtered(kb, q))
            message += torch.einsum("kj,jyx->kyx", ws, _filtered(ks, q))
            expected = logits + torch.einsum("kj,jyx->kyx", m, message)
        difference = refined[b].double().softmax(0) - expected.softmax(0)
        assert difference.abs().max() < 0.02


def test_gradients_of_the_layer_are_those_of_finite_differences() -> None:
    torch.manual_seed(3)
    layer = CRFRNN(2, iterations=2, bilateral_sigma=8, grey_sigma=40, spatial_sigma=3)
    logits, image = torch.randn(1, 2, 5, 6, requires_grad=True), torch.rand(1, 1, 5, 6)
    layer(logits, image).softmax(1)[:, 0].square().sum().backward()
    for tensor in (logits, *layer.parameters()):
        assert tensor.grad is not None
        index = int(tensor.grad.abs().argmax())
        values = []
        for step in (1e-2, -1e-2):
            with torch.no_grad():
                tensor.view(-1)[index] += step
                values.append(float(layer(logits, image).softmax(1)[:, 0].square().sum()))
                tensor.view(-1)[index] -= step
        slope = (values[0] - values[1]) / 2e-2
        assert float(tensor.grad.view(-1)[index]) == pytest.approx(slope, rel=0.02)


def test_an_image_of_any_scale_is_the_same_image() -> None:
    torch.manual_seed(4)
    layer, logits = CRFRNN(3, iterations=2), torch.randn(2, 3, 16, 16)
    image = torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(
            layer(logits, image), layer(logits, image * 7 - 3), atol=1e-3, rtol=1e-3
        )
        assert torch.isfinite(layer(logits, torch.zeros_like(image))).all()


def test_a_lone_pixel_is_outvoted_by_pixels_of_its_brightness() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., 8:] = 1
    logits = torch.zeros(1, 2, 16, 16)
    logits[:, 0, :, :8] = logits[:, 1, :, 8:] = 2
    logits[:, 1, 4, 4] = 3
    refined = CRFRNN(2, spatial_sigma=1.0)(logits, image)
    assert torch.equal(refined.argmax(1)[0], (image[0, 0] > 0).long())


def test_frozen_it_passes_gradients_on_and_takes_none() -> None:
    layer, logits = CRFRNN(2, iterations=1), torch.randn(1, 2, 8, 8, requires_grad=True)
    layer(logits, torch.rand(1, 1, 8, 8), frozen=True).square().sum().backward()
    assert logits.grad is not None
    assert all(p.grad is None for p in layer.parameters())
