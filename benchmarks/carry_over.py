"""How many strokes get the right class where they are carried to, beside copying them.

    python benchmarks/carry_over.py ACDC [--first 4] [--every 9]

Takes every n-th patient of the split "train" with two phases on one grid, scribbles and references:
strokes of the first phase on the second one, and of every drawn slice on the next. A voxel is right
when the reference there has its class.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from napari_scribseg import read_dataset
from napari_scribseg.core.labels import BACKGROUND
from napari_scribseg.propagate.carry_over import carry_case, carry_slice


def counts(strokes: np.ndarray, reference: np.ndarray, n_classes: int) -> np.ndarray:
    """Right voxels and drawn voxels (2, classes), background first."""
    drawn = strokes > 0
    classes = np.where(strokes == BACKGROUND, 0, strokes)
    of = [drawn & (classes == k) for k in range(n_classes)]
    return np.array(
        [[np.sum(m & (reference == k)) for k, m in enumerate(of)], [m.sum() for m in of]]
    )


def main() -> None:
    """Read the command line, and print a line for every way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--first", type=int, default=4)
    parser.add_argument("--every", type=int, default=9)
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    n = dataset.schema.n_classes
    patients: dict[str, list] = defaultdict(list)
    for files in dataset.split("train"):
        patients[files.patient].append(files)
    found: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((2, n), int))
    names, slices, seconds = [], 0, 0.0
    for patient in sorted(patients)[options.first :: options.every]:
        one, other = (files.load(dataset.schema) for files in patients[patient][:2])
        if one.image.grid != other.image.grid:
            continue
        names.append(patient)
        began = time.process_time()
        carried = carry_case(one.image, one.scribbles, other.image)
        found["phase, copied"] += counts(one.scribbles, other.reference, n)
        found["phase, carried"] += counts(carried, other.reference, n)
        drawn = np.flatnonzero(one.scribbles.any(axis=(1, 2)))
        slices += len(drawn)
        for z in drawn[drawn + 1 < len(one.scribbles)]:
            image, strokes = one.image.array, one.scribbles[z]
            onto, reference = image[z + 1], one.reference[z + 1]
            carried = carry_slice(image[z], strokes, onto, one.image.spacing[1:])
            found["slice, copied"] += counts(strokes, reference, n)
            found["slice, carried"] += counts(carried, reference, n)
            slices += 1
        seconds += time.process_time() - began
    print(f"{len(names)} patients: {', '.join(names)}; {seconds / slices:.2f} s per slice")
    for way, (right, all_drawn) in found.items():
        shares = ", ".join(
            f"{name} {a / b:.3f} of {b}"
            for name, a, b in zip(dataset.schema.names, right, all_drawn, strict=True)
        )
        print(f"{way}: {shares}")


if __name__ == "__main__":
    main()
