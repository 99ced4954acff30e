"""A volume file in a folder tree, and what its header, its name and its folders say of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from napari_scribseg.data.names import stem_of
from napari_scribseg.data.pairing import Kind, kind_by_name
from napari_scribseg.io import EXTENSIONS
from napari_scribseg.io.headers import VolumeHeader


@dataclass(frozen=True, eq=False)
class VolumeFile:
    """A volume file of which the header was read.

    Args:
        path: absolute.
        root: the folder that names are told from.
        header: what it says.
    """

    path: Path
    root: Path
    header: VolumeHeader

    @property
    def stem(self) -> str:
        """Its name without ending."""
        return stem_of(self.path.name, EXTENSIONS) or self.path.name

    @property
    def name(self) -> str:
        """What to call it on the screen."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders on the way to it."""
        return self.path.relative_to(self.root).parts[:-1]

    @property
    def place(self) -> tuple[str, ...]:
        """The folders on the way without those that only say what is in them.

        Of imagesTr and labelsTs the part is left: x1 of one is not x1 of the other.
        """
        return tuple(filter(None, map(_place_of, self.folders)))

    @cached_property
    def kind(self) -> Kind | None:
        """What it says that it is, by its own name first; None = it doesn't say."""
        told: Kind | None = kind_by_name(self.stem)
        on_the_way = reversed((self.root.name, *self.folders))
        above: list[Kind] = [kind for f in on_the_way if (kind := kind_by_name(f, is_folder=True))]
        folder: Kind | None = above[0] if above else None
        if folder in {"scribbles", "prediction"} and told in {None, "labels", "image"}:
            return folder
        by_header: Kind | None = "labels" if self.header.says_labels else None
        return told or folder or by_header


def _place_of(folder: str) -> str:
    if kind_by_name(folder, is_folder=True) is None:
        return folder
    return folder[-2:] if folder.endswith(("Tr", "Ts")) else ""
