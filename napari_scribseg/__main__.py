"""`python -m napari_scribseg` is the command line."""

from __future__ import annotations

import sys

from napari_scribseg.cli import main

if __name__ == "__main__":
    sys.exit(main())
