"""What the documentation names exists: files, headings, commands, targets, methods."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "napari_scribseg"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sample_data").glob("*.md")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+\s+(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def shell_lines(page: Path) -> list[str]:
    """Commands in the page's shell blocks, without comments and continuation lines."""
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    text = "\n".join(body for language, body in blocks if language in {"bash", "sh", "console"})
    lines = text.replace("\\\n", " ").splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if not line.startswith("#")]


def used(page: Path, command: str) -> set[str]:
    """The words that follow `command` where the page runs it."""
    at_start = re.compile(rf"(?:^|&& |\| ){command} +([a-z][a-z-]*)")
    return {word for line in shell_lines(page) for word in at_start.findall(line)}


@pytest.fixture(scope="module")
def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):.*##", makefile, re.MULTILINE))


@pytest.fixture(scope="module")
def commands() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "napari_scribseg", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = set(re.findall(r"^ {4}([a-z][a-z-]*)(?: {2,}\S|$)", done.stdout, re.MULTILINE))
    assert "train" in found, done.stdout
    return found


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page):
    broken = []
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_make_targets_exist(page, targets):
    assert used(page, "make") - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_commands_exist(page, commands):
    assert used(page, "scribseg") - commands == set()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_options_exist(page, commands):
    """Every `--option` in an example of `scribseg COMMAND` is in that command's help."""
    wrong = []
    for line in shell_lines(page):
        found = re.match(r"scribseg +([a-z][a-z-]*)(.*)", line)
        if found and found.group(1) in commands:
            options = set(re.findall(r"(?<=\s)--[a-z-]+", found.group(2)))
            wrong += [f"{line}: {o}" for o in options - options_of(found.group(1))]
    assert wrong == []


_OPTIONS: dict[str, set[str]] = {}


def options_of(command: str) -> set[str]:
    if command not in _OPTIONS:
        done = subprocess.run(
            [sys.executable, "-m", "napari_scribseg", command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        _OPTIONS[command] = set(re.findall(r"--[a-z-]+", done.stdout))
    return _OPTIONS[command]


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_python_examples_import_what_exists(page):
    for language, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            for node in ast.walk(ast.parse(body)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(node.module or "")
                    assert [a.name for a in node.names if not hasattr(module, a.name)] == []


ARCHITECTURE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"`([\w<>*/.]+(?:\.py|/))(?::([\w.]+))?`")


def test_the_page_on_the_architecture_names_files_and_functions_that_exist():
    places = PLACE.findall(ARCHITECTURE.read_text(encoding="utf-8"))
    assert len(places) > 150
    missing = []
    for name, what in places:
        pattern = name.replace("<name>", "*").rstrip("/")
        found = [p for top in (PACKAGE, ROOT) for p in top.glob(pattern)]
        if not found or (what and not any(defines(path, what) for path in found)):
            missing.append(f"{name}:{what}")
    assert missing == []


def defines(path: Path, name: str) -> bool:
    """Whether a module has a class, function or attribute of this (dotted) name."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for part in name.split("."):
        nodes = [node for node in body if part in names_of(node)]
        if not nodes:
            return False
        body = getattr(nodes[0], "body", [])
    return True


def names_of(node: ast.stmt) -> set[str]:
    """What a statement gives a name to."""
    targets = [getattr(node, "target", None), *getattr(node, "targets", [])]
    return {getattr(node, "name", "")} | {t.id for t in targets if isinstance(t, ast.Name)}


def test_readme_names_the_two_commands(targets):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first_screen = "\n".join(readme.splitlines()[:40])
    assert "make demo" in first_screen
    assert "make test" in first_screen
    assert {"demo", "test", "app", "check"} <= targets


def test_every_method_has_a_page():
    from napari_scribseg.methods.registry import OURS

    missing = [m.name for m in OURS if not (ROOT / f"docs/methods/{m.name}.md").is_file()]
    assert missing == []


@pytest.mark.parametrize("script", ["make_method_tables.py", "make_method_numbers.py"])
def test_tables_of_methods_are_as_they_would_be_made(script):
    done = subprocess.run(
        [sys.executable, f"docs/{script}", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_page_is_about_a_method_that_does_not_exist():
    from napari_scribseg.methods.registry import specs

    pages = {path.stem for path in (ROOT / "docs/methods").glob("*.md")} - {"index", "README"}
    assert pages <= {method.name for method in specs()}


def test_every_figure_is_made_by_the_script_and_shown_by_its_page():
    spec = importlib.util.spec_from_file_location("figures", ROOT / "docs/make_method_figures.py")
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules["figures"] = script  # dataclasses look their module up
    spec.loader.exec_module(script)
    names = set(script.FIGURES)
    assert {path.stem for path in (ROOT / "docs/images/methods").glob("*.png")} == names
    for name in names:
        page = (ROOT / f"docs/methods/{name}.md").read_text(encoding="utf-8")
        assert f"](../images/methods/{name}.png)" in page
