"""The methods, listed by hand; each is one file."""

from __future__ import annotations

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.dmpls import DMPLS
from napari_scribseg.methods.effdnet import EFFDNet
from napari_scribseg.methods.em_crf import EMCRF
from napari_scribseg.methods.entropy_min import EntropyMin
from napari_scribseg.methods.exmod import CycleMix, ExMod
from napari_scribseg.methods.full_2d import Full2D
from napari_scribseg.methods.full_25d import Full25D
from napari_scribseg.methods.mumford_shah import MumfordShah
from napari_scribseg.methods.partial_ce import PartialCE, PartialCEDice
from napari_scribseg.methods.random_walker import RandomWalker
from napari_scribseg.methods.s2l import S2L
from napari_scribseg.methods.scribble2d5 import Scribble2D5
from napari_scribseg.methods.unet_crf import UNetCRF
from napari_scribseg.methods.ustm import USTM
from napari_scribseg.methods.wpce import WPCE

METHODS: tuple[type[Method], ...] = (
    RandomWalker,
    PartialCE,
    PartialCEDice,
    EFFDNet,
    EMCRF,
    ExMod,
    CycleMix,
    Scribble2D5,
    WPCE,
    EntropyMin,
    MumfordShah,
    USTM,
    S2L,
    DMPLS,
    UNetCRF,
    Full2D,
    Full25D,
)
"""Every method there is; the first one is what we propose to somebody who has no opinion."""


def method_named(name: str) -> type[Method]:
    """The method of this name.

    Raises:
        InvalidInput: there is none; the message lists those that exist.
    """
    for method in METHODS:
        if method.name == name:
            return method
    known = ", ".join(method.name for method in METHODS)
    raise InvalidInput(f"There is no method '{name}'. Choose one of: {known}.")
