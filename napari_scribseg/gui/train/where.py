"""Where the window's trainings are computed: here, or where the project is seen, too. No Qt."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final, Protocol

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.runs import process
from napari_scribseg.runs.elsewhere import checked_address, command_on

HERE: Final = "here"
"""What is shown and typed for this computer."""
_MOST_KNOWN: Final = 8


class WhereView(Protocol):
    """What shows the choice."""

    def show_where(self, choices: tuple[str, ...], chosen: str, problem: str) -> None:
        """Show what can be chosen, what is, and what is wrong with what was typed; "" = nothing."""
        ...


class AddressStore(Protocol):
    """Remembers addresses from window to window, the last one first."""

    def load(self) -> tuple[str, ...]:
        """Those that were used."""
        ...

    def save(self, addresses: tuple[str, ...]) -> None:
        """Remember these."""
        ...


@dataclass
class WherePresenter:
    """Decides where trainings are computed.

    Args:
        view: shows it.
        store: remembers addresses; None = they are forgotten with the window.
    """

    view: WhereView
    store: AddressStore | None = None
    address: str = ""
    """Of the other computer; "" = here."""
    known: tuple[str, ...] = ()

    def begin(self) -> None:
        """Show "here" and the addresses that were used before."""
        with contextlib.suppress(OSError):
            self.known = self.store.load() if self.store is not None else ()
        self._show()

    def choose(self, text: str) -> None:
        """Somebody has chosen or typed a place; a wrong address changes nothing."""
        text = text.strip()
        if text.casefold() in {"", HERE}:
            self.address = ""
            self._show()
            return
        try:
            self.address = checked_address(text)
        except InvalidInput as error:
            self._show(str(error))
            return
        others = (address for address in self.known if address != self.address)
        self.known = (self.address, *others)[:_MOST_KNOWN]
        if self.store is not None:
            with contextlib.suppress(OSError):
                self.store.save(self.known)
        self._show()

    @property
    def command(self) -> process.Command:
        """Makes the command line of the child that trains, for `process.start`."""
        return command_on(self.address) if self.address else process.worker_command

    def _show(self, problem: str = "") -> None:
        self.view.show_where((HERE, *self.known), self.address or HERE, problem)
