"""Cost of a training step, of prediction and of an E-step, for every method there is.

Naive (plain float32 in the default memory format, and `naive.py` where that has a straightforward
version of a part) and ours are timed in one process, in turn, so that a busy machine slows both;
quote the ratio. With one thread on the CPU, time is that of the processor, else that of the clock.
Peak memory is a process's, so each is measured in a child of its own; on a GPU it is what PyTorch
had allocated there.

    python benchmarks/throughput.py [--device cpu] [--rounds 3] [--threads 1] [--methods NAME ...]
        [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from naive import naive_parts

from napari_scribseg.batches.patches import SampleSet
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import PRESETS
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.data.case import Case
from napari_scribseg.methods.base import Maps, Method
from napari_scribseg.methods.registry import all_methods, method_named
from napari_scribseg.training.learner import Learner
from napari_scribseg.training.machine import Machine, choose_machine
from napari_scribseg.training.predict import Model, predict_case
from napari_scribseg.training.prepare import empty_samples
from napari_scribseg.training.relabel import Relabelling

SCHEMA = PRESETS["cardiac"]
SHAPE, SPACING = (8, 256, 256), (8.0, 1.5, 1.5)
STEPS_FOR_MEMORY = 2
"""Enough for the optimiser to have all it keeps."""
ROWS: dict[str, tuple[dict[str, Any], ...]] = {
    "em_crf": (
        {},
        {"crf": "rnn"},
        {"crf": "none", "uncertainty": True},
        {"crf": "dense"},
    )
}
"""Options over the quick preset, where one method has more than one cost."""


@dataclass
class Contender:
    """A method that is timed: ours, or the naive one.

    Args:
        kind: the method.
        learner: takes its steps.
        samples: what it learns from.
        case: the same, on its own grid.
        maps: of the case.
        parts: opened around everything that is timed.
        milliseconds: that the last job took.
    """

    kind: type[Method]
    learner: Learner
    samples: SampleSet
    case: Case
    maps: Maps
    parts: Callable[[], AbstractContextManager[None]]
    milliseconds: float = 0.0

    def step(self) -> None:
        """One training step; its batch is made beforehand."""
        learner = self.learner
        batch = self.samples.batch(learner.step + 1, learner.config, 0.5, learner.machine.device)
        self._timed(lambda: learner.learn(batch))

    def predict(self) -> None:
        """All slices of the case."""
        network, machine = self.learner.predictor.eval(), self.learner.machine
        model = Model(network, SCHEMA, SPACING[1], machine, self.learner.step)
        self._timed(lambda: predict_case(model, self.case.image))

    def relabel(self) -> None:
        """New targets of all slices of the case."""
        with tempfile.TemporaryDirectory() as folder:
            maps = {self.case.id: self.maps}
            e_step = Relabelling(Path(folder), self.samples, [self.case], maps)
            self._timed(lambda: list(e_step.run(self.learner, lambda: False)))

    def _timed(self, work: Callable[[], object]) -> None:
        on_gpu = self.learner.machine.device.type == "cuda"
        alone = torch.get_num_threads() == 1 and not on_gpu
        clock = time.process_time if alone else time.perf_counter
        with self.parts():
            began = clock()
            work()
            if on_gpu:
                torch.cuda.synchronize()
            self.milliseconds = 1000 * (clock() - began)


def synthetic_case() -> Case:
    """Noise with a stroke of every class on every slice, and references for who needs them."""
    rng = np.random.default_rng(0)
    scribbles = np.zeros(SHAPE, np.uint8)
    reference = np.zeros(SHAPE, np.uint8)
    for value, row in ((1, 90), (2, 120), (3, 150), (255, 60)):
        scribbles[:, row : row + 2, 90:170] = value
        reference[:, row : row + 20, 90:170] = value % 255
    image = rng.standard_normal(SHAPE).astype(np.float32)
    volume = Volume(image, Grid.from_spacing(SHAPE, SPACING))
    return Case("noise", "noise", volume, scribbles, reference)


def contender(
    kind: type[Method], changes: dict[str, Any], maps: Maps, which: str, device: str = "cpu"
) -> Contender:
    """The method with its quick preset and some options changed, ready for its first step."""
    options, training = options_of(kind, changes), kind.spec.presets["quick"].training
    case = synthetic_case()
    samples = empty_samples(kind, options, SCHEMA, SPACING[1])
    samples.add(case, maps, unlabelled=True)
    training = training.updated({"patch": samples.patch(training.patch)})
    torch.manual_seed(0)
    if which == "naive":
        machine = Machine(torch.device(device), torch.float32, torch.contiguous_format)
        parts: Callable[[], AbstractContextManager[None]] = lambda: naive_parts(kind)  # noqa: E731
    else:
        machine = choose_machine(device, volumes=kind.unsafe_in_bfloat16())
        parts = nullcontext
    learner = Learner(kind(4, options), training, machine)
    return Contender(kind, learner, samples, case, maps, parts)


def options_of(kind: type[Method], changes: dict[str, Any]) -> MethodConfig:
    """The options of the quick preset, with changes."""
    return kind.fitted(kind.spec.presets["quick"].options.updated(changes), [SPACING])


def measure(
    kind: type[Method], changes: dict[str, Any], rounds: int, device: str
) -> dict[str, Any]:
    """One row of the table: milliseconds and MiB, naive and ours."""
    maps = kind.prepare(synthetic_case(), options_of(kind, changes))
    memory = peak_memory_mib if device == "cpu" else peak_gpu_memory_mib
    mib = [memory(kind, changes, which) for which in ("naive", "ours")]
    both = [contender(kind, changes, maps, which, device) for which in ("naive", "ours")]
    work = {"step": Contender.step, "predict": Contender.predict}
    if kind.relabel is not Method.relabel:
        work["relabel"] = Contender.relabel
    row: dict[str, Any] = {"method": kind.spec.name, "changes": changes}
    row["batch"] = both[0].learner.config.batch_size
    for name, job in work.items():
        times = in_turn(both, job, rounds)
        per = 1 if name == "step" else SHAPE[0]
        row[name] = [round(statistics.median(t) / per, 1) for t in times]
        ratios = [naive / ours for naive, ours in zip(*times, strict=True)]
        row[f"{name}_ratio"] = round(statistics.median(ratios), 2)
    return row | {"mib": mib}


def in_turn(
    both: Sequence[Contender], job: Callable[[Contender], None], rounds: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of both, round by round, after one round to warm up."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for one, its_times in zip(both, times, strict=True):
            job(one)
            if turn:
                its_times.append(one.milliseconds)
    return times


def peak_gpu_memory_mib(kind: type[Method], changes: dict[str, Any], which: str) -> int:
    """Most memory that some training steps had allocated on the GPU."""
    maps = kind.prepare(synthetic_case(), options_of(kind, changes))
    one = contender(kind, changes, maps, which, "cuda")
    torch.cuda.reset_peak_memory_stats()
    for _ in range(STEPS_FOR_MEMORY):
        one.step()
    return torch.cuda.max_memory_allocated() // 2**20


def peak_memory_mib(kind: type[Method], changes: dict[str, Any], which: str) -> int:
    """Peak memory of some training steps in a fresh process."""
    command = [sys.executable, __file__, "--memory", kind.spec.name, json.dumps(changes), which]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def print_memory(name: str, changes: str, which: str) -> None:
    """Take some training steps and print the peak memory of this process, in MiB."""
    kind, options = method_named(name), json.loads(changes)
    maps = kind.prepare(synthetic_case(), options_of(kind, options))
    one = contender(kind, options, maps, which)
    for _ in range(STEPS_FOR_MEMORY):
        one.step()
    print(own_peak_mib())


def own_peak_mib() -> int:
    """Largest resident memory of this program, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would tell the parent's peak, which a child takes over
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


HEAD = (
    "| method | batch | step ms, naive | ours | ratio | slice ms, naive | ours | ratio "
    "| E-step ms, naive | ours | ratio | MiB, naive | ours |"
)


def as_line(row: dict[str, Any]) -> str:
    """The row in Markdown."""
    changes = " ".join(f"{k}={str(v).lower()}" for k, v in row["changes"].items())
    cells = [f"`{row['method']}`" + (f" {changes}" if changes else ""), str(row["batch"])]
    for name in ("step", "predict", "relabel"):
        values = [f"{v:.{int(v < 20)}f}" for v in row[name]] if name in row else ["", ""]
        cells += [*values, f"{row[f'{name}_ratio']:.1f}" if name in row else ""]
    return "| " + " | ".join([*cells, *map(str, row["mib"])]) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line of the table, or a JSON document, per method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--methods", nargs="+", default=[kind.spec.name for kind in all_methods()])
    parser.add_argument("--json", action="store_true", help="a JSON document per line instead")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.memory:
        print_memory(*options.memory)
        return
    if not options.json:
        print(HEAD, "|---" * (HEAD.count("|") - 1) + "|", sep="\n", flush=True)
    for name in options.methods:
        for changes in ROWS.get(name, ({},)):
            row = measure(method_named(name), changes, options.rounds, options.device)
            print(json.dumps(row) if options.json else as_line(row), flush=True)


if __name__ == "__main__":
    main()
