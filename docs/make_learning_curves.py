"""Makes docs/images/learning-curves.png: Dice by steps and by strokes, from docs/benchmarks.md.

    python docs/make_learning_curves.py

Whoever changes one of the two tables makes the picture again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DOCS = Path(__file__).parent
PICTURE = DOCS / "images" / "learning-curves.png"
_HEADS = ("| budget | seconds |", "| share of the strokes |")
"""First cells of the two tables."""
_BLUE, _GREY = "#1f6fb2", "#777777"


def rows_of(head: str, text: str) -> list[list[str]]:
    """The cells of a table's rows, without marks of emphasis.

    Raises:
        ValueError: there is no table with this head.
    """
    tables = [t for t in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE) if t.startswith(head)]
    if not tables:
        raise ValueError(f'benchmarks.md has no table that begins with "{head}".')
    lines = tables[0].splitlines()[2:]
    return [[c.strip(" *") for c in line.strip("|").split("|")] for line in lines]


def main() -> None:
    """Draw the picture."""
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    figure = Figure(figsize=(9.0, 3.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    by_steps, by_strokes = figure.subplots(1, 2, sharey=True)
    _draw_steps(by_steps, rows_of(_HEADS[0], text))
    _draw_strokes(by_strokes, rows_of(_HEADS[1], text))
    by_steps.set_ylabel("mean Dice")
    figure.savefig(PICTURE)


def _draw_steps(axes: Any, rows: list[list[str]]) -> None:
    """100 volumes, scored on 40 others: by anatomy, with earlier weights, as predicted."""
    names = [re.sub(r"^no step.*", "0", row[0]).removesuffix(" steps") for row in rows]
    for row_place, label, colour, line in (
        (3, "cleaned up by anatomy", _BLUE, "-o"),
        (6, "the same, earlier weights", _BLUE, ":x"),
        (5, "as predicted", _GREY, "-o"),
    ):
        cells = enumerate(row[row_place] for row in rows)
        known = [(place, float(cell)) for place, cell in cells if cell]
        axes.plot(*zip(*known, strict=True), line, color=colour, label=label)
    ticks = [name.split(" ")[0] for name in names]
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlabel("training steps")
    axes.set_title("100 hearts to learn from, 40 to score", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
    axes.grid(alpha=0.3)


def _draw_strokes(axes: Any, rows: list[list[str]]) -> None:
    """20 volumes, scored on 20 others, as predicted."""
    shares = [row[0].removesuffix(" %") for row in rows]
    axes.plot(range(len(rows)), [float(row[-1]) for row in rows], marker="o", color=_GREY)
    axes.set_xticks(range(len(rows)), shares)
    axes.set_xlabel("share of the strokes in per cent")
    axes.set_title("20 hearts, 200 steps, 20 to score, as predicted", fontsize=10)
    axes.grid(alpha=0.3)


if __name__ == "__main__":
    main()
