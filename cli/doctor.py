"""`sal doctor`: what is here, what would run, what is missing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sal.cli import options
from sal.runtime.checkup import checkup
from sal.runtime.default_models import default_models
from sal.runtime.warm_servers import WarmServers


def doctor(
    policy: options.Policy = None,
    prm: options.Prm = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at this machine and say whether a run is possible, and how to mend what is missing.

    The plan is for the models that are named, else for the tiny ones.
    """
    checks = checkup(*default_models(policy, prm), WarmServers())
    fatal = any(check.fatal for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": not fatal, "checks": [asdict(c) for c in checks]}, indent=2))
    else:
        table = Table(show_header=True, box=None, pad_edge=False)
        table.add_column("")
        table.add_column("what", no_wrap=True)
        table.add_column("found", overflow="fold")
        for check in checks:
            mark = "[red]✗[/]" if check.fatal else "[yellow]![/]" if check.mend else "[green]✓[/]"
            table.add_row(mark, check.what, check.found)
            if check.mend:
                table.add_row("", "", f"→ {check.mend}", style="bold")
        Console().print(table)
    raise typer.Exit(1 if fatal else 0)
