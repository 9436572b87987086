"""What a command tells its display."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sal.runs.display import RunDisplay


class Display(RunDisplay, Protocol):
    """Follows an experiment, and what the command itself says; everything goes to stderr."""

    def header(self, title: str, settings: Mapping[str, str]) -> None:
        """Say what the command does: only the settings that are not the defaults."""
        ...
