"""2.5D U-Net: as many parameters as published, flat where it should be, any size by padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_scribseg.networks.boundary_heads import (
    BoundaryHead,
    ChannelAttention,
    FinalHead,
    InitialHead,
)
from napari_scribseg.networks.initial_unet25d import InitialUNet25D
from napari_scribseg.networks.slice_convolutions import resized
from napari_scribseg.networks.unet25d import (
    LEVELS,
    Attention,
    UNet25D,
    flat_levels,
    gathered,
    padded,
)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_the_backbone_has_the_published_number_of_parameters(norm) -> None:
    """VS_Seg's as Scribble2D5 runs it with four classes; group norm has as many."""
    assert _parameters(UNet25D(4, norm=norm)) == 3_453_656


def test_heads_differ_from_the_published_ones_by_what_the_page_says() -> None:
    """Theirs of 155 447 has a 3 x 3 x 3 output, norms without weights, and more PReLU."""
    assert _parameters(BoundaryHead(16, "batch")) == 155_447 - 48 * 26 + 3 * 2 * 16 - 3


@pytest.mark.parametrize(
    ("anisotropy", "flat"), [(1, 0), (0.4, 0), (2, 1), (4, 2), (6.5, 3), (99, 5)]
)
def test_levels_are_flat_until_voxels_are_cubes(anisotropy, flat) -> None:
    assert flat_levels(anisotropy) == flat


@pytest.mark.parametrize(("flat", "divisor"), [(0, 32), (2, 8), (4, 2), (5, 1)])
def test_flat_levels_neither_look_nor_halve_along_z(flat, divisor) -> None:
    network = UNet25D(2, flat, base_width=4)
    assert network.divisor == (divisor, 32, 32)
    depth = [m.kernel_size[0] for m in network.down.modules() if isinstance(m, nn.Conv3d)]
    assert depth == [1] * flat + [3] * (LEVELS - 1 - flat)


@torch.no_grad()
def test_features_and_attention_lie_on_their_levels() -> None:
    features = UNet25D(4, base_width=4).eval()(torch.zeros(2, 1, 8, 64, 96))
    assert features.logits is not None
    assert features.logits.shape == (2, 4, 8, 64, 96)
    shapes = {level: tuple(x.shape[1:]) for level, x in features.decoder.items()}
    assert shapes == {
        4: (40, 2, 4, 6),
        3: (32, 4, 8, 12),
        2: (24, 8, 16, 24),
        1: (16, 8, 32, 48),
        0: (8, 8, 64, 96),
    }
    assert len(features.attention) == 6
    assert all(0 <= a.min() <= a.max() <= 1 for a in features.attention)


@torch.no_grad()
def test_slices_do_not_mix_on_flat_levels() -> None:
    """With all levels but the last flat and that one cut off, a slice sees itself only."""
    network = UNet25D(None, flat=5, base_width=4).eval()
    network.encoder[5] = nn.Conv3d(20, 24, 1)
    network.entry = Attention(20, (1, 3, 3))
    image = torch.zeros(1, 1, 3, 64, 64)
    before = network(image).decoder[0]
    image[:, :, 1] = torch.randn(64, 64)
    changed = (network(image).decoder[0] != before).flatten(3).any(3).any(1)[0]
    assert changed.tolist() == [False, True, False]


@torch.no_grad()
def test_attention_amplifies_by_its_map() -> None:
    attention = Attention(4, (3, 3, 3))
    x = torch.randn(1, 4, 3, 5, 5)
    y, a = attention(x)
    torch.testing.assert_close(y, x * (1 + a))
    assert a.shape == (1, 1, 3, 5, 5)


@torch.no_grad()
def test_channel_attention_adds_to_what_comes_in() -> None:
    block = ChannelAttention(3)
    nn.init.zeros_(block.body[2].weight)
    nn.init.zeros_(block.body[2].bias)
    x = torch.randn(2, 3, 2, 4, 4)
    torch.testing.assert_close(block(x), x)


@torch.no_grad()
def test_heads_give_logits_at_full_resolution() -> None:
    decoder = UNet25D(None, base_width=4).eval()(torch.zeros(1, 1, 8, 64, 64)).decoder
    initial = InitialHead(3, 4)(decoder, (8, 64, 64))
    boundary = BoundaryHead(4, "group")(decoder)
    assert initial.shape == (1, 3, 8, 64, 64)
    assert boundary.shape == (1, 1, 8, 64, 64)
    assert FinalHead(3, 4, boundary=True)(initial, boundary).shape == initial.shape
    assert FinalHead(3, 4, boundary=False)(initial, None).shape == initial.shape


@torch.no_grad()
def test_the_network_that_is_pre_trained_gives_logits_from_what_its_head_sees() -> None:
    network = InitialUNet25D(5, flat=3, base_width=4).eval()
    seen = []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    logits = network(torch.randn(2, 1, 4, 64, 32))
    assert logits.shape == (2, 5, 4, 64, 32)
    assert seen[0].shape == (2, network.head.in_channels, 4, 32, 16)
    torch.testing.assert_close(logits, resized(network.head(seen[0]), (4, 64, 32)))


@torch.no_grad()
def test_a_backbone_that_begins_at_half_resolution_lacks_the_first_level() -> None:
    whole, half = (UNet25D(None, base_width=4, first=first) for first in (0, 1))
    assert half.divisor == whole.divisor
    assert len(half.encoder) == LEVELS - 1
    assert half.encoder[0].shortcut.weight.shape == (8, 4, 1, 1, 1)
    decoder = half.eval()(torch.zeros(1, 1, 8, 64, 96)).decoder
    assert {level: tuple(x.shape[1:]) for level, x in decoder.items()} == {
        level: tuple(x.shape[1:])
        for level, x in whole.eval()(torch.zeros(1, 1, 8, 64, 96)).decoder.items()
        if level
    }


def test_four_pixels_become_the_channels_of_one() -> None:
    image = torch.arange(32.0).reshape(1, 1, 2, 4, 4)
    one = gathered(image, 1)
    assert one.shape == (1, 4, 2, 2, 2)
    assert one[0, :, 1, 0, 1].tolist() == [18, 19, 22, 23]


def test_a_backbone_that_ends_early_has_no_idle_weights() -> None:
    network = UNet25D(None, base_width=4, top=1)
    features = network(torch.randn(2, 1, 8, 64, 64))
    assert set(features.decoder) == {1, 2, 3, 4}
    features.decoder[1].sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    ("size", "after"),
    [((8, 64, 96), (8, 64, 96)), ((1, 5, 5), (8, 64, 64)), ((9, 65, 70), (16, 96, 96))],
)
def test_padding_continues_the_volume(size, after) -> None:
    image = torch.randn(1, 1, *size)
    wide = padded(image, (8, 32, 32))
    assert wide.shape[2:] == after
    z, y, x = size
    assert torch.equal(wide[..., :z, :y, :x], image)
    assert (wide[..., z - 1 :, y - 1 :, x - 1 :] == image[..., -1, -1, -1]).all()
