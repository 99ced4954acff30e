"""Previews: they show the training and change nothing in it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_runs import phantom_run

from napari_scribseg.core.events import Previewed, Warned
from napari_scribseg.io import read_labels, read_volume
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.ustm.method import USTM
from napari_scribseg.runs.documents import PreviewRequest
from napari_scribseg.training.checkpoint import load_checkpoint
from napari_scribseg.training.preview import superfluous
from napari_scribseg.training.train import train


def asked(run, **changes):
    case = run.cases[0].files
    run.ask_preview(PreviewRequest(case=case, every_seconds=0.001, **changes))
    return case


@pytest.mark.parametrize("method", [PartialCE, USTM])
def test_previews_change_no_weight(method, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("napari_scribseg.training.preview._SHARE", 0.999)  # one after every step
    plain = phantom_run(tmp_path, method, folder="plain", steps=5)
    list(train(plain))
    shown = phantom_run(tmp_path, method, folder="shown", steps=5)
    asked(shown)
    made = [event for event in train(shown) if isinstance(event, Previewed)]
    assert len(made) >= 3
    first, second = (load_checkpoint(run.checkpoint("last"))[0] for run in (plain, shown))
    for group, tensors in first.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, second[group][name]), name


def test_a_preview_lies_on_the_case_and_the_last_one_is_what_predicts(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=3)
    case = asked(run)
    event = [e for e in train(run) if isinstance(e, Previewed)][-1]
    assert (event.step, event.case) == (3, case.id)
    found = read_labels(run.path / event.path)
    assert np.allclose(found.grid.affine, read_volume(case.image).grid.affine, atol=1e-4)
    assert set(np.unique(found.array)) <= {0, 1, 2}
    assert run.previews(case.id)[3] == run.path / event.path


def test_the_budget_in_minutes_is_not_spent_on_previews(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("napari_scribseg.training.preview._SHARE", 0.999)
    run = phantom_run(tmp_path, PartialCE, minutes=0.02)
    asked(run)
    events = list(train(run))
    assert any(isinstance(e, Previewed) for e in events)
    assert 1.1 < events[-1].seconds < 2.5


def test_an_image_that_is_gone_is_told_once_and_ends_nothing(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE, steps=4)
    case = run.cases[0].files.model_copy(update={"image": tmp_path / "gone.nii.gz"})
    run.ask_preview(PreviewRequest(case=case, every_seconds=0.001))
    events = list(train(run))
    assert [e.kind for e in events].count("warned") == 1
    assert "no previews" in next(e.message for e in events if isinstance(e, Warned))
    assert events[-1].outcome == "completed"


@pytest.mark.parametrize("count", [3, 10, 57])
def test_thinning_keeps_both_ends_and_no_wide_gap(count) -> None:
    kept: list[int] = []
    for step in range(1, count * 10, 10):
        kept.append(step)
        kept = [s for s in kept if s not in superfluous(kept, 8)]
    assert len(kept) == min(count, 8)
    assert (kept[0], kept[-1]) == (1, count * 10 - 9)
    gaps = np.diff(kept)
    assert gaps.max() <= 4 * max(10, count * 10 / 8)
