"""A new run of a dataset: which cases it learns from and is validated on, with which settings.

Command line, demo and scripts make their runs here. Importing it loads no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from napari_scribseg.core.config import TrainConfig, apply_changes
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.method_spec import MethodSpec, Preset
from napari_scribseg.data.case import CaseFiles, Dataset
from napari_scribseg.data.hold_out import hold_out
from napari_scribseg.data.patients import ADVICE, BY_NAMES, torn_look_alikes
from napari_scribseg.data.sequences import in_sequences, same_sequences, sequences_of
from napari_scribseg.methods.registry import spec_named
from napari_scribseg.project.teamwork import effort_of_files
from napari_scribseg.runs.documents import STROKES, RunCase, validation_words
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.learnt_before import learnt_patients

VALIDATION_SHARE: Final = 0.2
"""Share of the patients that "auto" holds out, and of the strokes that "strokes" does."""


def prepare_run(
    dataset: Dataset,
    out: Path | str,
    *,
    method: str,
    preset: str = "quick",
    changes: dict[str, Any] | None = None,
    split: str | None = None,
    validate: str = "none",
    continues: RunFolder | None = None,
    sequences: Sequence[str] | None = None,
) -> RunFolder:
    """A run folder for a dataset, ready to be trained.

    Args:
        dataset: where the cases come from.
        out: a new folder.
        method: name of a method.
        preset: settings to start from; "" = those of the run that is continued.
        changes: settings to change, of the method or of the training.
        split: cases to train on; None = "train" where there is one, else all.
        validate: a split, "auto" (a fifth of the patients), "strokes" (a fifth of the strokes, or
            the share that the settings give) or "none".
        continues: a run whose weights the new one starts from; its sequences are taken.
        sequences: what the network shall see of every case, by name, the first of them on whose
            grid the strokes lie; None = all that the dataset has.

    Returns:
        The run; `train_run` trains it, and so does `scribseg train RUN`.

    Raises:
        InvalidInput: there is no such method, preset, setting, split or sequence, a patient would
            be on both sides, a case lacks a sequence, or the weights to start from don't fit or
            have learnt from a patient to validate on.

    Example:
        >>> from napari_scribseg import prepare_run, read_dataset, sample_folder
        >>> dataset = read_dataset(sample_folder("cardiac"))
        >>> run = prepare_run(dataset, "new-run", method="em_crf", changes={"steps": 300})
        >>> run.record.method, len(run.cases)
        ('em_crf', 8)
    """
    spec = spec_named(method)
    chosen, preset = _start_settings(spec, preset, continues)
    options, training = apply_changes(changes or {}, chosen.options, chosen.training)
    if sequences is None and continues is not None and sequences_of(dataset):
        sequences = continues.record.sequences or None
    wanted = sequences_of(dataset) if sequences is None else tuple(sequences)
    dataset = in_sequences(dataset, wanted) if wanted else dataset
    if _is_by_strokes(dataset, validate) and not training.held_out_strokes:
        training = training.updated({"held_out_strokes": VALIDATION_SHARE})
    if continues is not None:
        from napari_scribseg.training.warm_start import check_start

        check_start(continues, spec.load(), options, dataset.schema, wanted)
    learnt = learnt_patients(continues, dataset.cases, dataset.folder)
    cases = cases_asked_for(dataset, split, validate, training.random_seed, learnt)
    same_sequences([case.files for case in cases], wanted)
    return run_of_cases(
        Path(out),
        method=method,
        options=options.model_dump(mode="json"),
        training=training,
        schema=dataset.schema,
        cases=cases,
        preset=preset,
        dataset=dataset.title,
        dataset_folder=dataset.folder.absolute(),
        validate=validate,
        continues=continues,
        effort=effort_of_files(case.files.scribbles for case in cases if case.role == "train"),
    )


def cases_asked_for(
    dataset: Dataset,
    split: str | None,
    validate: str,
    random_seed: int,
    learnt: Collection[str] = (),
) -> tuple[RunCase, ...]:
    """The cases that a run of a dataset is made of.

    Args:
        dataset: with the sequences that the network shall see.
        split: as for `prepare_run`.
        validate: as for `prepare_run`.
        random_seed: of the choice of held-out patients.
        learnt: patients that the weights to begin with have learnt from: none of them validates.

    Raises:
        InvalidInput: as `prepare_run`.
    """
    split = split or ("train" if "train" in dataset.splits else "all")
    held = "none" if _is_by_strokes(dataset, validate) else validate
    return _cases_of(dataset, split, held, random_seed, learnt)


def _is_by_strokes(dataset: Dataset, validate: str) -> bool:
    return validate == STROKES and STROKES not in dataset.splits


def run_of_cases(
    out: Path,
    *,
    method: str,
    training: TrainConfig,
    cases: tuple[RunCase, ...],
    validate: str = "auto",
    **given: Any,
) -> RunFolder:
    """A run folder for cases that were chosen already; every new run is made here.

    Args:
        out: a new folder.
        method: name of a method.
        training: settings of the engine.
        cases: to learn from and to validate on, with absolute paths.
        validate: what was asked to validate on, as `prepare_run` is given it.
        given: what else `RunFolder.create` takes.

    Raises:
        InvalidInput: as `RunFolder.create`.
    """
    spec = spec_named(method)
    words = validation_words(cases, training, validate, by_references=spec.uses_references)
    return RunFolder.create(out, method=method, training=training, cases=cases, **words, **given)


def _start_settings(
    spec: MethodSpec, preset: str, continues: RunFolder | None
) -> tuple[Preset, str]:
    """The settings that a new run starts from, and the name of their preset."""
    if continues is not None and spec.name != continues.record.method:
        raise InvalidInput(
            f"{continues.path} is a run of {continues.record.method}, not of {spec.name}; weights "
            "only fit the same method. Leave --method out, or train without --continue-from."
        )
    if continues is not None and not preset:
        record = continues.record
        options = spec.Config().updated(record.options)
        return Preset("", options, record.training), record.preset
    return spec.preset(preset), preset


def _cases_of(
    dataset: Dataset, split: str, validate: str, random_seed: int, learnt: Collection[str]
) -> tuple[RunCase, ...]:
    training, validation = dataset.split(split), ()
    if validate == "auto":
        whole = training
        training, validation = hold_out(whole, VALIDATION_SHARE, random_seed, learnt)
        if not validation and hold_out(whole, VALIDATION_SHARE, random_seed)[1]:
            raise InvalidInput(
                f"{dataset.title}: the weights to begin with have learnt from every patient of the "
                f"split '{split}', so that a validation on some of them would flatter. Use "
                "--validate none, or train anew."
            )
        if not validation:
            raise InvalidInput(
                f"{dataset.title}: the split '{split}' has too few patients to hold some out. "
                "Use --validate strokes, which holds strokes out, or --validate none."
            )
    elif validate != "none":
        validation = dataset.split(validate)
    _refuse_learnt(dataset, validate, validation, learnt)
    shared = {case.patient for case in training} & {case.patient for case in validation}
    if shared:
        raise InvalidInput(
            f"{dataset.title}: the splits '{split}' and '{validate}' share patients "
            f"({', '.join(sorted(shared)[:5])}), so the validation would flatter. Choose another."
        )
    alike = torn_look_alikes(training, validation) if dataset.patients_from == BY_NAMES else ()
    if alike and validate != "auto":
        raise InvalidInput(
            f"{dataset.title}: the splits '{split}' and '{validate}' have cases that look like "
            f"scans of one patient ({' and '.join(alike[0])}), so the validation would flatter. "
            f"Choose another, or say whose they are: with {ADVICE}."
        )
    undrawn = not any(case.scribbles or case.reference for case in training)
    if undrawn and dataset.faults:
        raise InvalidInput(f"{dataset.title}: {' '.join(dataset.faults)}")
    return (
        *(RunCase(files=files.absolute(), role="train") for files in training),
        *(RunCase(files=files.absolute(), role="validate") for files in validation),
    )


def _refuse_learnt(
    dataset: Dataset, validate: str, validation: Sequence[CaseFiles], learnt: Collection[str]
) -> None:
    known = sorted({case.patient for case in validation} & set(learnt))
    if known:
        raise InvalidInput(
            f"{dataset.title}: the weights to begin with have learnt from patients of the split "
            f"'{validate}' ({', '.join(known[:5])}), so the validation would flatter. Choose "
            "another, use --validate none, or train anew."
        )
