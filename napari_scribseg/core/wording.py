"""Words that sentences of all rooms need."""

from __future__ import annotations


def counted(n: int, thing: str) -> str:
    """A number of things: "1 slice", "3 slices"; for things whose plural ends in s."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
