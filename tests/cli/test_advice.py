"""What a sentence advises can be typed: every option and command that is named exists."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import napari_scribseg
from napari_scribseg.cli import build_parser

PACKAGE = Path(napari_scribseg.__file__).parent
COMMANDS_OF = {
    "annotating": {"annotators", "train"},
    "app": {"app"},
    "__init__": {"check"},
    "answer": {"predict", "export", "maps", "simulate", "train", "demo", "evaluate"},
    "checking": {"check", "simulate"},
    "demo": {"demo"},
    "estimating": {"estimate"},
    "elsewhere": {"train"},
    "experiment_answers": {"experiment"},
    "experiments": {"experiment"},
    "exporting": {"export", "export-model", "export-segmentation"},
    "finding": {"find"},
    "importing": {"import-segmentation"},
    "inputs": {"predict"},
    "maps": {"maps"},
    "predicting": {"predict"},
    "evaluating": {"evaluate"},
    "segmenting": {"predict"},
    "wanted_maps": {"predict"},
    "progress": {"train"},
    "recipes": {"experiment"},
    "runs": {"train"},
    "serving": {"predict"},
    "settings": {"train", "experiment", "estimate"},
    "tables": {"paper-tables", "experiment"},
    "trials": {"experiment"},
    "watching": {"experiment"},
    "signals": {"train"},
    "training": {"methods", "train", "stop"},
    "unfinished": {"predict"},
}
"""The commands that a file of the command line speaks for."""
OF_OTHER_PROGRAMS = {
    "cluster.py": {"--nworkers", "--nthreads"},  # dask worker
    "monai_bundle.py": {"--config", "--bundle", "--dataset", "--output"},  # monai.bundle run
}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")
COMMAND = re.compile(r"scribseg ([a-z]+)(?=[ `{]|$)")


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


@cache
def options_of(command: str) -> set[str]:
    actions = parsers()[command]._actions
    return {option for action in actions for option in action.option_strings}


def sentences(path: Path) -> Iterator[str]:
    """The texts of a file that are not docstrings; what is filled in is shown as {}."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield "".join(map(str, parts))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documents
            and id(node) not in inside
        ):
            yield node.value


def texts() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for text in sentences(path):
            yield path, text


def test_every_option_that_is_named_belongs_to_the_command_that_names_it() -> None:
    every = set().union(*(options_of(command) for command in parsers()))
    of_all = {option for a in build_parser()._actions for option in a.option_strings}
    strange: list[str] = []
    for path, text in texts():
        is_cli = path.parent.name == "cli"
        known = every | OF_OTHER_PROGRAMS.get(path.name, set())
        if is_cli:
            known = of_all.union(*(options_of(c) for c in COMMANDS_OF[path.stem]))
        strange += [
            f"{path.name}: {option} in {text!r}"
            for option in OPTION.findall(text)
            if option not in known and " " in text
        ]
    assert not strange


def test_every_command_line_that_is_quoted_can_be_typed() -> None:
    found = 0
    for path, text in texts():
        for quoted in re.findall(r"`(scribseg [^`]+)`", text):
            command = COMMAND.match(quoted)
            if command is None:  # `scribseg COMMAND --help`
                continue
            found += 1
            assert command[1] in parsers(), (path.name, quoted)
            for option in OPTION.findall(quoted):
                assert option in options_of(command[1]), (path.name, quoted)
    assert found >= 8


@pytest.mark.parametrize(
    "command", ["check", "train", "predict", "evaluate", "simulate", "export", "experiment"]
)
def test_whoever_may_be_told_to_choose_a_frame_can(command: str) -> None:
    assert "--frame" in options_of(command)
