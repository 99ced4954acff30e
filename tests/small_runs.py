"""Runs on phantoms, for the tests of the engine and of the methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from phantoms import TWO_BALLS, phantom_dataset, two_ball_case

from napari_scribseg.batches.augmentation import CPU
from napari_scribseg.batches.slices import Batch
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.methods.base import Method
from napari_scribseg.runs.documents import RunCase
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.prepare import empty_samples

TINY = {"patch": (48, 48), "batch_size": 4, "steps": 4, "precision": "float32", "threads": 1}
"""Settings under which a step takes a fraction of a second."""


def tiny(method: type[Method]) -> dict[str, Any]:
    """TINY; of volumes, two at a time."""
    return TINY if method.sample == "slice" else {**TINY, "batch_size": 2}


def phantom_run(
    tmp_path: Path,
    method: type[Method],
    *,
    patients: int = 2,
    validate: int = 0,
    folder: str = "run",
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> RunFolder:
    """A run on two-ball cases, ready to be trained with the method's quick preset.

    Args:
        tmp_path: holds the dataset and the run.
        method: what is trained.
        patients: training cases.
        validate: validation cases.
        folder: name of the run folder.
        options: of the method, over its quick preset.
        settings: of TrainConfig, over TINY.
    """
    data = tmp_path / "data"
    if not data.exists():
        phantom_dataset(data, patients + validate)
    cases = read_dataset(data).cases[: patients + validate]
    preset = method.spec.presets["quick"]
    return RunFolder.create(
        tmp_path / folder,
        method=method.spec.name,
        options=preset.options.updated(options or {}).model_dump(mode="json"),
        training=preset.training.updated({**tiny(method), **settings}),
        schema=TWO_BALLS,
        cases=tuple(
            RunCase(files=case, role="train" if i < patients else "validate")
            for i, case in enumerate(cases)
        ),
        preset="quick",
    )


def phantom_batch(
    method: type[Method],
    *,
    unlabelled: bool = False,
    size: int = 48,
    device: torch.device = CPU,
) -> Batch:
    """Four samples of a two-ball case with the maps of the method; without scribbles if so."""
    case = two_ball_case(shape=(4, size, size))
    options = method.spec.presets["quick"].options
    if unlabelled:
        case = type(case)(case.id, case.patient, case.image, None, case.reference)
    samples = empty_samples(method, options, TWO_BALLS, case.image.spacing[1])
    samples.add(case, method.prepare(case, options), unlabelled=True)
    config = method.spec.presets["quick"].training.updated({**tiny(method), "patch": (size, size)})
    return samples.batch(1, config, 0.5, device)


def quick_method(method: type[Method], seed: int = 0) -> Method:
    """The method as its quick preset builds it, for the two balls."""
    torch.manual_seed(seed)
    return method(TWO_BALLS.n_classes, method.spec.presets["quick"].options)
