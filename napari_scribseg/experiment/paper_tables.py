"""The tables of the four papers as recipes: which rows, with which settings, on which split.

A table says what is trained and tested; the data somebody has to bring, since none of the sets may
be passed on. What we lack stands beside it, with the reason. Numbers that come out are no
reproduction where the papers leave out what decides them: see the pages of the methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.experiment.sweep import Choice, Grid, swept
from napari_scribseg.methods.recipes import QUICK, WSL4MIS

_PAPER: Final = "paper"
_AS_WSL4MIS: Final = {
    name: WSL4MIS.model_dump(mode="json")[name]
    for name in sorted(WSL4MIS.model_fields_set | QUICK.model_fields_set)
}
"""For methods that have a preset "quick" only; what that one changes is undone, too."""
_OF_CRF_RNN: Final = {"crf_iterations": 5}
"""Mean-field iterations of its authors; "quick" has fewer."""

SCRIBFORMER: Final = (
    "ScribFormer",
    "a CNN and a transformer of 48 million parameters side by side; its row is within 1 Dice point "
    "of DMPLS for the heart, so it is left out",
)
MAAG: Final = (
    "MAAG",
    "learns from unpaired dense masks of other patients, so not from scribbles alone",
)
INEXTREMIS: Final = (
    "InExtremIS",
    "learns from extreme points, another kind of annotation; its code could not be obtained",
)
SCRIBBLESEG: Final = (
    "ScribbleSeg (ZScribbleSeg)",
    "its code could not be obtained, and its paper leaves out numbers that decide the result",
)


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        label: as in a recipe.
        title: as the paper calls it.
        method: which is trained.
        settings: changes of the preset.
        preset: "paper" unless the method has another one for the row.
        published: further changes, which are left out in the shortened form.
        grid: settings of which the row is trained with every combination.
    """

    label: str
    title: str
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str = _PAPER
    published: Mapping[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)


@dataclass(frozen=True)
class PaperTable:
    """A table, or a figure, of a paper.

    Args:
        title: what it is.
        data: what the dataset folder has to hold.
        split: as in a recipe; the options of the command line go before it.
        protocol: what differs from the paper, in sentences.
        rows: what is trained.
        absent: rows of the paper that we lack, and why.
    """

    title: str
    data: str
    split: Mapping[str, Any]
    protocol: str
    rows: tuple[Row, ...]
    absent: tuple[tuple[str, str], ...] = ()

    def choices(self, *, shortened: bool = False) -> list[Choice]:
        """The rows as choices of a recipe.

        Args:
            shortened: with the preset "quick" instead of "paper", to try the recipe out: rows
                differ by the same settings, but the numbers are those of short trainings.
        """
        found: list[Choice] = []
        for row in self.rows:
            choice: Choice = {
                "label": row.label,
                "method": row.method,
                "preset": "quick" if shortened else row.preset,
                "settings": {**row.settings, **({} if shortened else row.published)},
            }
            found += swept(choice, row.grid) if row.grid else [choice]
        return found


def table_named(name: str) -> PaperTable:
    """The table of this name.

    Raises:
        InvalidInput: there is none.
    """
    if name not in TABLES:
        raise InvalidInput(f"There is no table {name!r}; choose from {', '.join(TABLES)}.")
    return TABLES[name]


_MAAG_SPLIT: Final = {"kind": "published", "name": "maag"}
_BLOCKS: Final = {"kind": "published", "name": "wsl4mis"}
_FIVE: Final = {"kind": "cross-validation", "folds": 5}
_ACDC: Final = "ACDC with expert scribbles (classes RV, MYO, LV; patients end in their number)"
_PROSTATE: Final = "NCI-ISBI 2013 or another prostate set (classes PZ, CG) with scribbles"

_EFFDNET_ROWS: Final = (
    Row("pce", "pCE", "partial_ce"),
    Row("rw", "RW", "random_walker", preset="quick", published=_AS_WSL4MIS),
    Row("ustm", "USTM", "ustm"),
    Row("s2l", "S2L", "s2l"),
    Row("mloss", "MLoss", "mumford_shah"),
    Row("entmin", "EntMin", "entropy_min"),
    Row("dmpls", "DMPLS", "dmpls"),
    Row("effdnet", "EFFDNet", "effdnet"),
    Row("fullsup", "FullSup", "full_2d"),
)
_EFFDNET_PARTS: Final = (
    Row("baseline", "baseline", "effdnet", {"fbsl": False, "fadc": False}),
    Row("fbsl", "+ FBSL", "effdnet", {"fadc": False}),
    Row("fadc", "+ FADC", "effdnet", {"fbsl": False}),
    Row("both", "+ FBSL + FADC", "effdnet"),
)
_EM_CRF_ROWS: Final = (
    ("base_no_recursion", "Base (no recursion)", {"recursions": 0, "crf": "none"}),
    ("base", "Base", {"crf": "none"}),
    ("separate_crf", "Base + separate CRF", {"crf": "dense"}),
    ("crf_rnn", "Base + CRF-RNN", {"crf": "rnn"}),
    ("uncertainty", "Base + uncertainty", {"crf": "none", "uncertainty": True}),
    ("separate_crf_unc", "Base + sep. CRF & unc.", {"crf": "dense", "uncertainty": True}),
    ("crf_rnn_unc", "Base + CRF-RNN & unc.", {"crf": "rnn", "uncertainty": True}),
    (
        "full",
        "Fully supervised",
        {"recursions": 0, "crf": "none", "supervision": "dense"},
    ),
)


def _em_crf(preset: str) -> tuple[Row, ...]:
    return tuple(Row(n, title, "em_crf", s, preset) for n, title, s in _EM_CRF_ROWS)


def _exmod_alone(data: str, split: Mapping[str, Any]) -> PaperTable:
    return PaperTable(
        f"ExMod, table 1: Dice of every structure, largest and mean ({data.split(maxsplit=1)[0]})",
        data,
        split,
        "dice_max and dice_mean of summary.csv are the two columns. ExMod's code is not public; "
        "what it leaves open is taken from CycleMix.",
        (Row("exmod", "ExMod", "exmod"),),
    )


def _effdnet(title: str, rows: Sequence[Row], data: str, split: Mapping[str, Any]) -> PaperTable:
    absent = (SCRIBFORMER,) if rows is _EFFDNET_ROWS else ()
    return PaperTable(
        title,
        data,
        split,
        "The paper tests the checkpoint that was best on the test fold; here the test fold decides "
        "nothing.",
        tuple(rows),
        absent,
    )


TABLES: Final[dict[str, PaperTable]] = {
    "exmod-1-acdc": _exmod_alone(_ACDC, _MAAG_SPLIT),
    "exmod-1-mscmr": _exmod_alone(
        "MSCMR with scribbles (classes RV, MYO, LV; splits train and test)",
        {"kind": "dataset", "train": "train", "test": "test"},
    ),
    "exmod-2": PaperTable(
        "ExMod, table 2: comparison on ACDC",
        _ACDC,
        _MAAG_SPLIT,
        "35 patients to train on and 15 to test on, those of MAAG.",
        (
            Row(
                "unet_crf",
                "UNet_CRF",
                "unet_crf",
                preset="quick",
                published=_AS_WSL4MIS | _OF_CRF_RNN,
            ),
            Row("unet_wpce", "UNet_wpce", "wpce"),
            Row("unet_pce", "UNet_pce", "partial_ce"),
            Row("cyclemix", "CycleMix", "cyclemix"),
            Row("exmod", "ExMod", "exmod"),
        ),
        (MAAG, SCRIBBLESEG),
    ),
    "em_crf-1-acdc": PaperTable(
        "EM-CRF, table 1: its eight rows for the heart",
        _ACDC,
        {"kind": "published", "name": "every-fifth"},
        "The paper tests on the hidden patients of the ACDC challenge; here every fifth patient is "
        "tested, the list of the network's authors.",
        _em_crf(_PAPER),
    ),
    "em_crf-1-prostate": PaperTable(
        "EM-CRF, table 1: its eight rows for the prostate",
        _PROSTATE,
        _FIVE,
        "The paper divides 29 volumes once, 12 to 7 to 10, without saying which; here five folds.",
        _em_crf("paper_prostate"),
    ),
    "em_crf-grid": PaperTable(
        "EM-CRF, section 2: grid search of the dense CRF",
        "the validation set: any set with scribbles and references",
        {"kind": "cross-validation", "folds": 2},
        "The paper does not tell its grid; this one goes around its result for heart and prostate.",
        (
            Row(
                "crf",
                "Base + separate CRF",
                "em_crf",
                {"crf": "dense"},
                grid={
                    "bilateral_sigma": (1.0, 2.0, 3.0),
                    "grey_sigma": (0.01, 0.1),
                    "spatial_sigma": (2.0, 5.0),
                    "bilateral_weight": (5.0, 6.0),
                    "spatial_weight": (5.0, 10.0),
                },
            ),
        ),
    ),
    "effdnet-1-acdc": _effdnet(
        "EFFDNet, table 1: comparison on ACDC", _EFFDNET_ROWS, _ACDC, _BLOCKS
    ),
    "effdnet-1-prostate": _effdnet(
        "EFFDNet, table 1: comparison on NCI-ISBI", _EFFDNET_ROWS, _PROSTATE, _FIVE
    ),
    "effdnet-2-acdc": _effdnet(
        "EFFDNet, table 2: its two parts, on ACDC", _EFFDNET_PARTS, _ACDC, _BLOCKS
    ),
    "effdnet-2-prostate": _effdnet(
        "EFFDNet, table 2: its two parts, on NCI-ISBI", _EFFDNET_PARTS, _PROSTATE, _FIVE
    ),
    "effdnet-figure-5": _effdnet(
        "EFFDNet, figure 5: sensitivity to K and delta; its values can't be read off, these go "
        "around the chosen ones",
        (
            Row("K", "K", "effdnet", grid={"blocks": (2, 4, 8, 16)}),
            Row("delta", "delta", "effdnet", grid={"fbsl_weight": (0.1, 0.2, 0.3, 0.4, 0.5)}),
        ),
        _ACDC,
        _BLOCKS,
    ),
    "scribble2d5-1": PaperTable(
        "Scribble2D5, table 1: comparison and ablations",
        "a set of volumes with scribbles and references: ACDC, VS or CHAOS",
        _FIVE,
        "The paper's list for ACDC has patients on both sides; here patients stay whole, in five "
        "folds.",
        (
            Row("unet_pce", "UNet_PCE", "partial_ce"),
            Row("without_lpm", "w/o LPM", "scribble2d5", {"lpm": "none"}),
            # "including SBPM and active boundary loss", as section 3.2 has it.
            Row("without_sbpm", "w/o SBPM", "scribble2d5", {"sbpm": False, "abl": False}),
            Row("without_abl", "w/o ABL", "scribble2d5", {"abl": False}),
            Row("scribble2d5", "Scribble2D5", "scribble2d5"),
            Row("unet_2d", "2D U-Net (dense)", "full_2d"),
            Row("unet_25d", "2.5D U-Net (dense)", "full_25d"),
        ),
        (MAAG, INEXTREMIS),
    ),
}
"""Every table by the word that asks for it."""
