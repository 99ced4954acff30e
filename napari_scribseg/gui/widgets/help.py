"""The button ? of a panel: opens the page of the documentation that explains it."""

from __future__ import annotations

from typing import Final

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QToolButton

DOCUMENTATION: Final = "https://napari-scribseg.github.io/napari-scribseg/"
"""Where the pages are, as pyproject.toml says."""


def address_of(page: str) -> str:
    """The web address of a page of the documentation.

    Args:
        page: its file below `docs`, and a heading if wanted: "guide/train.md#runs".
    """
    file, mark, heading = page.partition("#")
    return f"{DOCUMENTATION}{file.removesuffix('.md')}/{mark}{heading}"


def help_button(title: str, page: str) -> QToolButton:
    """A small button that opens a page in the user's browser.

    Args:
        title: of what it explains.
        page: as in `address_of`.
    """
    made = QToolButton()
    made.setText("?")
    made.setAutoRaise(True)
    made.setToolTip(f"Explain {title} in the documentation (opens your browser)")
    made.setAccessibleName(f"Help on {title}")

    def open_page() -> None:
        QDesktopServices.openUrl(QUrl(address_of(page)))

    made.clicked.connect(open_page)
    return made
