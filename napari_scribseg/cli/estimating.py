"""estimate: about what a training takes, before it is started."""

from __future__ import annotations

import argparse
from typing import Any

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.progress import Display, duration
from napari_scribseg.core.config import apply_changes, parse_assignments
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add estimate."""
    parser = commands.add_parser(
        "estimate",
        parents=[common],
        help="say about how much memory and time a training takes",
        description="Measure two steps on made-up slices and say about how much memory and time "
        "a training with these settings takes on this machine.",
    )
    parser.add_argument("--method", metavar="NAME", required=True, help="see `scribseg methods`")
    parser.add_argument("--preset", default="quick", help='settings to start from; "quick"')
    parser.add_argument("--classes", type=int, default=3, help="structures, without background")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="change a setting of the method or of the training; may be repeated",
    )
    parser.set_defaults(run=run_estimate)


def run_estimate(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """Measure, and say what was found."""
    from napari_scribseg.methods.registry import spec_named
    from napari_scribseg.training.estimate import estimate

    spec = spec_named(arguments.method)
    chosen = spec.preset(arguments.preset)
    if not 1 <= arguments.classes <= 254:
        raise InvalidInput(f"--classes must be 1 to 254, got {arguments.classes}.")
    options, training = apply_changes(
        parse_assignments(arguments.assignments), chosen.options, chosen.training
    )
    schema = LabelSchema.of(*(f"class {k}" for k in range(1, arguments.classes + 1)))
    found = estimate(spec.load(), options, training, schema)
    text = (
        f"{spec.name} on {found.device}: about {found.memory_mib:.0f} MiB, "
        f"{found.seconds_per_step:.2f} s per step, {duration(found.seconds)} in all."
    )
    return Answer(
        {
            "method": spec.name,
            "device": found.device,
            "memory_mib": round(found.memory_mib),
            "seconds_per_step": found.seconds_per_step,
            "seconds": found.seconds,
        },
        text,
    )
