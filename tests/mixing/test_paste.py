"""FADC by hand: boxes, what is pasted where, and what is left alone."""

from __future__ import annotations

import torch

from napari_scribseg.core.labels import IGNORE
from napari_scribseg.mixing.paste import draw_donors, paste_regions, scribble_boxes


def _batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Two slices of 6 x 6; the pixels of slice 0 are 0..35, those of slice 1 100..135."""
    pixels = torch.arange(36.0).reshape(1, 6, 6)
    image = torch.stack([pixels, pixels + 100])
    target = torch.full((2, 6, 6), IGNORE)
    target[0, 1, 2] = 0
    target[0, 2, 1] = 1
    target[1, 3, 3] = 2
    target[1, 4, 4] = 0
    return image, target


def test_boxes_reach_from_the_first_to_the_last_scribbled_pixel() -> None:
    _, target = _batch()
    assert scribble_boxes(target, "all") == [(1, 3, 1, 3), (3, 5, 3, 5)]
    assert scribble_boxes(target, "foreground") == [(2, 3, 1, 2), (3, 4, 3, 4)]


def test_background_strokes_alone_make_a_box_and_no_foreground_box() -> None:
    target = torch.full((2, 6, 6), IGNORE)
    target[0, 0, 5] = target[0, 5, 5] = 0
    assert scribble_boxes(target, "all") == [(0, 6, 5, 6), None]
    assert scribble_boxes(target, "foreground") == [None, None]


def test_boxes_of_one_size_are_copied_pixel_by_pixel_up_to_the_last_row() -> None:
    image, target = _batch()
    boxes = scribble_boxes(target, "all")
    labels = torch.stack([target, 10 + target], 1)
    pasted, pasted_labels = paste_regions(image, labels, boxes, donors=[1, 0])

    expected = image.clone()
    expected[0, 0, 1:3, 1:3] = torch.tensor([[121.0, 122.0], [127.0, 128.0]])
    expected[1, 0, 3:5, 3:5] = torch.tensor([[7.0, 8.0], [13.0, 14.0]])
    torch.testing.assert_close(pasted, expected)

    assert pasted_labels[0, 0, 1:3, 1:3].tolist() == [[2, IGNORE], [IGNORE, 0]]
    assert pasted_labels[1, 0, 3:5, 3:5].tolist() == [[IGNORE, 0], [1, IGNORE]]
    outside = torch.ones(6, 6, dtype=torch.bool)
    outside[1:3, 1:3] = False
    assert torch.equal(pasted_labels[0, 0][outside], target[0][outside])
    assert torch.equal(pasted_labels[:, 1], 10 + pasted_labels[:, 0])  # all maps alike


def test_a_smaller_region_is_stretched_images_linearly_labels_by_nearest() -> None:
    image = torch.zeros(2, 1, 4, 8)
    image[1, 0, 1:3, 2] = 1.0
    image[1, 0, 1:3, 3] = 3.0
    labels = torch.full((2, 1, 4, 8), IGNORE)
    labels[1, 0, 1:3, 2] = 1
    labels[1, 0, 1:3, 3] = 2
    boxes = [(0, 4, 2, 6), (1, 3, 2, 4)]
    pasted, pasted_labels = paste_regions(image, labels, boxes, donors=[1, 1])
    row = [0.0, 0.0, 1.0, 1.5, 2.5, 3.0, 0.0, 0.0]
    assert pasted[0, 0].tolist() == [row] * 4
    assert pasted_labels[0, 0].tolist() == [[-1, -1, 1, 1, 2, 2, -1, -1]] * 4


def test_without_a_box_or_with_itself_a_slice_stays_as_it_is() -> None:
    image, target = _batch()
    labels = target[:, None]
    for boxes, donors in (
        ([None, (3, 5, 3, 5)], [1, 1]),
        ([(1, 3, 1, 3), None], [1, 1]),
        ([(1, 3, 1, 3), (3, 5, 3, 5)], [0, 1]),
        ([None, None], [0, 1]),
    ):
        pasted, pasted_labels = paste_regions(image, labels, boxes, donors)
        assert torch.equal(pasted, image)
        assert torch.equal(pasted_labels, labels)


def test_what_is_given_is_not_modified() -> None:
    image, target = _batch()
    labels = target[:, None].clone()
    paste_regions(image, labels, scribble_boxes(target, "all"), donors=[1, 0])
    again_image, again_target = _batch()
    assert torch.equal(image, again_image)
    assert torch.equal(labels[:, 0], again_target)


def test_donors_are_drawn_from_the_slices_with_a_box() -> None:
    box = (0, 2, 0, 2)
    generator = torch.Generator().manual_seed(0)
    donors = draw_donors([None, box, None, box] * 50, generator)
    assert len(donors) == 200
    assert all(donor % 2 == 1 for donor in donors)
    assert len(set(donors)) > 50  # with replacement, yet from all over the batch
    assert draw_donors([None, None, None], generator) == [0, 1, 2]
