"""What the window plans: a recipe, where its experiment lies, how many trials at once. No Qt.

The recipe alone decides the numbers, so the file it is saved to repeats the experiment without
napari.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import platformdirs

from napari_scribseg.core.config import assignments_of, parse_assignments
from napari_scribseg.data.names import slug
from napari_scribseg.experiment.recipe import MethodChoice, Recipe
from napari_scribseg.gui.catalogue import MethodEntry
from napari_scribseg.gui.own_presets import OwnPreset

_COMMON: Final = ("device", "threads", "random_seed")
"""Settings that belong to the whole experiment, so that the comparison is fair."""
_BUDGET: Final = ("steps", "minutes", "clock")
"""Likewise, where the experiment has a budget."""
_NEXT_SETTING: Final = re.compile(r"\s+(?=[A-Za-z_][\w-]*=)")


@dataclass(frozen=True)
class BatchPlan:
    """An experiment that somebody wants.

    Args:
        recipe: what is compared.
        out: folder of the experiment.
        jobs: trials at once; None = as many as fit the computer.
    """

    recipe: Recipe
    out: Path
    jobs: int | None = None


def proposed_folder(dataset: Path, today: date | None = None) -> Path:
    """A folder for an experiment on a dataset that does not exist yet."""
    place = platformdirs.user_data_path("napari-scribseg", appauthor=False) / "experiments"
    first = place / f"{slug(dataset.name)}_{today or date.today():%Y-%m-%d}"  # noqa: DTZ011  the user's own day
    folder, number = first, 2
    while folder.exists():
        folder, number = Path(f"{first}_{number}"), number + 1
    return folder


def free_label(method: str, preset: str, taken: Collection[str]) -> str:
    """A label for a row of the comparison that no other row has."""
    known = {label.casefold() for label in taken}
    plain = slug(preset).replace("-", "_")
    candidates = [method, f"{method}_{plain}"[:40]]
    candidates += [f"{method[:36]}_{number}" for number in range(2, len(known) + 4)]
    return next(label for label in candidates if label.casefold() not in known)


def settings_in(text: str) -> dict[str, Any]:
    """The settings in a line like "tau=0.95 patch=192,192".

    Raises:
        InvalidInput: a part of it is no setting.
    """
    return parse_assignments(_NEXT_SETTING.split(text.strip())) if text.strip() else {}


def text_of(settings: dict[str, Any]) -> str:
    """The line that `settings_in` reads as these settings."""
    return " ".join(assignments_of(settings))


def choice_of(
    entry: MethodEntry,
    preset: str | OwnPreset,
    label: str,
    settings: dict[str, Any],
    *,
    has_budget: bool,
) -> MethodChoice:
    """A row of the comparison.

    A preset of the user's own is unknown to the command line, so it is written out: as what it
    changes in the method's quick preset.

    Args:
        entry: of the method.
        preset: one of the method's, or of the user's own.
        label: its name in the experiment.
        settings: changes that come on top.
        has_budget: whether the experiment has a budget, which then replaces the preset's.
    """
    if isinstance(preset, str):
        return MethodChoice(label=label, method=entry.name, preset=preset, settings=settings)
    base = entry.preset("quick")
    left_out = (*_COMMON, *(_BUDGET if has_budget else ()))
    own = {**preset.training.model_dump(mode="json"), **preset.options}
    before = {**base.training.model_dump(mode="json"), **base.options}
    changes = {k: v for k, v in own.items() if k not in left_out and before.get(k) != v}
    return MethodChoice(
        label=label, method=entry.name, preset=base.name, settings={**changes, **settings}
    )
