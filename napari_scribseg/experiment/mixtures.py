"""What the trials of an experiment were computed on, and whether that was one and the same.

One version is not one code where somebody develops methods; another torch, device or arithmetic
changes the last digits or more. So every trial notes what it was computed with (timing.csv), and a
mixture is told wherever its numbers are shown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from napari_scribseg.core.wording import counted
from napari_scribseg.data.names import few
from napari_scribseg.experiment.experiment import (
    JOINED,
    MARK,
    RESULT,
    TIMING,
    Experiment,
    Trial,
    result_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.trial_notes import notes_of
from napari_scribseg.experiment.trial_tables import Rows

TIMED: Final = (
    *("train_seconds", "score_seconds", "host", "code_sha256"),
    *("package_version", "python", "torch", "device", "precision", "batch_size"),
    *("peak_memory_mib", "data_sha256", "changed_data"),
)
"""What is noted of every trial in timing.csv."""
_WORDS: Final = {
    "code_sha256": "states of the code",
    "package_version": "versions of napari-scribseg",
    "torch": "versions of torch",
    "device": "kinds of device",
    "precision": "arithmetics",
    "batch_size": "sizes of the batch",
}
"""What has to be the same, and how several of it are called."""
_ANOTHER: Final = {
    "code_sha256": "state of the code",
    "package_version": "version of napari-scribseg",
    "precision": "arithmetic",
    "devices": "device",
}
"""How one of it is called, where that is not its name."""


def timing_rows(folder: Path, trials: Iterable[Trial]) -> Rows:
    """The rows of timing.csv: what is noted of every trial that has ended."""
    rows: Rows = [("cell", *TIMED)]
    for trial in trials:
        noted = notes_of(trial_folder(folder, trial.name)) if result_of(folder, trial) else {}
        if noted:
            rows.append((trial.name, *(noted.get(name, "") for name in TIMED)))
    return rows


def mixtures(folder: Path, experiment: Experiment) -> tuple[str, ...]:
    """That finished trials were computed with different things, in one sentence for each."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    changed: dict[str, list[str]] = {}
    for trial in trials_of(experiment).values():
        noted = notes_of(trial_folder(folder, trial.name)) if _is_finished(folder, trial) else {}
        for part, value in parts_of(noted).items():
            found[part, _among(part, trial)][value].append(trial.name)
        if noted.get("changed_data"):
            told = str(noted["changed_data"]).replace(JOINED, ", ")
            changed[trial.name] = told.split(", ")
    mixed = tuple(
        _sentence(part, values)
        for part in _WORDS
        for (of, _), values in found.items()
        if of == part and (len(values) > 1 or JOINED in "".join(values))
    )
    return (*mixed, *([_changed_sentence(changed)] if changed else ()))


def _among(part: str, trial: Trial) -> str:
    """Among which trials a part has to be the same: those that were asked for the same."""
    training = trial.training
    if part == "batch_size":
        return trial.label
    return f"{training.device} {training.precision}" if part in {"device", "precision"} else ""


def parts_of(noted: Mapping[str, Any]) -> dict[str, str]:
    """What of a note has to be the same for all trials, as far as it is known."""
    parts = {name: str(noted[name]) for name in _WORDS if noted.get(name)}
    if "device" in parts:
        parts["device"] = kind_of_device(parts["device"])
    return parts


def kind_of_device(device: str) -> str:
    """A device without its number: any GPU of a kind is as good.

    Args:
        device: of a training; one that went on elsewhere may have had several, see `JOINED`.
    """
    kinds = re.sub(r"\bcuda:\d+", "cuda", device).split(JOINED)
    return JOINED.join(dict.fromkeys(kinds))


def reference_parts(folder: Path, experiment: Experiment) -> dict[str, str]:
    """What a trial that is finished was computed with, else one that has begun; empty for none.

    Args:
        folder: of the experiment.
        experiment: of the folder.
    """
    begun: dict[str, str] = {}
    for trial in trials_of(experiment).values():
        there = trial_folder(folder, trial.name)
        if not (there / TIMING).is_file():
            continue
        parts = parts_of(notes_of(there))
        if _is_finished(folder, trial):
            return parts
        mark = there / MARK
        if mark.is_file() and mark.read_text(encoding="ascii") == trial.sha256:
            begun = begun or ({} if (there / RESULT).exists() else parts)
    return begun


def different_parts(first: Mapping[str, str], second: Mapping[str, str]) -> str:
    """How two places differ: "another torch (2.6.0 and 2.7.1)"; "" = in nothing that is known."""
    pairs = {n: (first[n], second[n]) for n in (*_WORDS, "devices") if n in first and n in second}
    if "devices" not in first and "devices" in second and "device" in first:  # of a trial
        used = f"{first['device']} {first.get('precision', '')}".strip()
        there = second["devices"]
        pairs["devices"] = (used, used if used in there.split("; ") else there)
    return ", ".join(
        f"another {_ANOTHER.get(name, name)} ({_short(one)} and {_short(other)})"
        for name, (one, other) in pairs.items()
        if one and other and one != other
    )


def _sentence(part: str, values: Mapping[str, Sequence[str]]) -> str:
    by_size = sorted(values.items(), key=lambda item: -len(item[1]))
    told = "; ".join(f"{_short(value)}: {counted(len(names), 'trial')}" for value, names in by_size)
    several = {one for value in values for one in value.split(JOINED)}
    odd = few(next((n for value, n in by_size if JOINED in value), by_size[-1][1]))
    return (
        f"The trials were computed by {len(several)} {_WORDS[part]} ({told}; such as {odd}), so "
        f"they may differ by that and not by the methods (see {part} in timing.csv): repeat the "
        "experiment in a new folder before you compare."
    )


def _changed_sentence(changed: Mapping[str, Sequence[str]]) -> str:
    """That trials were not computed with what was planned."""
    files = {name for names in changed.values() for name in names}
    return (
        f"{counted(len(changed), 'trial')} had data that has changed since the plan ({few(files)}; "
        f"such as {few(list(changed))}; see changed_data in timing.csv), so the scores are of a "
        "mixture. Plan again, with the command that made the experiment: it computes anew what "
        "these cases take part in."
    )


def _short(value: str) -> str:
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", value)


def _is_finished(folder: Path, trial: Trial) -> bool:
    result = result_of(folder, trial)
    return result is not None and result.outcome == "finished"
