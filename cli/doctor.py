"""`sal doctor`: what is here, what would run, what is missing; of a model, what it is."""

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
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Folders, GGUF files or names on the Hub: what each is, the memory that it takes, "
            "and how it would be served here.",
            show_default=False,
        ),
    ] = None,
    policy: options.Policy = None,
    prm: options.Prm = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at this machine and say whether a run is possible, and how to mend what is missing.

    The plan is for the models that are named, else for the tiny ones. With MODEL it looks at models
    instead: nothing is started, and no weights are loaded.
    """
    if models:
        raise typer.Exit(_models(models, as_json=as_json))
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


def _models(models: list[str], *, as_json: bool) -> int:
    """Print what each is; 1 if one of them could not be served here."""
    from sal.cli import model_report
    from sal.runtime.default_models import TINY
    from sal.runtime.frontend.light import use_light_frontend
    from sal.runtime.hardware import detect

    use_light_frontend()  # before a program is imported
    hardware = detect()
    named: list[str] = []
    for model in models:
        folders = default_models(model, TINY if model == TINY else None)
        named += [folder for folder in folders if folder is not None]
    reports = [model_report.report_on(name, hardware) for name in named]
    if as_json:
        print(json.dumps([model_report.as_json(report) for report in reports], indent=2))
    else:
        for report in reports:
            print(report.model)
            for word, found in model_report.lines_of(report):
                print(f"  {word:<9} {found}".rstrip())
    return 0 if all(report.ok for report in reports) else 1
