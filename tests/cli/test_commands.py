"""The command line: what it understands, prints, refuses and leaves behind.

The engine is replaced by small functions, so that nothing is trained here.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_scribseg.annotation import simulate
from napari_scribseg.cli import build_parser, checking, demo, main
from napari_scribseg.cli.answer import Answer, columns, printable
from napari_scribseg.core.config import MethodConfig, TrainConfig, apply_changes
from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput, RunError, TaskNotSupported
from napari_scribseg.core.events import Event, Finished, Saved, Started, Stepped, Validated
from napari_scribseg.core.region import Region
from napari_scribseg.core.samples import sample_folder
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.evaluation.post_processing import PostProcessing
from napari_scribseg.io import read_labels, read_volume, write_volume
from napari_scribseg.io.documents import load_document
from napari_scribseg.project.folder import Project
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.training.new_run import prepare_run

SAMPLE = str(sample_folder("cardiac"))
COMMANDS = {
    "demo": {"--out"},
    "app": set(),
    "find": set(),
    "check": {
        *("--convention", "--reference-convention", "--patient-pattern", "--patient-table"),
        "--frame",
    },
    "annotators": {
        *("--case", "--compare", "--consensus", "--of", "--out", "--effort", "--longest-pause"),
        *("--apart", "--unknown-is", "--name"),
    },
    "methods": set(),
    "train": {
        "--method",
        "--out",
        "--split",
        "--validate",
        "--steps",
        "--minutes",
        "--convention",
        "--patient-pattern",
        "--patient-table",
        "--frame",
        "--data",
        "--device",
        "--random-seed",
        "--preset",
        "--set",
        "--resume",
        "--continue-from",
        "--on",
        "--reference-convention",
        "--strokes-of",
        "--sequences",
    },
    "estimate": {"--method", "--preset", "--classes", "--set"},
    "stop": set(),
    "maps": {"--out"},
    "predict": {
        "--out",
        "--split",
        "--frame",
        "--probabilities",
        "--uncertainty",
        "--clean-up",
        "--largest-component",
        "--fill-holes",
        "--test-time-augmentation",
        "--slice",
        "--region",
        "--device",
    },
    "export-model": {"--out", "--format"},
    "export-segmentation": {"--out", "--format", "--labels", "--series", "--by-hand", "--frame"},
    "paper-tables": set(),
    "card": {"--out"},
    "export": {
        *("--layout", "--out", "--case", "--predictions", "--reference-images", "--frame"),
        "--bids-suffix",
    },
    "import-segmentation": {"--series", "--out", "--structure", "--labels", "--later-covers"},
    "evaluate": {"--out", "--split", "--convention", "--frame"},
    "simulate": {"--out", "--style", "--random-seed", "--frame"},
    "experiment": {
        *("--out", "--dry-run", "--save-recipe", "--jobs", "--scheduler", "--retry-failed"),
        *("--only", "--open-locked", "--title", "--method", "--set", "--convention", "--part"),
        *("--patients", "--folds", "--fold-seed", "--published", "--train-split", "--test-split"),
        *("--random-seeds", "--steps", "--minutes", "--clock", "--shares", "--shares-of"),
        *("--locked", "--device", "--threads", "--patient-pattern", "--patient-table", "--frame"),
        *("--cell", "--log-to", "--plan", "--reference-convention", "--shortened", "--strict"),
        *("--strokes-of", "--sequences"),
        *("--sweep", "--table", "--tables", "--trial", "--trials-per-gpu", "--wait", "--watch"),
    },
}


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any, str]:
    """Exit code, the JSON document, and standard error of a command."""
    code = main([*map(str, words), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out), printed.err


# ---------------------------------------------------------------------------- words and options


def subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return action.choices


def test_commands_and_options_are_those_that_people_rely_on() -> None:
    found = {}
    for name, parser in subparsers().items():
        shown = [a for a in parser._actions if a.help != argparse.SUPPRESS]
        options = {option for a in shown for option in a.option_strings}
        assert {"--json", "--debug"} < options
        found[name] = options - {"--json", "--debug", "-h", "--help"}
    assert found == COMMANDS


def test_the_reference_page_names_every_command_and_option() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/cli.md").read_text(encoding="utf-8")
    for name, options in COMMANDS.items():
        section = page.split(f"## {name}\n")[1].split("\n## ")[0]
        for option in options:
            assert f"`{option}" in section, (name, option)


def test_styles_are_those_of_simulate() -> None:
    assert checking.STYLES == simulate.STYLES


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["check", SAMPLE]])
def test_light_commands_load_neither_torch_nor_a_gui(words: list[str]) -> None:
    code = (
        "import sys; from napari_scribseg.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "bad = {'torch', 'napari', 'qtpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not bad, bad"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["check"],
        ["check", SAMPLE, "--wrong"],
        ["check", "no/such/folder"],
        ["train", SAMPLE, "--steps", "many", "--method", "partial_ce", "--out", "x"],
        ["train", SAMPLE, "--steps", "1", "--minutes", "1", "--method", "partial_ce"],
        ["train", SAMPLE],
        ["train", SAMPLE, "--method", "partial_ce"],
        ["stop", SAMPLE],
        ["predict", SAMPLE, "x.nii.gz", "--out", "y"],
        ["evaluate", "nowhere", SAMPLE, "--out", "y"],
        ["simulate", SAMPLE, "--style", "cubist", "--out", "y"],
        ["simulate", SAMPLE, "--random-seed", "-1", "--out", "y"],
    ],
)
def test_what_is_not_understood_is_exit_code_2_and_one_document(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    code, document, err = call(capsys, *words)
    assert (code, document["exit_code"]) == (2, 2)
    assert document["error"] in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_without_json_an_error_is_one_sentence_on_standard_error(capsys: Any) -> None:
    assert main(["check", "no/such/folder"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("scribseg: ")
    assert len(printed.err.splitlines()) == 1


def test_an_unexpected_error_is_exit_code_1_and_shows_its_place_only_when_asked(
    capsys: Any, monkeypatch: Any
) -> None:
    def broken(arguments: Any, display: Any) -> Answer:
        raise KeyError("the cat")

    monkeypatch.setattr(checking, "run_check", broken)
    code, document, err = call(capsys, "check", "x")
    assert (code, document["exit_code"]) == (1, 1)
    assert "KeyError" in document["error"]
    assert "Traceback" not in err
    assert "Traceback" in call(capsys, "check", "x", "--debug")[2]


def test_ctrl_c_is_exit_code_130(capsys: Any, monkeypatch: Any) -> None:
    def interrupted(arguments: Any, display: Any) -> Answer:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "run_check", interrupted)
    assert call(capsys, "check", "x")[:2] == (130, {"error": "Interrupted.", "exit_code": 130})


def test_what_libraries_print_does_not_spoil_the_document(capsys: Any, monkeypatch: Any) -> None:
    def chatty(arguments: Any, display: Any) -> Answer:
        print("Hello from a library")
        return Answer({"dice": float("nan"), "hd95_mm": [float("inf")]}, "text")

    monkeypatch.setattr(checking, "run_check", chatty)
    code, document, err = call(capsys, "check", "x")
    assert (code, document) == (0, {"dice": None, "hd95_mm": ["inf"]})
    assert "Hello" in err


def test_names_from_files_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[2Jb\u202ec\n") == "a\\x1b[2Jb\\u202ec\n"
    assert printable("Müller 80 µm") == "Müller 80 µm"


def test_columns_line_up() -> None:
    assert columns([("a", "bb"), ("long", "x")]).splitlines() == [
        "  a     bb",
        "  ----  --",
        "  long  x",
    ]


# ------------------------------------------------------------------------------------ settings


class Options(MethodConfig):
    tau: float = 0.5
    momentum: float = 0.1
    widths: tuple[int, ...] = (1, 2)


def test_settings_find_their_owner_and_the_method_comes_first() -> None:
    changes = {"tau": 0.9, "momentum": 0.2, "batch_size": 3, "patch": [32, 64], "widths": [8]}
    options, training = apply_changes(changes, Options(), TrainConfig())
    assert options == Options(tau=0.9, momentum=0.2, widths=(8,))
    assert training == TrainConfig(batch_size=3, patch=(32, 64))


def test_steps_take_the_place_of_minutes() -> None:
    training = TrainConfig(minutes=5)
    assert apply_changes({"steps": 7}, Options(), training)[1].minutes is None
    assert apply_changes({"minutes": 7}, Options(), training)[1].minutes == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"tua": 1}, "batch_size.*weight_decay"), ({"tau": "x"}, "tau"), ({"steps": -1}, "steps")],
)
def test_settings_nobody_knows_or_out_of_range_are_named(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        apply_changes(changes, Options(), TrainConfig())


# --------------------------------------------------------------------------- check and simulate


def test_check_reports_every_case(capsys: Any) -> None:
    code, document, _ = call(capsys, "check", SAMPLE)
    assert code == 0
    assert (document["n_cases"], document["n_errors"]) == (12, 0)
    assert main(["check", SAMPLE]) == 0
    text = capsys.readouterr().out
    assert "heart06_ES" in text
    assert "All 12 cases can be used." in text


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A plain dataset of two cases of one patient."""
    folder = tmp_path / "small"
    for source, target in (("images", "images"), ("scribbles", "scribbles"), ("labels", "labels")):
        (folder / target).mkdir(parents=True)
        for case in ("heart01_ED", "heart01_ES"):
            shutil.copy(f"{SAMPLE}/{source}/{case}.nii.gz", folder / target)
    return folder


def test_check_tells_a_broken_case_and_goes_on(small: Path, capsys: Any) -> None:
    shutil.rmtree(small / "labels")
    image = small / "images/heart01_ED.nii.gz"
    image.write_bytes(image.read_bytes()[:2000])
    code, document, err = call(capsys, "check", small)
    assert code == 1
    assert [case["ok"] for case in document["cases"]] == [False, True]
    assert "heart01_ED" in err


def test_foreign_scribbles_are_read_by_their_convention(small: Path, capsys: Any) -> None:
    stored = ScribbleConvention.wsl4mis(3)
    for path in (small / "scribbles").iterdir():
        volume = read_labels(path)
        write_volume(path, Volume(stored.write(volume.array), volume.grid))
    assert call(capsys, "check", small)[0] == 1
    code, document, _ = call(capsys, "check", small, "--convention", "wsl4mis")
    assert code == 0
    assert document["cases"][0]["scribbled_voxels"]["background"] > 0


def test_simulate_draws_the_same_scribbles_for_a_seed(tmp_path: Path, capsys: Any) -> None:
    drawn = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / name
        code, document, _ = call(capsys, "simulate", SAMPLE, "--out", out, "--random-seed", seed)
        assert code == 0
        assert len(document["written"]) == 12
        drawn[name] = read_labels(out / "heart03_ED.nii.gz").array
    assert set(np.unique(drawn["a"])) == {0, 1, 2, 3, 255}
    assert np.array_equal(drawn["a"], drawn["b"])
    assert not np.array_equal(drawn["a"], drawn["c"])
    assert json.loads((tmp_path / "a/labels.json").read_text())["classes"][0]["name"] == "RV"


def test_simulate_takes_a_folder_of_label_files_only_with_names(
    small: Path, tmp_path: Path, capsys: Any
) -> None:
    labels, out = small / "labels", tmp_path / "out"
    code, document, _ = call(capsys, "simulate", labels, "--out", out)
    assert code == 2
    assert "labels.json" in document["error"]
    classes = [{"name": name, "color": "#e69f00"} for name in ("RV", "MYO", "LV")]
    names = {"version": 1, "title": "Heart", "classes": classes}
    (labels / "labels.json").write_text(json.dumps(names))
    assert call(capsys, "simulate", labels, "--out", out)[0] == 0
    assert read_labels(out / "heart01_ES.nii.gz").array.max() == 255


# ----------------------------------------------------------------------------- methods and train


def test_methods_are_listed_with_their_default(capsys: Any) -> None:
    code, document, _ = call(capsys, "methods")
    assert code == 0
    assert document["default"] == document["methods"][0]["name"]
    assert {"random_walker", "partial_ce", "effdnet"} <= {m["name"] for m in document["methods"]}
    assert all("quick" in m["presets"] for m in document["methods"])
    assert set(document["training"]) == set(TrainConfig.model_fields)
    assert all(setting["description"] for setting in document["training"].values())


def test_an_unknown_method_lists_the_known_ones(tmp_path: Path, capsys: Any) -> None:
    words = ("train", SAMPLE, "--method", "magic", "--out", tmp_path / "run")
    code, document, _ = call(capsys, *words)
    assert code == 2
    assert "random_walker" in document["error"]
    assert not (tmp_path / "run").exists()


STARTED = Started(
    method="partial_ce",
    device="cpu",
    precision="float32",
    cases=1,
    slices=3,
    first_step=1,
    steps=5,
    minutes=None,
)
STEPPED = Stepped(
    step=3,
    progress=0.6,
    eta_seconds=75.0,
    loss=1.5,
    terms={"cross_entropy": 1.5},
    learning_rate=0.1,
    slices_per_second=10.0,
)
DONE = Finished(outcome="completed", step=5, message="Trained for 5 steps.", seconds=2.0)
STOPPED = Finished(outcome="stopped", step=3, message="Stopped.", seconds=1.0)

Engine = Callable[[Callable[[RunFolder, bool], Iterator[Event]]], None]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Puts a generator in the place of the training loop."""

    def replace(training: Callable[[RunFolder, bool], Iterator[Event]]) -> None:
        def train(run: RunFolder, *, resume: bool = False) -> Iterator[Event]:
            return training(run, resume)

        module = SimpleNamespace(train=train)
        monkeypatch.setitem(sys.modules, "napari_scribseg.training.train", module)

    return replace


def completing(run: RunFolder, resume: bool) -> Iterator[Event]:
    yield STARTED
    yield STEPPED
    yield Validated(step=3, measure="dice", scores={"RV": 0.5, "LV": None}, mean=0.5, best=True)
    yield DONE


def stopping(run: RunFolder, resume: bool) -> Iterator[Event]:
    yield STARTED
    yield STEPPED
    run.checkpoint("last").touch()
    yield STOPPED


def train_words(out: Path, *more: object) -> tuple[object, ...]:
    return ("train", SAMPLE, "--method", "partial_ce", "--out", out, *more)


def test_train_makes_a_run_and_reports_its_end(tmp_path: Path, engine: Any, capsys: Any) -> None:
    engine(completing)
    more = ("--steps", 5, "--random-seed", 4, "--device", "cpu", "--set", "patch=64,96")
    code, document, err = call(capsys, *train_words(tmp_path / "run", *more))
    assert code == 0
    assert (document["status"], document["step"]) == ("completed", 5)
    assert document["best"]["mean"] == 0.5
    assert "dice 0.500 (RV 0.500, LV -)" in err
    run = RunFolder.open(document["run"])
    training = run.record.training
    assert (training.steps, training.random_seed, training.device) == (5, 4, "cpu")
    assert training.patch == (64, 96)
    assert run.record.validate_on == "none"
    assert [len(run.files(role)) for role in ("train", "validate")] == [8, 0]
    assert all(files.image.is_absolute() for files in run.files("train"))
    assert [e.kind for e in run.events()] == ["started", "stepped", "validated", "finished"]


def test_nothing_is_overwritten(tmp_path: Path, engine: Any, capsys: Any) -> None:
    engine(completing)
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    for words in (
        train_words(tmp_path),
        ("simulate", SAMPLE, "--out", tmp_path),
        ("evaluate", SAMPLE, SAMPLE, "--out", tmp_path),
        ("demo", "--out", tmp_path),
        ("simulate", SAMPLE, "--out", precious),
    ):
        code, document, _ = call(capsys, *words)
        assert code == 2
        assert "nothing is overwritten" in document["error"]
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]
    assert precious.read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TaskNotSupported("Draw background first."), 3),
        (InvalidInput("heart01 is cut."), 2),
        (RunError("The loss is not a number."), 4),
        (RuntimeError("cosmic ray"), 4),
    ],
)
def test_a_failed_training_gives_the_exit_code_of_its_error(
    tmp_path: Path, engine: Any, capsys: Any, error: Exception, code: int
) -> None:
    def failing(run: RunFolder, resume: bool) -> Iterator[Event]:
        yield STARTED
        raise error

    engine(failing)
    found, document, err = call(capsys, *train_words(tmp_path / "run"))
    assert (found, document["exit_code"], document["status"]) == (code, code, "failed")
    assert str(error) in document["error"]
    assert "Traceback" not in err
    assert RunFolder.open(tmp_path / "run").status == "failed"


def test_ctrl_c_stops_after_the_step(tmp_path: Path, engine: Any, capsys: Any) -> None:
    def waiting(run: RunFolder, resume: bool) -> Iterator[Event]:
        yield STARTED
        os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + 5
        while run.requested != "stop":
            assert time.monotonic() < until
            time.sleep(0.01)
        yield STOPPED

    engine(waiting)
    before = signal.getsignal(signal.SIGINT)
    code, document, err = call(capsys, *train_words(tmp_path / "run"))
    assert (code, document["status"], document["step"]) == (130, "stopped", 3)
    assert "Ctrl-C again" in err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_stops_at_once_and_says_how_far_it_came(
    tmp_path: Path, engine: Any, capsys: Any
) -> None:
    def deaf(run: RunFolder, resume: bool) -> Iterator[Event]:
        yield STARTED
        yield Saved(step=2, path="checkpoints/last.safetensors")
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        raise AssertionError

    engine(deaf)
    code, document, _ = call(capsys, *train_words(tmp_path / "run"))
    assert (code, document["status"], document["step"]) == (130, "stopped", 2)
    assert RunFolder.open(tmp_path / "run").status == "stopped"


def test_a_stopped_run_continues_only_when_asked_to(
    tmp_path: Path, engine: Any, capsys: Any
) -> None:
    out = tmp_path / "run"
    engine(stopping)
    assert call(capsys, *train_words(out, "--steps", 5))[0] == 0
    resumed = []

    def continuing(run: RunFolder, resume: bool) -> Iterator[Event]:
        resumed.append((resume, run.requested))
        yield from completing(run, resume)

    engine(continuing)
    code, document, _ = call(capsys, "train", out)
    assert code == 4
    assert "--resume" in document["error"]
    code, document, _ = call(
        capsys, *train_words(out, "--steps", 5, "--random-seed", 7, "--resume")
    )
    assert code == 2
    assert "other settings" in document["error"]
    assert call(capsys, "train", out, "--steps", 5)[0] == 2
    assert call(capsys, "train", SAMPLE, "--method", "effdnet", "--out", out, "--resume")[0] == 2
    code, document, _ = call(capsys, "train", tmp_path, "--out", out, "--resume")
    assert code == 2
    assert "was made from the dataset" in document["error"]
    RunFolder.open(out).request("stop")  # left over; must not stop the new session
    assert call(capsys, *train_words(out, "--steps", 5, "--resume"))[0] == 0
    assert resumed == [(True, None)]
    code, document, _ = call(capsys, "train", out, "--resume")
    assert code == 4
    assert "is complete" in document["error"]


def test_a_run_that_ended_before_its_first_checkpoint_is_started_afresh(
    tmp_path: Path, engine: Any, capsys: Any
) -> None:
    run = prepare_run(read_dataset(SAMPLE), tmp_path / "run", method="partial_ce")
    run.append(STEPPED)
    run.append(STOPPED)
    engine(completing)
    code, document, _ = call(capsys, "train", run.path, "--resume")
    assert code == 4
    assert "Start it afresh" in document["error"]
    assert call(capsys, "train", run.path)[0] == 0


def test_a_run_that_is_being_trained_is_left_alone(
    tmp_path: Path, engine: Any, capsys: Any
) -> None:
    engine(completing)
    run = prepare_run(read_dataset(SAMPLE), tmp_path / "run", method="partial_ce")
    run.heartbeat()
    code, document, _ = call(capsys, "train", run.path)
    assert code == 4
    assert "being trained already" in document["error"]
    assert call(capsys, "train", run.path, "--detached")[0] == 0


def test_validation_cases_are_chosen_as_asked(tmp_path: Path) -> None:
    dataset = read_dataset(SAMPLE)
    run = prepare_run(dataset, tmp_path / "val", method="partial_ce", validate="val")
    assert {f.patient for f in run.files("validate")} == {"heart05", "heart06"}
    assert "validation" in run.record.checkpoint_choice
    auto = prepare_run(
        dataset, tmp_path / "auto", method="partial_ce", split="all", validate="auto"
    )
    held = {f.patient for f in auto.files("validate")}
    assert held
    assert not held & {f.patient for f in auto.files("train")}
    with pytest.raises(InvalidInput, match="share patients"):
        prepare_run(dataset, tmp_path / "x", method="partial_ce", split="all", validate="val")
    with pytest.raises(InvalidInput, match="no preset 'slow'"):
        prepare_run(dataset, tmp_path / "x", method="partial_ce", preset="slow")
    assert not (tmp_path / "x").exists()


def test_stop_waits_for_the_end(tmp_path: Path, capsys: Any) -> None:
    run = prepare_run(read_dataset(SAMPLE), tmp_path / "run", method="partial_ce")
    assert call(capsys, "stop", run.path)[:2] == (
        0,
        {"run": str(run.path), "status": "created", "was_running": False},
    )
    assert run.requested is None
    run.heartbeat()

    def obey() -> None:
        while run.requested != "stop":
            time.sleep(0.01)
        run.end_heartbeat()
        run.append(STOPPED)

    worker = threading.Thread(target=obey)
    worker.start()
    code, document, _ = call(capsys, "stop", run.path)
    worker.join()
    assert (code, document["status"], document["was_running"]) == (0, "stopped", True)


# --------------------------------------------------------------------------- predict and evaluate


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run whose predictions are made up: one voxel of class 2, uncertainty 0.5."""

    def predict_case(model: str, image: Volume, z: int | None = None, **_: Any) -> SimpleNamespace:
        assert model == "model"
        segmentation = np.zeros(image.shape, np.uint8)
        segmentation[0, 0, 0] = 2
        return SimpleNamespace(
            segmentation=segmentation,
            probabilities=np.full((4, *image.shape), 0.25, np.float32),
            uncertainty=np.full(image.shape, 0.5, np.float32),
            grid=image.grid,
            notes=(),
        )

    module = SimpleNamespace(load_model=lambda *_, **__: "model", predict_case=predict_case)
    monkeypatch.setitem(sys.modules, "napari_scribseg.training.predict", module)
    return prepare_run(read_dataset(SAMPLE), tmp_path / "run", method="partial_ce")


def test_predict_writes_what_is_asked_for_on_the_grid_of_the_image(
    run: RunFolder, tmp_path: Path, capsys: Any
) -> None:
    image = f"{SAMPLE}/images/heart05_ED.nii.gz"
    out = tmp_path / "out"
    words = ("predict", run.path, image, "--out", out, "--probabilities", "--uncertainty")
    code, document, _ = call(capsys, *words)
    assert code == 0
    names = {f"heart05_ED_probabilities_{c}.nii.gz" for c in ("background", "RV", "MYO", "LV")}
    names |= {"heart05_ED.nii.gz", "heart05_ED_uncertainty.nii.gz"}
    assert set(document["written"]["heart05_ED"]) == names
    assert {p.name for p in out.iterdir()} == names | {"labels.json", "post_processing.json"}
    segmentation = read_labels(out / "heart05_ED.nii.gz")
    assert segmentation.array[0, 0, 0] == 2
    assert segmentation.grid.offset_from(read_volume(image).grid) < 0.001
    assert math.isclose(read_volume(out / "heart05_ED_uncertainty.nii.gz").array.mean(), 0.5)


def test_predict_takes_the_cases_of_a_project(run: RunFolder, tmp_path: Path, capsys: Any) -> None:
    dataset = read_dataset(SAMPLE)
    with Project.create(tmp_path / "project", dataset.schema) as project:
        for case in dataset.cases[:2]:
            project.add_case(case, copy=False)
    words = ("predict", run.path, tmp_path / "project", "--out", tmp_path / "out")
    code, document, _ = call(capsys, *words)
    assert code == 0
    assert list(document["written"]) == [case.id for case in dataset.cases[:2]]


def test_outside_of_a_region_everything_is_background(
    run: RunFolder, tmp_path: Path, capsys: Any
) -> None:
    """By an option, or as a project knows it of a case."""
    image, out = f"{SAMPLE}/images/heart05_ED.nii.gz", tmp_path / "out"
    words = ("predict", run.path, image, "--out", out, "--probabilities", "--region", "1:9,0:9,0:9")
    assert call(capsys, *words)[0] == 0
    assert not read_labels(out / "heart05_ED.nii.gz").array.any()
    background = read_volume(out / "heart05_ED_probabilities_background.nii.gz").array
    assert background[0].min() == 1.0
    assert math.isclose(background[1, 0, 0], 0.25, abs_tol=0.001)
    code, document, _ = call(capsys, *words[:4], tmp_path / "other", "--region", "3:1,0:9,0:9")
    assert code == 2
    assert "is no region; expected z0:z1" in document["error"]
    dataset = read_dataset(SAMPLE)
    first, second = dataset.cases[:2]
    with Project.create(tmp_path / "project", dataset.schema) as project:
        for case in (first, second):
            project.add_case(case, copy=False)
        project.set_region(first.id, Region(z=(1, 9), y=(0, 9), x=(0, 9)))
    with Project.open(tmp_path / "project") as project:
        assert [str(c.region) for c in project.dataset().cases] == ["1:9,0:9,0:9", "None"]
    assert (
        call(capsys, "predict", run.path, tmp_path / "project", "--out", tmp_path / "all")[0] == 0
    )
    assert not read_labels(tmp_path / "all" / f"{first.id}.nii.gz").array.any()
    assert read_labels(tmp_path / "all" / f"{second.id}.nii.gz").array.any()


def test_predict_averages_over_small_turns_when_asked(
    run: RunFolder, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, asked = sys.modules["napari_scribseg.training.predict"], []
    whole = module.predict_case

    def noted(model: str, image: Volume, z: int | None = None, **options: Any) -> SimpleNamespace:
        asked.append(options["test_time_augmentation"])
        return whole(model, image)

    monkeypatch.setattr(module, "predict_case", noted)
    words = ("predict", run.path, f"{SAMPLE}/images/heart05_ED.nii.gz", "--out")
    _, plain, _ = call(capsys, *words, tmp_path / "plain")
    _, turned, _ = call(capsys, *words, tmp_path / "turned", "--test-time-augmentation")
    assert asked == [False, True]
    assert [d["test_time_augmentation"] for d in (plain, turned)] == [False, True]


def test_predict_cleans_up_by_what_the_classes_say_unless_told_not_to(
    run: RunFolder, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["napari_scribseg.training.predict"]
    whole = module.predict_case

    def two_pieces(model: str, image: Volume, z: int | None = None, **_: Any) -> SimpleNamespace:
        prediction = whole(model, image)
        prediction.segmentation[0, 5:7, 5] = 2
        return prediction

    monkeypatch.setattr(module, "predict_case", two_pieces)
    image = f"{SAMPLE}/images/heart05_ED.nii.gz"
    plain, clean = tmp_path / "plain", tmp_path / "clean"
    _, raw, _ = call(capsys, "predict", run.path, image, "--out", plain, "--clean-up", "none")
    _, cleaned, _ = call(capsys, "predict", run.path, image, "--out", clean)
    counts = [int((read_labels(f / "heart05_ED.nii.gz").array == 2).sum()) for f in (plain, clean)]
    assert counts == [3, 2]
    done = [load_document(f / "post_processing.json", PostProcessing) for f in (plain, clean)]
    assert [d.anatomy for d in done] == [False, True]
    assert raw["clean_up"] == []
    assert cleaned["clean_up"] == ["anatomy (RV, MYO, LV: one piece; LV: inside MYO)"]
    # Two pieces of a slice may be one in the volume.
    _, one, _ = call(capsys, "predict", run.path, image, "--out", tmp_path / "z", "--slice", "0")
    assert one["clean_up"] == []


def test_predict_says_where_it_found_nothing(
    run: RunFolder, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["napari_scribseg.training.predict"]

    def nothing(_: str, image: Volume, z: int | None = None, **__: Any) -> SimpleNamespace:
        empty = np.zeros(image.shape, np.uint8)
        return SimpleNamespace(
            segmentation=empty, probabilities=None, uncertainty=None, grid=image.grid, notes=()
        )

    monkeypatch.setattr(module, "predict_case", nothing)
    code, document, _ = call(
        capsys, "predict", run.path, f"{SAMPLE}/images/heart05_ES.nii.gz", "--out", tmp_path / "out"
    )
    assert code == 0
    assert any("No structure was found" in note for note in document["notes"])


def test_predict_goes_on_after_a_bad_image(run: RunFolder, tmp_path: Path, capsys: Any) -> None:
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(b"not an image")
    good = f"{SAMPLE}/images/heart05_ES.nii.gz"
    code, document, err = call(capsys, "predict", run.path, bad, good, "--out", tmp_path / "out")
    assert code == 1
    assert list(document["written"]) == ["heart05_ES"]
    assert list(document["failed"]) == ["bad"]
    assert "bad: " in err


def test_predict_takes_a_split_of_a_dataset(run: RunFolder, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    words = ("predict", run.path, SAMPLE, "--split", "val", "--out", out)
    code, document, _ = call(capsys, *words)
    assert code == 0
    assert sorted(document["written"]) == ["heart05_ED", "heart05_ES", "heart06_ED", "heart06_ES"]


def test_predict_tells_images_of_one_name_apart_by_their_folders(
    run: RunFolder, tmp_path: Path, capsys: Any
) -> None:
    """p1/image.nii.gz, p2/image.nii.gz: the commonest layout; one given twice is done once."""
    images = [tmp_path / patient / "image.nii.gz" for patient in ("p1", "p2")]
    for path in images:
        path.parent.mkdir()
        shutil.copy(f"{SAMPLE}/images/heart05_ED.nii.gz", path)
    lone = f"{SAMPLE}/images/heart05_ES.nii.gz"
    out = tmp_path / "out"
    words = ("predict", run.path, *images, lone, images[0], "--out", out, "--uncertainty")
    code, document, _ = call(capsys, *words)
    assert code == 0
    assert list(document["written"]) == ["p1_image", "p2_image", "heart05_ES"]
    assert document["inputs"]["p2_image"] == str(images[1])
    volumes = sorted(path.name for path in out.glob("*.nii.gz"))
    cases = ["heart05_ES", "p1_image", "p2_image"]
    assert volumes == [f"{case}{part}.nii.gz" for case in cases for part in ("", "_uncertainty")]


def test_a_folder_with_a_folder_per_patient_is_told_how_to_be_given(
    run: RunFolder, tmp_path: Path, capsys: Any
) -> None:
    for patient in ("p1", "p2"):
        (tmp_path / "cohort" / patient).mkdir(parents=True)
        shutil.copy(
            f"{SAMPLE}/images/heart05_ED.nii.gz", tmp_path / "cohort" / patient / "image.nii.gz"
        )
    words = ("predict", run.path, tmp_path / "cohort", "--out", tmp_path / "out")
    code, document, _ = call(capsys, *words)
    assert code == 2
    assert "p1, p2 in it hold images" in document["error"]
    assert "Give the images themselves, or the folders" in document["error"]
    words = ("predict", run.path, *sorted((tmp_path / "cohort").iterdir()))
    code, document, _ = call(capsys, *words, "--out", tmp_path / "out")
    assert code == 0
    assert list(document["written"]) == ["p1_image", "p2_image"]


def test_predict_tells_two_datasets_with_the_same_ids_apart(
    run: RunFolder, small: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "out"
    code, document, _ = call(capsys, "predict", run.path, SAMPLE, small, "--out", out)
    assert code == 0
    ids = [case.id for case in read_dataset(small).cases]
    assert {f"cardiac_{i}" for i in ids} | {f"{small.name}_{i}" for i in ids} <= set(
        document["written"]
    )
    assert len(document["written"]) == len(read_dataset(SAMPLE).cases) + len(ids)


def test_a_name_that_looks_like_an_option_works_behind_two_dashes(
    run: RunFolder, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(f"{SAMPLE}/images/heart05_ED.nii.gz", "-rf.nii.gz")
    words = ["predict", "--json", "--out", "out", str(run.path), "--", "-rf.nii.gz"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["written"]) == 1
    assert not [p for p in Path("out").iterdir() if p.name.startswith("-")]


def test_an_interrupted_prediction_lists_what_was_done(
    run: RunFolder, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    module = sys.modules["napari_scribseg.training.predict"]
    whole, calls = module.predict_case, []

    def second_is_interrupted(model: str, image: Volume, z: int | None = None, **_: Any) -> Any:
        calls.append(image)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(model, image)

    monkeypatch.setattr(module, "predict_case", second_is_interrupted)
    words = ("predict", run.path, SAMPLE, "--split", "val", "--out", tmp_path / "out")
    code, document, err = call(capsys, *words)
    assert code == 130
    assert list(document["written"]) == ["heart05_ED"]
    assert len(document["not_done"]) == 3
    assert "after 1 of 4" in err


def test_evaluate_prints_a_table_and_counts_missing_segmentations(
    tmp_path: Path, capsys: Any
) -> None:
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for case in ("heart05_ED", "heart05_ES", "heart06_ED", "heart06_ES"):
        shutil.copy(f"{SAMPLE}/labels/{case}.nii.gz", predictions)
    words = ("evaluate", predictions, SAMPLE, "--split", "val")
    code, document, _ = call(capsys, *words, "--out", tmp_path / "a")
    assert (code, document["mean_dice"]) == (0, 1.0)
    (predictions / "heart06_ES.nii.gz").unlink()
    code, document, err = call(capsys, *words, "--out", tmp_path / "b")
    assert (code, document["mean_dice"]) == (1, 0.75)
    assert "heart06_ES" in err
    assert main([*map(str, words), "--out", str(tmp_path / "c")]) == 1
    assert "HD95 mm" in capsys.readouterr().out


def test_demo_does_the_whole_job(
    run: RunFolder, tmp_path: Path, engine: Any, capsys: Any, monkeypatch: Any
) -> None:
    seen = []

    def training(run: RunFolder, resume: bool) -> Iterator[Event]:
        seen.append(run.record)
        yield from completing(run, resume)

    engine(training)
    code, document, err = call(capsys, "demo", "--out", tmp_path / "demo")
    assert document["evaluation"]["mean_dice"] < demo.EXPECTED_DICE
    assert document["warning"] in err
    assert code == 1, "a script is told, too"
    assert seen[0].method == demo.METHOD
    assert (seen[0].training.steps, seen[0].training.minutes) == (demo.STEPS, None)
    assert document["evaluation"]["cases"] == 4
    assert Path(document["overlay"]).read_bytes().startswith(b"\x89PNG")
    assert len(list(Path(document["predictions"]).glob("*.nii.gz"))) == 4
    monkeypatch.setattr(demo, "EXPECTED_DICE", 0.0)
    assert call(capsys, "demo", "--out", tmp_path / "good")[0] == 0


def test_demo_warns_below_what_is_expected_only() -> None:
    assert demo._warning(demo.EXPECTED_DICE) == demo._warning(0.94) == ""
    assert "Mean Dice is 0.40; 200 steps give 0.85 or more" in demo._warning(0.4)
    assert "install it again" in demo._warning(math.nan)
