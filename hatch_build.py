"""The README of the package index: links that are relative here lead to the repository there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

REPOSITORY = "https://github.com/napari-scribseg/napari-scribseg"
PICTURES = "https://raw.githubusercontent.com/napari-scribseg/napari-scribseg/main"
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


def absolute(text: str) -> str:
    """Markdown whose relative links and pictures lead to the repository.

    Example:
        >>> absolute("[x](docs/a.md)")
        '[x](https://github.com/napari-scribseg/napari-scribseg/blob/main/docs/a.md)'
    """

    def lead(link: re.Match[str]) -> str:
        start = PICTURES if link[1] else f"{REPOSITORY}/blob/main"
        return f"{link[1]}[{link[2]}]({start}/{link[3]})"

    return LINK.sub(lead, text)


class ReadmeHook(MetadataHookInterface):
    """What hatchling asks while it builds."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the README into the metadata."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text)}
