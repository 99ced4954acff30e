"""What was found in files and folders: cases, what belongs to them, and what was left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.wording import counted
from napari_scribseg.data.case import Case, CaseFiles, Dataset
from napari_scribseg.data.label_values import LabelKind, LabelValues
from napari_scribseg.io import read_series


@dataclass(frozen=True)
class FoundCase:
    """One image, and what belongs to it.

    Args:
        files: where its volumes are; scribbles and reference as they are stored.
        name: what to call it on the screen: its file or folder, as seen from what was given. It
            may be a person's name: it never goes into a file.
        shape: voxels (z, y, x); None = not told by the header.
        spacing: mm (z, y, x), NaN where it can't be told.
        n_frames: more than 1 for a time series, of which `files.frame` is still to be chosen.
        modality: "MR", "CT", ...; "" = not told.
        sequence: which sequence, plane or phase, as far as name or header tell.
        series: uid of a DICOM series that is not alone in its folder; see `read_series`.
        schema: the classes that a document beside it names.
        by_document: whether a document says how its labels are written.
        is_ticked: whether it is to be taken unless somebody says otherwise.
        remark: what is to be known before it is taken; "" = nothing.
        numbers: by kind of label file, the value in `Found.values` that each of its values stands
            for, where its own numbers are others.
    """

    files: CaseFiles
    name: str
    shape: tuple[int, int, int] | None = None
    spacing: tuple[float, float, float] | None = None
    n_frames: int = 1
    modality: str = ""
    sequence: str = ""
    series: str = ""
    schema: LabelSchema | None = None
    by_document: bool = False
    is_ticked: bool = True
    remark: str = ""
    numbers: Mapping[LabelKind, Mapping[int, int]] = field(default_factory=dict)

    @property
    def is_series(self) -> bool:
        """Whether a frame is still to be chosen."""
        return self.n_frames > 1 and self.files.frame is None

    @property
    def size(self) -> str:
        """Its voxels along z, y, x in words."""
        size = " x ".join(map(str, self.shape)) if self.shape else "?"
        return f"{size}, {self.n_frames} frames" if self.n_frames > 1 else size

    @property
    def spacing_text(self) -> str:
        """Its spacing in mm along z, y, x in words."""
        if self.spacing is None:
            return "?"
        return " x ".join("?" if math.isnan(mm) else f"{mm:.3g}" for mm in self.spacing)

    @property
    def belongings(self) -> str:
        """What belongs to the image, in words."""
        parts = [self.sequence, f"phase {self.files.phase}" if self.files.phase else ""]
        parts += [name for name in ("scribbles", "reference") if getattr(self.files, name)]
        return ", ".join(filter(None, parts))

    def at_frame(self, frame: int) -> FoundCase:
        """The case with a frame (counted from 0) where one is still to be chosen."""
        if not self.is_series:
            return self
        case_id = f"{self.files.id[:54]}_frame{frame + 1:02d}"
        files = self.files.model_copy(update={"frame": frame, "id": case_id})
        return replace(self, files=files)

    def given(self) -> CaseFiles | Case:
        """What a project is to add; a series that its folder alone doesn't tell is read here.

        Raises:
            InvalidInput: the series can't be read.
        """
        if not self.series:
            return self.files
        image = read_series(self.files.image, self.series, frame=self.files.frame)
        return Case(
            self.files.id,
            self.files.patient,
            image,
            notes=image.notes,
            source=str(self.files.image.absolute()),
        )


@dataclass(frozen=True)
class LeftOut:
    """Something that is no case, and why.

    Args:
        name: the file or folder, as seen from what was given.
        why: a part of a sentence, such as "a training run".
    """

    name: str
    why: str


@dataclass(frozen=True)
class Found:
    """Everything that was found.

    Args:
        title: what the whole is called: the folder, or the file.
        cases: in the order of their places.
        left_out: what is no case, and why.
        projects: folders of projects, which are opened and not imported.
        lone_labels: label files without an image.
        values: what the label files hold that no document explains, by kind.
        patients_from: how it is known whose the cases are.
        notes: what was noticed, in sentences.
    """

    title: str
    cases: tuple[FoundCase, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    projects: tuple[Path, ...] = ()
    lone_labels: tuple[Path, ...] = ()
    values: tuple[LabelValues, ...] = ()
    patients_from: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ticked(self) -> tuple[FoundCase, ...]:
        """The cases that are to be taken unless somebody says otherwise."""
        return tuple(case for case in self.cases if case.is_ticked)

    @property
    def schema(self) -> LabelSchema | None:
        """The classes that documents name, where all name the same."""
        named = [case.schema for case in self.cases if case.schema is not None]
        return named[0] if named and all(s.names == named[0].names for s in named) else None

    def values_of(self, kind: LabelKind) -> LabelValues | None:
        """What the label files of a kind hold, where no document says how they are written."""
        return next((one for one in self.values if one.kind == kind and one.counts), None)

    def left_out_sentences(self, most: int = 8) -> tuple[str, ...]:
        """What was left out and why, one sentence per reason."""
        reasons: dict[str, list[str]] = {}
        for one in self.left_out:
            reasons.setdefault(one.why, []).append(one.name)
        return tuple(f"{_named(names, most)}: {why}." for why, names in reasons.items())

    def summary(self) -> str:
        """How many cases and patients there are, in a sentence."""
        if not self.cases:
            return f"No case was found in {self.title}."
        patients = len({case.files.patient for case in self.cases})
        counts = Counter(
            kind
            for case in self.cases
            for kind in ("scribbles", "reference")
            if getattr(case.files, kind) is not None
        )
        text = f"{counted(len(self.cases), 'case')} of {counted(patients, 'patient')}"
        text += f" ({self.patients_from})" if self.patients_from and len(self.cases) > 1 else ""
        having = [f"{counts[k]} with {w}" for k, w in _WITH.items() if counts[k]]
        return f"{text}{', ' if having else ''}{', '.join(having)}."


_WITH = {"scribbles": "scribbles", "reference": "a reference"}


def from_dataset(dataset: Dataset, describe: Callable[[CaseFiles], FoundCase]) -> list[FoundCase]:
    """The cases of a dataset that a document describes."""
    return [
        replace(describe(files), schema=dataset.schema, by_document=True) for files in dataset.cases
    ]


def read_as(
    cases: Collection[FoundCase],
    conventions: Mapping[LabelKind, ScribbleConvention | None],
    n_foreground: int,
) -> tuple[FoundCase, ...]:
    """The cases, their labels read in these conventions where no document says how.

    Args:
        cases: as they were found.
        conventions: of the values in `Found.values`; None = our scribbles, class indices.
        n_foreground: number of foreground classes.
    """
    usual: dict[LabelKind, ScribbleConvention] = {
        "scribbles": ScribbleConvention.ours(n_foreground),
        "reference": ScribbleConvention.stored_values(range(1, n_foreground + 1)),
    }

    def of(case: FoundCase, kind: LabelKind) -> ScribbleConvention | None:
        common, numbers = conventions.get(kind), case.numbers.get(kind)
        return common if numbers is None else (common or usual[kind]).renumbered(numbers)

    def told(case: FoundCase) -> FoundCase:
        if case.by_document:
            return case
        changes = {
            "convention": of(case, "scribbles"),
            "reference_convention": of(case, "reference"),
        }
        return replace(case, files=case.files.model_copy(update=changes))

    return tuple(map(told, cases))


def _named(names: Sequence[str], most: int) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
