"""What is published: extras, the index's README, versions, and the page about errors."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import napari_scribseg

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def requirements(extra: str) -> set[str]:
    """Names of what an extra installs, extras within it resolved."""
    names: set[str] = set()
    for one in EXTRAS[extra]:
        inner = re.fullmatch(r"napari-scribseg\[([^\]]+)\]", one)
        if inner:
            names |= set().union(*(requirements(name) for name in inner[1].split(",")))
        else:
            names.add(re.split(r"[\[<>=]", one)[0].lower())
    return names


def test_what_needs_a_compiler_is_in_its_own_extra_only() -> None:
    """pydensecrf2 comes as source only; everybody else installs wheels."""
    assert [name for name in EXTRAS if "pydensecrf2" in requirements(name)] == ["crf"]


def test_each_toolkit_has_its_extra_and_all_has_one() -> None:
    toolkits = {"pyqt5", "pyqt6", "pyside6-essentials"}
    for extra in ("pyqt5", "pyqt6", "pyside6"):
        assert len(requirements(extra) & toolkits) == 1
        assert "napari" in requirements(extra)
    window = {"pyqt5", "napari", "magicgui", "qtpy"}
    assert requirements("all") == window | {"distributed", "highdicom"}


def test_users_install_nothing_of_the_developers() -> None:
    theirs = requirements("dev") | requirements("docs")
    plain = {re.split(r"[\[<>=]", one)[0].lower() for one in PROJECT["dependencies"]}
    assert not {"pytest", "ruff", "mkdocs"} & (plain | requirements("all"))
    assert {"pytest", "ruff", "mkdocs"} <= theirs


def pinned() -> dict[str, str]:
    """Versions of constraints.txt by name, as package indexes spell it."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_anybody_can_install_is_pinned_for_the_checks() -> None:
    """Of every extra, that is, at a version that its range allows."""
    pins = pinned()
    ranges = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    ranges = [one for one in ranges if not one.startswith("napari-scribseg[")]
    assert len(ranges) > 30
    for one in ranges:
        name, floor = re.sub(r"\[[^\]]*\]", "", one).split(">=")
        numbers = [tuple(map(int, v.split("."))) for v in (pins[canonical(name)], floor)]
        assert numbers[0] >= numbers[1], one


def test_one_version_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    recipe = (ROOT / "packaging/conda/recipe.yaml").read_text(encoding="utf-8")
    version = PROJECT["version"]
    assert napari_scribseg.__version__ == version
    assert f"\nversion: {version}\n" in citation
    assert f'version: "{version}"' in recipe


def test_the_conda_recipe_has_the_packages_floors() -> None:
    recipe = (ROOT / "packaging/conda/recipe.yaml").read_text(encoding="utf-8")
    names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    for one in PROJECT["dependencies"] + EXTRAS["gui"]:
        name, floor = one.lower().split(">=")
        assert f"- {names.get(name, name)} >={floor}\n" in recipe


def test_links_of_the_index_lead_to_the_repository(monkeypatch) -> None:
    # Which builds the package, and is not there when it is tested.
    interface = SimpleNamespace(MetadataHookInterface=object)
    for name in ("hatchling", "hatchling.metadata", "hatchling.metadata.plugin"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.absolute("[a](docs/b.md) ![c](d.png) [e](https://f.org) [g](#h)")
    assert text == (
        f"[a]({module.REPOSITORY}/blob/main/docs/b.md) ![c]({module.PICTURES}/d.png) "
        "[e](https://f.org) [g](#h)"
    )
    readme = module.absolute((ROOT / "README.md").read_text(encoding="utf-8"))
    assert not re.search(r"\]\((?!https?:|#)", readme)


def test_oldest_versions_are_the_floors() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/lowest_versions.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    pins = dict(line.split("==") for line in done.stdout.splitlines())
    assert pins.keys() >= {"numpy", "torch", "napari", "PyQt5"}
    for one in PROJECT["dependencies"]:
        name, floor = one.split(">=")
        assert pins[name] == floor


def test_errors_that_the_page_explains_exist() -> None:
    """Every sentence in the first column of its tables is said somewhere in the package."""
    page = (ROOT / "docs/questions.md").read_text(encoding="utf-8")
    files = (ROOT / "napari_scribseg").rglob("*.py")
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    # Sentences stand over several lines there, with fields in them.
    source = re.sub(r'"\s*f?"', "", source)
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+)[^|]*\|", page, re.MULTILINE)
    said = [sentence for row in rows for sentence in re.findall(r"`([^`]+)`", row)]
    theirs = {'Could not load the Qt platform plugin "xcb"', "scribseg demo"}
    missing = []
    for sentence in set(said) - theirs:
        pieces = [re.escape(piece) for piece in re.split(r"\.\.\.|\bN\b|'cuda'|\b0\b", sentence)]
        if not re.search(r"[^\n]{0,90}?".join(pieces), source):
            missing.append(sentence)
    assert len(said) > 20
    assert missing == []
