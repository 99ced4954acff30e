"""Writes the tables of methods in README.md and docs/index.md from the methods' own specs.

    python docs/make_method_tables.py [--check]

With --check nothing is written, and a table that is not as it would be made is an error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_scribseg.core.method_spec import Group, MethodSpec
from napari_scribseg.methods.registry import OURS

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- methods: made by docs/make_method_tables.py -->", "<!-- end of methods -->"
PAGES = {"README.md": "docs/methods", "docs/index.md": "methods"}
"""Pages with a table, and where the methods' pages lie as seen from them."""
GROUPS: dict[Group, str] = {
    "paper": "Methods of the papers",
    "baseline": "Baselines",
    "full": "Full supervision: the bound, learns from dense references",
}


def table(pages: str) -> str:
    """The table as Markdown, grouped, with links to the pages in the folder `pages`."""
    lines: list[str] = []
    for group, heading in GROUPS.items():
        lines += ["", f"**{heading}**", "", "| name | method | what it does |", "|---|---|---|"]
        lines += [_row(spec, pages) for spec in OURS if spec.group == group]
    return "\n".join(lines[1:])


def _row(spec: MethodSpec, pages: str) -> str:
    default = " (the default)" if spec is OURS[0] else ""
    return f"| [`{spec.name}`]({pages}/{spec.name}.md){default} | {spec.title} | {spec.summary} |"


def rewritten(text: str, pages: str) -> str:
    """A page with its table made anew.

    Raises:
        ValueError: the page has no marks between which a table stands.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the lines '{BEGIN}' and '{END}'")
    return f"{before}{BEGIN}\n\n{table(pages)}\n\n{END}{after}"


def main() -> None:
    """Write the tables, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    for name, pages in PAGES.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        made = rewritten(text, pages)
        if check and made != text:
            raise SystemExit(f"{name} shows other methods than there are; run: make method-tables")
        if not check:
            path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
