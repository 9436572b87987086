"""`sal down`: end the servers that `sal up` left running."""

from __future__ import annotations

import typer

from sal.runtime.warm_servers import WarmServers


def down() -> None:
    """End the servers that `sal up` keeps running."""
    warm_servers = WarmServers()
    entries = warm_servers.entries()
    for warm in entries:
        warm_servers.stop(warm)
        typer.echo(f"{warm.role}: stopped {warm.model} (pid {warm.pid})", err=True)
    if not entries:
        typer.echo("Nothing is up.", err=True)
