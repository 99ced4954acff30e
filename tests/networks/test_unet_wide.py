"""U-Net-W: the sizes of CycleMix and ExMod, any slice size, and in which order a block works."""

from __future__ import annotations

import pytest
import torch

from napari_scribseg.networks.unet_wide import WideUNet

CYCLEMIX = {"convolutions": 2, "norm_first": False}


def _count(**settings) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in WideUNet(4, **settings).parameters())


def test_it_has_as_many_weights_as_cyclemix() -> None:
    """25 759 396, counted in the authors' network with four classes at width 64."""
    assert _count(**CYCLEMIX) == 25_759_396


def test_the_count_is_that_of_the_published_layers() -> None:
    """Spelt out: encoder 64..1024, up-steps to 4, 4, 128, 64, decoder 512..64, 1 x 1 head."""

    def layer(inputs: int, outputs: int, kernel: int = 3) -> int:
        return inputs * outputs * kernel**2 + outputs + 2 * outputs

    expected = layer(64, 4, kernel=1)
    for inputs, outputs in ((1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)):
        expected += layer(inputs, outputs) + layer(outputs, outputs)
    for deep, up, outputs in ((1024, 4, 512), (512, 4, 256), (256, 128, 128), (128, 64, 64)):
        expected += layer(deep, up) + layer(outputs + up, outputs) + layer(outputs, outputs)
    assert expected == _count(**CYCLEMIX)


@pytest.mark.parametrize(("convolutions", "count"), [(3, 41_472_292), (4, 57_185_188)])
def test_doubled_blocks_give_exmod(convolutions, count) -> None:
    assert _count(convolutions=convolutions) == count


def test_half_the_width_has_a_quarter_of_the_weights() -> None:
    assert _count(base_width=32) / _count() == pytest.approx(1 / 4, rel=0.01)


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (1, 1), (5, 100)])
def test_logits_have_the_size_of_the_slice(size) -> None:
    network = WideUNet(3, base_width=2).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 1, *size)).shape == (2, 3, *size)


def test_padding_repeats_the_edge() -> None:
    network = WideUNet(2, base_width=2).eval()
    image = torch.randn(1, 1, 30, 31, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([image, image[..., -1:]], -1)
    padded = torch.cat([padded, padded[..., -1:, :], padded[..., -1:, :]], -2)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network(padded)[..., :30, :31])


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({}, ["Conv2d", "BatchNorm2d", "ReLU"] * 4),
        (CYCLEMIX, ["Conv2d", "ReLU", "BatchNorm2d"] * 2),
    ],
)
def test_the_layers_of_a_block(settings, order) -> None:
    network = WideUNet(3, base_width=2, **settings)
    for block in (*network.encoder, *network.decoder):
        assert [type(layer).__name__ for layer in block] == order


def test_logits_are_free_only_without_their_batch_norm() -> None:
    image = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    for normalised in (True, False):
        torch.manual_seed(0)
        network = WideUNet(3, base_width=2, normalised_logits=normalised)
        logits = network(100 * image)
        standard = torch.allclose(logits.std((0, 2, 3)), torch.ones(3), atol=0.01)
        assert standard == normalised
