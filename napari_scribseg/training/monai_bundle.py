"""A trained network as a bundle of MONAI: weights, how images are prepared, and a description.

The bundle is a zip file whose network is TorchScript, so MONAI runs it without this package. Its
steps are MONAI's own transforms with our numbers: other libraries resample in their own way, so
voxels at borders may differ from those of `scribseg predict`.
Source: MONAI bundle specification, https://docs.monai.io/en/stable/mb_specification.html.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, Final

import numpy as np
import torch

from napari_scribseg.io.geometry import describe_axes
from napari_scribseg.runs.model_file import ModelDocument

_FIXED_TIME: Final = (2020, 1, 1, 0, 0, 0)
"""In the zip file, so that it depends on the model alone."""


def bundle_of(
    document: ModelDocument, network: bytes, *, depth: int, name: str, notes: dict[str, Any]
) -> bytes:
    """The bundle as a zip file.

    Args:
        document: what is known of the model.
        network: TorchScript, from (B, 1, x, y) or (B, 1, x, y, z) to probabilities.
        depth: slices of a window; 0 = the network takes single slices.
        name: of the bundle, its folder in the zip file.
        notes: what other programs must know of the network.
    """
    files = {
        "configs/metadata.json": _text(_metadata(document, depth, name)),
        "configs/inference.json": _text(_inference(document, depth)),
        "models/model.ts": network,
        "docs/README.md": _readme(document, name).encode(),
        "docs/network.json": _text(notes),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(f"{name}/{path}", _FIXED_TIME), content)
    return stream.getvalue()


def _text(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()


def _metadata(document: ModelDocument, depth: int, name: str) -> dict[str, Any]:
    names = document.labels.names
    shape: list[Any] = ["*", "*", *([depth] if depth else [])]
    common = {"spatial_shape": shape, "dtype": "float32", "is_patch_data": bool(depth)}
    structures = ", ".join(names[1:])
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "version": "1.0.0",
        "changelog": {"1.0.0": f"written by napari-scribseg {document.package_version}"},
        "monai_version": "1.4.0",
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"nibabel": "5.3.0"},
        "name": name,
        "task": f"Segmentation of {structures}",
        "description": f"Learnt from scribbles with the method {document.record.method}.",
        "authors": "not told",
        "copyright": "not told",
        "intended_use": "Research only; see docs/README.md.",
        "network_data_format": {
            "inputs": {
                "image": {
                    **common,
                    "type": "image",
                    "format": "magnitude",
                    "modality": "n/a",
                    "num_channels": 1,
                    "value_range": [],
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    **common,
                    "type": "probabilities",
                    "format": "segmentation",
                    "num_channels": len(names),
                    "value_range": [0, 1],
                    "channel_def": {str(k): each for k, each in enumerate(names)},
                }
            },
        },
    }


def _inferer(document: ModelDocument, depth: int) -> dict[str, Any]:
    """Slice by slice, or in windows of the size of a patch, as `predict` does."""
    if not depth:
        return {
            "_target_": "SliceInferer",
            "roi_size": [-1, -1],
            "spatial_dim": 2,
            "sw_batch_size": 4,
        }
    y, x = document.preprocessing["patch_yx_pixels"]
    return {
        "_target_": "SlidingWindowInferer",
        "roi_size": [x, y, depth],
        "overlap": 0.5,
        "mode": "gaussian",
    }


def _inference(document: ModelDocument, depth: int) -> dict[str, Any]:
    pixel = float(document.preprocessing["in_plane_pixel_mm"])
    codes = _axis_codes(document)
    steps: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": "image"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
        *([{"_target_": "Orientationd", "keys": "image", "axcodes": codes}] if codes else []),
        {"_target_": "ClipIntensityPercentilesd", "keys": "image", "lower": 0.5, "upper": 99.5},
        {"_target_": "NormalizeIntensityd", "keys": "image"},
        {"_target_": "Spacingd", "keys": "image", "pixdim": [pixel, pixel, -1.0]},
        {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"},
    ]
    back: list[dict[str, Any]] = [
        {
            "_target_": "Invertd",
            "keys": "pred",
            "transform": "@preprocessing",
            "orig_keys": "image",
            "nearest_interp": False,
            "to_tensor": True,
        },
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        {
            "_target_": "SaveImaged",
            "keys": "pred",
            "output_dir": "@output_dir",
            "output_dtype": "$numpy.uint8",
        },
    ]
    return {
        "imports": ["$import glob", "$import numpy", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "data": "$[{'image': i} for i in sorted(glob.glob(@dataset_dir + '/*.nii.gz'))]",
        "network": "$torch.jit.load(@bundle_root + '/models/model.ts', map_location=@device)",
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "inferer": _inferer(document, depth),
        "postprocessing": {"_target_": "Compose", "transforms": back},
        "dataset": {"_target_": "Dataset", "data": "@data", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@evaluator.run()"],
    }


def _axis_codes(document: ModelDocument) -> str | None:
    """Where x, y and z of the network point, in MONAI's letters; None where nothing is known."""
    orientation = document.checkpoint.get("orientation") or {}
    directions = orientation.get("directions")
    if not directions:
        return None
    affine = np.eye(4)
    affine[:3, :3] = np.array(directions, float)[::-1].T
    letters = describe_axes(affine).partition(" ")[0]
    return letters if len(set(letters)) == 3 else None


def _readme(document: ModelDocument, name: str) -> str:
    return (
        f"# {name}\n\nA bundle of MONAI, written by napari-scribseg {document.package_version}. "
        "Run it on the `.nii.gz` files of a folder (needs `monai[nibabel,ignite]`):\n\n"
        "```bash\npython -m monai.bundle run --config_file configs/inference.json "
        "--bundle_root . --dataset_dir FOLDER --output_dir OUT\n```\n\n"
        "MONAI resamples in its own way: voxels at borders may differ from those of `scribseg "
        "predict`. Volumes smaller than a window are padded with zeros here.\n\n"
        f"{document.card}\n"
    )
