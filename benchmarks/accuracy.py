"""Every method on one dataset, at the same budget: train, predict, score, tabulate.

Each command is the product's own, so that a row can be repeated by typing it. What is finished is
not done again; so a benchmark of hours can be interrupted, and several of these may work on one
folder, each with its own methods.

    python benchmarks/accuracy.py DATASET OUT [--methods NAME[=STEPS] ...] [--minutes 15]
        [--clock cpu] [--train train] [--score val] [--set KEY=VALUE]

A method with a number behind its name is trained for so many steps, the others for the minutes.

    python benchmarks/accuracy.py --table OUT
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_scribseg.methods.registry import all_methods

PIECES = (("", "as predicted"), ("_anatomy", "cleaned up by anatomy"))
"""What is scored: suffix of the folder, and how a table calls it."""


def scribseg(log: Path, *arguments: str | Path) -> dict[str, Any]:
    """The JSON answer of a command; what it says on the way is added to the log."""
    command = [sys.executable, "-m", "napari_scribseg", *map(str, arguments), "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("a", encoding="utf-8") as stream:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stream, text=True, env=environment, check=False
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}; see {log}.")
    return json.loads(done.stdout)


def measure(wanted: str, options: argparse.Namespace) -> None:
    """Train, predict and score one method (NAME or NAME=STEPS); its row is written last."""
    out: Path = options.out
    name, _, steps = wanted.partition("=")
    row_path = out / f"{name}.json"
    if row_path.exists():
        return
    log = out / f"{name}.log"
    run, predictions = out / name, out / f"{name}.predictions"
    settings = ["threads=1", f"clock={options.clock}", *options.set]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not (run / "run.json").exists():
        length = ["--steps", steps] if steps else ["--minutes", str(options.minutes)]
        budget = ["--split", options.train, *length]
        changes = [word for setting in settings for word in ("--set", setting)]
        arguments = [options.dataset, "--method", name, "--out", run, *budget, *changes]
    else:
        arguments = [run, "--resume"]
    trained = scribseg(log, "train", *arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    split = ["--split", options.score]
    row = {
        "method": name,
        "steps": trained["step"],
        "minutes": round(trained["seconds"] / 60, 2),
        "cpu_minutes": round((after.ru_utime - before.ru_utime) / 60, 2),
    }
    for suffix, title in PIECES:
        predicted, scores = Path(f"{predictions}{suffix}"), out / f"{name}.scores{suffix}"
        if not predicted.exists():
            extra = ["--clean-up", "anatomy" if suffix else "none"]
            scribseg(log, "predict", run, options.dataset, *split, "--out", predicted, *extra)
        row[title] = scribseg(log, "evaluate", predicted, options.dataset, *split, "--out", scores)
    row_path.write_text(json.dumps(row, indent=1), encoding="utf-8")


def table(out: Path) -> str:
    """The rows that are there, as a Markdown table, best mean Dice first."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("*.json"))]
    if not rows:
        raise SystemExit(f"{out} has no finished method yet.")
    plain, cleaned = (title for _, title in PIECES)
    rows.sort(key=lambda row: -row[plain]["mean_dice"])
    classes = [item["class"] for item in rows[0][plain]["classes"]]
    head = ["method", "steps", *(f"Dice {c}" for c in classes), "mean", "HD95 mm (median)"]
    lines = ["| " + " | ".join([*head, f"mean, {cleaned}"]) + " |"]
    lines.append("|---" * (len(head) + 1) + "|")
    for row in rows:
        scored = row[plain]["classes"]
        dice = [_with(c["dice"], "std", 3) for c in scored]
        distance = " / ".join(_with(c["hd95_mm"], "median", 0) for c in scored)
        cells = [f"`{row['method']}`", str(row["steps"]), *dice]
        cells += [f"{row[plain]['mean_dice']:.3f}", distance, f"{row[cleaned]['mean_dice']:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with(summary: dict[str, Any], second: str, digits: int) -> str:
    """The mean, and another statistic where there is one: a single case has no deviation."""
    if summary["mean"] is None:
        return "n/a"
    shown = f"{summary['mean']:.{digits}f}"
    return shown if summary[second] is None else f"{shown} ({summary[second]:.{digits}f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is missing, then print the table of everything that is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dataset", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--table", type=Path, metavar="OUT", help="only print what is there")
    parser.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME[=STEPS]",
        default=[kind.spec.name for kind in all_methods()],
    )
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="cpu")
    parser.add_argument("--train", default="train", help="split to train on")
    parser.add_argument("--score", default="val", help="split to score")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    if options.table is None:
        if options.dataset is None or options.out is None:
            parser.error("DATASET and OUT are missing")
        options.out.mkdir(parents=True, exist_ok=True)
        for name in options.methods:
            measure(name, options)
    print(table(options.table or options.out))


if __name__ == "__main__":
    main()
