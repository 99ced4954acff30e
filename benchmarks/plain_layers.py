"""A training step beside the same arithmetic in plain PyTorch: float32, `nn.Conv3d`, contiguous.

Both have the same weights, batch and loss, and take their steps in turn in one process, so that a
busy machine slows both: quote the ratios. Rows are EFFDNet at the size of its authors and the
network of Scribble2D5, published and quick, forwards and backwards.

    python benchmarks/plain_layers.py [--rounds 3] [--threads 1] [--rows NAME ...] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from naive import plain_layers
from throughput import synthetic_case

from napari_scribseg.core.labels import PRESETS
from napari_scribseg.methods.base import Method
from napari_scribseg.methods.registry import method_named
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.machine import Machine, choose_machine
from napari_scribseg.training.prepare import empty_samples

PIXEL_MM = 1.5


@dataclass(frozen=True)
class Row:
    """What is timed.

    Args:
        method: its name.
        preset: of ours, and of the plain one unless it has another.
        options: of the method, over both presets.
        training: of the engine, over both presets.
        plain_preset: of the plain one.
    """

    method: str
    preset: str
    options: dict[str, Any]
    training: dict[str, Any]
    plain_preset: str | None = None


_SLICES = {"batch_size": 12, "patch": (256, 256)}
_VOLUMES = {"batch_size": 2, "patch": (128, 128)}
ROWS = {
    "effdnet": Row("effdnet", "paper", {}, _SLICES),
    "effdnet_quick": Row("effdnet", "quick", {}, {}),
    "effdnet_quick_beside_published": Row("effdnet", "quick", {}, _SLICES, "paper"),
    "scribble2d5": Row("scribble2d5", "paper", {}, _VOLUMES),
    "scribble2d5_quick": Row("scribble2d5", "quick", {}, _VOLUMES),
    "scribble2d5_quick_beside_published": Row("scribble2d5", "quick", {}, _VOLUMES, "paper"),
}


class Contender:
    """A method and its learner, ours or plain.

    Args:
        row: what is timed.
        plain: whether in float32, contiguous, with PyTorch's own layers.
    """

    def __init__(self, row: Row, *, plain: bool) -> None:
        kind: type[Method] = method_named(row.method)
        name = row.plain_preset if plain and row.plain_preset else row.preset
        preset, case = kind.spec.presets[name], synthetic_case()
        options = preset.options.updated(row.options)
        samples = empty_samples(kind, options, PRESETS["cardiac"], PIXEL_MM)
        samples.add(case, kind.prepare(case, options), unlabelled=True)
        config = preset.training.updated(row.training)
        config = config.updated({"patch": samples.patch(config.patch)})
        torch.manual_seed(0)
        machine = Machine(torch.device("cpu"), torch.float32, torch.contiguous_format)
        self.layers: Callable[[], AbstractContextManager[None]] = plain_layers
        if not plain:
            machine = choose_machine("cpu", volumes=kind.unsafe_in_bfloat16())
            self.layers = nullcontext
        self.learner = Learner(kind(4, options), config, machine)
        self._samples = samples

    def step(self) -> float:
        """Seconds of one step, of the processor where one thread computes; batches are free."""
        learner = self.learner
        batch = self._samples.batch(learner.step + 1, learner.config, 0.5)
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        with self.layers():
            began = clock()
            learner.learn(batch)
            return clock() - began


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Seconds of a step, plain and ours, and the median ratio of the rounds."""
    both = [Contender(ROWS[name], plain=plain) for plain in (True, False)]
    for one in both:
        one.step()
    times = [tuple(one.step() for one in both) for _ in range(rounds)]
    plain, ours = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(a / b for a, b in times)
    config, machine = both[1].learner.config, both[1].learner.machine
    return {
        "row": name,
        "batch": config.batch_size,
        "patch": config.patch,
        "precision": machine.precision,
        "plain_s": round(plain, 2),
        "ours_s": round(ours, 2),
        "ratio": round(ratio, 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row of a Markdown table, or a JSON document, per row."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--json", action="store_true", help="a JSON document per row instead")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if not options.json:
        print("| row | batch | patch | plain s | ours s | ratio | ours in |")
        print("|---" * 7 + "|", flush=True)
    for name in options.rows:
        row = measure(name, options.rounds)
        patch = " x ".join(map(str, row["patch"]))
        cells = [f"`{name}`", row["batch"], patch, row["plain_s"], row["ours_s"], row["ratio"]]
        line = "| " + " | ".join(map(str, [*cells, row["precision"]])) + " |"
        print(json.dumps(row) if options.json else line, flush=True)


if __name__ == "__main__":
    main()
