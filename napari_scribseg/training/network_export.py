"""A trained network for other programs: ONNX, TorchScript, or a bundle of MONAI.

What is written is the network alone, from prepared slices (or windows of slices) to probabilities,
for any number of them and any size. How an image is prepared is told beside it; the bundle does it,
too. What was written is compared with the run's own network before it takes its place.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io.atomic import write_bytes
from napari_scribseg.io.regular_file import reason
from napari_scribseg.methods.base import Method
from napari_scribseg.networks.crf_rnn import CRFRNN
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_file import ModelDocument, model_path, read_document
from napari_scribseg.training.fitting_weights import Weights, method_with, read_weights
from napari_scribseg.training.model_export import document_of
from napari_scribseg.training.monai_bundle import bundle_of

NetworkFormat = Literal["onnx", "torchscript", "monai-bundle"]
NETWORK_ENDINGS: Final[dict[NetworkFormat, str]] = {
    "onnx": ".onnx",
    "torchscript": ".ts",
    "monai-bundle": ".zip",
}
OPSET: Final = 17
"""Of ONNX: read by onnxruntime from 1.12 on, OpenVINO and TensorRT."""
TOLERANCE: Final = 1e-4
"""Largest difference of a probability between what was written and the run's own network."""
_INPUT, _OUTPUT = "image", "probabilities"
_NOTES: Final = "scribseg.json"
"""Name of the description in a TorchScript file, and in the metadata of an ONNX file."""
_SIZES: Final = ((2, 3, 1), (1, 0, 2), (3, 1, 0))
"""Samples, and pixels over twice the smallest size along y and x, that are compared."""


@dataclass(frozen=True)
class _Exported:
    """A network to be written, and what it is compared by.

    Args:
        module: from images to probabilities.
        document: what is known of the model.
        depth: slices of a window; 0 = single slices.
        n_channels: sequences that it sees.
        smallest: pixels along y and x that an image must have.
    """

    module: nn.Module
    document: ModelDocument
    depth: int
    n_channels: int
    smallest: int

    def example(self, samples: int, height: int, width: int) -> Tensor:
        """Prepared images of this size, always the same."""
        window = (self.depth,) if self.depth else ()
        shape = (samples, self.n_channels, *window, height, width)
        return torch.randn(shape, generator=torch.Generator().manual_seed(height * width))

    @property
    def axes(self) -> list[str]:
        """Names of the axes of the input."""
        return ["batch", "channel", *(["slice"] if self.depth else []), "y", "x"]

    @property
    def notes(self) -> dict[str, Any]:
        """What another program must know, as JSON."""
        names = self.document.labels.names
        directions = self.document.checkpoint.get("orientation")
        return {
            "written_by": f"napari-scribseg {self.document.package_version}",
            "input": {
                "name": _INPUT,
                "axes": self.axes,
                "channels": self.document.checkpoint.get("sequences") or ["image"],
                "smallest_yx": self.smallest,
                "slices_of_a_window": self.depth or None,
                "directions_of_z_y_x_in_lps": directions,
                **self.document.preprocessing,
            },
            "output": {
                "name": _OUTPUT,
                "channels": list(names),
                "meaning": "probabilities; bring them back to the image's own grid linearly, then "
                "take the likeliest class",
            },
            "card": self.document.card,
        }


class _Probabilities(nn.Module):
    """A method's prediction as probabilities."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, image: Tensor) -> Tensor:
        return self.method(image).float().softmax(1)


class _InMonaiOrder(nn.Module):
    """The same for images whose axes are (x, y) or (x, y, z), as those of MONAI."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        order = (0, 1, 4, 3, 2) if image.ndim == 5 else (0, 1, 3, 2)
        return self.module(image.permute(order)).permute(order)


def export_network(source: RunFolder | Path, path: Path, file_format: NetworkFormat) -> Path:
    """Write the network of a run or a model file for other programs; gives the file's path.

    Args:
        source: a run with weights, or a model file.
        path: a new file; its ending is that of the format in NETWORK_ENDINGS.
        file_format: "onnx" needs onnx and onnxruntime (the extra `onnx`); a "monai-bundle" is a
            zip file that MONAI reads without this package.

    Raises:
        InvalidInput: the file exists or has another ending, a library is missing, the network
            can't be exported, or what was written gives other probabilities.
        RunError: the run has no weights, or they are damaged or of another run.
    """
    _check_path(path, file_format)
    if file_format == "onnx":
        _require_onnx()
    exported = _exported(source)
    if file_format == "monai-bundle" and exported.n_channels > 1:
        raise InvalidInput(
            f"The network sees {exported.n_channels} sequences, and the bundle's steps read one "
            "file per case: choose onnx or torchscript, whose description names the channels."
        )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing warns of every size that it follows
        if file_format == "onnx":
            content = _onnx(exported)
        elif file_format == "torchscript":
            content = _torchscript(exported.module, exported)
        else:
            network = _torchscript(_InMonaiOrder(exported.module), exported)
            content = bundle_of(
                exported.document,
                network,
                depth=exported.depth,
                name=path.stem,
                notes=exported.notes,
            )
    write_bytes(path, content)
    return path


def _check_path(path: Path, file_format: NetworkFormat) -> None:
    ending = NETWORK_ENDINGS[file_format]
    if path.suffix != ending:
        raise InvalidInput(f"{path} can't be the name of such a file: let it end in {ending}.")
    if path.exists():
        raise InvalidInput(
            f"{path} exists already and nothing is overwritten: choose another name."
        )
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"{path.absolute().parent} is not a folder; choose another place.")


def _require_onnx() -> None:
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise InvalidInput(
            f"Writing ONNX needs {' and '.join(missing)}, not installed here: pip install "
            "'napari-scribseg[onnx]'. TorchScript needs nothing more."
        )


def _exported(source: RunFolder | Path) -> _Exported:
    weights = read_weights(source)
    method = method_with(weights.tensors, weights.info, weights.path).cpu().eval()
    method.requires_grad_(requires_grad=False)
    if any(isinstance(part, CRFRNN) for part in method.modules()):
        raise InvalidInput(
            f"The network of {weights.info.method} ends in a CRF layer, which is built anew for "
            "every size of slice and can't be written for other programs. Export the .scribseg "
            "file, or train without that layer."
        )
    is_patch = method.sample == "patch"
    depth = type(method).patch_depth(method.options) if is_patch else 0
    smallest = 1 + max((_in_plane_divisor(part) for part in method.modules()), default=0)
    return _Exported(
        _Probabilities(method).eval(),
        _document(source, weights),
        depth,
        method.n_channels,
        max(smallest, 17),
    )


def _in_plane_divisor(module: nn.Module) -> int:
    divisor = getattr(module, "divisor", None)
    return int(max(divisor[1:])) if isinstance(divisor, tuple) and len(divisor) == 3 else 0


def _document(source: RunFolder | Path, weights: Weights) -> ModelDocument:
    path = None if isinstance(source, RunFolder) else model_path(source)
    if path is not None:
        return read_document(path)
    return document_of(source if isinstance(source, RunFolder) else RunFolder.open(source), weights)


def _onnx(exported: _Exported) -> bytes:
    import onnx
    import onnxruntime

    varying = {0: "batch", len(exported.axes) - 2: "y", len(exported.axes) - 1: "x"}
    stream = io.BytesIO()
    try:
        torch.onnx.export(
            exported.module,
            (_traced_with(exported),),
            cast("Any", stream),  # the tracing exporter takes a stream, whatever its types say
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_axes={_INPUT: varying, _OUTPUT: varying},
            opset_version=OPSET,
            dynamo=False,  # the other way needs minutes and can't follow the padding of slices
        )
        model = onnx.load_from_string(stream.getvalue())
        for key, value in (("description", "napari-scribseg network"), (_NOTES, exported.notes)):
            text = value if isinstance(value, str) else json.dumps(value)
            model.metadata_props.add(key=key, value=text)
        onnx.checker.check_model(model)
        content = model.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # three libraries raise nearly everything
        raise _not_exported("ONNX", error) from error
    _compare(exported, lambda image: np.asarray(session.run(None, {_INPUT: image.numpy()})[0]))
    return content


def _torchscript(module: nn.Module, exported: _Exported) -> bytes:
    in_order = isinstance(module, _InMonaiOrder)

    def given(image: Tensor) -> Tensor:
        return image.transpose(2, -1) if in_order else image

    stream = io.BytesIO()
    try:
        # Comparing is done below, at other sizes.
        traced = torch.jit.trace(module, given(_traced_with(exported)), check_trace=False)
        torch.jit.save(traced, stream, _extra_files={_NOTES: json.dumps(exported.notes)})
        loaded: Callable[[Tensor], Tensor] = torch.jit.load(io.BytesIO(stream.getvalue()))
    except Exception as error:  # torch raises nearly everything
        raise _not_exported("TorchScript", error) from error
    _compare(exported, lambda image: given(loaded(given(image))).numpy())
    return stream.getvalue()


def _traced_with(exported: _Exported) -> Tensor:
    """Images of a size that is followed through the network; no two axes are alike.

    Odd along both, so that it is continued and cut wherever another size would be: what is left
    undone at one size is not in the network that is written.
    """
    side = 2 * exported.smallest - 1
    return exported.example(2, side, side + 16)


def _compare(exported: _Exported, run: Callable[[Tensor], npt.NDArray[np.float32]]) -> None:
    """Raises InvalidInput unless a network gives the run's probabilities at several sizes."""
    for samples, more_y, more_x in _SIZES:
        image = exported.example(samples, *_sides(exported.smallest, (more_y, more_x)))
        expected, found = exported.module(image).numpy(), run(image)
        apart = float(np.abs(expected - found).max()) if found.shape == expected.shape else np.inf
        if not apart <= TOLERANCE:
            raise InvalidInput(
                f"The written network gives other probabilities than the run's own, by {apart:.2g} "
                f"for an image of {tuple(image.shape)}; expected at most {TOLERANCE:g}. Nothing "
                "was saved. Please report this with your versions of torch and onnxruntime."
            )


def _sides(smallest: int, more: Sequence[int]) -> tuple[int, int]:
    return smallest + 7 * more[0], smallest + 5 * more[1]


def _not_exported(what: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"This network can't be written as {what} with torch {torch.__version__}: "
        f"{reason(error).splitlines()[0][:200]}. Nothing was saved."
    )
