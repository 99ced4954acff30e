"""Predictions in pieces: the same bits, less memory, and a refusal before memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.methods.registry import all_methods
from napari_scribseg.training import memory, predict
from napari_scribseg.training.machine import Machine
from napari_scribseg.training.predict import Model, image_segmentation, predict_case

MACHINE = Machine(torch.device("cpu"), torch.float32, torch.channels_last)
KINDS = {kind.spec.name: kind for kind in all_methods()}


def model_of(name: str) -> Model:
    torch.manual_seed(0)
    kind = KINDS[name]
    method = kind(3, kind.spec.presets["quick"].options).eval()
    return Model(MACHINE.place(method), LabelSchema.of("a", "b"), 1.2, MACHINE, 1)


def image() -> Volume:
    array = np.random.default_rng(0).integers(0, 800, (19, 40, 36)).astype(np.int16)
    return Volume(array, Grid.from_spacing(array.shape, (3.0, 1.0, 1.0)))


@pytest.mark.parametrize("name", ["partial_ce", "scribble2d5"])
def test_what_is_not_wanted_changes_nothing_of_the_rest(name: str) -> None:
    model, volume = model_of(name), image()
    whole = predict_case(model, volume)
    assert whole.probabilities is not None
    np.testing.assert_array_equal(whole.segmentation, whole.probabilities.argmax(0))
    np.testing.assert_allclose(whole.probabilities.sum(0), 1, atol=1e-5)
    alone = predict_case(model, volume, probabilities=False, uncertainty=False)
    assert (alone.probabilities, alone.uncertainty) == (None, None)
    np.testing.assert_array_equal(alone.segmentation, whole.segmentation)
    plain = image_segmentation(
        model.method, volume.array, volume.spacing, model.spacing_mm, MACHINE
    )
    np.testing.assert_array_equal(plain, whole.segmentation)
    one = predict_case(model, volume, z=18)
    np.testing.assert_allclose(one.uncertainty[0], whole.uncertainty[18], atol=1e-6)


def test_large_slices_come_one_by_one() -> None:
    assert memory.slices_at_once((256, 256)) == 8
    assert memory.slices_at_once((100, 100)) == 8
    assert memory.slices_at_once((512, 512)) == 2
    assert memory.slices_at_once((3000, 3000)) == 1


def test_a_prediction_that_does_not_fit_is_refused_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, volume = model_of("partial_ce"), image()
    seen: list[object] = []
    monkeypatch.setattr(predict._Shown, "pieces", lambda one: seen.append(one) or iter(()))
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    with pytest.raises(InvalidInput, match=r"19 x 40 x 36 voxels .* Close other programs"):
        predict_case(model, volume)
    shown = (19, 33, 30)
    arguments = {"n_voxels": volume.array.size, "uncertainty": True}
    least = memory.prediction_bytes(
        volume.array, 3, shown, n_voxels=volume.array.size, probabilities=False, uncertainty=False
    )
    most = memory.prediction_bytes(volume.array, 3, shown, probabilities=True, **arguments)
    assert most - least == 19 * 40 * 36 * 4 * (3 + 1)
    monkeypatch.setattr(memory, "free_bytes", lambda: least)
    with pytest.raises(InvalidInput, match="leave them out"):
        predict_case(model, volume)
    assert not seen
    predict_case(model, volume, probabilities=False, uncertainty=False)
    monkeypatch.setattr(memory, "free_bytes", lambda: None)  # unknown: nothing is refused
    predict_case(model, volume)
    assert len(seen) == 2


def test_a_container_has_less_than_the_machine(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used, stat = (tmp_path / name for name in ("limit", "used", "memory.stat"))
    monkeypatch.setattr(memory, "_CGROUP", ((str(tmp_path), "limit", "used", "inactive_file"),))
    whole = memory.free_bytes()
    limit.write_text("5000\n")
    used.write_text("3000\n")
    assert memory.free_bytes() == 2000
    stat.write_text("anon 2100\ninactive_file 900\nactive_file 1\n")
    assert memory.free_bytes() == 2900, "files that were read make room when it is wanted"
    limit.write_text("max\n")
    assert memory._of_container() is None
    assert whole is None or whole > 2000
