"""Which sequences cases have, which are chosen, and which one is missing where.

Sequences are told by their names, upper and lower case taken as equal; nowhere by their order
where names are known. The first one is the image: it gives the grid, and strokes are drawn on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.names import few
from napari_scribseg.data.sequence_files import SequenceFile

BY_NUMBERS: Final = "Channels are told by their numbers"
"""How a note begins on files that no document names."""


def channel_names(channels: Mapping[str, str]) -> dict[int, str]:
    """Names by the number of the channel, as nnU-Net and MSD write them; no two are alike.

    Raises:
        InvalidInput: they are not numbered 0, 1, 2, ...
    """
    numbers = sorted(int(key) for key in channels if key.isdecimal())
    if numbers != list(range(len(channels))):
        raise InvalidInput(
            'Channels must be numbered from 0 on without a gap, as {"0": "T2", "1": "ADC"}; '
            f"got {dict(channels)}."
        )
    names: dict[int, str] = {}
    for number in numbers:
        given = next(name for key, name in channels.items() if int(key) == number)
        # One spelling of letters with marks: a file made on macOS may hold the other.
        plain = " ".join(normalize("NFC", given).replace(",", " ").split())[:50].strip()
        plain = name = plain or f"sequence {number + 1}"
        taken, at = {known.casefold() for known in names.values()}, number
        while name.casefold() in taken:
            at += 1
            name = f"{plain} {at}"
        names[number] = name
    return names


def nameless_channels(numbers: Iterable[int]) -> dict[int, str]:
    """Names of channels from 0 to the highest of some numbers, which no document names."""
    return channel_names({str(number): "" for number in range(max(numbers, default=0) + 1)})


def several(names: Mapping[int, str], files: Mapping[int, Path]) -> dict[str, Any]:
    """What `CaseFiles` is told of its sequences: the name of the first, and the others.

    Args:
        names: of every channel by its number; one alone needs no name.
        files: of the channels that a case has, its image (the first) included.
    """
    if len(names) < 2:
        return {}
    first = min(names)
    further = tuple(
        SequenceFile(name=name, path=files[number])
        for number, name in names.items()
        if number != first and number in files
    )
    return {"sequence": names[first], "further": further}


def sequences_of(dataset: Dataset) -> tuple[str, ...]:
    """Every sequence that a dataset names or one of its cases has; none where nobody named any."""
    named = [name for files in dataset.cases for name in names_of(files)]
    return _distinct((*dataset.sequences, *named))


def names_of(files: CaseFiles) -> tuple[str, ...]:
    """The sequences of a case; none where nobody named its only one."""
    return (files.sequence, *(one.name for one in files.further)) if files.sequence else ()


def missing_sequences(cases: Sequence[CaseFiles], names: Collection[str]) -> dict[str, str]:
    """Which sequences each case lacks, in words, by its id; those that have all are left out."""
    lacking: dict[str, str] = {}
    for files in cases:
        if not files.sequence and len(names) == 1:
            continue  # nobody named its only one
        known = {name.casefold() for name in names_of(files)}
        lost = [name for name in names if name.casefold() not in known]
        if lost:
            lacking[files.id] = ", ".join(lost)
    return lacking


def missing_note(dataset: Dataset) -> str:
    """Which case lacks which sequence, as a sentence; "" where none does."""
    lacking = missing_sequences(dataset.cases, sequences_of(dataset))
    if not lacking:
        return ""
    listed = few([f"{case} has no {names}" for case, names in lacking.items()])
    return f"Sequences are missing in {len(lacking)} of {len(dataset.cases)} case(s): {listed}."


def in_sequences(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """The same dataset with these sequences of every case only, the first of them as its image.

    Args:
        dataset: of any layout.
        names: what to take. A case keeps those of them that it has; one without the first of them
            keeps its image, and `same_sequences` refuses it.

    Raises:
        InvalidInput: the dataset has no such sequence, or a name comes twice.
    """
    known = {name.casefold(): name for name in sequences_of(dataset)}
    strange = [name for name in names if name.casefold() not in known]
    if "" in names:
        raise InvalidInput(
            f"A sequence without a name was asked for: got {','.join(names)!r}. Give names with "
            "commas between them, such as T2,ADC."
        )
    if strange or not names:
        there = (
            ", ".join(known.values()) or "one in each case, which is taken where no name is given"
        )
        raise InvalidInput(
            f"{dataset.title} has no sequence {', '.join(strange)}; there are: {there}."
        )
    chosen = tuple(known[name.casefold()] for name in names)
    if len(set(chosen)) < len(chosen):
        raise InvalidInput(f"A sequence was asked for twice: {', '.join(names)}. Name each once.")
    cases = tuple(_in_order(files, chosen) for files in dataset.cases)
    return replace(dataset, cases=cases, sequences=chosen)


def same_sequences(cases: Sequence[CaseFiles], names: Sequence[str] = ()) -> tuple[CaseFiles, ...]:
    """Cases that are learnt from together, their sequences in one order.

    Args:
        cases: of a run.
        names: what each must have; none = all that one of them has.

    Raises:
        InvalidInput: a case lacks one; says which, by case and name.
    """
    wanted = tuple(names) or _distinct(name for files in cases for name in names_of(files))
    lacking = missing_sequences(cases, wanted)
    if lacking:
        shared = [n for n in wanted if n.casefold() not in _lost(lacking)]
        listed = few([f"case {case} has no {lost}" for case, lost in lacking.items()])
        listing = ",".join(shared)
        listing = f'"{listing}"' if " " in listing else listing
        choice = f"choose those that all have (--sequences {listing})"
        raise InvalidInput(
            f"Sequences are missing in {len(lacking)} of {len(cases)} case(s): {listed}. Leave "
            f"these cases out, or {choice if shared else 'add what is missing'}."
        )
    return tuple(_in_order(files, wanted) for files in cases) if wanted else tuple(cases)


def with_sequences(image: Volume, names: Sequence[str]) -> Volume:
    """An image with the sequences that a network has learnt, in its order.

    A network of one sequence takes the one of its name, or the only one that there is if nobody
    named it; one whose sequence has no name takes the first. Where an image has as many sequences
    as the network, and nobody named them, they are taken in the network's order, which
    `sequence_note` tells.

    Args:
        image: with any sequences.
        names: that the network has learnt; none = one that nobody named.

    Raises:
        InvalidInput: the image lacks one.
    """
    called = _called_by_numbers(image, names) or image.sequences
    held: dict[str, Array] = dict(zip(called, image.channels, strict=True))
    known = {name.casefold(): name for name in held if name}
    if not names or (len(names) == 1 and list(held) == [""]):
        return replace(image, further={}) if image.further else image
    lost = [name for name in names if name.casefold() not in known]
    if lost:
        there = ", ".join(known.values()) or "one without a name"
        raise InvalidInput(
            f"The model has learnt {len(names)} sequence(s) ({', '.join(names)}), and the image "
            f"has no {', '.join(lost)} (it has: {there}). Give a case that has them: of a dataset "
            "whose dataset.json names its channels, or of a folder that holds nothing but files "
            f"called {', '.join(f'case1_{n:04d}' for n in range(len(names)))}."
        )
    first, *others = (known[name.casefold()] for name in names)
    further = {name: held[name] for name in others}
    return replace(image, array=held[first], sequence=first, further=further)


def seen_by(files: CaseFiles, names: Sequence[str]) -> CaseFiles:
    """A case with no more to read than a network needs that has learnt these sequences."""
    return _in_order(files, names) if names else files


def channel_cases(
    files: Mapping[str, Path], names: Sequence[str]
) -> dict[str, dict[str, Any]] | None:
    """Volumes called like nnU-Net's channels (case1_0000, case1_0001), by the name of the case.

    Args:
        files: by name without ending.
        names: of the sequences, in the order of the channels.

    Returns:
        What `CaseFiles` is told of image and sequences; None where other names are among them.
    """
    numbers = {f"{number:04d}": number for number in range(len(names))}
    if any(name[-5:-4] != "_" or name[-4:] not in numbers for name in files):
        return None
    of: dict[str, dict[int, Path]] = {}
    for name, path in files.items():
        of.setdefault(name[:-5], {})[numbers[name[-4:]]] = path
    if all(0 not in channels for channels in of.values()):
        return None
    told: dict[str, dict[str, Any]] = {}
    for case, found in of.items():
        first = min(found)  # without channel 0 whoever needs that one refuses the case by name
        known = {number: name for number, name in enumerate(names) if number >= first}
        told[case] = {"image": found[first], "sequence": names[first], **several(known, found)}
    return told


def sequence_note(image: Volume, names: Sequence[str]) -> str:
    """What has to be said of the sequences of an image that a network is shown; or "".

    Args:
        image: with any sequences.
        names: that the network has learnt; none = one that nobody named.
    """
    if called := _called_by_numbers(image, names):
        pairs = zip(image.sequences, called, strict=True)
        return f"{BY_NUMBERS}: {', '.join(f'{given} for {name}' for given, name in pairs)}."
    if names or not image.further:
        return ""
    return (
        f"The model has learnt one sequence without a name, so it is shown {image.sequence}, the "
        f"first of {', '.join(image.sequences)}."
    )


def _called_by_numbers(image: Volume, names: Sequence[str]) -> tuple[str, ...]:
    """The names of a network's sequences for those of an image that only have numbers; or none."""
    numbers = tuple(nameless_channels([len(names) - 1]).values())
    is_named = image.sequences != numbers or any(name.casefold() in numbers for name in names)
    return () if is_named or len(names) < 2 else tuple(names)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, as it was spelt first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.casefold(), name)
    return tuple(found.values())


def _lost(lacking: Mapping[str, str]) -> set[str]:
    return {name.casefold() for lost in lacking.values() for name in lost.split(", ")}


def _in_order(files: CaseFiles, names: Sequence[str]) -> CaseFiles:
    """A case with these of its sequences, the first of them as its image."""
    if not files.sequence:
        return files
    own = SequenceFile(name=files.sequence, path=files.image, frame=files.frame)
    held = {one.name.casefold(): one for one in (own, *files.further)}
    chosen = [held[name.casefold()] for name in names if name.casefold() in held]
    if not chosen or chosen[0].name.casefold() != names[0].casefold():
        return files  # it lacks the first one, which is said by whoever needs it
    first, *further = chosen
    changes = {
        "image": first.path,
        "frame": first.frame,
        "sequence": first.name,
        "further": tuple(further),
    }
    return files.model_copy(update=changes)
