"""Dice that papers report for our methods, with their protocols, to be shown beside measured ones.

They were reached on other patients, with other schedules, and partly on other scores (union of the
structures, best checkpoint on the test cases), so they are a background and not an expectation.
Single numbers that the text of a paper does not give legibly are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Protocol:
    """How a paper measured.

    Args:
        source: the paper, with the number of its table.
        dataset: what was segmented.
        how: split, schedule and score, in a sentence.
    """

    source: str
    dataset: str
    how: str


@dataclass(frozen=True)
class Published:
    """What a paper reports for one of our methods.

    Args:
        method: our name of it.
        variant: which of the paper's rows; "" where there is only one.
        dice: mean Dice, 0 to 1, by class name; "mean" where the paper has no single classes.
        protocol: how it was measured.
    """

    method: str
    variant: str
    dice: Mapping[str, float]
    protocol: Protocol


_CARDIAC: Final = ("RV", "MYO", "LV")
_PROSTATE: Final = ("PZ", "CG")

_EFFDNET_ACDC: Final = Protocol(
    "Liu et al. 2025 (EFFDNet), table 1",
    "ACDC",
    "Five folds of 200 volumes, expert scribbles, 60 000 steps; mean over folds. Their released "
    "code chooses the checkpoint on the test fold.",
)
_EFFDNET_ISBI: Final = Protocol(
    _EFFDNET_ACDC.source,
    "NCI-ISBI prostate",
    "Five folds of 80 volumes, simulated scribbles, 60 000 steps; otherwise as for ACDC.",
)
_EXMOD_ACDC: Final = Protocol(
    "Alshewaier et al. 2025 (ExMod), table 2",
    "ACDC",
    "35 scribbled patients for training, 15 for testing. The baselines are quoted from the papers "
    "that they cite.",
)
_EXMOD_MSCMR: Final = Protocol(
    "Alshewaier et al. 2025 (ExMod), table 1",
    "MSCMRseg",
    "25 scribbled patients for training, 5 for validation, 20 for testing.",
)
_EM_ACDC: Final = Protocol(
    "Can et al. 2018 (EM-CRF), table 1",
    "ACDC",
    "160 volumes for training, hidden references of 100 images on the challenge server, which "
    "rounds to 0.005.",
)
_EM_ISBI: Final = Protocol(
    _EM_ACDC.source, "NCI-ISBI prostate", "12 volumes for training, 10 for testing."
)
_SCRIBBLE2D5_ACDC: Final = Protocol(
    "Chen & Hong 2022 (Scribble2D5), table 1",
    "ACDC",
    "One number for all structures. Their released split has both phases of some patients on two "
    "sides, and their script scores the union of the structures.",
)


def _rows(
    classes: Sequence[str],
    protocol: Protocol,
    rows: Iterable[tuple[str, str, tuple[float | None, ...]]],
) -> tuple[Published, ...]:
    return tuple(
        Published(
            method,
            variant,
            {c: dice for c, dice in zip(classes, values, strict=True) if dice is not None},
            protocol,
        )
        for method, variant, values in rows
    )


PUBLISHED: Final = (
    *_rows(
        _CARDIAC,
        _EFFDNET_ACDC,
        (
            ("partial_ce", "", (0.5644, 0.5663, None)),
            ("random_walker", "", (0.8154, 0.7102, 0.8475)),
            ("ustm", "", (0.7927, None, 0.7660)),
            ("s2l", "", (0.8368, 0.8187, 0.8744)),
            ("mumford_shah", "", (0.8337, 0.8256, None)),
            ("entropy_min", "", (0.8321, 0.8099, 0.8873)),
            ("dmpls", "", (0.8622, 0.8382, 0.9146)),
            ("effdnet", "", (0.8698, 0.8556, 0.9248)),
            ("full_2d", "", (0.8949, 0.8907, 0.9395)),
        ),
    ),
    *_rows(
        _PROSTATE,
        _EFFDNET_ISBI,
        (
            ("partial_ce", "", (None, 0.4533)),
            ("random_walker", "", (0.7272, 0.7894)),
            ("ustm", "", (0.6557, 0.3620)),
            ("s2l", "", (0.6979, 0.5566)),
            ("mumford_shah", "", (0.7087, 0.8139)),
            ("entropy_min", "", (0.5919, 0.4274)),
            ("dmpls", "", (0.6914, 0.5643)),
            ("effdnet", "", (0.7277, 0.8667)),
            ("full_2d", "", (0.7723, 0.8790)),
        ),
    ),
    *_rows(
        _CARDIAC,
        _EXMOD_ACDC,
        (
            ("unet_crf", "", (0.59, 0.66, 0.76)),
            ("wpce", "", (0.56, 0.67, 0.78)),
            ("partial_ce", "", (0.69, 0.76, 0.84)),
            ("cyclemix", "", (0.86, 0.79, 0.88)),
            ("exmod", "", (0.89, 0.88, 0.93)),
        ),
    ),
    *_rows(_CARDIAC, _EXMOD_MSCMR, (("exmod", "", (0.88, 0.84, 0.93)),)),
    *_rows(
        _CARDIAC,
        _EM_ACDC,
        (
            ("em_crf", "no recursion", (0.875, 0.825, 0.895)),
            ("em_crf", "base", (0.880, 0.835, 0.905)),
            ("em_crf", "separate CRF", (0.880, 0.840, 0.890)),
            ("em_crf", "CRF-RNN", (0.885, 0.840, 0.915)),
            ("em_crf", "uncertainty", (0.890, 0.840, 0.910)),
            ("em_crf", "fully supervised", (0.905, 0.895, 0.935)),
        ),
    ),
    *_rows(
        _PROSTATE,
        _EM_ISBI,
        (
            ("em_crf", "no recursion", (0.631, 0.827)),
            ("em_crf", "base", (0.670, 0.829)),
            ("em_crf", "separate CRF", (0.698, 0.837)),
            ("em_crf", "CRF-RNN", (0.698, 0.863)),
            ("em_crf", "uncertainty", (0.720, 0.837)),
            ("em_crf", "fully supervised", (0.746, 0.889)),
        ),
    ),
    Published("scribble2d5", "", {"mean": 0.906}, _SCRIBBLE2D5_ACDC),
    Published("partial_ce", "3D patches", {"mean": 0.790}, _SCRIBBLE2D5_ACDC),
    Published("full_25d", "", {"mean": 0.961}, _SCRIBBLE2D5_ACDC),
)
"""What the papers of our methods report on hearts and prostates."""


def published_for(methods: Iterable[str], classes: Sequence[str]) -> tuple[Published, ...]:
    """What was published for these methods on data with exactly these classes.

    Args:
        methods: our names.
        classes: names of the foreground classes, in any case and order.
    """
    wanted, known = {name.casefold() for name in classes}, set(methods)
    of = {frozenset(c.casefold() for c in names): names for names in (_CARDIAC, _PROSTATE)}.get(
        frozenset(wanted)
    )
    if of is None:
        return ()
    fits = {_EFFDNET_ISBI.dataset} if of is _PROSTATE else {"ACDC", "MSCMRseg"}
    return tuple(p for p in PUBLISHED if p.method in known and p.protocol.dataset in fits)
