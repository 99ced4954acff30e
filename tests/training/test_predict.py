"""Prediction: at the network's pixel size inside, on the image's own grid outside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import TWO_BALLS, two_ball_case
from small_runs import phantom_run
from torch import Tensor

from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.volume import Volume
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.predict import Model, Prediction, load_model, predict_case
from napari_scribseg.training.train import train


class _ByBrightness(PartialCE):
    """Knows that background is dark, class 2 brighter and class 1 brightest; learns nothing."""

    seen: tuple[int, ...] = ()
    sharpness = 20.0

    def forward(self, image: Tensor) -> Tensor:
        self.seen = tuple(image.shape[-2:])
        levels = torch.tensor([-0.6, 2.2, 0.9])[:, None, None]
        return -self.sharpness * (image - levels) ** 2


def _model(spacing_mm: float, method: Method | None = None) -> Model:
    method = method or _ByBrightness(TWO_BALLS.n_classes, MethodConfig())
    machine = choose_machine("cpu", "float32")
    return Model(method.eval(), TWO_BALLS, spacing_mm, machine, step=1)


def _image(noise: float = 15.0) -> Volume:
    return two_ball_case(shape=(3, 40, 48), spacing=(8.0, 1.5, 1.0), noise=noise).image


@pytest.mark.parametrize("spacing_mm", [0.8, 1.0, 1.5, 2.3])
def test_it_lies_on_the_grid_of_the_image_whatever_the_network_sees(spacing_mm) -> None:
    image, model = _image(), _model(spacing_mm)
    prediction = predict_case(model, image)
    assert model.method.seen == (round(40 * 1.5 / spacing_mm), round(48 / spacing_mm))
    assert prediction.grid == image.grid
    assert prediction.segmentation.shape == image.shape
    assert prediction.segmentation.dtype == np.uint8
    assert prediction.probabilities.shape == (3, *image.shape)
    assert prediction.uncertainty.shape == image.shape


@pytest.mark.parametrize("spacing_mm", [0.8, 1.0, 2.3])
def test_resampled_probabilities_are_probabilities(spacing_mm) -> None:
    probabilities = predict_case(_model(spacing_mm), _image()).probabilities
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-6)


def test_the_segmentation_is_the_likeliest_class() -> None:
    prediction = predict_case(_model(1.2), _image())
    np.testing.assert_array_equal(
        prediction.segmentation, prediction.probabilities.argmax(0).astype(np.uint8)
    )
    assert set(np.unique(prediction.segmentation)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("learnt_mm", "is_told"), [(1.5, False), (0.8, False), (0.7, True), (3.1, True)]
)
def test_pixels_unlike_those_learnt_from_are_told(learnt_mm, is_told) -> None:
    notes = predict_case(_model(learnt_mm), _image()).notes
    told = [note for note in notes if "1.5 x 1 mm, unlike" in note]
    assert bool(told) == is_told


def test_structures_stay_where_they_are() -> None:
    """The brightness of the phantom gives its reference back, but for edges."""
    case = two_ball_case(shape=(3, 40, 48), spacing=(8.0, 1.5, 1.0), noise=0.0)
    for spacing_mm in (0.7, 1.0):
        segmentation = predict_case(_model(spacing_mm), case.image).segmentation
        assert (segmentation == case.reference).mean() > 0.93
        # Around the bright ball lies a rim as bright as class 2, so look at the bright one.
        found, true = (np.argwhere(a == 1).mean(0) for a in (segmentation, case.reference))
        np.testing.assert_allclose(found, true, atol=0.3)


class _Constant(PartialCE):
    """The same logits everywhere."""

    logits: tuple[float, ...] = ()

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[-2:]
        return torch.tensor(self.logits)[None, :, None, None].expand(len(image), -1, *size)


@pytest.mark.parametrize(
    ("logits", "uncertainty"),
    [
        ((0.0, 100.0, 0.0), 0.0),
        ((7.0, 7.0, 7.0), 1.0),
        ((5.0, 5.0, -100.0), np.log(2) / np.log(3)),  # two of three classes
    ],
)
def test_uncertainty_is_0_when_sure_and_1_when_all_classes_are_alike(logits, uncertainty) -> None:
    method = _Constant(3, MethodConfig())
    method.logits = logits
    prediction = predict_case(_model(1.3, method), _image())
    np.testing.assert_allclose(prediction.uncertainty, uncertainty, atol=1e-6)


def test_many_slices_are_predicted_as_each_alone() -> None:
    """More slices than fit into one portion; the grey levels are those of the whole volume."""
    image = two_ball_case(shape=(11, 24, 24)).image
    plain = predict_case(_model(1.5), image)
    reversed_image = Volume(image.array[::-1].copy(), image.grid)
    turned = predict_case(_model(1.5), reversed_image)
    np.testing.assert_allclose(turned.probabilities[:, ::-1], plain.probabilities, atol=1e-6)


def test_one_slice_comes_out_as_of_the_whole_volume() -> None:
    image = _image()
    whole = predict_case(_model(1.3), image)
    alone = predict_case(_model(1.3), image, z=1)
    np.testing.assert_allclose(alone.probabilities, whole.probabilities[:, 1:2], atol=1e-6)
    np.testing.assert_array_equal(alone.segmentation, whole.segmentation[1:2])
    np.testing.assert_allclose(alone.grid.position((0, 3, 5)), whole.grid.position((1, 3, 5)))
    with pytest.raises(InvalidInput, match="no slice 3"):
        predict_case(_model(1.3), image, z=3)


def test_brightness_and_contrast_of_the_scanner_do_not_matter() -> None:
    image = _image()
    other = Volume(image.array * 7 + 1000, image.grid)
    np.testing.assert_allclose(
        predict_case(_model(1.0), other).probabilities,
        predict_case(_model(1.0), image).probabilities,
        atol=1e-3,
    )


def test_an_image_with_holes_gets_numbers_everywhere() -> None:
    image = _image()
    array = image.array.copy()
    array[0, :5, :5] = np.nan
    prediction: Prediction = predict_case(_model(1.2), Volume(array, image.grid))
    assert np.isfinite(prediction.probabilities).all()
    assert np.isfinite(prediction.uncertainty).all()


def test_a_run_that_was_not_trained_has_no_model(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE)
    for folder in (run, run.path, str(run.path)):
        with pytest.raises(RunError, match="no checkpoint"):
            load_model(folder)


def test_a_run_that_ended_before_it_had_a_best_predicts_with_the_last_weights(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=1)
    list(train(run))
    best = load_model(run)
    run.checkpoint("best").unlink()
    last = load_model(run)
    assert last.step == best.step == 1
    for one, other in zip(last.method.parameters(), best.method.parameters(), strict=True):
        assert torch.equal(one, other)
