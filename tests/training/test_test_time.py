"""Test-time augmentation: turned images, and what is found of them brought back."""

from __future__ import annotations

import pytest
import torch

from napari_scribseg.training.test_time import (
    TURNS,
    UPRIGHT,
    mean_over_turns,
    means_over_turns,
    turned,
)


def _blob(y: int, x: int) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    return torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 20)[None, None]


def _centre(maps: torch.Tensor) -> tuple[float, float]:
    weights = maps[0, 0] / maps.sum()
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    return float((weights * rows).sum()), float((weights * columns).sum())


def test_a_turn_keeps_distances_on_slices_that_are_not_square():
    # 10.5 pixels right of the centre (19.5, 29.5); a quarter turn puts it below or above.
    y, x = _centre(turned(_blob(20, 40), 90.0))
    assert abs(y - 19.5) == pytest.approx(10.5, abs=0.2)
    assert x == pytest.approx(29.5, abs=0.6)


@pytest.mark.parametrize("angle", TURNS)
def test_turned_back_it_is_where_it_was(angle):
    blob = _blob(12, 40)
    assert _centre(turned(turned(blob, angle), -angle)) == pytest.approx(_centre(blob), abs=0.05)


def test_the_mean_of_a_pixelwise_answer_is_that_answer():
    image = torch.rand(2, 1, 40, 60).cumsum(2).cumsum(3) / 2400  # smooth: turning loses little

    def answer(seen):
        return torch.cat([seen, 1 - seen], 1)

    mean = mean_over_turns(answer, image, TURNS)
    assert torch.allclose(mean.sum(1), torch.ones(2, 40, 60), atol=1e-5)
    assert (mean - answer(image)).abs().max() < 0.05


def test_what_only_one_turn_sees_counts_a_third():
    image, shown = _blob(20, 30), []

    def answer(seen):
        shown.append(seen)
        return torch.full_like(seen, float(len(shown) == 1))

    mean = mean_over_turns(answer, image, TURNS)
    assert len(shown) == 3
    assert mean[0, 0, 20, 30] == pytest.approx(1 / 3, abs=1e-3)
    # The corner is out of sight when the image is turned.
    assert mean[0, 0, 0, 0] > 0.9


def test_without_turns_the_image_is_shown_once_as_it_is():
    image, shown = _blob(20, 30), []
    assert mean_over_turns(lambda seen: shown.append(seen) or seen, image, UPRIGHT) is image
    assert shown == [image]


def test_pieces_of_a_volume_are_averaged_piece_by_piece():
    slices = torch.cat([_blob(20, 30), _blob(10, 20), _blob(30, 40)])

    def pieces(seen):
        yield 0, seen[:2].movedim(1, 0)
        yield 2, seen[2:].movedim(1, 0)

    found = list(means_over_turns(pieces, slices, TURNS))
    assert [first for first, _ in found] == [0, 2]
    whole = torch.cat([means for _, means in found], 1).movedim(0, 1)
    assert (whole - mean_over_turns(lambda seen: seen, slices, TURNS)).abs().max() < 1e-6
