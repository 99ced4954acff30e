"""paper-tables: which tables of the papers can be computed, and what each takes."""

from __future__ import annotations

import argparse
from typing import Any

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.progress import Display


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add paper-tables."""
    tables = commands.add_parser(
        "paper-tables",
        parents=[common],
        help="list the tables of the papers that can be computed",
        description="List the tables of the papers, or the rows of one: what is trained, on which "
        "data and split, what differs from the paper, and which rows we lack and why.",
    )
    tables.add_argument("name", metavar="NAME", nargs="?", help="one of them")
    tables.set_defaults(run=run_tables)


def run_tables(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """List the tables of the papers, or the rows of one."""
    from napari_scribseg.experiment.paper_tables import TABLES, table_named

    if arguments.name is None:
        lines = [f"{name}\n    {table.title}" for name, table in TABLES.items()]
        lines.append("Compute one: scribseg experiment DATASET --table NAME --out DIR")
        titles = {name: table.title for name, table in TABLES.items()}
        return Answer({"tables": titles}, "\n".join(lines))
    table = table_named(arguments.name)
    choices = table.choices()
    document = {
        "name": arguments.name,
        "title": table.title,
        "data": table.data,
        "split": dict(table.split),
        "protocol": table.protocol,
        "methods": choices,
        "titles": {row.label: row.title for row in table.rows},
        "absent": dict(table.absent),
    }
    lines = [table.title, f"Data: {table.data}.", table.protocol, ""]
    for choice in choices:
        changes = " ".join(f"{key}={value}" for key, value in choice["settings"].items())
        lines.append(
            f"  {choice['label']}: {choice['method']}:{choice['preset']} {changes}".rstrip()
        )
    lines += [f"  lacking: {name}: {why}." for name, why in table.absent]
    lines.append(f"\nCompute it: scribseg experiment DATASET --table {arguments.name} --out DIR")
    return Answer(document, "\n".join(lines))
