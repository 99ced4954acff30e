"""Prediction of volumes in windows along z: one window is one look, more of them are averaged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_run
from torch import Tensor, nn

from napari_scribseg.batches.slices import image_slices
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.method_spec import Preset
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.full_25d.method import Full25D
from napari_scribseg.methods.registry import all_methods
from napari_scribseg.networks.slice_convolutions import SliceConv3d
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.predict import Model, load_model, predict_case
from napari_scribseg.training.train import train
from napari_scribseg.training.windows import window_means

DEPTH = 4
MACHINE = choose_machine("cpu", "float32")


class _Seeing(Method):
    """A 3D convolution that remembers what it was shown."""

    name = "seeing"
    sample = "patch"
    Config = MethodConfig

    def __init__(self) -> None:
        super().__init__(TWO_BALLS.n_classes, MethodConfig())
        torch.manual_seed(0)
        self.layer: nn.Module = nn.Conv3d(1, self.n_classes, 3, padding=1)
        self.seen: list[Tensor] = []

    @classmethod
    def presets(cls) -> dict[str, Preset]:
        return {}

    @classmethod
    def patch_depth(cls, options: MethodConfig) -> int:
        return DEPTH

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return self.layer(image)

    def losses(self, batch, step):
        return {}


def _predicted(method: Method, n_slices: int) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Probabilities, uncertainty, and what the network could be shown: (1, 1, Z, Y, X)."""
    image = two_ball_case(shape=(n_slices, 20, 24), spacing=(8.0, 1.5, 1.5)).image
    shown = image_slices(image.array, image.spacing, 1.5).movedim(1, 0)[None]
    found = predict_case(Model(method, TWO_BALLS, 1.5, MACHINE, step=0), image)
    return found.probabilities, found.uncertainty, shown


def test_a_volume_as_deep_as_the_window_is_seen_once() -> None:
    method = _Seeing().eval()
    probabilities, uncertainty, shown = _predicted(method, DEPTH)
    assert len(method.seen) == 1
    with torch.no_grad():
        expected = method(shown)[0].softmax(0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(uncertainty, method.uncertainty(expected[None])[0], atol=1e-6)


@pytest.mark.parametrize("n_slices", [1, 2, 3])
def test_a_thinner_volume_is_seen_once_in_the_middle_of_air(n_slices) -> None:
    method = _Seeing().eval()
    probabilities, _, shown = _predicted(method, n_slices)
    before = (DEPTH - n_slices) // 2
    (seen,) = method.seen
    assert seen.shape[2] == DEPTH
    assert torch.equal(seen[:, :, before : before + n_slices], shown)
    outside = [z for z in range(DEPTH) if not before <= z < before + n_slices]
    assert (seen[:, :, outside] == shown.min()).all()
    with torch.no_grad():
        expected = method(seen)[0, :, before : before + n_slices].softmax(0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("n_slices", [5, 6, 7, 8, 13])
def test_windows_cover_every_slice_and_overlap_by_half_or_more(n_slices) -> None:
    method = _Seeing().eval()
    probabilities, _, shown = _predicted(method, n_slices)
    places = [
        next(z for z in range(n_slices) if torch.equal(shown[:, :, z : z + DEPTH], seen))
        for seen in method.seen
    ]
    assert places[0] == 0
    assert places[-1] == n_slices - DEPTH
    assert all(0 < b - a <= DEPTH // 2 for a, b in pairwise(places))
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)


def test_where_windows_overlap_the_middle_of_a_window_counts_most() -> None:
    """Windows 0-3 and 2-5 of six slices; weights exp(-(8 d / 4)^2 / 2), d = 0.5 and 1.5."""
    method = _Seeing().eval()
    probabilities, _, shown = _predicted(method, 6)
    with torch.no_grad():
        first, second = (method(shown[:, :, z : z + DEPTH])[0].softmax(0) for z in (0, 2))
    near, far = np.exp(-0.5), np.exp(-4.5)
    mixed = (near * first[:, 2] + far * second[:, 0]) / (near + far)
    np.testing.assert_allclose(probabilities[:, 2], mixed, atol=1e-6)
    np.testing.assert_allclose(probabilities[:, 0], first[:, 0], atol=1e-6)
    np.testing.assert_allclose(probabilities[:, 5], second[:, 3], atol=1e-6)


def test_weights_of_volumes_are_left_in_their_order() -> None:
    placed = MACHINE.place(_Seeing())
    assert placed.layer.weight.is_contiguous()


def test_volumes_are_not_learnt_in_bfloat16_on_the_cpu() -> None:
    """PyTorch's gradient of such convolutions writes beyond its memory."""
    assert choose_machine("cpu", "auto", volumes=True).dtype is torch.float32
    with pytest.raises(InvalidInput, match="bfloat16"):
        choose_machine("cpu", "bfloat16", volumes=True)
    assert choose_machine("cpu", "bfloat16").dtype is torch.bfloat16


def test_methods_that_convolve_over_slices_are_learnt_in_bfloat16_on_the_cpu() -> None:
    assert _Seeing.unsafe_in_bfloat16()
    assert not any(kind.unsafe_in_bfloat16() for kind in all_methods())
    for kind in (k for k in all_methods() if k.sample == "patch"):
        with torch.device("meta"):
            network = kind(3, kind.spec.presets["quick"].options)
        volumes = {type(m) for m in network.modules() if isinstance(m, nn.Conv3d)}
        assert volumes == {SliceConv3d}


# In-plane, where the engine has told how wide the patches of training were


def test_windows_are_as_wide_as_patches_and_overlap_by_half() -> None:
    method = _Seeing().eval()
    method.patch = (16, 16)
    probabilities, uncertainty, shown = _predicted(method, DEPTH)
    assert shown.shape[3:] == (20, 24)
    assert {tuple(seen.shape[3:]) for seen in method.seen} == {(16, 16)}
    places = [
        (y, x)
        for seen in method.seen
        for y in range(5)
        for x in range(9)
        if torch.equal(shown[..., y : y + 16, x : x + 16], seen)
    ]
    assert places == [(0, 0), (0, 8), (4, 0), (4, 8)]
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)
    assert uncertainty.shape == probabilities.shape[1:]


def test_overlaps_in_plane_are_averaged_with_gaussian_weights() -> None:
    """Pixel (0, 10) is seen by the windows at x = 0 and 8: at 10 and at 2 of their 16 columns."""
    method = _Seeing().eval()
    method.patch = (32, 16)
    probabilities, _, _ = _predicted(method, DEPTH)
    first, second = (np.exp(-((8 * (x - 7.5) / 16) ** 2) / 2) for x in (10, 2))
    with torch.no_grad():
        seen = [method(image)[0].softmax(0) for image in tuple(method.seen)]
    assert len(seen) == 2  # 20 rows are fewer than 32: air goes around them, six above
    mixed = (first * seen[0][:, 2, 6, 10] + second * seen[1][:, 2, 6, 2]) / (first + second)
    np.testing.assert_allclose(probabilities[:, 2, 0, 10], mixed, atol=1e-6)


def test_slices_smaller_than_a_patch_lie_in_the_middle_of_air() -> None:
    method = _Seeing().eval()
    method.patch = (96, 96)
    _, _, shown = _predicted(method, DEPTH)
    (seen,) = method.seen
    assert seen.shape[3:] == (32, 32)  # as `SliceSet.patch` cuts a patch
    assert torch.equal(seen[..., 6:26, 4:28], shown)
    assert (seen[..., :6, :] == shown.min()).all()


def test_a_method_whose_norm_sees_the_window_answers_the_same_wherever_it_lies() -> None:
    """Whole slices of 128 pixels would change the statistics of group norm: windows don't."""
    method = _Seeing().eval()
    method.layer = nn.Sequential(
        nn.Conv3d(1, 4, 3, padding=1), nn.GroupNorm(1, 4), nn.Conv3d(4, 3, 1)
    )
    method.patch = (16, 16)
    rng = np.random.default_rng(0)
    small = rng.standard_normal((DEPTH, 16, 16)).astype(np.float32)
    wide = np.concatenate([small, 30 + small], 2)
    several = [
        torch.cat([p for _, p in window_means(method, torch.from_numpy(a)[:, None], MACHINE)], 1)
        for a in (small, wide)
    ]
    torch.testing.assert_close(several[1][..., 0], several[0][..., 0])


def test_patches_of_a_run_become_windows_of_its_model(tmp_path) -> None:
    run = phantom_run(tmp_path, Full25D, steps=1)
    list(train(run))
    assert load_model(run).method.patch == run.record.training.patch
