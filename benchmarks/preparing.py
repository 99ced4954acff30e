"""Cost of what is made once per case before training: seeds, supervoxels, edges.

Naive and ours, both without the engine, are timed in turn, in seconds of one processor; then the
engine prepares all cases, with processes (whose start counts) and cache, by the clock: cold, and
again with everything in its cache. Without DATASET, on the hearts that come with the package.

    python benchmarks/preparing.py [DATASET] [--cases 2] [--methods NAME ...]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from naive import naive_parts

from napari_scribseg.core.samples import sample_folder
from napari_scribseg.data.case import Case
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.registry import all_methods, method_named
from napari_scribseg.training.prepare import prepare_cases

HEAD = "| method | case s, naive | ours | ratio | cases | engine s, cold | cached |"

_NOTHING = 0.01
"""Seconds per case below which a ratio says nothing."""


def measure(kind: type[Method], cases: Sequence[Case]) -> str:
    """The row of a method, in Markdown."""
    options = kind.spec.presets["quick"].options
    naive = ours = 0.0
    kind.prepare(cases[0], options)  # imports what it needs
    for case in cases:
        ours += _seconds(time.process_time, lambda case=case: kind.prepare(case, options))
        with naive_parts(kind):
            naive += _seconds(time.process_time, lambda case=case: kind.prepare(case, options))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SCRIBSEG_CACHE"] = folder
        cold, cached = (
            _seconds(time.perf_counter, lambda: list(prepare_cases(kind, options, cases)))
            for _ in range(2)
        )
    n = len(cases)
    ratio = f"{naive / ours:.1f}" if ours > _NOTHING * n else ""
    cells = [f"`{kind.spec.name}`", f"{naive / n:.2f}", f"{ours / n:.2f}", ratio]
    return "| " + " | ".join([*cells, str(n), f"{cold:.2f}", f"{cached:.2f}"]) + " |"


def _seconds(clock: Callable[[], float], work: Callable[[], object]) -> float:
    began = clock()
    work()
    return clock() - began


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line of the table per method that prepares anything."""
    busy = [m.spec.name for m in all_methods() if m.prepare.__func__ is not Method.prepare.__func__]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("dataset", type=Path, nargs="?", default=sample_folder("cardiac"))
    parser.add_argument("--cases", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=busy)
    options = parser.parse_args(arguments)
    dataset = read_dataset(options.dataset)
    cases = [files.load(dataset.schema) for files in dataset.cases[: options.cases]]
    print(HEAD, "|---" * (HEAD.count("|") - 1) + "|", sep="\n", flush=True)
    for name in options.methods:
        print(measure(method_named(name), cases), flush=True)


if __name__ == "__main__":
    main()
