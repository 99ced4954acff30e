"""RunFolder: the record of one training run, and the only place where its files are named.

    run.json  labels.json  cases.json      what was asked for; written once, never changed
    budget.json                            a larger budget that was asked for later
    moved.json                             where the cases lie now, if they were moved
    preview.json                           which case somebody wants to see while it is trained
    events.jsonl                           what happened: one event per line, only appended to
    log.txt                                what the training process printed
    heartbeat                              which process trains it, and when it was last alive
    reserve                                room for the last events on a full disk
    DETACHED                               it trains on without whoever started it
    STOP | FINISH | PAUSE                  what a watcher asks of the training process
    checkpoints/{last,best}.safetensors    weights, and what else continuing or predicting needs
    checkpoints/start.safetensors          the weights of another run that it starts from
    previews/<case id>/<step>.nii.gz       what the weights of a step made of a case
    relabelled/                            targets that the method has made (see training.relabel)
    predictions/                           segmentations

The folder is all that a training process and its watchers share, so a run can be watched,
stopped and resumed from anywhere. Nothing here needs torch.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.pseudonyms import without_paths
from napari_scribseg.data.sequences import names_of, same_sequences
from napari_scribseg.io.atomic import remove_abandoned, remove_leftovers, write_bytes
from napari_scribseg.io.documents import load_document, save_document
from napari_scribseg.io.regular_file import read_regular, refuse_links
from napari_scribseg.runs.documents import (
    Budget,
    PreviewRequest,
    RunCase,
    RunCases,
    RunRecord,
)
from napari_scribseg.runs.shared_files import SharedFiles

MOVED = "moved.json"
"""See `runs.moved`."""


@dataclass(frozen=True)
class RunFolder(SharedFiles):
    """One run on disk. Make it with `create` or `open`.

    Example:
        >>> from napari_scribseg import RunFolder
        >>> run = RunFolder.open("run")  # of `scribseg train --out run`
        >>> run.record.method, run.weights.name
        ('partial_ce_dice', 'best.safetensors')
    """

    record: RunRecord
    schema: LabelSchema
    cases: tuple[RunCase, ...]

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        method: str,
        options: dict[str, Any],
        training: TrainConfig,
        schema: LabelSchema,
        cases: tuple[RunCase, ...],
        preset: str,
        dataset: str = "",
        dataset_folder: Path | None = None,
        validate_on: str = "none",
        checkpoint_choice: str = "last step",
        continues: RunFolder | None = None,
        effort: str = "",
    ) -> RunFolder:
        """A new run folder, ready to be trained.

        Args:
            path: must not exist yet, or be an empty folder.
            method: name of the method.
            options: settings of the method, JSON values only.
            training: settings of the engine.
            schema: the structures.
            cases: with absolute paths, since the training process may start anywhere. Their
                sequences are put into one order.
            preset: name of the preset the settings started from.
            dataset: title of the dataset or project.
            dataset_folder: where it is.
            validate_on: see `RunRecord`.
            checkpoint_choice: see `RunRecord`.
            continues: a run to start from: its weights are copied. Whether they fit is found out
                by `training.warm_start`.
            effort: see `RunRecord`.

        Raises:
            InvalidInput: the path exists and is not empty, or can't be written to; two cases
                have one id; one lacks a sequence that others have; the run to continue has no
                weights; or no step is trained on random weights.
        """
        _check_ids_differ(cases)
        cases = _in_one_order(cases)
        _check_something_learns(training, continues)
        start = None if continues is None else _weights_of(continues)
        folder = Path(path).absolute()
        _make_empty_folder(folder)
        record = RunRecord.now(
            method=method,
            preset=preset,
            options=options,
            training=training,
            dataset=dataset,
            dataset_folder=dataset_folder,
            validate_on=validate_on,
            checkpoint_choice=checkpoint_choice,
            continues="" if continues is None else continues.path.name,
            sequences=names_of(cases[0].files) if cases else (),
            effort=effort,
        )
        _write_new(folder, record, schema, cases, start)
        return cls(folder, record, schema, cases)

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """The run in an existing folder.

        Raises:
            InvalidInput: the folder is no run, or one of its documents is damaged or newer.
        """
        folder = Path(path).absolute()
        if not (folder / "run.json").is_file():
            raise InvalidInput(
                f"{folder} is not a run: it has no run.json. Give a folder that "
                "`scribseg train` made with --out."
            )
        record = load_document(folder / "run.json", RunRecord)
        if (folder / "budget.json").is_file():
            budget = load_document(folder / "budget.json", Budget)
            longer = {"steps": budget.steps, "minutes": budget.minutes}
            record = record.model_copy(update={"training": record.training.updated(longer)})
        cases = folder / (MOVED if (folder / MOVED).is_file() else "cases.json")
        return cls(
            folder,
            record,
            load_document(folder / "labels.json", LabelSchema),
            load_document(cases, RunCases).cases,
        )

    def checkpoint(self, which: Literal["last", "best"]) -> Path:
        """Where these weights are, whether they were written already or not."""
        return self.path / "checkpoints" / f"{which}.safetensors"

    @property
    def weights(self) -> Path:
        """The checkpoint that predicts: the best, or the last of a run that ended without a best.

        Like `checkpoint`, whether it was written already or not.
        """
        best = self.checkpoint("best")
        return best if best.exists() else self.checkpoint("last")

    @property
    def start_weights(self) -> Path | None:
        """The weights of another run that this one starts from, if it does."""
        path = self.path / "checkpoints" / "start.safetensors"
        return path if path.exists() else None

    @property
    def used(self) -> tuple[int, float]:
        """Steps and seconds of training that the ended sessions have used of the budget."""
        end = self.summary.end
        return (end.step, end.seconds) if end else (0, 0.0)

    @property
    def has_budget_left(self) -> bool:
        """Whether continuing would train any further."""
        steps, seconds = self.used
        training = self.record.training
        return seconds < 60 * training.minutes if training.minutes else steps < training.steps

    def extended(self, *, steps: int | None = None, minutes: float | None = None) -> RunFolder:
        """The run with another budget, which it keeps: a complete run can be resumed then.

        The learning rate follows the new budget: it continues from the share of it that is used.

        Args:
            steps: of the whole run, for one with a budget in steps.
            minutes: of the whole run, for one with a budget in minutes.

        Raises:
            InvalidInput: the budget is of the other kind, or not more than what is used already.
        """
        training = self.record.training
        by_minutes = training.minutes is not None
        if (minutes is None) is by_minutes or (steps is None) is not by_minutes:
            kind = "minutes" if by_minutes else "steps"
            raise InvalidInput(
                f"The budget of {self.path.name} is in {kind}, since its learning rate follows "
                f"them; give the larger one in {kind}, too."
            )
        new = training.updated({"minutes": minutes} if by_minutes else {"steps": steps})
        record = self.record.model_copy(update={"training": new})
        run = RunFolder(self.path, record, self.schema, self.cases)
        if not run.has_budget_left:
            used, seconds = self.used
            has = f"{seconds / 60:.1f} minutes" if by_minutes else f"{used} steps"
            raise InvalidInput(
                f"{self.path.name} was trained for {has} already; give more than that to train on."
            )
        save_document(self.path / "budget.json", Budget(steps=new.steps, minutes=new.minutes))
        return run

    def ask_preview(self, request: PreviewRequest | None) -> None:
        """Have a case segmented now and then while the run is trained; None = no case any more.

        May be asked before and during the training.

        Raises:
            InvalidInput: the wish can't be written.
        """
        path = self.path / "preview.json"
        if request is None:
            path.unlink(missing_ok=True)
        else:
            save_document(path, request)

    @property
    def preview_request(self) -> PreviewRequest | None:
        """Which case shall be shown while the run is trained.

        Raises:
            InvalidInput: the document is damaged.
        """
        path = self.path / "preview.json"
        return load_document(path, PreviewRequest) if path.exists() else None

    def previews(self, case: str) -> dict[int, Path]:
        """The segmentations of a case that were made during training, by step, ascending."""
        found = (self.path / "previews" / case).glob("*.nii.gz")
        steps = {path.name.removesuffix(".nii.gz"): path for path in found}
        return {int(s): steps[s] for s in sorted(filter(str.isdecimal, steps), key=int)}

    def files(self, role: Literal["train", "validate"]) -> tuple[CaseFiles, ...]:
        """The files of the cases with this role."""
        return tuple(case.files for case in self.cases if case.role == role)

    def shareable(self, sentence: str) -> str:
        """A sentence without the paths of the cases and of the run, for events and logs."""
        paths: dict[str, list[Path | None]] = {
            case.files.id: list(case.files.paths) for case in self.cases
        }
        sentence = without_paths(sentence, paths)
        folders = {"run": [self.path], "dataset": [self.record.dataset_folder]}
        return without_paths(sentence, folders)

    def remove_leftovers(self) -> None:
        """Remove what was left by processes that were killed while they saved.

        Only for the training process, since the checkpoints may be written by another one.
        """
        for folder in (self.path / "checkpoints", *self.path.glob("relabelled/*")):
            with contextlib.suppress(OSError, InvalidInput):  # untidy, but no reason not to train
                refuse_links(folder)
                remove_leftovers(folder)
        remove_abandoned(self.path)


def is_run(path: Path) -> bool:
    """Whether this folder is a run."""
    return (path / "run.json").is_file()


def _write_new(
    folder: Path,
    record: RunRecord,
    schema: LabelSchema,
    cases: tuple[RunCase, ...],
    start: bytes | None,
) -> None:
    for name in ("checkpoints", "predictions"):
        (folder / name).mkdir(exist_ok=True)
    save_document(folder / "labels.json", schema)
    save_document(folder / "cases.json", RunCases(cases=cases))
    if start is not None:
        write_bytes(folder / "checkpoints" / "start.safetensors", start)
    # Last, because its presence is what makes the folder a run.
    save_document(folder / "run.json", record)


def _check_something_learns(training: TrainConfig, continues: RunFolder | None) -> None:
    if training.at_once and training.start == "random" and continues is None:
        raise InvalidInput(
            "A training of no steps only fits the last layer, and random weights give it nothing "
            "to build on: choose a method and a preset that begin with weights that know anatomy "
            "(start=anatomy), or give the training some steps or minutes."
        )


def _check_ids_differ(cases: tuple[RunCase, ...]) -> None:
    """Maps, previews and predictions are told apart by nothing else."""
    known = Counter(case.files.id.casefold() for case in cases)
    twice = sorted(name for name, count in known.items() if count > 1)
    if twice:
        raise InvalidInput(
            f"Several cases of the run have the id {', '.join(twice[:5])}; expected an id of its "
            "own for each, so that results can be told apart."
        )


def _in_one_order(cases: tuple[RunCase, ...]) -> tuple[RunCase, ...]:
    """The cases with their sequences in one order; one that lacks any is refused."""
    files = same_sequences([case.files for case in cases])
    return tuple(
        case.model_copy(update={"files": each}) for case, each in zip(cases, files, strict=True)
    )


def _weights_of(run: RunFolder) -> bytes:
    try:
        return read_regular(run.weights)
    except InvalidInput as error:
        raise InvalidInput(
            f"The run {run.path.name} can't be continued from: it has no weights yet. Train it "
            "first, or choose another run."
        ) from error


def _make_empty_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(
            f"{folder} exists already and is not empty, and nothing is overwritten. "
            "Choose another folder for the run."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"The run folder {folder} can't be made: {error.strerror}. Choose another place."
        ) from error
