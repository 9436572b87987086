"""What an experiment tells whoever follows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sal.runs.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Begun:
    """Run `number` of `total`; `left` are the seconds that it and the rest may take, if known."""

    name: str
    path: Path
    number: int
    total: int
    left: float | None


class RunDisplay(Protocol):
    """Called from the main thread unless said otherwise; one serves for all runs."""

    def begin(self, run: Begun) -> None:
        """Say which run begins."""
        ...

    def note(self, text: str) -> None:
        """One line that stays."""
        ...

    def status(self, role: str, text: str) -> None:
        """How the start of a server goes; may be called often, and from any thread."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """Show this moment; called four times a second."""
        ...

    def close(self) -> None:
        """Leave the run's last moment behind; another may begin."""
        ...
