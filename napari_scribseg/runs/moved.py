"""A run whose data was moved: what is missing, and where it is now.

    moved.json      cases.json with the places where the files are now; cases.json stays as it is

A file is looked for by the end of its path, the longest end first. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Final

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.data.case import CaseFiles
from napari_scribseg.io.documents import save_document
from napari_scribseg.runs.documents import RunCase, RunCases
from napari_scribseg.runs.folder import MOVED, RunFolder

_KINDS: Final = ("image", "scribbles", "reference")


def refuse_missing(run: RunFolder) -> None:
    """Raises InvalidInput with what to type when files of the run's cases are not there."""
    paths = [path for case in run.cases for path in _paths(case.files)]
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return
    own = run.path / "data"
    folder = str(own) if all(_found(path, own) for path in missing) else "FOLDER"
    resume = " --resume" if run.checkpoint("last").exists() else ""
    raise InvalidInput(
        f"{len(missing)} of {len(paths)} files of the run's cases are not where they were, such as "
        f"{missing[0]}. If they were moved, say where they are now: "
        f"`scribseg train {run.path}{resume} --data {folder}`."
    )


def moved_to(run: RunFolder, folder: Path) -> RunFolder:
    """The run with its files looked for in another folder; nothing is written yet.

    A file that is not found there keeps its old place if it still is in it.

    Raises:
        InvalidInput: there is no such folder, a file is in neither place, or two would be one.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder; expected the one with the run's cases.")
    folder = folder.absolute()
    cases = tuple(RunCase(files=_moved(case.files, folder), role=case.role) for case in run.cases)
    before = {path for case in run.cases for path in _paths(case.files)}
    after = {path for case in cases for path in _paths(case.files)}
    lost = sorted(path for path in after if not path.exists())
    if lost:
        raise InvalidInput(
            f"{len(lost)} of {len(after)} files of the run's cases are not in {folder} either, "
            f"such as {lost[0]}. Give the folder that has them all, with the names they had."
        )
    if len(after) < len(before):
        raise InvalidInput(
            f"{folder} has one file where the run's cases had several of one name: keep the "
            "folders that told them apart, and give the folder above them."
        )
    return RunFolder(run.path, run.record, run.schema, cases)


def remember(run: RunFolder) -> None:
    """Write where the files of the run are now; it is opened with these places from now on.

    Raises:
        InvalidInput: the document can't be written.
    """
    save_document(run.path / MOVED, RunCases(cases=run.cases))
    request = run.preview_request
    known = {case.files.id: case.files for case in run.cases}
    if request is not None and not request.case.image.exists() and request.case.id in known:
        run.ask_preview(request.model_copy(update={"case": known[request.case.id]}))


def _paths(files: CaseFiles) -> Iterator[Path]:
    yield from files.paths


def _moved(files: CaseFiles, folder: Path) -> CaseFiles:
    paths = {kind: getattr(files, kind) for kind in _KINDS}
    changes: dict[str, object] = {
        kind: _found(p, folder) or p for kind, p in paths.items() if p is not None
    }
    changes["further"] = tuple(
        one.model_copy(update={"path": _found(one.path, folder) or one.path})
        for one in files.further
    )
    return files.model_copy(update=changes)


def _found(path: Path, folder: Path) -> Path | None:
    """The file in this folder whose path ends like the old one."""
    text = str(path)
    parts = PureWindowsPath(text).parts if "\\" in text else path.parts
    for length in range(len(parts) - 1, 0, -1):
        candidate = folder.joinpath(*parts[-length:])
        if candidate.exists():
            return candidate
    return None
