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

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.wording import counted
from napari_scribseg.data.names import few
from napari_scribseg.experiment.experiment import (
    JOINED,
    TIMING,
    Experiment,
    Trial,
    result_of,
    trial_folder,
    trials_of,
)
from napari_scribseg.experiment.trial_tables import Rows
from napari_scribseg.io.documents import read_json

TIMED: Final = (
    *("train_seconds", "score_seconds", "host", "code_sha256"),
    *("package_version", "python", "torch", "device", "precision", "peak_memory_mib"),
)
"""What is noted of every trial in timing.csv."""
_WORDS: Final = {
    "code_sha256": "states of the code",
    "package_version": "versions of napari-scribseg",
    "torch": "versions of torch",
    "device": "kinds of device",
    "precision": "arithmetics",
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
    """The rows of timing.csv: what is noted of every trial that has been computed."""
    rows: Rows = [("cell", *TIMED)]
    for trial in trials:
        noted = _noted(folder, trial)
        if noted:
            rows.append((trial.name, *(noted.get(name, "") for name in TIMED)))
    return rows


def mixtures(folder: Path, experiment: Experiment) -> tuple[str, ...]:
    """That finished trials were computed with different things, in one sentence for each."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials_of(experiment).values():
        if (trial_folder(folder, trial.name) / TIMING).is_file() and result_of(folder, trial):
            for part, value in parts_of(_noted(folder, trial)).items():
                found[part, _among(part, trial)][value].append(trial.name)
    return tuple(
        _sentence(part, values)
        for part in _WORDS
        for (of, _), values in found.items()
        if of == part and len(values) > 1
    )


def _among(part: str, trial: Trial) -> str:
    """Among which trials a part has to be the same: those that were asked for the same."""
    training = trial.training
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
    """What the finished trials were computed with; empty where none is finished.

    Args:
        folder: of the experiment.
        experiment: of the folder.
    """
    for trial in trials_of(experiment).values():
        result = result_of(folder, trial)
        if result is not None and result.outcome == "finished":
            return parts_of(_noted(folder, trial))
    return {}


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
    odd = few(by_size[-1][1])
    return (
        f"The trials were computed by {len(values)} {_WORDS[part]} ({told}; such as {odd}), so "
        f"they may differ by that and not by the methods (see {part} in timing.csv): repeat the "
        "experiment in a new folder before you compare."
    )


def _short(value: str) -> str:
    return value[:12] if re.fullmatch(r"[0-9a-f]{64}", value) else value


def _noted(folder: Path, trial: Trial) -> dict[str, Any]:
    try:
        return read_json(trial_folder(folder, trial.name) / TIMING)
    except InvalidInput:
        return {}
