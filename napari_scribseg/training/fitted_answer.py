"""An answer at once: what the strokes of a case say about all of it, without any training.

The network knows synthetic anatomy; its last layer is fitted to the strokes. It takes seconds and
needs no run folder.
"""

from __future__ import annotations

from napari_scribseg.annotation.outer_background import outer_background_of
from napari_scribseg.batches.slices import SliceSet, choose_spacing
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import TaskNotSupported
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import Case
from napari_scribseg.methods.registry import method_named
from napari_scribseg.training.beginning import begin
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.oriented import orient, training_orientation
from napari_scribseg.training.predict import Model, Prediction, predict_case
from napari_scribseg.training.train import task_of

_METHOD = "partial_ce"
"""Whose network it is: learning from the drawn pixels alone, it needs no preparation."""


def fitted_answer(case: Case, schema: LabelSchema, *, device: str = "auto") -> Prediction:
    """Segmentation, probabilities and uncertainty of a case that has strokes, on its own grid.

    Args:
        case: with strokes of every class, background included; not modified.
        schema: the structures.
        device: see `choose_machine`.

    Raises:
        TaskNotSupported: a class was not drawn, or is gone at the network's pixel size.
        InvalidInput: the device is not there, or the free memory is not enough.

    Example:
        >>> from napari_scribseg import fitted_answer, read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> case = dataset.cases[0].load(dataset.schema)
        >>> found = fitted_answer(case, dataset.schema, device="cpu")
        >>> found.segmentation.shape == case.image.array.shape
        True
    """
    kind = method_named(_METHOD)
    if reason := kind.unsupported(task_of([case], schema)):
        raise TaskNotSupported(reason)
    config = TrainConfig(start="anatomy", steps=0, device=device)
    machine = choose_machine(device)
    cases = [case]
    orientation = training_orientation(cases)
    orient(cases, orientation)
    spacing_mm = choose_spacing(cases, config.patch)
    samples = SliceSet(schema, spacing_mm)
    samples.add(cases[0], {}, unlabelled=False, outside=outer_background_of(cases[0]))
    if not len(samples):
        raise TaskNotSupported("No stroke is left at the network's pixel size: draw thicker ones.")
    n_channels = len(case.image.channels)
    method = kind.made_for(schema.n_classes, kind.spec.Config(), n_channels)
    begin(method, samples, config, machine)
    named = case.image.sequences if n_channels > 1 else ()
    model = Model(method.eval(), schema, spacing_mm, machine, 0, orientation, named)
    return predict_case(model, case.image)
