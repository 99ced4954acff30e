"""Pseudonyms: ids and titles that name no person, and what they are called on the screen.

Ids travel into predictions, tables, reports, logs and exports, which are given away; the names of
files and folders may be those of patients.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_PHASE: Final = re.compile(r"(?:[_-](?:frame\d+|ED|ES))+$", re.IGNORECASE)
_LONGEST_ID: Final = 64
_ID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_LONGEST_ID - 1}}}")
_DEVICE: Final = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\..*)?", re.IGNORECASE)
"""Windows takes these for devices, whatever folder they are in."""
_LONG_NUMBER: Final = re.compile(r"\d{6,}|\d+(?:\.\d+){3,}")
"""A date, the number of a patient or of a series."""
_FIELD_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """
    a abdomen abdominal acdc adc anon anonymised anonymized anonymous aorta apex apical atrium
    axial b basal baseline blood bold bone brain brats breast bright c cardiac case cases
    cavity chaos chest cine class clinic cmr colon contrast control coronal crop cropped ct
    cube d data dataset delayed demo diffusion dim dwi e early ed effdnet endo enhancement epi
    es example experiment export f fat female file film fine flair flow folder followup four
    frame frames full g gadolinium gallbladder gd group h head heart hearts hepatic high hip
    hospital i image images img imgs in input j k kidney knee l la label labelled labels lax
    left leg lesion lge liver long low lower lung lungs lv m magnitude male map mask masks
    medical mid middle mit mni model mr mri mscmr my myo myocardium n nerve new no nor normal
    o of old one open or organ original other out p pancreas paper part pat patient patients
    pelvis perfusion phantom phase pid pilot plain post pre pred predicted prediction
    predictions processed project prostate pv q r ra reference references rest result results
    right run runs rv s sa sagittal sample samples sax scan scans scar scribble scribbles se
    seg segmentation sequence ser series ses session set short side site slice slices small
    sort source spine spleen split stack stress structure study sub subj subject subjects
    supervised synthetic system t task tau te test testing tgt the thick thin thorax three
    time to train training trial trufi tumor tumour two u ukb upper v val validation valve
    vendor ventricle ventricular vessel view visit vol volume volumes volunteer w water whole
    with x xnat y z zone zones
    """,
    )
)
"""Lower case. A name of only these and numbers names nobody."""


def examination_of(case_id: str) -> str:
    """Which examination a case is of: endings for phase and frame (_ED, _ES, _frameNN) cut off."""
    return _PHASE.sub("", case_id) or case_id


def is_device(name: str) -> bool:
    """Whether Windows takes a file of this name for a device."""
    return _DEVICE.fullmatch(name) is not None


def digest(name: str) -> str:
    """Eight hexadecimal digits that are the same for the same name everywhere."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def safe_id(name: str, *, series: bool = False) -> str:
    """An id for any name, that names no person: ids travel into results that are given away.

    A name stays as it is where it is made of harmless characters and doesn't look like a person's,
    as patient001_ED. Others become a hash that is the same for the same name everywhere; words of
    the field and numbers stay readable before it, and endings for phase and frame behind it. A hash
    is a pseudonym and no anonymity: whoever guesses a name can confirm it.

    Args:
        name: of a file without its ending, of a folder, or out of a document.
        series: a folder with DICOM files; those are often called like the patient, so only words of
            the field with short numbers stay.
    """
    strange = _unknown_words(name, fewest_letters=2 if series else 3)
    personal = len(strange) > (0 if series else 1) or (series and bool(_LONG_NUMBER.search(name)))
    if _ID.fullmatch(name) and not personal and not name.endswith(".") and not is_device(name):
        return name
    ending = _PHASE.search(name)
    stem = examination_of(name)
    slug = "case"
    if not _unknown_words(name, fewest_letters=1) and not _LONG_NUMBER.search(name):
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:32] or slug
        slug = f"case-{slug}" if is_device(slug) else slug
    safe = f"{slug}-{digest(stem)}{ending.group() if ending and stem != name else ''}"
    return safe if len(safe) <= _LONGEST_ID else f"{slug}-{digest(stem)}"


def renamed_from(case_id: str, image: Path) -> str:
    """What a case with a hash for its id is called on the disk; "" where the id is the name itself.

    For the screen only: never for a file that may be given away.
    """
    stem = _stem(image.name)
    names = {image.name, stem, stem.removesuffix("_0000")} - {case_id}
    given = any(case_id in {safe_id(name), safe_id(name, series=True)} for name in names)
    return image.name if given else ""


def safe_title(name: str) -> str:
    """A title for a dataset out of the name of its folder; a hash where that looks like a person's.

    Spaces and all letters are fine here, unlike in ids.
    """
    if len(_unknown_words(name, fewest_letters=3)) > 1 or "^" in name:
        return f"data-{digest(name)}"
    return name


def without_paths(sentence: str, paths: Mapping[str, Iterable[Path | None]]) -> str:
    """A sentence for a log or a result, in which files are called by the id of their case.

    Args:
        sentence: as a user would see it, with whole paths.
        paths: files and folders of each case, by id.
    """
    known = {path: case for case, some in paths.items() for path in some if path is not None}
    told: dict[str, str] = {}
    for path, case in known.items():
        is_safe = safe_id(_stem(path.name)) == _stem(path.name)
        name = path.name if is_safe else f"<{case}>"
        kind = f"{path.parent.name}/"
        if _unknown_words(kind, fewest_letters=1) or _LONG_NUMBER.search(kind):
            kind = ""
        for form in {path, path.absolute(), Path(os.path.realpath(path))}:
            told |= dict.fromkeys((str(form), repr(str(form))[1:-1]), f"{kind}{name}")
            if form.is_absolute():
                told |= {f"{form.parent}{os.sep}": "", str(form.parent): "<folder>"}
        if not is_safe:
            told[path.name] = name
    # The longest first: a folder is the beginning of its files.
    for written in sorted(told, key=len, reverse=True):
        if len(written) > 1:
            sentence = sentence.replace(written, told[written])
    return sentence


def _stem(name: str) -> str:
    """A file name up to the first point of its ending."""
    return re.sub(r"(\.[A-Za-z0-9]{1,5}){1,2}$", "", name) or name


def _unknown_words(name: str, fewest_letters: int) -> list[str]:
    """Words in a name that are not of the field: they may be somebody's name."""
    words = [w for token in re.findall(r"[^\W_]+", name) if token.isalpha() for w in _parts(token)]
    return [w for w in words if len(w) >= fewest_letters and w.casefold() not in _FIELD_WORDS]


def _parts(token: str) -> list[str]:
    """The words of a token such as JaneDoe."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", token) if token.isascii() else [token]
