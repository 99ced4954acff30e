"""Every method on a CUDA GPU: batches, training, resuming and predictions as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantoms import two_ball_case
from small_runs import phantom_batch, phantom_run

from napari_scribseg.core.events import Finished, Stepped
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.registry import all_methods
from napari_scribseg.training.predict import load_model, predict_case
from napari_scribseg.training.train import train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
each_method = pytest.mark.parametrize("method", all_methods(), ids=lambda m: m.spec.name)
CUDA = torch.device("cuda")


@each_method
def test_a_batch_is_the_same_wherever_it_is_made(method: type[Method]) -> None:
    here, there = phantom_batch(method), phantom_batch(method, device=CUDA)
    assert there.image.device.type == "cuda"
    torch.testing.assert_close(there.image.cpu(), here.image, atol=1e-3, rtol=1e-3)
    # Where rounding decides which of two labels is nearer, a few pixels may differ.
    assert (there.target.cpu() == here.target).float().mean() > 0.999
    for name, layer in here.maps.items():
        assert torch.isclose(there.maps[name].cpu(), layer, atol=1e-2).float().mean() > 0.999, name


@each_method
def test_it_trains_resumes_and_predicts_there_as_here(method: type[Method], tmp_path) -> None:
    run = phantom_run(tmp_path, method, steps=6, device="cuda", precision="auto")
    events = train(run)
    next(e for e in events if isinstance(e, Stepped))
    run.request("stop")
    assert next(e for e in events if isinstance(e, Finished)).step < 6
    (run.path / "STOP").unlink()
    (end,) = (e for e in train(run, resume=True) if isinstance(e, Finished))
    assert (end.outcome, end.step) == ("completed", 6)
    image = two_ball_case(seed=5).image
    there = predict_case(load_model(run, "cuda"), image).probabilities
    here = predict_case(load_model(run, "cpu"), image).probabilities
    np.testing.assert_allclose(there, here, atol=0.05)
