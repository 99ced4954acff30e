"""MethodSpec: what there is to know of a method before anything of it is computed. No torch.

A list of methods, a form of settings, a plan of an experiment need names, numbers and citations,
not networks. So each method's folder has them apart from its code, which `MethodSpec.load` imports
only when something is learnt or predicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from napari_scribseg.core.config import MethodConfig, TrainConfig
from napari_scribseg.core.errors import InvalidInput

Group = Literal["paper", "baseline", "full"]
"""A method of the four papers, a baseline that learns from scribbles, or full supervision."""


@dataclass(frozen=True)
class Preset:
    """Settings that belong together, under a name ("quick", "paper").

    Args:
        note: one sentence on what they are for.
        options: the method's own settings.
        training: the engine's.
    """

    note: str
    options: MethodConfig
    training: TrainConfig


@dataclass(frozen=True)
class MethodSpec:
    """A method as plain data.

    Args:
        name: the word in the command line, run folders and documents.
        title: the name as its paper writes it.
        summary: one line for whoever has to choose.
        source: citation, and the address of paper and code.
        group: what kind of method it is.
        Config: its settings, with the paper's numbers as defaults.
        presets: settings by name; "quick" always exists and is made for a CPU.
        code: where its class is, "package.module:Class".
        uses_references: whether it learns from dense references; else the window never puts one
            into a run.

    Example:
        >>> from napari_scribseg import specs
        >>> spec = next(spec for spec in specs() if spec.name == "em_crf")
        >>> spec.title, sorted(spec.presets)
        ('EM-CRF', ['paper', 'paper_prostate', 'quick'])
    """

    name: str
    title: str
    summary: str
    source: str
    group: Group
    Config: type[MethodConfig]
    presets: Mapping[str, Preset]
    code: str
    uses_references: bool = False

    def load(self) -> Any:
        """The class that learns, a `methods.base.Method`; imports torch.

        Raises:
            InvalidInput: its module can't be imported, or lacks the class.
        """
        module, _, name = self.code.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise InvalidInput(
                f"The method '{self.name}' can't be loaded from {self.code}: {error}. Install the "
                "package that brings it again."
            ) from error

    def preset(self, name: str) -> Preset:
        """The preset of this name.

        Raises:
            InvalidInput: there is none; the message lists those that exist.
        """
        if name not in self.presets:
            raise InvalidInput(
                f"{self.name} has no preset '{name}'. Choose one of: {', '.join(self.presets)}."
            )
        return self.presets[name]
