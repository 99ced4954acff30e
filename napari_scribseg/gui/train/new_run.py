"""New runs of the window: the shown case, and others of the project if wanted, as they are now."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_scribseg.core.conventions import ScribbleConvention
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.data.hold_out import hold_out
from napari_scribseg.data.sequence_files import SequenceFile
from napari_scribseg.gui.project_cases import effort_behind, other_cases, patient_of
from napari_scribseg.gui.values import Choice, Snapshot
from napari_scribseg.io import write_volume
from napari_scribseg.io.storable import storable
from napari_scribseg.project.folder import run_folder_name
from napari_scribseg.runs.documents import PreviewRequest, RunCase
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.learnt_before import learnt_patients
from napari_scribseg.training.new_run import run_of_cases


def write_run(
    project: Path, snapshot: Snapshot, choice: Choice, continues: Path | None = None
) -> RunFolder:
    """A run folder in a project, with the volumes of a snapshot as its training case.

    The case is what the training shows in its previews, too. Where strokes are to be held out and
    there are cases of enough patients, whole patients are held out instead, never that of the
    shown case.

    Args:
        project: holds the folder "runs".
        snapshot: image, scribbles and structures.
        choice: method and settings.
        continues: a run whose weights the new one starts from.

    Raises:
        InvalidInput: the folder can't be written, the snapshot has no scribbles, or the run to
            continue was of another method or other structures, or has no weights.
    """
    if snapshot.scribbles is None:
        raise InvalidInput("There are no scribbles to train on: draw some strokes first.")
    snapshot.schema.check_scribbles(snapshot.scribbles)
    source = None if continues is None else _continued(continues, snapshot, choice)
    folder = project / "runs" / run_folder_name(choice.method)
    others = other_cases(project, snapshot, folder / "data") if choice.all_cases else {}
    files = _files_of(project, snapshot, folder / "data", choice)
    run = run_of_cases(
        folder,
        method=choice.method,
        options=dict(choice.options),
        training=choice.training,
        schema=snapshot.schema,
        cases=_parted(
            files, tuple(case.files for case in others.values()), choice, source, project
        ),
        preset=choice.preset,
        dataset="napari",
        continues=source,
        effort=effort_behind(snapshot, others),
    )
    run.ask_preview(PreviewRequest(case=files))
    files.image.parent.mkdir()
    write_volume(files.image, storable(snapshot.image))
    for one in files.further:
        array = snapshot.image.further[one.name]
        write_volume(one.path, storable(Volume(array, snapshot.image.grid)))
    grid = snapshot.image.grid
    if files.scribbles is not None:
        write_volume(files.scribbles, Volume(snapshot.scribbles, grid))
    if files.reference is not None and snapshot.reference is not None:
        write_volume(files.reference, Volume(snapshot.reference, grid))
    for drawn, case in others.items():
        if case.files.scribbles is not None:
            shutil.copyfile(drawn, case.files.scribbles)
    return run


def _files_of(project: Path, snapshot: Snapshot, data: Path, choice: Choice) -> CaseFiles:
    """Where the volumes of the shown case will be."""
    # Only for a method that learns from it: no other training may ever see the reference.
    learns_from_it = choice.uses_references and snapshot.reference is not None
    case_id = snapshot.stored.id_among(project)
    return CaseFiles(
        id=case_id,
        patient=patient_of(project, snapshot),
        image=data / "image.mha",
        sequence=snapshot.image.sequence,
        further=tuple(
            SequenceFile(name=name, path=data / f"sequence-{number}.mha")
            for number, name in enumerate(snapshot.image.further, start=2)
        ),
        scribbles=data / "scribbles.mha",
        reference=data / "reference.mha" if learns_from_it else None,
        reference_convention=ScribbleConvention.unlabelled_255(snapshot.schema.n_classes - 1),
        region=snapshot.region,
    )


def _parted(
    shown: CaseFiles,
    others: tuple[CaseFiles, ...],
    choice: Choice,
    source: RunFolder | None,
    project: Path,
) -> tuple[RunCase, ...]:
    """The cases to learn from and those to validate on; the shown patient is always learnt from.

    So is every patient that the weights to begin with have learnt from.
    """
    training = choice.training
    free = [files for files in others if files.patient != shown.patient]
    learnt = learnt_patients(source, free, project)
    _, held = hold_out(free, training.held_out_strokes, training.random_seed, learnt)
    learnt = (files for files in (shown, *others) if files not in held)
    return (
        *(RunCase(files=files, role="train") for files in learnt),
        *(RunCase(files=files, role="validate") for files in held),
    )


def _continued(folder: Path, snapshot: Snapshot, choice: Choice) -> RunFolder:
    """The run to continue, if its weights can be expected to fit."""
    run = RunFolder.open(folder)
    if run.record.method != choice.method or run.schema.names != snapshot.schema.names:
        raise InvalidInput(
            f"{folder.name} learnt {', '.join(run.schema.names)} with {run.record.method}; "
            "training more needs the same method and the same structures."
        )
    learnt = run.record.sequences
    shown = snapshot.image.sequences if snapshot.image.further else ()
    if max(len(learnt), len(shown)) > 1 and learnt != shown:
        raise InvalidInput(
            f"{folder.name} learnt {', '.join(learnt) or 'one sequence'}, and the case has "
            f"{', '.join(shown) or 'one sequence'}: training more needs the same sequences."
        )
    return run
