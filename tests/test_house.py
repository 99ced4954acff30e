"""The rules of the house that no linter knows: names, docstrings, what importing costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "napari_scribseg"
MODULES = sorted(PACKAGE.rglob("*.py"))

NEED_NO_TORCH = [
    "napari_scribseg",
    "napari_scribseg.data.case",
    "napari_scribseg.cli",
    "napari_scribseg.core.config",
    "napari_scribseg.data.dataset",
    "napari_scribseg.runs.children",
    "napari_scribseg.experiment.process",
    "napari_scribseg.runs.process",
    "napari_scribseg.runs.folder",
    "napari_scribseg.experiment.schedule",
    "napari_scribseg.core.events",
    "napari_scribseg.gui.batch.presenter",
    "napari_scribseg.project.store",
    "napari_scribseg.gui.plugin",
    "napari_scribseg.gui.results.presenter",
    "napari_scribseg.gui.train.presenter",
    "napari_scribseg.gui.train.runs_presenter",
    "napari_scribseg.io",
    "napari_scribseg.project.journal",
    "napari_scribseg.core.labels",
    "napari_scribseg.evaluation.metrics",
    "napari_scribseg.gui.catalogue",
    "napari_scribseg.methods.registry",
    "napari_scribseg.project.folder",
    "napari_scribseg.core.samples",
    "napari_scribseg.annotation.simulate",
]
NEED_NO_WINDOW = [name for name in NEED_NO_TORCH if name != "napari_scribseg.gui.plugin"]


MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
LONGER_FUNCTIONS = {}
"""With their lines: no other may be as long, and these only get shorter."""
SILENCED = {
    "napari_scribseg/gui/background.py": "Qt's stubs have no connection of a kind",
    "napari_scribseg/networks/prelu.py": "PyTorch's decorator of gradients has no types",
    "napari_scribseg/networks/slice_convolutions.py": "public in PyTorch, not in its types",
    "napari_scribseg/runs/loggers.py": "MLflow is nobody's requirement",
    "napari_scribseg/training/arithmetic.py": "PyTorch's types lack an order of memory alone",
}
"""Where the type checker is told to be quiet, once each, and why."""
NOT_ASKED = [
    "reportMissingTypeStubs",
    *("reportUnknownArgumentType", "reportUnknownMemberType", "reportUnknownVariableType"),
]
"""Rules that are off: nearly all our libraries are untyped, or in parts."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def loaded_after_importing(module: str, wanted: tuple[str, ...]) -> str:
    """Which of the wanted top-level packages a fresh interpreter has after one import."""
    code = f"import sys, {module}\nprint(*[name for name in {wanted!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", NEED_NO_TORCH)
def test_importing_loads_no_torch(module):
    assert loaded_after_importing(module, ("torch", "monai")) == ""


@pytest.mark.parametrize("module", NEED_NO_WINDOW)
def test_importing_loads_neither_napari_nor_qt(module):
    wanted = ("napari", "qtpy", "magicgui", "superqt", "PyQt5", "PyQt6")
    assert loaded_after_importing(module, wanted) == ""


def test_the_package_itself_loads_next_to_nothing():
    """napari imports every plugin's package when it starts."""
    wanted = ("numpy", "scipy", "pydantic", "SimpleITK", "nibabel", "matplotlib", "rich")
    assert loaded_after_importing("napari_scribseg", wanted) == ""


@pytest.mark.parametrize("command", ["--help", "methods"])
def test_help_and_the_list_of_methods_load_neither_torch_nor_scipy(command):
    """They answer at once."""
    code = (
        "import contextlib, sys\nfrom napari_scribseg.cli import main\n"
        f"with contextlib.suppress(SystemExit):\n    main([{command!r}])\n"
        "print(*[n for n in ('torch', 'scipy', 'skimage') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_no_module_is_a_drawer_for_anything():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [relative(path) for path in MODULES if path.stem.strip("_") in drawers] == []


def test_no_file_is_longer_than_one_can_read_at_once():
    lines = {relative(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {file: n for file, n in lines.items() if n > MOST_LINES} == {}


def test_the_type_checker_is_silenced_where_others_types_are_wrong_only():
    mark = re.compile(r"#\s*(?:type|pyright|basedpyright):(?!\s*strict)")
    found = [
        relative(path)
        for path in MODULES
        for line in path.read_text(encoding="utf-8").splitlines()
        if mark.search(line)
    ]
    assert found == sorted(SILENCED), "one comment a file, each with its reason"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["basedpyright"]
    assert settings["typeCheckingMode"] == "strict"
    assert sorted(name for name, value in settings.items() if value is False) == NOT_ASKED


def test_no_function_is_longer_than_a_screen():
    longer = {
        f"{relative(path)} {node.name}": lines_of_code(node)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and lines_of_code(node) > MOST_LINES_OF_A_FUNCTION
    }
    assert sorted(longer) == sorted(LONGER_FUNCTIONS), "take off the list what is not too long"
    assert {name: n for name, n in longer.items() if n > LONGER_FUNCTIONS[name]} == {}


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without the docstring, which is as long as there are arguments to explain."""
    first = function.body[0]
    told = 0 if ast.get_docstring(function) is None else (first.end_lineno or 0) - first.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - told


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_every_module_and_public_name_says_what_it_is(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and "overload" not in map(ast.unparse, node.decorator_list)
    ]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_only_the_command_line_prints():
    """A worker's or napari's standard output is not ours to write to."""
    printing = [
        f"{relative(path)}:{node.lineno}"
        for path in MODULES
        if not path.is_relative_to(PACKAGE / "cli")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []


def test_processes_are_started_in_one_place_only():
    """With the same guarantees for all, see `runs.children`."""
    modules = {"subprocess", "multiprocessing", "pty", "runpy", "pexpect"}
    names = re.compile(
        r"^(?:ProcessPoolExecutor|QProcess|Popen|system|popen|startfile|forkpty|fork|"
        r"exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?|create_subprocess_\w+|startDetached)$"
    )
    found: set[str] = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                used = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Attribute):
                used = [node.attr]
            else:
                continue
            if any(name.partition(".")[0] in modules or names.match(name) for name in used):
                found.add(relative(path))
    assert found == {"napari_scribseg/runs/children.py"}


def test_class_numbers_stand_in_labels_only():
    naked = re.compile(r"ignore_index\s*=\s*\d|[=!]=\s*(?:255|254)\b|\b(?:255|254)\s*[=!]=")
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in MODULES
        if path.name != "labels.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if naked.search(line)
    ]
    assert found == []


def test_nothing_is_left_to_do():
    """An open point belongs in the issue tracker; a path of somebody's machine nowhere."""
    mark = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|(?<![\w.])/(?:home|Users|root)/\w")
    folders = ("napari_scribseg", "tests", "sample_data", "scripts", "docs", "benchmarks")
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in {".py", ".md", ".sh", ".yaml", ".toml"} and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if mark.search(line)
    ]
    assert found == []
