"""methods, train and stop: from a dataset to a trained run."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from napari_scribseg.cli.answer import Answer
from napari_scribseg.cli.elsewhere import train_on
from napari_scribseg.cli.progress import Display, duration
from napari_scribseg.cli.runs import (
    add_convention,
    add_frame,
    add_patients,
    add_sequences,
    add_strokes_of,
    run_of,
)
from napari_scribseg.cli.signals import HANG_UP, answered
from napari_scribseg.core.errors import RunError, ScribsegError
from napari_scribseg.core.events import Event, Validated, Warned
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.worker import end_when_stdin_closes, record

STOP_SECONDS: Final = 30.0
"""How long `stop` waits for the end of the run."""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add methods, train and stop."""
    methods = commands.add_parser("methods", parents=[common], help="list the training methods")
    methods.set_defaults(run=run_methods)

    _add_train(commands, common)
    stop = commands.add_parser(
        "stop", parents=[common], help="ask a run that is being trained to stop"
    )
    stop.add_argument("folder", metavar="RUN", type=Path, help="a run folder")
    stop.set_defaults(run=run_stop)


def _add_train(commands: Any, common: argparse.ArgumentParser) -> None:
    train = commands.add_parser(
        "train",
        parents=[common],
        help="train a method on the scribbles of a dataset",
        description="Train a method on the scribbles of a dataset, into a new run folder; or "
        "train the run folder given as DATASET, without --method. Ctrl-C stops after the step, "
        "a second one at once.",
    )
    train.add_argument(
        "dataset", metavar="DATASET", type=Path, help="a dataset, project or run folder"
    )
    add_convention(train)
    add_patients(train)
    add_frame(train)
    add_strokes_of(train)
    add_sequences(train)
    train.add_argument("--method", metavar="NAME", help="see `scribseg methods`")
    train.add_argument("--out", metavar="RUN", type=Path, help="the run folder to make")
    train.add_argument(
        "--split", help='cases to train on; default: "train" where there is one, else "all"'
    )
    train.add_argument(
        "--validate",
        metavar="SPLIT",
        default="none",
        help='what chooses the best checkpoint: a split, "auto" (hold out a fifth of the training '
        'patients), "strokes" (hold out a fifth of the strokes; --set held_out_strokes=... takes '
        'another share) or "none" (default: a score on cases that chose the checkpoint flatters, '
        "so no case that may be reported later is used unasked); --set patience=N ends the "
        "training after N validations that are no better",
    )
    _add_settings(train)
    _add_going_on(train)
    train.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)
    train.set_defaults(run=run_train, stops_in_order=_stops_in_order)


def _add_settings(train: argparse.ArgumentParser) -> None:
    """Budget, device and numbers."""
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--steps", type=int, help="how many steps to train")
    budget.add_argument("--minutes", type=float, help="how long to train; 0 = an answer at once")
    train.add_argument("--device", help="auto (default), cpu, cuda, cuda:1 or mps")
    train.add_argument("--random-seed", type=int, help="0 unless given")
    train.add_argument("--preset", default=None, help='settings to start from; default: "quick"')
    train.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="assignments",
        help="change a setting of the method or of the training; may be repeated",
    )


def _add_going_on(train: argparse.ArgumentParser) -> None:
    """From which run, on which data and where."""
    train.add_argument(
        "--resume",
        action="store_true",
        help="continue the run from where it is; with --steps or --minutes also one that is "
        "complete, up to this larger budget",
    )
    train.add_argument(
        "--data",
        metavar="FOLDER",
        type=Path,
        help="where the cases of the run lie now, if they were moved; they must be the same",
    )
    train.add_argument(
        "--continue-from",
        metavar="RUN",
        type=Path,
        help="start the new run with the weights of this one; its method and settings are kept "
        "unless given",
    )
    train.add_argument(
        "--on",
        metavar="ADDRESS",
        help="train on another computer that sees the run and its cases under the same path: a "
        "worker of a Dask scheduler (tcp://HOST:8786) or a host (ssh://me@HOST)",
    )


def _stops_in_order(_: argparse.Namespace) -> bool:
    """A training whose starter dies is asked to save first."""
    return True


def run_methods(arguments: argparse.Namespace, display: Display) -> Answer:  # noqa: ARG001
    """List the methods."""
    from napari_scribseg.core.config import TrainConfig
    from napari_scribseg.methods.registry import problems, specs

    default = specs()[0].name
    document = {
        "default": default,
        "notes": list(problems()),
        "methods": [
            {
                "name": m.name,
                "title": m.title,
                "summary": m.summary,
                "source": m.source,
                "presets": {name: preset.note for name, preset in m.presets.items()},
                "options": m.Config.model_json_schema()["properties"],
            }
            for m in specs()
        ],
        "training": TrainConfig.model_json_schema()["properties"],
    }
    lines: list[str] = []
    for m in specs():
        lines.append(f"{m.name}{'  (the default)' if m.name == default else ''}")
        lines += [f"    {m.title}. {m.summary}", f"    presets: {', '.join(m.presets)}", ""]
    lines.append("Train one: scribseg train DATASET --method NAME --out RUN")
    lines += problems()
    return Answer(document, "\n".join(lines))


def run_train(arguments: argparse.Namespace, display: Display) -> Answer:
    """Train a new or an existing run."""
    is_worker = arguments.lifeline or arguments.detached
    chosen = run_of(arguments, is_worker=is_worker)
    run = chosen.run
    if arguments.lifeline:
        end_when_stdin_closes(run)
    if not is_worker:
        run.clear_requests()
        _tell_of_patients(run, arguments, display)
    if arguments.on is not None:
        return train_on(run, arguments.on, display, resume=arguments.resume)
    return train_run(run, display, resume=arguments.resume, is_logged=is_worker, notes=chosen.notes)


def _tell_of_patients(run: RunFolder, arguments: argparse.Namespace, display: Display) -> None:
    """Say what was taken for a patient where cases were held out by it."""
    from napari_scribseg.data.patients import BY_NAMES, patients_of, patients_sentence

    held = run.files("validate")
    if not held or (arguments.method is None and arguments.continue_from is None):
        return
    cases = (*run.files("train"), *held)
    by_name = patients_of(case.id for case in cases) == {case.id: case.patient for case in cases}
    said = arguments.patient_pattern is not None or arguments.patient_table is not None
    known_by = "" if said or not by_name else BY_NAMES
    display.say(f"Patients: {patients_sentence(cases, known_by)}")


def train_run(
    run: RunFolder,
    display: Display,
    *,
    resume: bool = False,
    is_logged: bool = False,
    notes: Iterable[str] = (),
) -> Answer:
    """Train a run in this process to its end.

    Args:
        run: to be trained.
        display: shows how far it is.
        resume: continue from its checkpoint.
        is_logged: what is printed goes into the run's log, where no path belongs.
        notes: what was noticed in its dataset; they are events of the run, too.
    """
    errors: list[ScribsegError] = []
    seen: list[Event] = []
    with _stop_on_signals(run, display) as interrupted, contextlib.suppress(KeyboardInterrupt):
        for event in record(run, _training(run, resume, errors, notes)):
            display.show(event)
            if isinstance(event, Validated | Warned):
                seen.append(event)
    display.clear()
    end = run.summary.end
    assert end is not None  # `record` writes one whatever happens
    best = [e for e in seen if isinstance(e, Validated) and e.best]
    document: dict[str, Any] = {
        "run": run.path,
        "method": run.record.method,
        "status": end.outcome,
        "step": end.step,
        "seconds": end.seconds,
        "message": end.message,
        "best": best[-1].model_dump(exclude={"time", "kind", "best"}) if best else None,
        "warnings": [event.message for event in seen if isinstance(event, Warned)],
    }
    if end.outcome in {"failed", "crashed"}:
        code = errors[0].exit_code if errors else RunError.exit_code
        document |= {"error": end.message, "exit_code": code}
        problem = end.message if is_logged else f"{end.message} The run is {run.path}."
        return Answer(document, "", (problem,), code)
    text = f"{run.record.method}: {end.outcome} at step {end.step} after {duration(end.seconds)}."
    if is_logged:
        return Answer(document, text, exit_code=130 if interrupted else 0)
    text += f"\nThe run is {run.path}"
    if run.weights.exists():
        text += f"; segment images with: scribseg predict {run.path} INPUT --out DIR"
    return Answer(document, text, exit_code=130 if interrupted else 0)


def _training(
    run: RunFolder, resume: bool, errors: list[ScribsegError], notes: Iterable[str]
) -> Iterator[Event]:
    """The engine's events; imported late, so that its failure is recorded like any other."""
    yield from (Warned(message=note) for note in notes)
    from napari_scribseg.runs.gpu_slots import own_gpu

    with own_gpu(run.record.training.device) as note:
        if note:
            yield Warned(message=note)
        from napari_scribseg.training.train import train

        try:
            yield from train(run, resume=resume)
        except ScribsegError as error:
            errors.append(error)
            raise


@contextlib.contextmanager
def _stop_on_signals(run: RunFolder, display: Display) -> Generator[list[int]]:
    """The first Ctrl-C (or request to terminate) stops the run in order, the second at once.

    Gives the signals that came. Only the main thread can do this; elsewhere nothing changes.
    """
    came: list[int] = []

    def handle(number: int) -> None:
        came.append(number)
        if number != HANG_UP and (len(came) > 1 or run.requested == "stop"):
            raise KeyboardInterrupt
        try:
            run.request("stop")
        except OSError as error:  # on a full disk
            raise KeyboardInterrupt from error
        display.say("Stopping after this step; press Ctrl-C again to stop at once.")

    with answered(handle):
        yield came


def run_stop(arguments: argparse.Namespace, display: Display) -> Answer:
    """Ask a run to stop, and wait a while until it has."""
    run = RunFolder.open(arguments.folder)
    was_running = run.status == "running"
    if was_running:
        run.request("stop")
        until = time.monotonic() + STOP_SECONDS
        display.say("Waiting for the end of the step ...")
        while run.status == "running" and time.monotonic() < until:
            time.sleep(0.2)
    status = run.status
    document = {"run": run.path, "status": status, "was_running": was_running}
    if status == "running":
        problem = "The run has not stopped yet; it is asked to and will after its step."
        return Answer(document, "", (problem,), RunError.exit_code)
    text = f"{run.path}: {status}." if was_running else f"{run.path} is not running: {status}."
    return Answer(document, text)
