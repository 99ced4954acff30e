"""Writes the tables of methods and of the settings that they share, from specs and fields.

    python docs/make_method_tables.py [--check]

With --check nothing is written, and a table that is not as it would be made is an error.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.method_spec import Group, MethodSpec
from napari_scribseg.methods.registry import OURS

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- methods: made by docs/make_method_tables.py -->", "<!-- end of methods -->"
PAGES = {"README.md": "docs/methods", "docs/index.md": "methods"}
"""Pages with a table, and where the methods' pages lie as seen from them."""
SETTINGS_PAGE = "docs/reference/settings.md"
SETTINGS_BEGIN = "<!-- settings: made by docs/make_method_tables.py -->"
SETTINGS_END = "<!-- end of settings -->"
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


def settings_table() -> str:
    """The settings that all methods share, each with its value in the presets `quick`."""
    lines = ["| setting | in `quick` | what it does |", "|---|---|---|"]
    for name, field in TrainConfig.model_json_schema()["properties"].items():
        choices = f" One of {', '.join(field['enum'])}." if "enum" in field else ""
        lines.append(f"| `{name}` | {_in_quick(name)} | {field['description']}{choices} |")
    return "\n".join(lines)


def _in_quick(name: str) -> str:
    """The value of the default method, then the others with the methods that have them."""
    values: dict[str, list[str]] = {}
    for spec in OURS:
        value = spec.preset("quick").training.model_dump(mode="json")[name]
        values.setdefault(_words(value), []).append(f"`{spec.name}`")
    usual, *others = values
    return "; ".join([usual, *(f"{value} ({', '.join(values[value])})" for value in others)])


def _words(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)


def rewritten(text: str, begin: str, made: str, end: str) -> str:
    """A page with what stands between two marks made anew.

    Raises:
        ValueError: the page lacks the marks.
    """
    before, found, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not found or not last:
        raise ValueError(f"the page lacks the lines '{begin}' and '{end}'")
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"


def main() -> None:
    """Write the tables, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    parts = {name: (BEGIN, table(pages), END) for name, pages in PAGES.items()}
    parts[SETTINGS_PAGE] = (SETTINGS_BEGIN, settings_table(), SETTINGS_END)
    for name, part in parts.items():
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        made = rewritten(text, *part)
        if check and made != text:
            raise SystemExit(
                f"{name} shows other methods or settings than there are; run: make method-tables"
            )
        if not check:
            path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
