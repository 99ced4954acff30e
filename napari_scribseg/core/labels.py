"""LabelSchema: what the numbers in scribbles, targets and segmentations mean.

Three integer worlds, never mixed:

| world        | values                                             | where          |
|--------------|----------------------------------------------------|----------------|
| scribbles    | 0 = unlabelled, 1..C = class, 255 = background     | layers, files  |
| targets      | -1 = ignore, 0 = background, 1..C = class index    | tensors        |
| segmentation | 0 = background, 1..C = class index                 | layers, files  |

A reference is a segmentation; a partial one has 255 = unknown where it says nothing.

So a structure has the same number, colour and key everywhere. No other file of this package
contains a class number, and other people's conventions are converted here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array

IGNORE: Final = -1
"""Target value of a voxel that must not contribute to a supervised loss."""
OUTER_BACKGROUND: Final = -2
"""Where samples are kept in memory: a voxel nobody drew on, but that must be background, see
`enclosure`. Batches show some of them as background and the others as IGNORE."""
UNLABELLED: Final = 0
"""Scribble value of a voxel nobody drew on; it is what napari's eraser writes."""
BACKGROUND: Final = 255
"""Scribble value of background, a class that is drawn like the others."""
UNKNOWN: Final = 255
"""Reference value of a voxel about which a partial reference says nothing; never a class."""
MAX_CLASSES: Final = 254
"""Most foreground classes a uint8 scribble can tell apart."""

BACKGROUND_COLOR: Final = "#9048f0"
"""Violet: far from every class colour for every kind of colour vision, and from grey images."""
PALETTE: Final = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#0072b2",
    "#d55e00",
    "#cc79a7",
)
"""Colour-blind-safe colours in the order in which classes receive them.

Okabe & Ito, "Color Universal Design", 2008; black is left out as it can't be seen on MR.
"""


ClassName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class LabelClass(BaseModel):
    """One structure: its name, its display colour, and what is known of its anatomy.

    What is not said is not checked. See `evaluation.anatomy` for what follows from it.

    Args:
        name: of the structure.
        color: #rrggbb.
        one_piece: it is a single connected piece.
        inside: name of the structure that it lies inside of, as a cavity inside its wall.
        touches: names of structures that it shares a border with.
        most_ml: mL that it never has more of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassName
    color: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
    one_piece: bool = False
    inside: ClassName | None = None
    touches: tuple[ClassName, ...] = ()
    most_ml: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said = handler(self)
        silent = {"one_piece": False, "inside": None, "touches": (), "most_ml": None}
        return {k: v for k, v in said.items() if k not in silent or v not in (silent[k], [])}


class LabelSchema(BaseModel):
    """The structures of a task, in order: class index k is `classes[k - 1]`.

    It is also the document `labels.json`, hence the version.

    Example:
        >>> from napari_scribseg import LabelSchema
        >>> schema = LabelSchema.of("gland", "tumour")
        >>> schema.names
        ('background', 'gland', 'tumour')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    classes: Annotated[tuple[LabelClass, ...], Field(min_length=1, max_length=MAX_CLASSES)]

    @field_validator("classes")
    @classmethod
    def _names_differ(cls, classes: tuple[LabelClass, ...]) -> tuple[LabelClass, ...]:
        names = [c.name.casefold() for c in classes] + ["background"]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"class names must differ, got {', '.join(sorted(twice))} twice")
        return classes

    @model_validator(mode="after")
    def _anatomy_names_classes(self) -> LabelSchema:
        names = {item.name for item in self.classes}
        for item in self.classes:
            for other in (*item.touches, *((item.inside,) if item.inside else ())):
                if other not in names or other == item.name:
                    raise ValueError(
                        f"what is said of {item.name} names '{other}'; expected another class of "
                        f"this list: {', '.join(sorted(names - {item.name})) or 'there is none'}"
                    )
        return self

    @classmethod
    def of(cls, *names: str, title: str | None = None) -> LabelSchema:
        """A schema of these structures, coloured from the palette.

        Raises:
            InvalidInput: no name, an empty name, two equal names or more than 254.
        """
        try:
            return cls(
                title=title or ", ".join(names)[:80],
                classes=tuple(
                    LabelClass(name=name, color=PALETTE[i % len(PALETTE)])
                    for i, name in enumerate(names)
                ),
            )
        except ValueError as error:
            raise InvalidInput(
                f"These class names can't be used: {', '.join(names) or 'none given'}. "
                "Expected 1 to 254 different names of at most 40 letters, not 'background'."
            ) from error

    def with_anatomy(self, **said: dict[str, Any]) -> LabelSchema:
        """The schema with more said of some structures, by name: `LV={"inside": "MYO"}`.

        Raises:
            InvalidInput: a structure is not in the schema.
        """
        if strange := sorted(set(said) - set(self.names[1:])):
            raise InvalidInput(
                f"The schema '{self.title}' has no structure {', '.join(strange)}; it has "
                f"{', '.join(self.names[1:])}."
            )
        classes = [{**c.model_dump(), **said.get(c.name, {})} for c in self.classes]
        return LabelSchema.model_validate({**self.model_dump(), "classes": classes})

    @property
    def n_classes(self) -> int:
        """Number of class indices, background included (K, the network's channels)."""
        return len(self.classes) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Name of every class index, "background" first."""
        return ("background", *(c.name for c in self.classes))

    @property
    def scribble_values(self) -> dict[int, str]:
        """Every value that may be drawn, with its name: the classes, then background."""
        return {**dict(enumerate(self.names[1:], start=1)), BACKGROUND: self.names[0]}

    @property
    def scribble_colors(self) -> dict[int, str]:
        """Display colour of every value that may be drawn."""
        return {**self.segmentation_colors, BACKGROUND: BACKGROUND_COLOR}

    @property
    def segmentation_colors(self) -> dict[int, str]:
        """Display colour of every foreground class index."""
        return {i: c.color for i, c in enumerate(self.classes, start=1)}

    def check_scribbles(self, scribbles: Array, where: str = "The scribbles") -> None:
        """Raises InvalidInput, listing values and counts, unless all values are in the schema."""
        self._check(scribbles, {UNLABELLED, *self.scribble_values}, where)

    def check_segmentation(self, segmentation: Array, where: str = "The segmentation") -> None:
        """Raises InvalidInput, listing values and counts, unless all values are class indices."""
        self._check(segmentation, set(range(self.n_classes)), where)

    def check_reference(self, reference: Array, where: str = "The reference") -> None:
        """Raises InvalidInput likewise; a reference may also be UNKNOWN in places."""
        self._check(reference, {UNKNOWN, *range(self.n_classes)}, where)

    def to_targets(self, scribbles: Array) -> npt.NDArray[np.int16]:
        """Targets (class index or IGNORE) of scribbles; same shape, input not modified.

        Raises:
            InvalidInput: a value is not in the schema.
        """
        self.check_scribbles(scribbles)
        return targets_of(scribbles)

    def to_scribbles(self, targets: Array) -> npt.NDArray[np.uint8]:
        """Scribbles of targets: the inverse of `to_targets`."""
        self._check(targets, {IGNORE, *range(self.n_classes)}, "The targets")
        scribbles = np.where(targets == 0, BACKGROUND, targets)
        return np.where(targets == IGNORE, UNLABELLED, scribbles).astype(np.uint8)

    def _check(self, values: Array, known: set[int], where: str) -> None:
        found, counts = np.unique(values, return_counts=True)
        strange = {int(v): int(n) for v, n in zip(found, counts, strict=True) if v not in known}
        if strange:
            listing = ", ".join(f"{v} ({n} voxels)" for v, n in list(strange.items())[:8])
            expected = ", ".join(str(v) for v in sorted(known)[:12])
            raise InvalidInput(
                f"{where}: {len(strange)} value(s) are not in the schema '{self.title}': "
                f"{listing}. Expected only {expected}; convert the file or change the schema."
            )


def targets_of(scribbles: Array) -> npt.NDArray[np.int16]:
    """Targets of scribbles that were checked before; same shape, input not modified."""
    targets = scribbles.astype(np.int16)
    targets[scribbles == UNLABELLED] = IGNORE
    targets[scribbles == BACKGROUND] = 0
    return targets


def reference_of_scribbles(scribbles: Array) -> npt.NDArray[np.uint8]:
    """The partial reference that scribbles are: what nobody drew on is UNKNOWN."""
    reference = scribbles.astype(np.uint8)
    reference[scribbles == BACKGROUND] = 0
    reference[scribbles == UNLABELLED] = UNKNOWN
    return reference


def targets_of_reference(reference: Array) -> npt.NDArray[np.int16]:
    """Targets of a reference that was checked before; UNKNOWN becomes IGNORE."""
    targets = reference.astype(np.int16)
    targets[reference == UNKNOWN] = IGNORE
    return targets


PRESETS: Final[dict[str, LabelSchema]] = {
    "cardiac": LabelSchema.of(
        "RV", "MYO", "LV", title="Cardiac short axis (RV, MYO, LV)"
    ).with_anatomy(
        RV={"one_piece": True, "touches": ("MYO",)},
        MYO={"one_piece": True},
        LV={"one_piece": True, "inside": "MYO"},
    ),
    "prostate": LabelSchema.of("PZ", "CG", title="Prostate zones (PZ, CG)").with_anatomy(
        PZ={"one_piece": True, "touches": ("CG",)}, CG={"one_piece": True}
    ),
    "structure": LabelSchema.of("structure", title="One structure"),
    "abdomen": LabelSchema(
        title="Abdominal organs (liver, kidneys, spleen)",
        classes=(
            LabelClass(name="liver", color="#d55e00"),
            LabelClass(name="right kidney", color="#f0e442"),
            LabelClass(name="left kidney", color="#b3e2cd"),
            LabelClass(name="spleen", color="#009e73"),
        ),
    ),
}
"""Ready schemas: ACDC and MSCMR hearts, prostate zones, one structure, organs of the abdomen."""
KNOWN_VALUES: Final[dict[int, str]] = {200: "MYO", 205: "MYO", 500: "LV", 600: "RV"}
"""Values that public sets of hearts (MS-CMRSeg, MM-WHS) use for our classes of these names."""


@dataclass(frozen=True)
class ScribbleConvention:
    """How somebody else writes scribbles or references: which stored value means what.

    Args:
        title: whose convention it is.
        unlabelled: stored value of a voxel nobody drew on, or None where every voxel is labelled.
        background: stored value of background, or None where background is never drawn.
        classes: stored value of class index 1, 2, ...
        also: further stored values, each with what it means in our scribble world.

    Raises:
        InvalidInput: one stored value would have two meanings.
    """

    title: str
    unlabelled: int | None
    background: int | None
    classes: tuple[int, ...]
    also: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        others = (self.unlabelled, self.background, *(value for value, _ in self.also))
        told = [*(value for value in others if value is not None), *self.classes]
        if len(set(told)) < len(told):
            raise InvalidInput(
                f"In the convention '{self.title}' one value has two meanings: unlabelled "
                f"{self.unlabelled}, background {self.background}, classes {list(self.classes)}. "
                "Every meaning needs a value of its own."
            )

    @classmethod
    def ours(cls, n_foreground: int) -> ScribbleConvention:
        """0 unlabelled, 1..C classes, 255 background."""
        return cls("napari-scribseg", UNLABELLED, BACKGROUND, _upto(n_foreground))

    @classmethod
    def wsl4mis(cls, n_foreground: int) -> ScribbleConvention:
        """0 background, 1..C classes, C + 1 unlabelled.

        ACDC scribbles of Valvano et al. 2021, WSL4MIS, CycleMix's MSCMR scribbles and nnU-Net's
        ignore label (the highest id) all follow it.
        """
        return cls("WSL4MIS", n_foreground + 1, 0, _upto(n_foreground))

    @classmethod
    def nnunet_ignore(cls, n_foreground: int) -> ScribbleConvention:
        """0 background, 1..C classes, C + 1 ignore: nnU-Net demands the highest id."""
        return cls("nnU-Net ignore label", n_foreground + 1, 0, _upto(n_foreground))

    @classmethod
    def effdnet_prostate(cls, n_foreground: int = 2) -> ScribbleConvention:
        """0 background, 1..2 classes, 4 unlabelled (hard-coded in EFFDNet's loader).

        Raises:
            InvalidInput: the schema has another number of classes than 2.
        """
        if n_foreground != 2:
            raise InvalidInput(
                "The convention 'EFFDNet prostate' is for two classes (PZ, CG), the schema has "
                f"{n_foreground}. Choose another convention."
            )
        return cls("EFFDNet prostate", 4, 0, (1, 2))

    @classmethod
    def unlabelled_255(cls, n_foreground: int) -> ScribbleConvention:
        """0 background, 1..C classes, 255 unlabelled: output of WSL4MIS's scribble generator."""
        return cls("255 = unlabelled", 255, 0, _upto(n_foreground))

    @classmethod
    def meaning(
        cls, title: str, meaning: Mapping[int, int], n_foreground: int
    ) -> ScribbleConvention:
        """Any stored values, by what each means in our scribble world.

        Several values may mean one thing, and no value need mean a class.

        Raises:
            InvalidInput: a meaning is neither a class, UNLABELLED nor BACKGROUND.
        """
        known = {UNLABELLED, BACKGROUND, *_upto(n_foreground)}
        if strange := sorted({*meaning.values()} - known):
            raise InvalidInput(f"There is no class {strange[0]}; expected 1 to {n_foreground}.")
        first = {ours: value for value, ours in sorted(meaning.items(), reverse=True)}
        unused = iter(
            range(max(meaning, default=0) + 1, max(meaning, default=0) + n_foreground + 1)
        )
        classes = tuple(first[k] if k in first else next(unused) for k in _upto(n_foreground))
        also = tuple((v, ours) for v, ours in sorted(meaning.items()) if first[ours] != v)
        return cls(title, first.get(UNLABELLED), first.get(BACKGROUND), classes, also)

    @classmethod
    def stored_values(cls, values: Sequence[int]) -> ScribbleConvention:
        """0 background, and these values for the classes 1, 2, ... of a dense reference."""
        return cls("stored values", None, 0, tuple(values))

    def read_reference(self, stored: Array) -> npt.NDArray[np.uint8]:
        """The reference, class indices and UNKNOWN, that is stored in this convention.

        Raises:
            InvalidInput: a stored value has no meaning in this convention.
        """
        return reference_of_scribbles(self.read(stored)[0])

    def read(self, stored: Array) -> tuple[npt.NDArray[np.uint8], dict[str, int]]:
        """Our scribbles of stored ones, and how many voxels became what.

        Args:
            stored: integers of any shape, in this convention; not modified.

        Raises:
            InvalidInput: a stored value has no meaning in this convention.
        """
        meaning = self._meaning()
        values, inverse, counts = np.unique(stored, return_inverse=True, return_counts=True)
        strange = [int(v) for v in values if int(v) not in meaning]
        if strange:
            raise InvalidInput(
                f"Value(s) {strange} have no meaning in the convention '{self.title}', which "
                f"knows {sorted(meaning)}. Choose another convention or repair the file."
            )
        ours = np.array([meaning[int(v)] for v in values], dtype=np.uint8)
        converted = {
            f"{int(v)} -> {int(o)}": int(n) for v, o, n in zip(values, ours, counts, strict=True)
        }
        return ours[inverse].reshape(stored.shape), converted

    def write(self, scribbles: Array) -> npt.NDArray[np.uint8]:
        """Scribbles of ours in this convention: the inverse of `read`.

        Raises:
            InvalidInput: a value can't be told in this convention.
        """
        stored = {ours: theirs for theirs, ours in reversed(self._meaning().items())}
        values, inverse = np.unique(scribbles, return_inverse=True)
        strange = [int(v) for v in values if int(v) not in stored]
        if strange:
            raise InvalidInput(
                f"Scribble value(s) {strange} can't be written in the convention '{self.title}', "
                f"which has a place for {sorted(stored)}."
            )
        theirs = np.array([stored[int(v)] for v in values], dtype=np.uint8)
        return theirs[inverse].reshape(scribbles.shape)

    def _meaning(self) -> dict[int, int]:
        meaning = {value: index for index, value in enumerate(self.classes, start=1)}
        if self.unlabelled is not None:
            meaning[self.unlabelled] = UNLABELLED
        if self.background is not None:
            meaning[self.background] = BACKGROUND
        return meaning | dict(self.also)


CONVENTIONS: Final[dict[str, Callable[[int], ScribbleConvention]]] = {
    "ours": ScribbleConvention.ours,
    "wsl4mis": ScribbleConvention.wsl4mis,
    "nnunet_ignore": ScribbleConvention.nnunet_ignore,
    "effdnet_prostate": ScribbleConvention.effdnet_prostate,
    "unlabelled_255": ScribbleConvention.unlabelled_255,
}
"""Every convention by the word that the command line takes; each is given the number of classes."""


def _upto(n: int) -> tuple[int, ...]:
    return tuple(range(1, n + 1))


def schema_from_names(names: Sequence[str]) -> LabelSchema:
    """The preset with these foreground names if there is one (colours and title), else a new one.

    Raises:
        InvalidInput: the names can't be used.
    """
    for preset in PRESETS.values():
        if [n.casefold() for n in preset.names[1:]] == [n.casefold() for n in names]:
            return preset
    return LabelSchema.of(*names)


def labelled_voxels(reference: npt.NDArray[Any]) -> npt.NDArray[np.bool_] | None:
    """Where a partial reference says anything, as a boolean array; None for a dense reference."""
    labelled = reference != UNKNOWN
    return None if labelled.all() else labelled
