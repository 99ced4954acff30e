"""Slices of a volume that is drawn on: shared, compared by identity, never changed."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scribseg.core.planes import Planes


def test_only_slices_that_changed_are_others():
    volume = np.zeros((3, 2, 2), np.uint8)
    first = Planes.of(volume)
    volume[1, 0, 0] = 5
    second = first.follow(volume)
    assert second.changed_since(first) == (1,)
    assert second.slices[0] is first.slices[0]
    assert first.slices[1].max() == 0, "the moment before stays"
    np.testing.assert_array_equal(second.array(), volume)
    assert second.changed_since(None) == (0, 1, 2)
    assert second.follow(volume).changed_since(second) == ()
    with pytest.raises(ValueError, match="read-only"):
        second.slices[0][0, 0] = 1
