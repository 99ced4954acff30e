"""The shown settings as a command for a terminal. No Qt."""

from __future__ import annotations

import shlex
from pathlib import Path

from napari_scribseg.core.config import assignments_of
from napari_scribseg.gui.values import Choice
from napari_scribseg.methods.registry import spec_named


def command_of(choice: Choice, project: Path) -> str:
    """`scribseg train` with these settings on the saved cases of a project.

    Only what differs from the preset is named; a preset of the user's own is written out.

    Args:
        choice: method and settings.
        project: its folder; the run goes into its folder of runs.
    """
    spec = spec_named(choice.method)
    known = choice.preset if choice.preset in spec.presets else "quick"
    preset = spec.presets[known]
    training = choice.training.model_dump(mode="json")
    base = preset.training.model_dump(mode="json")
    changed = {name: value for name, value in training.items() if value != base[name]}
    options = preset.options.model_dump(mode="json")
    changed |= {n: v for n, v in choice.options.items() if v != options.get(n)}
    words = ["scribseg", "train", str(project), "--method", choice.method, "--preset", known]
    if choice.training.held_out_strokes:
        words += ["--validate", "strokes"]
    minutes = changed.pop("minutes", None)
    if minutes is not None:
        words += ["--minutes", f"{minutes:g}"]
        changed.pop("steps", None)
    elif choice.training.minutes is None and choice.training.steps != preset.training.steps:
        words += ["--steps", str(choice.training.steps)]
        changed.pop("steps", None)
    for assignment in assignments_of(changed):
        words += ["--set", assignment]
    words += ["--out", str(project / "runs" / f"{choice.method}-from-terminal")]
    return shlex.join(words)
