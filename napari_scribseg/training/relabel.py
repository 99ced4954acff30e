"""E-steps: new targets of every training case from the current model, kept in the run folder.

    relabelled/1/<case id>.safetensors    the maps after the first E-step; 2 after the second ...

A resumed run reads those of the E-step that its checkpoint knows of; older ones are deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.batches.slices import image_slices, resample_in_plane
from napari_scribseg.core.errors import RunError
from napari_scribseg.core.events import Event, Prepared, Relabelled
from napari_scribseg.data.case import Case
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.io.regular_file import open_own, refuse_links
from napari_scribseg.methods.base import Maps, Shown
from napari_scribseg.training.full_disk import written_when_there_is_room
from napari_scribseg.training.learner import Learner


def relabelled_file(run: Path, count: int, case_id: str) -> Path:
    """Where a case's maps after this many E-steps are, in the folder of a run."""
    return run / "relabelled" / str(count) / f"{case_id}.safetensors"


class Relabelling:
    """The training cases with their current maps, and the E-steps that change them.

    Args:
        folder: of the run.
        slices: what the network learns from.
        cases: the training cases.
        maps: their maps, by case id; changed in place by an E-step.
    """

    def __init__(
        self, folder: Path, slices: SampleSet, cases: Sequence[Case], maps: dict[str, Maps]
    ) -> None:
        self._folder = folder / "relabelled"
        self._slices = slices
        self._cases = cases
        self._maps = maps

    @torch.no_grad()
    def run(self, learner: Learner, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Make new maps of every case; tells of each, and at the end how much has changed.

        Args:
            learner: its averaged weights predict.
            cancelled: asked between cases; when true, the E-step is given up and comes again when
                the run is resumed.
        """
        count, method = learner.relabels_due, learner.predictor.eval()
        changed = voxels = 0
        for done, case in enumerate(self._cases, start=1):
            if cancelled():
                return
            learner.seed(learner.step + done)
            old = self._maps[case.id]
            with learner.machine.autocast():
                new = method.relabel(case, old, self._shown(case, learner))
            classes = [name for name, array in new.items() if array.dtype.kind in "iu"]
            changed += sum(int(np.count_nonzero(new[name] != old[name])) for name in classes)
            voxels += sum(new[name].size for name in classes)
            self._take(case, {**old, **new})
            keep = partial(self._keep, count, case)
            if (yield from written_when_there_is_room(keep, cancelled)) is None:
                return
            yield Prepared(done=done, total=len(self._cases), case=case.id, cached=False)
        learner.relabels = count
        if method.restarts_optimiser:
            learner.begin_anew()
        yield Relabelled(step=learner.step, changed=changed / max(voxels, 1))

    def _keep(self, count: int, case: Case) -> None:
        entry = self._entry(count, case)
        refuse_links(entry)
        entry.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(entry, save(self._maps[case.id]))

    def forget_older(self, learner: Learner) -> None:
        """Delete the maps of earlier E-steps, once a checkpoint knows of the last one."""
        for folder in self._folder.glob("*"):
            if folder.name != str(learner.relabels):
                shutil.rmtree(folder, ignore_errors=True)

    def restore(self, learner: Learner) -> None:
        """Take the maps of the last E-step that the learner knows of.

        Raises:
            RunError: one of them is missing or damaged.
        """
        if not learner.relabels:
            return
        for case in self._cases:
            entry = self._entry(learner.relabels, case)
            try:
                open_own(entry, "rb").close()  # a pipe, and the library would wait for ever
                self._take(case, load_file(entry))
            except (OSError, SafetensorError) as error:
                raise RunError(
                    f"The targets of case {case.id} in {entry.parent} are missing or damaged, so "
                    "the run can't be continued; train anew."
                ) from error

    def _entry(self, count: int, case: Case) -> Path:
        return relabelled_file(self._folder.parent, count, case.id)

    def _take(self, case: Case, maps: Maps) -> None:
        self._maps[case.id] = maps
        self._slices.replace_maps(case, maps)

    def _shown(self, case: Case, learner: Learner) -> Shown:
        machine = learner.machine
        image = image_slices(case.image.channels, case.image.spacing, self._slices.spacing_mm)
        shape = (case.image.shape[1], case.image.shape[2])

        def to_grid(pixels: Tensor) -> np.ndarray:
            back = resample_in_plane(pixels.float(), shape)
            return back.movedim(1, 0).contiguous().cpu().numpy()

        placed = image.to(machine.device).contiguous(memory_format=machine.memory_format)
        return Shown(placed, to_grid)
