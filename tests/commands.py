"""Commands that a page, a script or a file of containers names, as `sal` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.main import get_command

from sal.cli.main import build


def understood(words: Sequence[str]) -> dict[str, Any]:
    """What the command is told by `words`, which stand behind `sal`.

    Raises for a command, a flag or a value that is not known.
    """
    command: Any = get_command(build(list(words)))
    rest = list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        command = command.commands[name]
    context = command.make_context(name, rest)
    assert not context.args
    told: dict[str, Any] = context.params
    return told
