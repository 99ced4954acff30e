"""The registry: every method there is, as plain data. No torch.

Ours are listed by hand. Another package adds its own by an entry point, whose value is a
`MethodSpec`:

    [project.entry-points."napari_scribseg.methods"]
    my_method = "my_package.my_method:SPEC"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.method_spec import MethodSpec
from napari_scribseg.methods import (
    combined,
    dmpls,
    effdnet,
    em_crf,
    entropy_min,
    exmod,
    full_2d,
    full_25d,
    mumford_shah,
    partial_ce,
    random_walker,
    s2l,
    scribble2d5,
    unet_crf,
    ustm,
    wpce,
)

if TYPE_CHECKING:
    from napari_scribseg.methods.base import Method

GROUP: Final = "napari_scribseg.methods"
"""The entry-point group by which other packages offer methods."""

OURS: Final[tuple[MethodSpec, ...]] = (
    partial_ce.PARTIAL_CE_DICE,
    random_walker.SPEC,
    combined.SPEC,
    partial_ce.SPEC,
    effdnet.SPEC,
    em_crf.SPEC,
    exmod.SPEC,
    exmod.CYCLEMIX,
    scribble2d5.SPEC,
    wpce.SPEC,
    entropy_min.SPEC,
    mumford_shah.SPEC,
    ustm.SPEC,
    s2l.SPEC,
    dmpls.SPEC,
    unet_crf.SPEC,
    full_2d.SPEC,
    full_25d.SPEC,
)
"""Our methods; the first one is what we propose to somebody who has no opinion."""


@cache
def _found() -> tuple[tuple[MethodSpec, ...], tuple[str, ...]]:
    found, problems = list(OURS), list[str]()
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        try:
            spec = point.load()
        except Exception as error:  # noqa: BLE001  a stranger's module may raise anything
            problems.append(
                f"The method '{point.name}' of another package can't be loaded from "
                f"{point.value}: {error}. Update or uninstall that package."
            )
            continue
        if not isinstance(spec, MethodSpec):
            problems.append(
                f"The entry point '{point.name}' ({point.value}) should be a MethodSpec, got "
                f"{type(spec).__name__}. Update or uninstall the package that brings it."
            )
        elif any(known.name == spec.name for known in found):
            problems.append(
                f"The method '{spec.name}' of {point.value} is left out: that name is taken. "
                "Ask its authors for another name."
            )
        else:
            found.append(spec)
    return tuple(found), tuple(problems)


def specs() -> tuple[MethodSpec, ...]:
    """Every method: ours, then those of other packages by the name of their entry point.

    Example:
        >>> from napari_scribseg import specs
        >>> sorted(spec.name for spec in specs() if spec.group == "paper")
        ['effdnet', 'em_crf', 'exmod', 'scribble2d5']
    """
    return _found()[0]


def problems() -> tuple[str, ...]:
    """Why methods of other packages were left out, a sentence each."""
    return _found()[1]


def spec_named(name: str) -> MethodSpec:
    """The method of this name, as plain data.

    Raises:
        InvalidInput: there is none; the message lists those that exist.
    """
    for spec in specs():
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in specs())
    left_out = "".join(f" {problem}" for problem in problems())
    raise InvalidInput(f"There is no method '{name}'. Choose one of: {known}.{left_out}")


def title_of(name: str) -> str:
    """The name of a method as its paper writes it; the word itself where there is no such."""
    return next((spec.title for spec in specs() if spec.name == name), name)


def usual_steps(name: str) -> int:
    """About how many steps a method wants on a few volumes, as its quick preset has them."""
    known = (spec.presets["quick"].training.steps for spec in specs() if spec.name == name)
    return next(known, TrainConfig().steps)


def method_named(name: str) -> type[Method]:
    """The class of the method of this name; imports torch.

    Raises:
        InvalidInput: there is none; the message lists those that exist.
    """
    return spec_named(name).load()


def all_methods() -> tuple[type[Method], ...]:
    """The class of every method; imports torch."""
    return tuple(spec.load() for spec in specs())
