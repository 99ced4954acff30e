"""Which runs predict: what the user has ticked, and what is taken when nobody has. No Qt.

Ticks belong to the user: no event sets or clears one. As long as nothing was ticked, the run that
was completed last predicts; a training that still runs, or that was ended early, never by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_scribseg.gui.results.run_list import RunEntry, told_apart


@dataclass
class RunChoice:
    """The runs that can predict, and those that shall."""

    runs: tuple[RunEntry, ...] = ()
    _by_user: tuple[Path, ...] | None = None
    """What the user has ticked; None = nothing was ever ticked or unticked."""
    _preferred: Path | None = None
    """The run that was completed or looked at last, which goes before newer ones."""
    _guests: set[Path] = field(default_factory=set)
    """Runs of elsewhere; they stay in the list while they are ticked."""

    @property
    def ticked(self) -> tuple[Path, ...]:
        """The runs that predict, in the order of the list."""
        known = [entry.folder for entry in self.runs]
        if self._by_user is not None:
            return tuple(folder for folder in known if folder in self._by_user)
        complete = [entry.folder for entry in self.runs if entry.is_complete]
        if self._preferred in complete:
            return (self._preferred,)
        return tuple(complete[:1])

    def listed(self, runs: Sequence[RunEntry]) -> None:
        """The project has these runs now; those of elsewhere that are ticked stay."""
        known = {entry.folder for entry in runs}
        kept = self._guests & {*(self._by_user or ())}
        guests = [e for e in self.runs if e.folder in kept and e.folder not in known]
        self.runs = told_apart((*runs, *guests))

    def tick(self, runs: Sequence[Path]) -> None:
        """The user wants these."""
        self._by_user = tuple(runs)

    def add_guest(self, entry: RunEntry) -> None:
        """The user has fetched a run of elsewhere, and wants it."""
        self._guests.add(entry.folder)
        if all(known.folder != entry.folder for known in self.runs):
            self.runs = told_apart((entry, *self.runs))
        self.tick((entry.folder,))

    def prefer(self, run: Path) -> None:
        """Take this run where nothing was ticked, once it is complete."""
        self._preferred = run

    def title_of(self, run: Path | None) -> str:
        """What a run is called in the list."""
        return next((e.title for e in self.runs if e.folder == run), run.name if run else "")

    def effort_of(self, run: Path) -> str:
        """What drawing the strokes took that a run has learnt from; "" = not known."""
        return next((e.effort for e in self.runs if e.folder == run), "")

    @property
    def why_none(self) -> str | None:
        """Why no run predicts, in a sentence; None where one does."""
        if self.ticked:
            return None
        if not self.runs:
            return "Train first: no run can predict yet."
        if self._by_user is None:
            return "No run was trained to its end: train one, or tick one in the list."
        return "Tick a run in the list."
