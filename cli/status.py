"""`sal status`: how a run is doing, from any terminal."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sal.cli import options

EPILOG = """[bold]Examples[/bold]

sal status

sal status runs-out/bon32 --follow

sal status runs-out/grid --json
"""

PERIOD_S = 1.0

LOOKS = 2
"""So often nothing must live: between two runs of a sweep there is a moment in which none does."""


def status(
    run: Annotated[
        Path | None,
        typer.Argument(
            help="The folder of a run, or one with runs in it; by default the run below runs-out "
            "that was written last.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Look again every second, until it ends.")
    ] = False,
    json: options.StatusJson = False,
) -> int:
    """How a run is doing: how far it is, what is right so far, what it cost, what is in flight.

    It reads the run's folder and asks nobody; also after the run has ended, however it did.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from sal.cli.display.status import status_text
    from sal.cli.status_json import statuses_json
    from sal.runs.status import LIVES, find_statuses, newest_run

    path = newest_run(Path("runs-out")) if run is None else run

    def look() -> tuple[str, bool]:
        """What is to be shown, and whether a run lives."""
        found = find_statuses(path)
        lives = any(status.state in LIVES for status in found)
        if not json:
            return status_text(found), lives
        return json_module.dumps(statuses_json(path, found), indent=None if follow else 2), lives

    if follow:
        _follow(look, in_place=sys.stdout.isatty() and not json)
    else:
        print(look()[0])
    return 0


def _follow(look: Callable[[], tuple[str, bool]], *, in_place: bool) -> None:
    """Until nothing lives any more."""
    from rich.live import Live
    from rich.text import Text

    looks_left = 1
    with Live(auto_refresh=False) if in_place else nullcontext() as screen:
        while looks_left:
            text, lives = look()
            if screen is not None:
                screen.update(Text(text), refresh=True)
            else:
                print(text, flush=True)
            looks_left = LOOKS if lives else looks_left - 1
            if looks_left:
                time.sleep(PERIOD_S)
