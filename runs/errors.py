"""What can go wrong with a run through its user's input; each message is one line.

RunError
├── DatasetError   no such file, split or field
│   └── NotHad     not on the Hub, or the Hub cannot be reached
├── FolderError    the run's folder is taken, locked, or holds another recipe
├── PushError      the Hub cannot be reached, or did not take the results
└── ServersLost    a server died and did not come back; the run can be resumed
"""

from __future__ import annotations


class RunError(Exception):
    """A run cannot start or go on; the message says what to change."""


class DatasetError(RunError):
    """The problems cannot be read. Whatever a file puts into the message, it stays one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class NotHad(DatasetError):
    """A data set of the Hub is not there, is not given to this user, or cannot be reached."""


class BadRow(Exception):
    """A row of a data set that is no problem; the message says what it lacks."""


class FolderError(RunError):
    """The run's folder cannot be used."""


class PushError(RunError):
    """Results were not, or not all, published; what is on disk is as it was."""


class ServersLost(RunError):
    """A server died and did not come back; what is finished is in the journal."""
