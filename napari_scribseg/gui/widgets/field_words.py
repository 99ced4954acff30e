"""How the settings are called in forms, in which group they stand, and when they act. No Qt.

Names are those of the papers, with their symbol where there is one. A field says it itself by a
`title` in its definition; for all others what stands here holds, in every method that has the
field. A method of another package needs nothing: its fields are called as they are named.
"""
# ruff: noqa: RUF001  the symbols of the papers

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

BASIC: Final = ""
"""Title of the group that is always shown."""

_UNITS: Final = {"mm": "mm", "degrees": "°", "mm3": "mm³"}

_CAPTIONS: Final[Mapping[str, str]] = {
    "fbsl": "FBSL",
    "fadc": "FADC",
    "fbsl_weight": "δ, weight of FBSL",
    "pseudo_weight": "λ, weight of pseudo-labels",
    "blocks": "K, FBSL regions per side",
    "temperature": "FBSL temperature",
    "teacher_decay": "α, EMA decay of the teacher",
    "box": "FADC box",
    "fadc_from": "FADC begins at",
    "ramp_up": "λ ramp-up",
    "tau": "τ",
    "beta": "β",
    "crf": "CRF",
    "crf_backend": "Dense CRF program",
    "crf_iterations": "Mean-field iterations",
    "bilateral_weight": "Dense CRF w1",
    "spatial_weight": "Dense CRF w2",
    "rnn_bilateral_sigma": "CRF-RNN σα",
    "rnn_grey_sigma": "CRF-RNN σβ",
    "rnn_spatial_sigma": "CRF-RNN σγ",
    "rnn_every": "CRF-RNN every (steps)",
    "rnn_rate": "CRF-RNN learning rate",
    "bilateral_sigma": "σα",
    "grey_sigma": "σβ",
    "spatial_sigma": "σγ",
    "lpm": "LPM",
    "sbpm": "SBPM",
    "abl": "ABL",
    "boundary_weight": "β1, weight of SBPM",
    "active_weight": "β2, weight of ABL",
    "inner_weight": "λ1 of ABL",
    "outer_weight": "λ2 of ABL",
    "edges": "SBPM edge detector",
    "local_weight": "Weight of L con-l",
    "global_weight": "Weight of L con-g",
    "ce_weight": "Weight of cross-entropy",
    "dice_weight": "Weight of Dice",
    "entropy_weight": "Weight of the entropy",
    "region_weight": "Weight of Mumford-Shah",
    "consistency_weight": "Weight of consistency",
    "passes": "Stochastic passes",
    "reach": "Reach beyond strokes",
    "significance": "Significance (p)",
    "optimiser": "Optimiser",
    "weight_average": "EMA of the weights",
    "steps": "Steps",
}

_EXPERT: Final = frozenset(
    {
        *("normalised_logits", "crf_backend", "crf_iterations", "norm", "reduction"),
        *("connected_foreground", "occlusion_label", "base_width", "convolutions", "depth"),
        *("anisotropy", "box", "temperature", "balance", "edges", "compactness", "supervision"),
        *("clock", "threads", "precision", "validation_interval", "random_seed"),
        *("outer_background", "reach", "reference_share"),
        *("spacing_mm", "gradient_clip", "weight_average"),
    }
)
_ACTS: Final[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
    "momentum": ("optimiser", ("sgd",)),
    "fbsl_weight": ("fbsl", (True,)),
    "blocks": ("fbsl", (True,)),
    "temperature": ("fbsl", (True,)),
    "box": ("fadc", (True,)),
    "fadc_from": ("fadc", (True,)),
    "boundary_weight": ("sbpm", (True,)),
    "edges": ("sbpm", (True,)),
    "active_weight": ("abl", (True,)),
    "inner_weight": ("abl", (True,)),
    "outer_weight": ("abl", (True,)),
    "supervoxel_mm3": ("lpm", ("supervoxels",)),
    "compactness": ("lpm", ("supervoxels",)),
    "transport": ("mixing", (True,)),
    "occlusion": ("mixing", (True,)),
    "occlusion_label": ("mixing", (True,)),
    "turn_degrees": ("mixing", (True,)),
    "global_weight": ("mixing", (True,)),
    "passes": ("uncertainty", (True,)),
    "significance": ("uncertainty", (True,)),
    "bilateral_weight": ("crf", ("dense",)),
    "bilateral_sigma": ("crf", ("dense",)),
    "grey_sigma": ("crf", ("dense",)),
    "spatial_weight": ("crf", ("dense",)),
    "spatial_sigma": ("crf", ("dense",)),
    "crf_backend": ("crf", ("dense",)),
    "crf_iterations": ("crf", ("dense", "rnn")),
    "rnn_bilateral_sigma": ("crf", ("rnn",)),
    "rnn_grey_sigma": ("crf", ("rnn",)),
    "rnn_spatial_sigma": ("crf", ("rnn",)),
    "rnn_every": ("crf", ("rnn",)),
    "rnn_rate": ("crf", ("rnn",)),
}
"""A field acts only where another one, if the form has it, has one of these values."""


def caption_of(name: str, field: Mapping[str, Any]) -> str:
    """What a field is called; a unit at the end of its name goes in brackets.

    Args:
        name: of the field.
        field: its JSON schema.
    """
    given = str(field.get("title", ""))
    if given and given != name.replace("_", " ").title():  # pydantic makes one up otherwise
        return given
    if name in _CAPTIONS:
        return _CAPTIONS[name]
    *words, last = name.split("_")
    if words and last in _UNITS:
        return f"{' '.join(words)} ({_UNITS[last]})".capitalize()
    return name.replace("_", " ").capitalize()


def method_groups(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The options of a method by the title of their group: parts, numbers, and the rest.

    Args:
        fields: JSON schemas by name.
    """
    expert = tuple(name for name in fields if name in _EXPERT)
    others = [name for name in fields if name not in _EXPERT]
    parts = tuple(name for name in others if _is_switch(fields[name]))
    numbers = tuple(name for name in others if name not in parts)
    if not parts and not expert:  # few numbers need no fold
        return {BASIC: numbers}
    return {BASIC: parts, "Numbers of the paper": numbers, "For experts": expert}


def engine_groups(fields: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The settings of the engine by the title of their group: budget and machine come first."""
    basic = tuple(name for name in ("minutes", "steps", "start", "device") if name in fields)
    expert = tuple(name for name in fields if name in _EXPERT)
    known = {*basic, *expert}
    return {
        BASIC: basic,
        "Optimiser, batches, augmentation": tuple(n for n in fields if n not in known),
        "For experts": expert,
    }


def acts(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a field does anything while the others of its form have these values."""
    other, wanted = _ACTS.get(name, ("", ()))
    return other not in values or values[other] in wanted


def _is_switch(field: Mapping[str, Any]) -> bool:
    return field.get("type") == "boolean" or "enum" in field
