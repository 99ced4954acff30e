"""The strokes on a scribbles layer with all that is needed to keep them, wherever they belong."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari.layers import Layer

from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.planes import Planes
from napari_scribseg.core.region import Region
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case, CaseKey
from napari_scribseg.gui.canvas import layers
from napari_scribseg.gui.canvas.chosen_layers import kept_as, region_of
from napari_scribseg.project.shown import Kept
from napari_scribseg.project.store import ProjectStore


@dataclass(frozen=True, eq=False)
class DrawnStrokes:
    """One scribbles layer, with what is needed to keep it."""

    layer: Layer
    array: Array
    case: CaseKey
    """Which case its image is of."""
    image: Volume
    reference: Array | None
    oriented: bool
    """Whether it is known how the image lies in the patient."""
    schema: LabelSchema
    project: Path
    fresh_ids: MutableMapping[Layer, tuple[Path, str]]
    """Ids that were given in a thread just now and are not noted on the layers yet."""
    region: Region | None = None
    """Everything outside of it is background."""
    of: str = ""
    """Whose version of the strokes it is; "" = the one that all share."""
    seconds: float = 0.0
    """How long the pen moved since something was kept last."""
    planes: Planes | None = None
    """`array` as it was seen last; None = something was drawn since."""

    @property
    def kept_as(self) -> str | None:
        """The id under which the project or the journal knows these scribbles."""
        project, fresh = self.fresh_ids.get(self.layer, (None, None))
        return fresh if project == self.project else kept_as(self.layer, self.project)

    @property
    def kept(self) -> CaseKey | None:
        """The case of the project that these scribbles belong to."""
        case_id = self.kept_as
        return None if case_id is None else CaseKey.in_project(self.project, case_id)


def as_of_now(drawing: DrawnStrokes) -> DrawnStrokes:
    """The strokes as their layer has them now, also when it has just left the viewer."""
    layer = drawing.layer
    try:
        array = layers.volume_of(layer).array
    except ScribsegError:
        array = drawing.array
    return replace(
        drawing,
        array=array if array.shape == drawing.array.shape else drawing.array,
        schema=layers.schema_of(layer) or drawing.schema,
        region=region_of(layer),
        planes=None,
    )


def keep(store: ProjectStore, drawing: DrawnStrokes) -> tuple[Kept, bool]:
    """The strokes in the journal, and whether the project still lacks a case for them."""
    if drawing.kept_as is None and not drawing.array.any():
        return Kept("", unsaved=False), False
    with store.at(drawing.project, drawing.schema) as at:
        drawn = drawing.array if drawing.planes is None else drawing.planes
        kept = at.keep(
            drawing.kept_as,
            drawing.case.id,
            drawn,
            drawing.schema,
            of=drawing.of,
            seconds=drawing.seconds,
        )
        drawing.fresh_ids[drawing.layer] = (drawing.project, kept.case)
        at.keep_region(kept.case, drawing.region)
        return kept, at.lacks(kept.case)


def add_case(store: ProjectStore, case_id: str, drawing: DrawnStrokes) -> bool:
    """Give the project the case of strokes that are kept already; False = it has it."""
    if not store.is_at(drawing.project):
        with store.at(drawing.project, drawing.schema) as at:
            return add_case(at, case_id, drawing)
    key = drawing.case
    case = Case(case_id, key.id, drawing.image, None, drawing.reference, source=key.source)
    schema, oriented = drawing.schema, drawing.oriented
    is_new = store.add_drawn(case_id, case, schema, oriented=oriented, folder=drawing.project)
    with store.at(drawing.project, drawing.schema) as at:
        at.keep_region(case_id, drawing.region)
    return is_new


def save(store: ProjectStore, drawing: DrawnStrokes) -> Kept:
    """The strokes in the project; in a project that can't be written, in the journal only."""
    if not store.is_at(drawing.project):
        with store.at(drawing.project, drawing.schema) as at:  # one store: it ends its journal
            return save(at, drawing)
    # The planes may be older than the array, which may be drawn on meanwhile.
    kept, is_new = keep(store, replace(drawing, planes=None))
    if not kept.unsaved or store.read_only:
        return kept
    if is_new:
        add_case(store, kept.case, drawing)
    with store.at(drawing.project, drawing.schema) as at:
        at.save(kept.case, drawing.array, drawing.schema, of=drawing.of)
    return Kept(kept.case, unsaved=False, voxels=max(1, kept.voxels), note=kept.note)
