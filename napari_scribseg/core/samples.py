"""Where the synthetic sample datasets are stored.

In a clone and an editable install they lie in `sample_data/` beside the package, in a wheel in
`napari_scribseg/sample_data/`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from napari_scribseg.core.errors import InvalidInput

SampleName = Literal["cardiac", "prostate"]

SAMPLES: Final[dict[SampleName, str]] = {
    "cardiac": "Synthetic short-axis hearts, end-diastole and end-systole (RV, MYO, LV)",
    "prostate": "Synthetic T2-weighted prostates (PZ, CG)",
}
"""Every sample dataset with what it shows."""


def sample_folder(name: SampleName) -> Path:
    """The folder of a sample dataset; `read_dataset` reads it. Treat it as read-only.

    Raises:
        InvalidInput: there is no such sample, or the installation has lost it.

    Example:
        >>> from napari_scribseg import sample_folder
        >>> (sample_folder("cardiac") / "dataset.json").is_file()
        True
    """
    package = Path(__file__).resolve().parents[1]
    if name not in SAMPLES:
        raise InvalidInput(f"There is no sample '{name}'; choose from {', '.join(SAMPLES)}.")
    for parent in (package, package.parent):
        folder = parent / "sample_data" / name
        if (folder / "dataset.json").is_file():
            return folder
    raise InvalidInput(
        f"The sample '{name}' is missing from the installation in {package}; "
        "install napari-scribseg again."
    )
