"""maps: what a run has made of a training case, as volumes to look at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_scribseg.cli.answer import Answer, new_folder, refuse_existing, with_notes
from napari_scribseg.cli.progress import Display
from napari_scribseg.runs.folder import RunFolder


def add_commands(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add maps."""
    maps = commands.add_parser(
        "maps",
        parents=[common],
        help="write the seeds, grown labels and edges that a run learns from",
        description="Write what the run's method has made of a training case: every prepared map "
        "and, after E-steps, every relabelled one, on the grid of the image. Labels have the "
        "values of scribbles: 0 = unknown, 255 = background.",
    )
    maps.add_argument("folder", metavar="RUN", type=Path, help="a run folder")
    maps.add_argument("case", metavar="CASE", help="id of one of its training cases")
    maps.add_argument("--out", required=True, type=Path, help="a new folder")
    maps.set_defaults(run=run_maps)


def run_maps(arguments: argparse.Namespace, display: Display) -> Answer:
    """Write the maps of a case."""
    from napari_scribseg.core.volume import Volume
    from napari_scribseg.io import write_volume
    from napari_scribseg.io.documents import save_document
    from napari_scribseg.training.inspect_maps import case_maps

    run = RunFolder.open(arguments.folder)
    refuse_existing(arguments.out)
    display.count(f"looking at {arguments.case},", 0, 1)
    maps = case_maps(run, arguments.case)
    out = new_folder(arguments.out)
    save_document(out / "labels.json", run.schema)
    layers = {f"{arguments.case}_{name}.nii.gz": a for name, a in maps.layers().items()}
    for name, array in layers.items():
        write_volume(out / name, Volume(array, maps.case.grid))
    document = {
        "out": out,
        "case": arguments.case,
        "written": list(layers),
        "relabels": maps.relabels,
        "relabelled_voxels": maps.changed,
        "notes": list(maps.case.notes),
    }
    text = f"{len(layers)} maps of {arguments.case} written to {out}"
    text += f", after {maps.relabels} relabellings." if maps.relabels else "."
    return Answer(document, with_notes(text, maps.case.notes))
