"""What a run's method has made of a training case: seeds, supervoxel labels, edges, new targets.

A person who doubts a result looks at what was learnt from. The prepared maps come from the cache
of `training.prepare` or are computed again, the current ones from the run folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import Case
from napari_scribseg.data.orientation import Orientation, view_of
from napari_scribseg.methods.base import Maps
from napari_scribseg.methods.registry import method_named
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.checkpoint import checkpoint_info, load_checkpoint
from napari_scribseg.training.oriented import orient, training_orientation
from napari_scribseg.training.prepare import prepare_cases
from napari_scribseg.training.relabel import relabelled_file
from napari_scribseg.training.training_cases import held_out, training_cases


@dataclass(frozen=True)
class CaseMaps:
    """The maps of one training case.

    Args:
        case: the training case.
        schema: the structures.
        prepared: maps made before training.
        current: maps that the run learns from now; the prepared ones before the first E-step.
        relabels: E-steps that lie between the two.
    """

    case: Case
    schema: LabelSchema
    prepared: Maps
    current: Maps
    relabels: int

    @property
    def changed(self) -> dict[str, int]:
        """By map, the number of voxels that the E-steps have changed."""
        pairs = {n: (array, self.prepared[n]) for n, array in self.current.items()}
        return {n: int(np.count_nonzero(now != then)) for n, (now, then) in pairs.items()}

    def layers(self) -> dict[str, npt.NDArray[Any]]:
        """What can be shown, by name, each (z, y, x) on the grid of the case.

        Class indices are in the values of scribbles, so that what nobody knows is 0; other maps are
        as they are. A map that E-steps have changed comes twice, the second with "_relabelled"
        behind its name. Maps with one value throughout have nothing to show and are left out.
        """
        shown = self._shown(self.prepared, "")
        if self.relabels:
            changed = {n: a for n, a in self.current.items() if self.changed[n]}
            shown |= self._shown(changed, "_relabelled")
        return shown

    def _shown(self, maps: Mapping[str, npt.NDArray[Any]], suffix: str) -> Maps:
        return {
            f"{name}{suffix}": self.schema.to_scribbles(array)
            if array.dtype.kind in "iu"
            else array
            for name, array in maps.items()
            if array.min() != array.max()
        }


def case_maps(run: RunFolder, case_id: str) -> CaseMaps:
    """The maps of one training case of a run, which may be training now.

    Raises:
        InvalidInput: the run does not train on this case, its method makes no maps, or the case
            can't be read.
        RunError: the case has changed, or its targets are missing or damaged.
    """
    files = {item.id: item for item in run.files("train")}
    if case_id not in files:
        some = ", ".join(sorted(files)[:8]) + (", ..." if len(files) > 8 else "")
        raise InvalidInput(
            f"The run {run.path} does not train on a case '{case_id}'. It trains on: {some}."
        )
    kind = method_named(run.record.method)
    options, relabels = run.record.options, 0
    if run.checkpoint("last").exists():
        _, info = load_checkpoint(run.checkpoint("last"))
        options, relabels = info.options, info.relabels
    case = files[case_id].load(run.schema)
    turn = view_of(_orientation(run), case.image).turn
    seen = _learnt(run, turn.case(case))
    (item,) = prepare_cases(kind, kind.spec.Config().updated(options), [seen])
    if not item.maps:
        raise InvalidInput(
            f"{kind.spec.title} makes no maps: it learns from the drawings as they are. Ask a run "
            "of a method that grows seeds or labels, such as random_walker."
        )
    current = _relabelled(run, relabels, seen) if relabels else item.maps
    prepared, current = (
        {name: turn.undone(array) for name, array in maps.items()} for maps in (item.maps, current)
    )
    return CaseMaps(case, run.schema, prepared, current, relabels)


def _learnt(run: RunFolder, seen: Case) -> Case:
    """The case without the strokes that the run holds out."""
    if not run.record.training.held_out_strokes:
        return seen
    cases = training_cases(run)
    orient(cases, _orientation(run))
    return next(case for case in held_out(run, cases)[0] if case.id == seen.id)


def _orientation(run: RunFolder) -> Orientation | None:
    """In which the run's network sees its cases; they tell it before the first checkpoint."""
    path = run.checkpoint("last")
    if path.exists():
        return checkpoint_info(path).orientation
    start = run.start_weights and checkpoint_info(run.start_weights).orientation
    cases = (files.load(run.schema) for files in run.files("train"))
    return training_orientation(cases, start=start)


def _relabelled(run: RunFolder, relabels: int, case: Case) -> Maps:
    path = relabelled_file(run.path, relabels, case.id)
    try:
        maps = load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(
            f"The targets of case {case.id} in {path.parent} are missing or damaged. If the run is "
            "training, it may be writing them: ask again in a minute."
        ) from error
    if any(array.shape != case.image.shape for array in maps.values()):
        raise RunError(
            f"The image of case {case.id} has another size than when the run was trained, so its "
            "targets can't be shown on it: train anew."
        )
    return maps
