"""Where Python looks for modules: never in the folder that happens to be the current one.

Run folders, experiments and data come from other people, and a `numpy.py` that lies in one of them
must not be executed. So the current folder is taken off the path of this process before anything
else is imported, and no child is given it. Only what every interpreter has loaded already is used
here. What Python loads before it comes to us can't be guarded from here: in a folder of somebody
else's, `scribseg` or `python -P -m napari_scribseg` is safe from the very start.
"""

import os
import sys


def make_safe() -> None:
    """Take the current folder off the module path of this process, and of all it will start.

    So are folders that `PYTHONPATH` names from the current one. What it names in full stays, and
    so does the folder that this package is in.
    """
    path = os.environ.get("PYTHONPATH", "")
    given = set(_absolute_entries(path))
    theirs = _folders_from_here(path)
    sys.path[:] = [entry for entry in sys.path if entry in given or not _is_in(entry, theirs)]
    os.environ.update(safe_variables())


def safe_variables() -> dict[str, str]:
    """The environment variables with which Python looks in no current folder.

    `PYTHONPATH` loses its empty and relative entries, since these mean the current folder of
    whoever reads them, and gains the folder of this package if that is not an installed one.
    """
    entries = _absolute_entries(os.environ.get("PYTHONPATH", ""))
    home = _home()
    if home not in entries and not _is_installed(home):
        entries.append(home)
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(entries)}


def _absolute_entries(path: str) -> list[str]:
    return [entry for entry in path.split(os.pathsep) if os.path.isabs(entry)]  # noqa: PTH117


def _home() -> str:
    """The folder that holds this package."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    return os.path.dirname(package)  # noqa: PTH120


def _folders_from_here(path: str) -> set[str]:
    """The current folder, and those that relative entries of a path mean."""
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # it was removed
        return set()
    relative = [entry for entry in path.split(os.pathsep) if not os.path.isabs(entry)]  # noqa: PTH117
    return {os.path.realpath(os.path.join(here, entry)) for entry in ("", *relative)}  # noqa: PTH118


def _is_in(entry: str, folders: set[str]) -> bool:
    """Whether an entry of the path is one of these folders, and not one that we know."""
    if not os.path.isabs(entry):  # noqa: PTH117
        return True
    return os.path.realpath(entry) in folders and entry != _home() and not _is_installed(entry)


def _is_installed(folder: str) -> bool:
    """Whether a folder belongs to this Python: its library, or packages that were installed."""
    roots = {os.path.dirname(os.__file__)}  # noqa: PTH120
    roots |= {os.path.join(sys.prefix, name) for name in ("lib", "lib64", "Lib")}  # noqa: PTH118
    place = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118
    return any(
        place.startswith(os.path.join(os.path.realpath(root), ""))  # noqa: PTH118
        for root in roots
    )
