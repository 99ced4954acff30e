"""Writes the tables of docs/methods/*.md that end each page: what docs/benchmarks.md measured.

    python docs/make_method_numbers.py [--check]

With --check nothing is written, and a page that is not as it would be made is an error.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent
BENCHMARKS = DOCS / "benchmarks.md"
BEGIN = "**Numbers reached here"
"""From here to its end a page is made."""


@dataclass(frozen=True)
class Measured:
    """A section of the benchmarks that has tables of methods.

    Args:
        heading: of the section.
        data: how a page calls the data.
        minutes: of processor time that every method had.
        tables: how many of the section's tables count; the later ones are comparisons.
    """

    heading: str
    data: str
    minutes: int
    tables: int = 1


SECTIONS = (
    Measured("Hearts: from weights that know anatomy", "ACDC, cleaned up by anatomy", 9),
    Measured("Hearts: methods at one budget of processor time", "ACDC", 15, tables=2),
    Measured("Late enhancement: the same methods at the same budget", "MSCMR", 15),
    Measured("One prostate, fitted", "one prostate, fitted", 5),
)


def rows_of(measured: Measured, benchmarks: str) -> dict[str, tuple[list[str], str]]:
    """By method: Dice per class as a reader sees them, and their mean.

    Raises:
        ValueError: the section is not there, or has too few tables.
    """
    sections = dict(re.findall(r"^##+ (.*)\n((?:(?!##).*\n?)*)", benchmarks, re.MULTILINE))
    if measured.heading not in sections:
        raise ValueError(f'{BENCHMARKS.name} has no section "{measured.heading}".')
    tables = re.findall(r"(?:^\|.*\n)+", sections[measured.heading], re.MULTILINE)
    tables = [table for table in tables if table.startswith("| method | steps | Dice")]
    if len(tables) < measured.tables:
        raise ValueError(f'"{measured.heading}" has {len(tables)} tables of methods.')
    found: dict[str, tuple[list[str], str]] = {}
    for table in tables[: measured.tables]:
        head, _, *rows = (_cells(line) for line in table.splitlines())
        for row in rows:
            named = dict(zip(head, row, strict=True))
            scores = {key: cell for key, cell in named.items() if key.startswith("Dice ")}
            dice = [f"{_class_in(key)} {cell.split()[0]}" for key, cell in scores.items()]
            found[named["method"].strip("`")] = dice, named["mean"].strip("*")
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _class_in(column: str) -> str:
    return column.removeprefix("Dice ").replace("_", " ")


def numbers_of(method: str, benchmarks: str) -> str:
    """The end of a method's page, from its title on."""
    lines = [
        f"{BEGIN}** with `quick` as it was then, on one processor core "
        "([what they mean](../benchmarks.md)):",
        "",
        "| data | minutes | Dice | mean |",
        "|---|---|---|---|",
    ]
    for measured in SECTIONS:
        row = rows_of(measured, benchmarks).get(method)
        if row is not None:
            dice, mean = row
            anchor = re.sub(r"[^\w\- ]", "", measured.heading.lower()).replace(" ", "-")
            link = f"[{measured.data}](../benchmarks.md#{anchor})"
            lines.append(f"| {link} | {measured.minutes} | {', '.join(dice)} | {mean} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the end of every page, or look whether it is as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, find old pages")
    options = parser.parse_args(arguments)
    benchmarks = BENCHMARKS.read_text(encoding="utf-8")
    old = []
    for page in sorted((DOCS / "methods").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if BEGIN not in text:
            continue  # nothing was measured with its presets yet
        made = text[: text.index(BEGIN)] + numbers_of(page.stem, benchmarks)
        if made != text:
            old.append(page.name)
            if not options.check:
                page.write_text(made, encoding="utf-8")
    if options.check and old:
        raise SystemExit(f"{', '.join(old)} are old; run `make method-numbers`.")


if __name__ == "__main__":
    main()
