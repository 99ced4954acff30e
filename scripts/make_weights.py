"""Make the weights that know anatomy: nothing goes in but a seed and a number of steps.

    python scripts/make_weights.py OUT [--networks unet ...] [--seed 0] [--steps N]

For each network, OUT gets NAME.safetensors (float16) and NAME.json, which says how it was made.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from napari_scribseg.anatomy.tissues import Tissue
from napari_scribseg.training.anatomy_weights import NETWORKS, Origin, write_weights
from napari_scribseg.training.machine import choose_machine
from napari_scribseg.training.pretraining import PretrainConfig, pretrain

RECIPES = {
    "unet": PretrainConfig(steps=16000),
    "unet25d": PretrainConfig(steps=5000, slices=16, depth=8),
}
"""How networks are pre-trained otherwise than usual: the one of most methods for longer, and
those that do not look at single slices."""
_KEEP_SECONDS = 120.0
"""Time between two copies of what has been learnt so far."""


def make(name: str, out: Path, config: PretrainConfig) -> None:
    """Pre-train one network and write its weights."""
    machine = choose_machine("cpu", "auto")
    torch.manual_seed(config.seed)
    network = NETWORKS[name](len(Tissue))
    kept = began = time.monotonic()
    for progress in pretrain(network, config, machine):
        now = time.monotonic()
        done = progress.step == config.steps
        if done or now - kept > _KEEP_SECONDS:
            kept = now
            origin = Origin(
                network=name,
                seed=config.seed,
                steps=progress.step,
                planned_steps=config.steps,
                slices=progress.step * config.slices,
                processor_hours=round(progress.cpu_seconds / 3600, 3),
                machine=f"one thread of a CPU, {machine.precision}",
                torch=torch.__version__.partition("+")[0],
            )
            write_weights(out, origin, progress.network)
            terms = ", ".join(f"{k} {v:.3f}" for k, v in progress.terms.items())
            print(f"{name}: step {progress.step}, {now - began:.0f} s, {terms}", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make the weights that know anatomy.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="empty = of the network's recipe")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.networks:
        config = replace(RECIPES.get(name, PretrainConfig()), seed=options.seed)
        steps = options.steps or config.steps
        make(name, options.out, replace(config, steps=steps))


if __name__ == "__main__":
    main()
