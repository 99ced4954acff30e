"""LabelSchema: what the numbers in scribbles, targets and segmentations mean.

Three integer worlds, never mixed:

| world        | values                                             | where          |
|--------------|----------------------------------------------------|----------------|
| scribbles    | 0 = unlabelled, 1..C = class, 255 = background,    | layers, files  |
|              | 254 = unsure                                       |                |
| targets      | -1 = ignore, 0 = background, 1..C = class index    | tensors        |
| segmentation | 0 = background, 1..C = class index                 | layers, files  |

A reference is a segmentation; a partial one has 255 = unknown where it says nothing.

So a structure has the same number, colour and key everywhere. No other file of this package
contains a class number; other people's are in `conventions` alone, where they become ours.
"""

from __future__ import annotations

from collections.abc import Sequence
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
`outer_background`. Batches show some of them as background and the others as IGNORE."""
REFERENCE_MAP: Final = "reference"
"""Name of the map in which a method keeps dense labels to learn from."""
UNLABELLED: Final = 0
"""Scribble value of a voxel nobody drew on; it is what napari's eraser writes."""
BACKGROUND: Final = 255
"""Scribble value of background, a class that is drawn like the others."""
UNKNOWN: Final = 255
"""Reference value of a voxel about which a partial reference says nothing; never a class."""
UNSURE: Final = 254
"""Scribble value of a voxel about which whoever draws can't say what it is. No stroke teaches there
and nothing fills it: no contour, proposal, background from outside, or accepted prediction."""
MAX_CLASSES: Final = 253
"""Most foreground classes a uint8 scribble can tell apart."""

BACKGROUND_COLOR: Final = "#9048f0"
"""Violet: far from every class colour for every kind of colour vision, and from grey images."""
UNSURE_COLOR: Final = "#606060"
"""Dark grey: the lightest one that no kind of colour vision takes for a class of the presets."""
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
            InvalidInput: no name, an empty name, two equal names or more than 253.
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
                "Expected 1 to 253 different names of at most 40 letters, not 'background'."
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
        """Every value that teaches something, with its name: the classes, then background."""
        return {**dict(enumerate(self.names[1:], start=1)), BACKGROUND: self.names[0]}

    @property
    def drawn_values(self) -> dict[int, str]:
        """Every value that strokes may have, with its name: those that teach, then unsure."""
        return {**self.scribble_values, UNSURE: "unsure"}

    @property
    def scribble_colors(self) -> dict[int, str]:
        """Display colour of every value that strokes may have."""
        return {
            **self.segmentation_colors,
            BACKGROUND: BACKGROUND_COLOR,
            UNSURE: UNSURE_COLOR,
        }

    @property
    def segmentation_colors(self) -> dict[int, str]:
        """Display colour of every foreground class index."""
        return {i: c.color for i, c in enumerate(self.classes, start=1)}

    def check_scribbles(self, scribbles: Array, where: str = "The scribbles") -> None:
        """Raises InvalidInput, listing values and counts, unless all values are in the schema."""
        self._check(scribbles, {UNLABELLED, *self.drawn_values}, where)

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
    targets[(scribbles == UNLABELLED) | (scribbles == UNSURE)] = IGNORE
    targets[scribbles == BACKGROUND] = 0
    return targets


def is_structure(scribbles: Array) -> npt.NDArray[np.bool_]:
    """Where strokes of structures are: neither background nor unsure."""
    return (scribbles != UNLABELLED) & (scribbles < UNSURE)


def without_unsure(scribbles: Array) -> Array:
    """The strokes that say something: what is unsure is as if nobody had drawn it."""
    return np.where(scribbles == UNSURE, UNLABELLED, scribbles).astype(scribbles.dtype)


def reference_of_scribbles(scribbles: Array) -> npt.NDArray[np.uint8]:
    """The partial reference that scribbles are: what nobody drew on is UNKNOWN."""
    reference = scribbles.astype(np.uint8)
    reference[scribbles == BACKGROUND] = 0
    reference[(scribbles == UNLABELLED) | (scribbles == UNSURE)] = UNKNOWN
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
