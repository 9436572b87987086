"""What a run tells its display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from sal.runs.progress import Snapshot

DisplayName = Literal["auto", "rich", "plain", "log", "none"]


class Display(Protocol):
    """Called from the main thread unless said otherwise; everything goes to stderr."""

    def header(self, title: str, settings: Mapping[str, str]) -> None:
        """Say what begins: only the settings that are not the defaults."""
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
        """Leave the last moment behind and the terminal as it was."""
        ...
