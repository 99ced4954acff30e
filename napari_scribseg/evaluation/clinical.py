"""Clinical numbers of segmentations: ventricular volumes, ejection fraction, mass, zone volumes.

Volumes are counted voxels times the volume of a voxel (the disc summation of the guidelines with
the slices as discs). Every number carries what it was made of: which labels of which segmentation.
What can't be computed is refused in a sentence; nothing is guessed, swapped or left out silently.
These are numbers for research, not for diagnosis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.evaluation.metrics import Spacing, volume_ml

MYOCARDIUM_G_PER_ML: Final = 1.05
"""Density of myocardium as the standard for reading cardiac MR has it.

Schulz-Menger et al., "Standardized image interpretation and post processing in cardiovascular
magnetic resonance", J Cardiovasc Magn Reson 15:35, 2013.
"""

_LV: Final = ("lv", "lv cavity", "left ventricle", "lv blood pool")
_RV: Final = ("rv", "rv cavity", "right ventricle", "rv blood pool")
_MYO: Final = ("myo", "myocardium", "lv myocardium")
_ZONES: Final = (
    ("pz", "peripheral zone"),
    ("cg", "central gland", "tz", "transition zone"),
)
_SAME_MM: Final = 1e-3


@dataclass(frozen=True)
class Measurement:
    """One number with its unit and what it was made of.

    Args:
        name: "LV EDV".
        value: the number; NaN where there is nothing to measure, and the source says why.
        unit: "mL", "%" or "g".
        source: labels and segmentation(s) used, in words.
    """

    name: str
    value: float
    unit: str
    source: str


@dataclass(frozen=True, eq=False)
class Phase:
    """A segmentation of one moment.

    Args:
        name: the case and frame it is of, as it shall stand in the results.
        segmentation: (z, y, x) class indices.
        spacing: mm along (z, y, x).
    """

    name: str
    segmentation: Array
    spacing: Spacing


def is_cardiac(schema: LabelSchema) -> bool:
    """Whether a schema names a ventricle."""
    return any(_index(schema, names) is not None for names in (_LV, _RV))


def is_prostate(schema: LabelSchema) -> bool:
    """Whether a schema names the two zones of a prostate."""
    return all(_index(schema, names) is not None for names in _ZONES)


def cardiac_measurements(
    end_diastole: Phase,
    end_systole: Phase,
    schema: LabelSchema,
    *,
    density_g_per_ml: float = MYOCARDIUM_G_PER_ML,
) -> tuple[Measurement, ...]:
    """EDV, ESV, stroke volume and EF of each ventricle that has a label; mass of the myocardium.

    The mass is of end diastole. A ventricle that is in neither phase has volumes of NaN.

    Raises:
        InvalidInput: the schema names no ventricle, none is there, one is there in one phase
            only, the spacings differ, or a ventricle is not larger at end diastole.
    """
    _check_density(density_g_per_ml)
    for phase in (end_diastole, end_systole):
        schema.check_segmentation(phase.segmentation, f"The segmentation of {phase.name}")
    _check_spacings(end_diastole, end_systole)
    ventricles = {"LV": _index(schema, _LV), "RV": _index(schema, _RV)}
    if not any(ventricles.values()):
        raise InvalidInput(
            f"Volumes of the heart need a class LV or RV; the schema '{schema.title}' has "
            f"{', '.join(schema.names[1:])}."
        )
    phases = (end_diastole, end_systole)
    found: list[Measurement] = []
    for side, index in ventricles.items():
        if index is not None:
            found += _ventricle(side, index, end_diastole, end_systole, schema)
    if all(np.isnan(measured.value) for measured in found):
        raise InvalidInput(
            f"There is no ventricle in {phases[0].name} and {phases[1].name}: nothing to measure."
        )
    myocardium = _index(schema, _MYO)
    if myocardium is not None:
        found.append(_mass(myocardium, end_diastole, schema, density_g_per_ml))
    return tuple(found)


def volume_measurements(phase: Phase, schema: LabelSchema) -> tuple[Measurement, ...]:
    """The volume of every class, and of the whole prostate where the classes are its zones.

    Raises:
        InvalidInput: a value is not in the schema.
    """
    schema.check_segmentation(phase.segmentation, f"The segmentation of {phase.name}")
    found = [
        Measurement(
            f"{name} volume",
            volume_ml(phase.segmentation == index, phase.spacing),
            "mL",
            _source(name, index, phase),
        )
        for index, name in enumerate(schema.names)
        if index > 0
    ]
    if is_prostate(schema):
        indices = [i for i in (_index(schema, names) for names in _ZONES) if i is not None]
        whole = volume_ml(np.isin(phase.segmentation, indices), phase.spacing)
        parts = " + ".join(f"{schema.names[i]} (label {i})" for i in indices)
        found.append(Measurement("Prostate volume", whole, "mL", f"{parts} of {phase.name}"))
    return tuple(found)


def _ventricle(
    side: str, index: int, diastole: Phase, systole: Phase, schema: LabelSchema
) -> list[Measurement]:
    name = schema.names[index]
    if not any((phase.segmentation == index).any() for phase in (diastole, systole)):
        why = f"not measured: no {name} (label {index}) in {diastole.name} and {systole.name}"
        return [Measurement(f"{side} EDV", np.nan, "mL", why)]
    edv, esv = (_volume_of(index, phase, schema) for phase in (diastole, systole))
    if esv >= edv:
        raise InvalidInput(
            f"{side}: the volume at end diastole ({edv:.1f} mL, {diastole.name}) is not larger "
            f"than at end systole ({esv:.1f} mL, {systole.name}). Are the two phases swapped, or "
            "is a segmentation wrong? Nothing was computed."
        )
    both = f"{name} (label {index}) of {diastole.name} and {systole.name}"
    return [
        Measurement(f"{side} EDV", edv, "mL", _source(name, index, diastole)),
        Measurement(f"{side} ESV", esv, "mL", _source(name, index, systole)),
        Measurement(f"{side} stroke volume", edv - esv, "mL", both),
        Measurement(f"{side} EF", 100 * (edv - esv) / edv, "%", both),
    ]


def _mass(index: int, diastole: Phase, schema: LabelSchema, density: float) -> Measurement:
    grams = _volume_of(index, diastole, schema) * density
    source = _source(schema.names[index], index, diastole)
    return Measurement("LV mass (ED)", grams, "g", f"{source}, times {density:g} g/mL")


def _volume_of(index: int, phase: Phase, schema: LabelSchema) -> float:
    volume = volume_ml(phase.segmentation == index, phase.spacing)
    if volume == 0:
        raise InvalidInput(
            f"There is no {schema.names[index]} (label {index}) in the segmentation of "
            f"{phase.name}, so its volume can't be computed. Correct the segmentation first."
        )
    return volume


def _check_spacings(diastole: Phase, systole: Phase) -> None:
    if any(abs(a - b) > _SAME_MM for a, b in zip(diastole.spacing, systole.spacing, strict=True)):
        shown = [
            " x ".join(f"{s:.4g}" for s in phase.spacing) + f" mm ({phase.name})"
            for phase in (diastole, systole)
        ]
        raise InvalidInput(
            f"End diastole and end systole must have one spacing, got {shown[0]} and {shown[1]}: "
            "are they of one acquisition?"
        )


def _check_density(density: float) -> None:
    if not 0.5 < density < 2:
        raise InvalidInput(
            f"The density of myocardium must be in g/mL, near {MYOCARDIUM_G_PER_ML}; got {density}."
        )


def _index(schema: LabelSchema, names: tuple[str, ...]) -> int | None:
    """The class index of the structure with one of these names."""
    known = [name.casefold() for name in schema.names]
    return next((known.index(name) for name in names if name in known), None)


def _source(name: str, index: int, phase: Phase) -> str:
    return f"{name} (label {index}) of {phase.name}"
