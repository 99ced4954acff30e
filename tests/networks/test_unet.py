"""U-Net-S: the size of the original, any slice size, and the features before the head."""

from __future__ import annotations

import pytest
import torch

from napari_scribseg.networks.unet import UNet, UNetCCT


@pytest.mark.parametrize(("n_classes", "count"), [(4, 1_813_764), (3, 1_813_619), (2, 1_813_474)])
def test_it_has_as_many_weights_as_the_original(n_classes, count) -> None:
    """Counted in HiLab-git/WSL4MIS; one class more costs 16 * 9 + 1 = 145."""
    assert sum(p.numel() for p in UNet(n_classes).parameters()) == count


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (1, 1), (5, 100)])
def test_logits_and_features_have_the_size_of_the_slice(size) -> None:
    network = UNet(3).eval()
    with torch.no_grad():
        logits, features = network.with_features(torch.randn(2, 1, *size))
    assert logits.shape == (2, 3, *size)
    assert features.shape == (2, 16, *size)


def test_the_head_turns_the_features_into_the_logits() -> None:
    network = UNet(3).eval()
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        logits, features = network.with_features(image)
        torch.testing.assert_close(network.head(features), logits)
        torch.testing.assert_close(network(image), logits)


def test_padding_repeats_the_edge() -> None:
    """A slice of 30 x 30 is seen like the one of 32 x 32 that repeats its last row and column."""
    network = UNet(2).eval()
    image = torch.randn(1, 1, 30, 30, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([image, image[..., -1:], image[..., -1:]], -1)
    padded = torch.cat([padded, padded[..., -1:, :], padded[..., -1:, :]], -2)
    with torch.no_grad():
        torch.testing.assert_close(network(image), network(padded)[..., :30, :30])


def test_dropout_acts_in_training_only_and_in_the_encoder_only() -> None:
    network = UNet(2)
    encoder = [m.p for m in network.encoder.modules() if isinstance(m, torch.nn.Dropout)]
    decoder = [m.p for m in network.decoder.modules() if isinstance(m, torch.nn.Dropout)]
    assert encoder == [0.05, 0.1, 0.2, 0.3, 0.5]
    assert not any(decoder)
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(network(image), network(image))
        network.eval()
        assert torch.equal(network(image), network(image))


def test_every_weight_learns() -> None:
    network = UNet(2)
    network(torch.randn(2, 1, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


# Decoded twice


def test_the_twice_decoded_network_has_as_many_weights_as_the_original() -> None:
    """Counted in HiLab-git/WSL4MIS with four classes."""
    assert sum(p.numel() for p in UNetCCT(4).parameters()) == 2_447_064


@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_both_decoders_have_the_size_of_the_slice(size) -> None:
    network = UNetCCT(3)
    first, second = network.both(torch.randn(2, 1, *size))
    assert first.shape == second.shape == (2, 3, *size)


def test_the_first_decoder_predicts() -> None:
    network = UNetCCT(2).eval()
    image = torch.randn(1, 1, 32, 32)
    with torch.no_grad():
        first, second = network.both(image)
        torch.testing.assert_close(network(image), first)
        assert not torch.allclose(first, second)


def test_the_second_decoder_loses_whole_channels_while_training_only() -> None:
    """Without dropout in the encoder, the first decoder repeats itself and the second doesn't."""
    network = UNetCCT(2, dropout=(0.0,) * 5)
    image = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        (first, second), (again, other) = network.both(image), network.both(image)
        assert torch.equal(first, again)
        assert not torch.equal(second, other)
        network.eval()
        assert torch.equal(network.both(image)[1], network.both(image)[1])


def test_with_equal_weights_and_no_channels_lost_the_decoders_agree() -> None:
    network = UNetCCT(2).eval()
    network.second_squeeze.load_state_dict(network.squeeze.state_dict())
    network.second_decoder.load_state_dict(network.decoder.state_dict())
    network.second_head.load_state_dict(network.head.state_dict())
    with torch.no_grad():
        first, second = network.both(torch.randn(1, 1, 16, 16))
    assert torch.equal(first, second)
