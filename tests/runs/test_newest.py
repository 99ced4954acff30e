"""Which run of a project predicts by itself."""

from __future__ import annotations

import os

from small_runs import phantom_run

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.runs.newest import newest_run


def test_weights_that_a_run_only_starts_from_are_not_its_own(tmp_path) -> None:
    """A run that continues another and waits for its first step can't predict yet."""
    trained = phantom_run(tmp_path, PartialCE, folder="runs/trained")
    waiting = phantom_run(tmp_path, PartialCE, folder="runs/waiting")
    for run, which, second in ((trained, "last", 1000), (waiting, "start", 2000)):
        path = run.path / "checkpoints" / f"{which}.safetensors"
        path.write_bytes(b"")
        os.utime(path, (second, second))
    names = trained.schema.names
    assert newest_run(tmp_path, names) == trained.path
    assert newest_run(tmp_path, LabelSchema.of("other").names) is None
    (waiting.path / "checkpoints" / "best.safetensors").write_bytes(b"")
    assert newest_run(tmp_path, names) == waiting.path
