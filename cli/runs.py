"""`sal runs`: the runs that are there."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from sal.cli import options

EPILOG = """[bold]Examples[/bold]

sal runs

sal runs runs-out/grid --json
"""


def runs(
    folder: Annotated[Path, typer.Argument(help="Where to look, at any depth.")] = Path("runs-out"),
    json: options.StatusJson = False,
) -> int:
    """List the runs below a folder, the one that was written last at the end."""
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from sal.cli.display.status import runs_table
    from sal.cli.status_json import statuses_json
    from sal.runs.status import find_statuses

    found = sorted(find_statuses(folder), key=lambda status: status.changed)
    if json:
        print(json_module.dumps(statuses_json(folder, found), indent=2))
    else:
        print(runs_table(found))
    return 0
