"""`python -m napari_scribseg` and `scribseg` are the command line."""

from __future__ import annotations

import sys

from napari_scribseg.core.module_path import make_safe


def main() -> int:
    """Run the command line of this process; the current folder may be anybody's, see there."""
    make_safe()
    from napari_scribseg.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
