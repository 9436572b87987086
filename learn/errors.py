"""What can go wrong with labels through their user's input."""

from __future__ import annotations

from sal.runs.errors import RunError


class LearnError(RunError):
    """The message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class LabelError(LearnError):
    """Rows that are no step labels, or cannot be used."""


class TrainError(LearnError):
    """A model cannot be trained so; said before any time is spent on it."""
