"""Learning segmentation from scribbles, in napari or headless.

The public names of the package. Importing it loads no numpy, no torch and no Qt: each name is
fetched from its room on first use, because napari imports every plugin when it starts.

Example:
    >>> from napari_scribseg import read_dataset, sample_folder
    >>> len(read_dataset(sample_folder("cardiac")).cases)
    12
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.core.method_spec import MethodSpec
    from napari_scribseg.core.samples import sample_folder
    from napari_scribseg.core.volume import Grid, Volume
    from napari_scribseg.data.case import Case, Dataset
    from napari_scribseg.data.dataset import read_dataset
    from napari_scribseg.data.find import find_cases
    from napari_scribseg.data.segmentation_export import export_segmentation
    from napari_scribseg.data.segmentation_import import import_segmentation
    from napari_scribseg.evaluation.figures import overlay_figure
    from napari_scribseg.evaluation.folders import evaluate_folders
    from napari_scribseg.evaluation.frames import score_table, summary_table
    from napari_scribseg.io import read_labels, read_volume, write_volume
    from napari_scribseg.methods.registry import specs
    from napari_scribseg.project.folder import Project
    from napari_scribseg.runs.folder import RunFolder
    from napari_scribseg.runs.history_table import history_table
    from napari_scribseg.training.fitted_answer import fitted_answer
    from napari_scribseg.training.new_run import prepare_run
    from napari_scribseg.training.predict import load_model, predict_case
    from napari_scribseg.training.train import train_run

__version__ = "0.1.0"

__all__ = [
    "Case",
    "Dataset",
    "Grid",
    "LabelSchema",
    "MethodSpec",
    "Project",
    "RunFolder",
    "Volume",
    "__version__",
    "evaluate_folders",
    "export_segmentation",
    "find_cases",
    "fitted_answer",
    "history_table",
    "import_segmentation",
    "load_model",
    "overlay_figure",
    "predict_case",
    "prepare_run",
    "read_dataset",
    "read_labels",
    "read_volume",
    "sample_folder",
    "score_table",
    "specs",
    "summary_table",
    "train_run",
    "write_volume",
]

_HOMES: Final = {
    "Case": "data.case",
    "Dataset": "data.case",
    "Grid": "core.volume",
    "LabelSchema": "core.labels",
    "MethodSpec": "core.method_spec",
    "Project": "project.folder",
    "RunFolder": "runs.folder",
    "Volume": "core.volume",
    "evaluate_folders": "evaluation.folders",
    "fitted_answer": "training.fitted_answer",
    "export_segmentation": "data.segmentation_export",
    "history_table": "runs.history_table",
    "find_cases": "data.find",
    "import_segmentation": "data.segmentation_import",
    "load_model": "training.predict",
    "overlay_figure": "evaluation.figures",
    "predict_case": "training.predict",
    "prepare_run": "training.new_run",
    "read_dataset": "data.dataset",
    "read_labels": "io",
    "read_volume": "io",
    "sample_folder": "core.samples",
    "score_table": "evaluation.frames",
    "specs": "methods.registry",
    "summary_table": "evaluation.frames",
    "train_run": "training.train",
    "write_volume": "io",
}


def __getattr__(name: str) -> Any:
    """A public name, fetched from its room."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
