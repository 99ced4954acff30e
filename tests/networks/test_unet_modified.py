"""Modified U-Net: the size of the original, where it drops out, and what passes share."""

from __future__ import annotations

import pytest
import torch

from napari_scribseg.networks.unet_modified import ModifiedUNet


def _network(*, dropout: bool = False) -> ModifiedUNet:
    torch.manual_seed(0)
    return ModifiedUNet(3, base_width=4, dropout=dropout)


@pytest.mark.parametrize(("n_classes", "count"), [(4, 25_274_472), (3, 25_235_038)])
def test_it_has_as_many_weights_as_the_original(n_classes, count) -> None:
    """Counted in baumgach/acdc_segmenter's unet2D_bn_modified."""
    assert sum(p.numel() for p in ModifiedUNet(n_classes).parameters()) == count


def test_without_normalised_logits_only_the_head_differs() -> None:
    plain = ModifiedUNet(3, base_width=4, normalised_logits=False).state_dict()
    other = {name for name in set(plain) ^ set(_network().state_dict()) if "head" not in name}
    assert not other
    assert {name for name in plain if "head" in name} == {"head.weight", "head.bias"}


def test_dropout_adds_no_weights() -> None:
    plain, dropping = _network().state_dict(), _network(dropout=True).state_dict()
    assert plain.keys() == dropping.keys()


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (1, 1), (5, 100)])
def test_logits_have_the_size_of_the_slice(size) -> None:
    with torch.no_grad():
        assert _network().eval()(torch.randn(2, 1, *size)).shape == (2, 3, *size)


def test_only_the_five_innermost_blocks_are_dropped_out() -> None:
    """What enters blocks 4 to 8, and the skip of block 3, have zeros; the others have none.

    Blocks end in a ReLU, so zeros are counted after adding one to every block's output.
    """
    network = _network(dropout=True)
    zeros: dict[str, float] = {}

    def above_one(_module, _inputs, output):
        return output + 1

    def count(name):
        def hook(_module, inputs):
            zeros[name] = float((inputs[0] == 0).float().mean())

        return hook

    for kind in ("encoder", "decoder"):
        for i, block in enumerate(getattr(network, kind)):
            block.register_forward_hook(above_one)
            if kind == "encoder" and i:
                block.register_forward_pre_hook(count(f"encoder {i + 1}"))
    for i, up in enumerate(network.up):
        up.register_forward_pre_hook(count(f"up {i + 6}"))
    network.head.register_forward_pre_hook(count("head"))
    network(torch.randn(2, 1, 64, 64))
    dropped = {name for name, share in zeros.items() if share > 0}
    assert zeros["up 6"] == pytest.approx(0.5, abs=0.1)
    assert zeros["up 8"] == pytest.approx(0.5, abs=0.1)
    assert dropped == {"encoder 4", "encoder 5", "up 6", "up 7", "up 8"}


def test_dropout_acts_when_training_or_when_asked() -> None:
    network, image = _network(dropout=True), torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert not torch.equal(network(image), network(image))
        network.eval()
        assert torch.equal(network(image), network(image))
        shallow = network.shallow(image)
        first, second = (network.deep(shallow, image, stochastic=True) for _ in range(2))
        assert not torch.equal(first, second)
        plain = _network().eval()
        shallow = plain.shallow(image)
        assert torch.equal(plain.deep(shallow, image, stochastic=True), plain(image))


def test_repeating_the_deep_part_is_repeating_the_network() -> None:
    network, image = _network(dropout=True), torch.randn(2, 1, 32, 48)
    network.train()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eval()
    with torch.no_grad():
        shallow = network.shallow(image)
        for random_seed in (1, 2):
            torch.manual_seed(random_seed)
            whole = network(image)
            torch.manual_seed(random_seed)
            assert torch.equal(network.deep(shallow, image, stochastic=True), whole)


def test_every_weight_learns() -> None:
    network = _network(dropout=True)
    network(torch.randn(2, 1, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
