"""Conventions: how other people write scribbles and references, converted here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import BACKGROUND, UNLABELLED, UNSURE, reference_of_scribbles
from napari_scribseg.core.types import Array


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
        """0 unlabelled, 1..C classes, 254 unsure, 255 background."""
        kept = ((UNSURE, UNSURE),)
        return cls("napari-scribseg", UNLABELLED, BACKGROUND, _upto(n_foreground), kept)

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
        known = {UNLABELLED, BACKGROUND, UNSURE, *_upto(n_foreground)}
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

    def renumbered(self, numbers: Mapping[int, int]) -> ScribbleConvention:
        """The same for a file whose value v stands for the value `numbers[v]` of this one.

        Raises:
            InvalidInput: a value would have several meanings.
        """
        meaning = self._meaning()
        own = {v: meaning[theirs] for v, theirs in numbers.items() if theirs in meaning}
        return self.meaning(self.title, own, len(self.classes))

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
        if UNLABELLED in stored:  # elsewhere there is no word for it
            stored.setdefault(UNSURE, stored[UNLABELLED])
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


def check_convention(word: str | None) -> None:
    """Raises InvalidInput, listing those there are, unless it is a word of one, or None."""
    if word is not None and word not in CONVENTIONS:
        raise InvalidInput(
            f"There is no convention '{word}'; choose from {', '.join(CONVENTIONS)}."
        )


def _upto(n: int) -> tuple[int, ...]:
    return tuple(range(1, n + 1))
