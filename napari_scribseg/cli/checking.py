"""check and simulate: the commands about cases on disk."""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_scribseg.cli.answer import (
    Answer,
    columns,
    new_folder,
    refuse_existing,
    told_names,
    with_notes,
)
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.runs import add_convention, add_frame, add_patients, dataset_of
from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.core.notes import Notes
from napari_scribseg.core.wording import counted

if TYPE_CHECKING:
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.data.dataset import CaseReport, DatasetReport

STYLES: Final = ("skeleton", "interior", "boundary", "interior+boundary")
"""As in `simulate`, which takes too long to import for a help text; a test compares the two."""


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add check and simulate."""
    check = commands.add_parser(
        "check",
        parents=[common],
        help="read every case of a dataset and say what is wrong with it",
        description="Read every case of a dataset and say what is wrong with it. "
        "Exit code 1 when a case can't be used.",
    )
    check.add_argument("dataset", metavar="DATASET", type=Path, help="a dataset or project folder")
    add_convention(check)
    add_patients(check)
    add_frame(check)
    check.set_defaults(run=run_check)

    simulate = commands.add_parser(
        "simulate",
        parents=[common],
        help="draw scribbles that an annotator might have drawn, from dense references",
        description="Draw scribbles from dense references: <case id>.nii.gz with 0 = unlabelled, "
        "1, 2, ... = the classes, 255 = background, and a labels.json.",
    )
    simulate.add_argument(
        "references",
        metavar="REFERENCES",
        type=Path,
        help="a dataset or project folder with references, or a folder of label files with a "
        "labels.json",
    )
    simulate.add_argument("--out", required=True, type=Path, help="a new folder")
    simulate.add_argument("--style", choices=STYLES, default="interior", help="how it is drawn")
    simulate.add_argument("--random-seed", type=int, default=0, help="0 unless given")
    add_frame(simulate)
    simulate.set_defaults(run=run_simulate)


def run_check(arguments: argparse.Namespace, display: Display) -> Answer:
    """Check a dataset."""
    from napari_scribseg.data.dataset import check_dataset
    from napari_scribseg.data.pseudonyms import renamed_from

    dataset = dataset_of(arguments)
    report = check_dataset(dataset, progress=lambda n, of: display.count("reading cases", n, of))
    bad = [case for case in report.cases if not case.ok]
    problems = (*report.problems, *(f"{case.id}: {' '.join(case.problems)}" for case in bad))
    code = 1 if problems else 0
    notes = Notes()
    notes.add("", report.notes)
    for case in report.cases:
        notes.add(case.id, (note for note in case.notes if note not in case.told_of_dataset))
    # Every case has its own notes in the document, so each kind is told once only here.
    document = {**report.model_dump(mode="json"), "notes": list(notes)}
    names = {case.id: renamed_from(case.id, case.image) for case in dataset.cases}
    text = _report_text(report, notes)
    text += told_names({i: name for i, name in names.items() if name})
    return Answer(document, text, problems, code)


def _report_text(report: DatasetReport, notes: Notes) -> str:
    splits = ", ".join(f"{name} {n}" for name, n in report.splits.items()) or "none"
    head = [
        f"{report.title} ({report.layout})",
        f"  classes   {', '.join(report.classes)}",
        *([f"  sequences {', '.join(report.sequences)}"] if report.sequences else []),
        f"  cases     {report.n_cases}, {report.n_scribbled} with scribbles, "
        f"{report.n_referenced} with a reference",
        f"  patients  {report.patients}",
        f"  splits    {splits}",
        "",
    ]
    rows = [("case", "split", "voxels z y x", "mm z y x", "drawn", "reference", "remarks")]
    rows += [_row(case) for case in report.cases]
    tail = [with_notes("", notes), _verdict(report)]
    return "\n".join([*head, columns(rows), "", *(line for line in tail if line)])


def _row(case: CaseReport) -> tuple[str, ...]:
    return (
        case.id,
        case.split or "-",
        " x ".join(map(str, case.shape)) if case.shape else "-",
        " x ".join(f"{s:.4g}" for s in case.spacing_mm) if case.spacing_mm else "-",
        f"{case.labelled_share:.2%}" if case.has_scribbles else "-",
        "yes" if case.has_reference else "-",
        _remark(case),
    )


def _remark(case: CaseReport) -> str:
    if case.strokes_only:
        return "BAD REFERENCE, strokes are good"
    if not case.ok:
        return "CAN'T BE USED"
    return counted(len(case.notes), "note") if case.notes else ""


def _verdict(report: DatasetReport) -> str:
    if report.n_errors:
        return f"{report.n_errors} problem(s) found, see above."
    if report.n_cases == 1:
        return "The case can be used."
    return f"All {report.n_cases} cases can be used."


def run_simulate(arguments: argparse.Namespace, display: Display) -> Answer:
    """Draw scribbles from references."""
    import numpy as np

    from napari_scribseg.annotation.simulate import simulate_scribbles
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.io import write_volume
    from napari_scribseg.io.documents import save_document

    if not 0 <= arguments.random_seed < 2**31:
        raise InvalidInput(f"--random-seed must be 0 to 2147483647, got {arguments.random_seed}.")
    refuse_existing(arguments.out)
    schema, references, dataset_notes = _references(arguments.references, arguments.frame)
    out = new_folder(arguments.out)
    save_document(out / "labels.json", schema)
    written: list[str] = []
    failures: dict[str, str] = {}
    notes = Notes()
    notes.add("", dataset_notes)
    for done, (case, read) in enumerate(references.items()):
        display.count("drawing scribbles", done, len(references))
        # A case's strokes depend on its own name only, not on which other cases there are.
        rng = np.random.default_rng([arguments.random_seed, zlib.crc32(case.encode())])
        try:
            reference = read()
            notes.add(case, reference.notes)
            drawn = simulate_scribbles(
                reference.array, schema, reference.spacing, rng, style=arguments.style
            )
            write_volume(out / f"{case}.nii.gz", Volume(drawn, reference.grid))
            written.append(case)
        except ScribsegError as error:
            failures[case] = str(error)
    document = {
        "out": out,
        "style": arguments.style,
        "written": written,
        "failed": failures,
        "notes": list(notes),
    }
    problems = tuple(f"{case}: {reason}" for case, reason in failures.items())
    text = f"{len(written)} scribble files written to {out}."
    return Answer(document, with_notes(text, notes), problems, 1 if failures else 0)


def _references(
    folder: Path, frame: int | None
) -> tuple[LabelSchema, dict[str, Callable[[], Volume]], tuple[str, ...]]:
    """The schema, how to read the reference of each case, and what was noticed."""
    from napari_scribseg.core.labels import LabelSchema
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.data.names import volumes_in
    from napari_scribseg.data.pseudonyms import safe_id
    from napari_scribseg.evaluation.folders import labels_of
    from napari_scribseg.io import EXTENSIONS
    from napari_scribseg.io.documents import load_document
    from napari_scribseg.project.folder import cases_in

    files = volumes_in(folder, EXTENSIONS)
    if files and (folder / "labels.json").is_file():
        schema = load_document(folder / "labels.json", LabelSchema)
        readers = {safe_id(case): partial(labels_of, path, frame) for case, path in files.items()}
        return schema, readers, ()
    if files:
        raise InvalidInput(
            f"{folder} has label files but no labels.json that names the classes. Give a dataset "
            'folder, or write one: {"version": 1, "title": "...", "classes": [{"name": "...", '
            '"color": "#e69f00"}]}.'
        )
    dataset = cases_in(folder, frame)
    schema = dataset.schema

    def reader(case: Any) -> Callable[[], Volume]:
        def read() -> Volume:
            loaded = case.model_copy(update={"scribbles": None}).load(schema)
            return Volume(loaded.reference, loaded.grid, loaded.notes)

        return read

    found = {case.id: reader(case) for case in dataset.split("all") if case.reference is not None}
    if not found:
        raise InvalidInput(f"{folder} has no references to draw scribbles from.")
    return schema, found, dataset.notes
