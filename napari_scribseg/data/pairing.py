"""Which labels belong to which image, where tools name the two differently.

Equal names are a pair. Names that no equal one was found for are compared again without what a
tool adds:

| habit            | image           | labels                                             |
|------------------|-----------------|----------------------------------------------------|
| nnU-Net          | case1_0000      | case1                                              |
| 3D Slicer        | case1           | case1.seg, case1-label                             |
| others           | case1_image     | case1_seg, case1_gt, case1_mask, case1_scribbles   |
| BIDS             | sub-01_T1w      | sub-01_dseg, sub-01_desc-manual_mask               |
| number at an end | img0001, vol-12 | label0001, segmentation-12                         |

Only one to one: what two could belong to belongs to nobody, and is told of.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["image", "scribbles", "labels", "prediction"]
"""What a file is: labels are scribbles or a reference as long as nobody has looked."""

_LABEL_WORDS: Final = (
    "seg|segm|segmentation|segmentations|gt|ground[_-]?truth|label|labels|lbl|mask|masks|manual|"
    "truth|dseg|scribble|scribbles|annotation|annotations|annot|roi|ref|reference|pred|prediction"
)
_IMAGE_WORDS: Final = "image|images|img|im|volume|vol|scan|orig|raw"
_LABEL_END: Final = re.compile(rf"(?:[._-](?:{_LABEL_WORDS}))+$", re.IGNORECASE)
_IMAGE_END: Final = re.compile(rf"[._-](?:0000|{_IMAGE_WORDS})$", re.IGNORECASE)
_FRONT: Final = re.compile(
    rf"^(?:{_LABEL_WORDS}|{_IMAGE_WORDS})(?:[._-](?=.*\d)|(?=\d))", re.IGNORECASE
)
_SCRIBBLES: Final = re.compile(
    r"(?:^|[\W_])(?:scribbles?|strokes?|annotations?|annots?|annotated)(?:[\W_]|$)", re.IGNORECASE
)
_PREDICTIONS: Final = re.compile(
    r"(?:^|[\W_])(?:pred|prediction|predictions|predicted|uncertainty|probabilit(?:y|ies))"
    r"(?:[\W_]|$)",
    re.IGNORECASE,
)
_LABELS: Final = re.compile(rf"(?:^|[._-])(?:{_LABEL_WORDS})$", re.IGNORECASE)
_LABELS_FRONT: Final = re.compile(rf"^(?:{_LABEL_WORDS})(?:[._-](?=.*\d)|(?=\d))", re.IGNORECASE)
_IMAGE: Final = re.compile(rf"(?:^|[._-])(?:{_IMAGE_WORDS})$", re.IGNORECASE)
_LABEL_FOLDER: Final = re.compile(rf"(?:^|.*[\W_])(?:{_LABEL_WORDS})(?:Tr|Ts)?$", re.IGNORECASE)
_IMAGE_FOLDER: Final = re.compile(rf"(?:{_IMAGE_WORDS})(?:Tr|Ts)?", re.IGNORECASE)
_OF_LABELS: Final = frozenset({"desc", "label", "space", "res", "den", "seg", "atlas"})
"""Parts of a BIDS name that tell something about the labels, not about the image."""


@dataclass(frozen=True)
class Pairs:
    """Which labels belong to which image.

    Args:
        of: the name of the labels by the name of the image.
        lone: names of labels that belong to no image.
    """

    of: dict[str, str]
    lone: tuple[str, ...]

    @property
    def by_habit(self) -> dict[str, str]:
        """Those pairs whose names are not equal."""
        return {image: labels for image, labels in self.of.items() if image != labels}


def pair(images: Iterable[str], labels: Iterable[str]) -> Pairs:
    """Pairs of names without endings; every name is in one pair at most."""
    images, labels = list(images), list(labels)
    of: dict[str, str] = {}
    for key in _KEYS:
        free_images = _by_key((i for i in images if i not in of), key)
        taken = set(of.values())
        free_labels = _by_key((name for name in labels if name not in taken), key)
        for word, found in free_labels.items():
            if len(found) == 1 and len(free_images.get(word, ())) == 1:
                of[free_images[word][0]] = found[0]
    taken = set(of.values())
    return Pairs(of, tuple(name for name in labels if name not in taken))


def first_channels(images: Iterable[str], labels: Iterable[str]) -> dict[str, str]:
    """Images that are first channels of nnU-Net cases (case1_0000), by the name of the case.

    Only where labels have the name of the case and not that of the image; case_0000, case_0001
    with such labels are two cases.
    """
    known = {name for word in labels for name in (word, _LABEL_END.sub("", word))}
    cases = {i.removesuffix("_0000"): i for i in images if i.endswith("_0000")}
    return {case: i for case, i in cases.items() if case in known and i not in known}


def kind_by_name(name: str, *, is_folder: bool = False) -> Kind | None:
    """What a file (name without ending) or a folder says by its name that it is or holds.

    None where the name says nothing of that.
    """
    if _PREDICTIONS.search(name):
        return "prediction"
    labels, image = (_LABEL_FOLDER, _IMAGE_FOLDER) if is_folder else (_LABELS, _IMAGE)
    says_labels = labels.search(name) or (not is_folder and _LABELS_FRONT.search(name))
    if _SCRIBBLES.search(name):
        return "scribbles"
    if says_labels:
        return "labels"
    return "image" if (image.fullmatch(name) if is_folder else image.search(name)) else None


def _without_label_end(name: str) -> str:
    return _LABEL_END.sub("", name) or name


def _without_ends(name: str) -> str:
    name = _without_label_end(name)
    return _without_label_end(_IMAGE_END.sub("", name) or name)


def _bids(name: str) -> str:
    """What a BIDS name says of subject, session and so on; other names as they are."""
    parts = name.split("_")
    if not re.fullmatch(r"sub-[A-Za-z0-9]+", parts[0]):
        return name
    told = [part for part in parts if "-" in part and part.partition("-")[0] not in _OF_LABELS]
    return "_".join(told)


def _without_front(name: str) -> str:
    return _FRONT.sub("", _without_ends(name)).casefold()


_KEYS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    _without_label_end,
    _without_ends,
    _bids,
    _without_front,
)
"""What is compared, the strictest first."""


def _by_key(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[key(name)].append(name)
    return found
