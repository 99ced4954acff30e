"""A region of interest: read, made around strokes, turned with its volume."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.region import Region

REGION = Region(z=(1, 3), y=(2, 6), x=(0, 4))


def test_it_is_written_as_it_is_read():
    assert str(REGION) == "1:3,2:6,0:4"
    assert Region.parse("1:3, 2:6, 0:4") == REGION


@pytest.mark.parametrize("text", ["", "1:3", "1:3,2:6,4:4", "a:b,1:2,1:2", "-1:2,0:1,0:1"])
def test_what_is_no_region_is_refused(text):
    with pytest.raises(InvalidInput, match="is no region; expected"):
        Region.parse(text)


def test_around_a_mask_with_a_margin_inside_the_volume():
    mask = np.zeros((6, 20, 20), bool)
    mask[2:4, 5, 1] = True
    assert str(Region.around(mask, (1, 3, 4))) == "1:5,2:9,0:6"
    assert Region.around(np.zeros((2, 2, 2), bool), (1, 1, 1)) is None


def test_turned_with_its_volume():
    inside = ~REGION.outside((5, 8, 7))
    axes, reversed_ = (1, 2, 0), (False, True, True)
    turned = REGION.turned(axes, reversed_, (5, 8, 7))
    expected = np.flip(inside.transpose(axes), (1, 2))
    np.testing.assert_array_equal(~turned.outside(expected.shape), expected)
