"""The strokes that are followed while somebody draws: a journal per case and version of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.project import journals
from napari_scribseg.project.folder import Project
from napari_scribseg.project.journal import Journal
from napari_scribseg.project.journal_records import JournalHeader
from napari_scribseg.project.journals import Restored

Whose = tuple[str, str]
"""Id of the case, and whose version of its strokes, see `Version.of`."""


class FollowedStrokes:
    """The journals of one sitting.

    Args:
        folder: the private folder of the journals.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journals: dict[Whose, Journal] = {}

    @property
    def case_ids(self) -> set[str]:
        """The cases that are followed."""
        return {case_id for case_id, _ in self._journals}

    def of(self, whose: Whose) -> Journal | None:
        """The journal of these strokes; None = they are not followed."""
        return self._journals.get(whose)

    def unsaved(self, project: Project, whose: Whose) -> Array | None:
        """What is kept of strokes (z, y, x) and not saved; None where nothing is.

        Where it does not go on from what the project has now, as the saved strokes or the
        structures are others, it is followed no more and stays to be restored.
        """
        one = self._journals.get(whose)
        if one is None or not one.is_pending:
            return None
        drawn = one.recorded.array()
        try:
            project.schema_of(whose[0]).check_scribbles(drawn)
            goes_on = one.header.scribbles_sha256 == project.scribbles_sha256(*whose)
        except InvalidInput:
            goes_on = False
        if not goes_on:
            self.forget(whose)
        return drawn if goes_on else None

    def follow(
        self, project: Project, whose: Whose, saved: Array, schema: LabelSchema | None = None
    ) -> Journal:
        """Follow strokes from now on; `saved` is what the project has of them."""
        schema = schema or project.schema_of(whose[0])
        one = Journal(self.folder, _header(project, whose, saved.shape, schema), saved)
        # What is saved needs no copy in memory any more.
        self._journals = {key: one for key, one in self._journals.items() if one.is_pending}
        self._journals[whose] = one
        return one

    def followed(
        self, project: Project, whose: Whose, shape: tuple[int, ...], schema: LabelSchema
    ) -> Journal:
        """The journal of strokes, which are followed from now on if they were not."""
        known = self.of(whose)
        if known is not None:
            return known
        return self.follow(project, whose, _saved(project, whose, shape), schema)

    def settle(self, project: Project, whose: Whose, schema: LabelSchema) -> None:
        """What is kept of strokes is saved now: end their journal.

        Raises:
            InvalidInput: the file can't be removed.
        """
        one = self._journals[whose]
        one.settle(one.recorded, _header(project, whose, one.recorded.shape, schema))

    def forget(self, whose: Whose) -> None:
        """Follow these strokes no more."""
        self._journals.pop(whose, None)

    def clear(self) -> None:
        """Follow nothing any more; journals with unsaved strokes stay on the disk."""
        self._journals.clear()

    def left(self) -> tuple[Restored, ...]:
        """What earlier sittings left unsaved, the oldest first."""
        mine = {one.path for one in self._journals.values()}
        return tuple(one for one in journals.pending(self.folder) if one.path not in mine)

    def promised_ids(self, project: Path) -> set[str]:
        """Ids that strokes are kept under already, here or since an earlier sitting."""
        left = journals.pending(self.folder)
        earlier = {one.header.case for one in left if one.header.project == str(project)}
        return self.case_ids | earlier


def _saved(project: Project, whose: Whose, shape: tuple[int, ...]) -> Array:
    """The strokes that the project has; nothing where it has none that fit."""
    try:
        saved = project.saved_scribbles(*whose)
    except InvalidInput:  # the journal keeps all of them then
        saved = None
    fits = saved is not None and saved.shape == shape
    return saved if saved is not None and fits else np.zeros(shape, np.uint8)


def _header(
    project: Project, whose: Whose, shape: tuple[int, ...], schema: LabelSchema
) -> JournalHeader:
    case_id, of = whose
    saved = project.scribbles_sha256(case_id, of) if case_id in project.case_ids else None
    return JournalHeader.begin(
        project.folder,
        case_id,
        (shape[0], shape[1], shape[2]),
        schema,
        annotator=of,
        revision=project.revision,
        scribbles_sha256=saved,
    )
