"""`sal down`: end the servers that `sal up` left running."""

from __future__ import annotations

import typer

from sal.runtime.registry import Registry


def down() -> None:
    """End the servers that `sal up` keeps running."""
    registry = Registry()
    entries = registry.entries()
    for warm in entries:
        registry.stop(warm)
        typer.echo(f"{warm.role}: stopped {warm.model} (pid {warm.pid})", err=True)
    if not entries:
        typer.echo("Nothing is up.", err=True)
