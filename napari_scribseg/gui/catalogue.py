"""The methods as the window shows them: names, sentences, and settings for its forms. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.method_spec import Group, MethodSpec
from napari_scribseg.methods.registry import specs


@dataclass(frozen=True)
class PresetEntry:
    """A preset of a method: its name, what it is for, and its settings."""

    name: str
    note: str
    options: dict[str, Any]
    training: TrainConfig


@dataclass(frozen=True)
class MethodEntry:
    """A method: how it is called, what it is, and which settings it has."""

    name: str
    title: str
    summary: str
    source: str
    options_schema: dict[str, Any]
    """JSON schema of the method's own settings."""
    presets: tuple[PresetEntry, ...]
    uses_references: bool = False
    """Whether it learns from dense references."""
    group: Group = "baseline"

    @property
    def usual_steps(self) -> int:
        """About how many steps it wants on a few volumes."""
        return self.preset("quick").training.steps

    @property
    def paper(self) -> PresetEntry | None:
        """The settings of its paper, if it has such a preset."""
        return next((p for p in self.presets if p.name == "paper"), None)

    def preset(self, name: str) -> PresetEntry:
        """The preset of this name, the first one if there is none."""
        return next((p for p in self.presets if p.name == name), self.presets[0])


def methods() -> tuple[MethodEntry, ...]:
    """Every registered method; the first one is proposed."""
    return tuple(_entry(spec) for spec in specs())


def _entry(spec: MethodSpec) -> MethodEntry:
    return MethodEntry(
        name=spec.name,
        title=spec.title,
        summary=spec.summary,
        source=spec.source,
        options_schema=spec.Config.model_json_schema(),
        presets=tuple(
            PresetEntry(name, preset.note, preset.options.model_dump(mode="json"), preset.training)
            for name, preset in spec.presets.items()
        ),
        uses_references=spec.uses_references,
        group=spec.group,
    )
