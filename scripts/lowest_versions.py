"""Print the oldest versions that pyproject.toml allows, as pip constraints: `make test-lowest`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

FLOOR = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?>=([0-9.]+)$")
EXTRAS = ("gui", "pyqt5", "cluster", "dicom-seg")


def main() -> None:
    """Print one line per requirement that has a floor."""
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [one for extra in EXTRAS for one in extras[extra]]
    for requirement in wanted:
        if found := FLOOR.match(requirement):
            print(f"{found[1]}=={found[2]}")


if __name__ == "__main__":
    main()
