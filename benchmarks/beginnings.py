"""What a training gains from weights that know anatomy: steps and seeds, from either beginning.

Each row is made by the product's own commands, and what is finished is not done again.

    python benchmarks/beginnings.py DATASET OUT [--methods random_walker partial_ce]
        [--starts random anatomy] [--steps 0 48 94 187] [--seeds 0 1 2]
        [--train train] [--score val]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path

from accuracy import scribseg


def measure(method: str, start: str, steps: int, seed: int, options: argparse.Namespace) -> None:
    """Train, predict and score once; the scores are written last."""
    folder: Path = options.out / f"{method}_{start}_{steps}_{seed}"
    scores = folder.with_suffix(".json")
    if scores.exists() or (start == "random" and steps == 0):
        return
    log = folder.with_suffix(".log")
    if not (folder / "run.json").exists():
        settings = ("--set", f"start={start}", "--set", "threads=1", "--random-seed", str(seed))
        budget = ("--split", options.train, "--steps", str(steps))
        words = (options.dataset, "--method", method, "--out", folder, *budget, *settings)
        scribseg(log, "train", *words)
    predicted, split = Path(f"{folder}.predictions"), ("--split", options.score)
    if not predicted.exists():
        scribseg(log, "predict", folder, options.dataset, *split, "--out", predicted)
    found = scribseg(
        log, "evaluate", predicted, options.dataset, *split, "--out", f"{folder}.scores"
    )
    scores.write_text(json.dumps(found, indent=1), encoding="utf-8")


def table(options: argparse.Namespace) -> str:
    """Mean Dice of every beginning, over the seeds, as a Markdown table."""
    lines = [
        "| method | steps | " + " | ".join(options.starts) + " |",
        "|---" * (2 + len(options.starts)) + "|",
    ]
    for method, steps in itertools.product(options.methods, options.steps):
        cells = []
        for start in options.starts:
            paths = [options.out / f"{method}_{start}_{steps}_{s}.json" for s in options.seeds]
            means = [json.loads(p.read_text())["mean_dice"] for p in paths if p.exists()]
            each = ", ".join(f"{mean:.3f}" for mean in means)
            cells.append(f"{statistics.mean(means):.3f} ({each})" if means else "")
        lines.append(f"| `{method}` | {steps} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Do what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--methods", nargs="+", default=["random_walker", "partial_ce"])
    parser.add_argument("--starts", nargs="+", default=["random", "anatomy"])
    parser.add_argument("--steps", nargs="+", type=int, default=[0, 48, 94, 187])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--train", default="train", help="split to train on")
    parser.add_argument("--score", default="val", help="split to score")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for job in itertools.product(options.methods, options.starts, options.steps, options.seeds):
        measure(*job, options)
    print(table(options))


if __name__ == "__main__":
    main()
