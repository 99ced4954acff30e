"""Training throughput of every method: plain float32 against what the engine chooses.

Both are timed in one process, in turn, so that a busy machine slows both; quote the ratio. Peak
memory is the process's, so each method and arithmetic is measured in a child of its own.

    python benchmarks/throughput.py [--steps 6] [--rounds 3] [--threads 2] [--methods NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from napari_scribseg.cases import Case
from napari_scribseg.config import TrainConfig
from napari_scribseg.data_patches import SampleSet
from napari_scribseg.engine.learner import Learner
from napari_scribseg.engine.machine import Machine, choose_machine
from napari_scribseg.engine.predict import image_probabilities
from napari_scribseg.engine.prepare import empty_samples
from napari_scribseg.labels import PRESETS
from napari_scribseg.methods import METHODS, method_named
from napari_scribseg.methods.base import Method
from napari_scribseg.volume import Grid, Volume

SHAPE, SPACING = (12, 256, 256), (8.0, 1.5, 1.5)


def plain_machine() -> Machine:
    """float32 in the default memory format, on the CPU."""
    return Machine(torch.device("cpu"), torch.float32, torch.contiguous_format)


def synthetic_case() -> Case:
    """Noise with a stroke of every class on every slice."""
    rng = np.random.default_rng(0)
    scribbles = np.zeros(SHAPE, np.uint8)
    for value, row in ((1, 90), (2, 120), (3, 150), (255, 60)):
        scribbles[:, row : row + 2, 90:170] = value
    image = rng.standard_normal(SHAPE).astype(np.float32)
    return Case("noise", "noise", Volume(image, Grid.from_spacing(SHAPE, SPACING)), scribbles)


def chosen_machine(kind: type[Method]) -> Machine:
    """The CPU in the arithmetic that the engine takes for this method."""
    return choose_machine("cpu", volumes=kind.sample == "patch")


def learner_and_slices(kind: type[Method], machine: Machine) -> tuple[Learner, SampleSet]:
    """A method as its quick preset builds it, and something to learn from."""
    preset = kind.presets()["quick"]
    options = kind.fitted(preset.options, [SPACING])
    case = synthetic_case()
    slices = empty_samples(kind, options, PRESETS["cardiac"], SPACING[1])
    slices.add(case, kind.prepare(case, options), unlabelled=True)
    torch.manual_seed(0)
    return Learner(kind(4, options), preset.training, machine), slices


def step_seconds(learner: Learner, slices: SampleSet, config: TrainConfig, steps: int) -> float:
    """Median wall time of a step, batches made beforehand."""
    times = []
    for _ in range(steps):
        batch = slices.batch(learner.step + 1, config, 0.5)
        began = time.perf_counter()
        learner.learn(batch)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure_memory(name: str, plain: str) -> None:
    """Print the peak memory of three steps in this process, in MiB."""
    kind = method_named(name)
    machine = plain_machine() if plain == "plain" else chosen_machine(kind)
    learner, slices = learner_and_slices(kind, machine)
    step_seconds(learner, slices, learner.config, 3)
    print(own_peak_mib())


def own_peak_mib() -> int:
    """Largest resident memory of this program, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would tell the parent's peak, which a child takes over
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def peak_memory_mib(name: str, which: str) -> int:
    """Peak memory of three training steps in a fresh process."""
    command = [sys.executable, __file__, "--memory", name, which]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def measure(kind: type[Method], steps: int, rounds: int) -> dict[str, object]:
    """One row of the table."""
    chosen = chosen_machine(kind)
    pairs = {"plain": plain_machine(), "chosen": chosen}
    ready = {which: learner_and_slices(kind, machine) for which, machine in pairs.items()}
    seconds: dict[str, list[float]] = {which: [] for which in pairs}
    for learner, slices in ready.values():
        step_seconds(learner, slices, learner.config, 1)  # warm up
    for _ in range(rounds):
        for which, (learner, slices) in ready.items():
            seconds[which].append(step_seconds(learner, slices, learner.config, steps))
    ratios = [p / c for p, c in zip(seconds["plain"], seconds["chosen"], strict=True)]
    learner, _ = ready["chosen"]
    case = synthetic_case()
    began = time.perf_counter()
    image_probabilities(learner.predictor.eval(), case.image.array, SPACING, SPACING[1], chosen)
    size = learner.config.batch_size
    return {
        "method": kind.name,
        "chosen": chosen.precision,
        "slices_per_second_plain": round(size / statistics.median(seconds["plain"]), 2),
        "slices_per_second_chosen": round(size / statistics.median(seconds["chosen"]), 2),
        "ratio": round(statistics.median(ratios), 2),
        "step_ms_chosen": round(1000 * statistics.median(seconds["chosen"])),
        "predict_ms_per_slice": round(1000 * (time.perf_counter() - began) / SHAPE[0]),
        "peak_mib_plain": peak_memory_mib(kind.name, "plain"),
        "peak_mib_chosen": peak_memory_mib(kind.name, "chosen"),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a JSON line per method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--methods", nargs="+", default=[kind.name for kind in METHODS])
    parser.add_argument("--memory", nargs=2, metavar=("METHOD", "WHICH"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.memory:
        measure_memory(*options.memory)
        return
    for name in options.methods:
        print(json.dumps(measure(method_named(name), options.steps, options.rounds)), flush=True)


if __name__ == "__main__":
    main()
