"""Lines of code of the package by room: without docstrings, comments and blank lines.

Run it as `python scripts/count_lines.py`.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "napari_scribseg"
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


def code_lines(source: str) -> int:
    """How many lines of a module hold code."""
    told = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    held = {
        line
        for token in tokens
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(held - told)


def main() -> None:
    """Print a row a room, and the sum."""
    files, code, lines = Counter[str](), Counter[str](), Counter[str]()
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE).parts
        room, source = inside[0] if len(inside) > 1 else ".", path.read_text(encoding="utf-8")
        files[room] += 1
        code[room] += code_lines(source)
        lines[room] += len(source.splitlines())
    rows = [(room, files[room], code[room], lines[room]) for room in sorted(files)]
    rows.append(("all", files.total(), code.total(), lines.total()))
    print(f"{'room':12}{'files':>8}{'code':>8}{'lines':>8}")
    for room, *numbers in rows:
        print(f"{room:12}" + "".join(f"{number:8}" for number in numbers))


if __name__ == "__main__":
    main()
