"""How right the automatic mask is while somebody draws, and how long it takes.

    python benchmarks/automatic_mask.py DATASET [--cases 20] [--every 1]

A dataset with scribbles and references. The strokes of a volume arrive slice by slice, from the
middle outwards, as if somebody drew them; after each slice the warm child is asked for the mask of
that slice, as the window does, and after the last one for that of the volume. Scored with Dice
against the reference: each slice when it was drawn, and the volume at the end. With --every 3 only
every third slice is drawn, and the volume has to be filled in.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.types import Array
from napari_scribseg.data.case import Case
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.runs.warm_child import WarmChild

NEIGHBOURS = 2
"""As in the window."""


def main() -> None:
    """Draw, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--every", type=int, default=1, help="draw on every n-th slice only")
    arguments = parser.parse_args()
    dataset = read_dataset(arguments.dataset)
    usable = [c for c in dataset.cases if c.scribbles is not None and c.reference is not None]
    chosen = usable[:: max(1, len(usable) // arguments.cases)][: arguments.cases]
    warm = WarmChild()
    slices, volumes = [], []
    waits: dict[str, list[float]] = {"slice": [], "volume": []}
    spent: dict[str, list[float]] = {"slice": [], "volume": []}
    for n, files in enumerate(chosen):
        case = files.load(dataset.schema)
        assert case.reference is not None
        at_once, at_end = drawn(case, warm, arguments.every, waits, spent, first=n == 0)
        asked = at_once >= 0  # slices that nobody drew on are not scored
        slices.append(dice(at_once[asked], case.reference[asked], dataset.schema))
        volumes.append(dice(at_end, case.reference, dataset.schema))
        print(f"{n + 1}/{len(chosen)}", end="\r", flush=True)
    warm.end()
    names = dataset.schema.names[1:]
    for title, found in (("slices, when drawn", slices), ("volume, at the end", volumes)):
        means = np.nanmean(found, axis=0)
        each = ", ".join(f"{name} {mean:.3f}" for name, mean in zip(names, means, strict=True))
        print(f"{title}: Dice {np.nanmean(means):.3f} ({each}), {len(found)} volumes")
    for kind, seconds in waits.items():
        ms = 1000 * np.asarray(seconds)
        print(
            f"answer to a {kind}: median {np.median(ms):.0f} ms, "
            f"p95 {np.percentile(ms, 95):.0f} ms, n {len(ms)}; of the processor "
            f"median {1000 * np.median(spent[kind]):.0f} ms"
        )


def drawn(
    case: Case,
    warm: WarmChild,
    every: int,
    waits: dict[str, list[float]],
    spent: dict[str, list[float]],
    *,
    first: bool,
) -> tuple[Array, Array]:
    """The masks (z, y, x) that were there right after each slice was drawn, and at the end."""
    assert case.scribbles is not None
    place = {"affine": case.grid.affine.tolist(), "oriented": case.grid.oriented}
    shared = {"image": (case.id, case.image.array)}
    so_far = np.zeros_like(case.scribbles)
    at_once = np.full(case.scribbles.shape, -1, np.int16)
    n = len(so_far)
    order = sorted(range(n // 2 % every, n, every), key=lambda z: abs(z - n // 2))
    source = "walk"
    for z in order:
        so_far[z] = case.scribbles[z]
        low = max(z - NEIGHBOURS, 0)
        began = time.perf_counter()
        answer = warm.ask(
            "slice",
            {**place, "z": z, "first": low, "source": source},
            {"drawn": so_far[low : z + NEIGHBOURS + 1]},
            shared=shared,
        )
        if not first:  # the first volume waits for the process to start
            waits["slice"].append(time.perf_counter() - began)
            spent["slice"].append(answer.fields["processor_s"])
        at_once[z] = answer.arrays.get("labels", 0)
    began = time.perf_counter()
    answer = warm.ask("volume", place, {"drawn": so_far}, shared=shared)
    waits["volume"].append(time.perf_counter() - began)
    spent["volume"].append(answer.fields["processor_s"])
    return at_once, answer.arrays.get("labels", np.zeros_like(so_far))


def dice(found: Array, reference: Array, schema: LabelSchema) -> list[float]:
    """Dice of every structure; NaN where neither has it."""
    scores: list[float] = []
    for index in range(1, schema.n_classes):
        a, b = found == index, reference == index
        size = int(a.sum() + b.sum())
        scores.append(2 * int((a & b).sum()) / size if size else float("nan"))
    return scores


if __name__ == "__main__":
    main()
