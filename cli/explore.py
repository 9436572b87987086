"""`sal explore`: runs and their search trees in the browser, also while they are going on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

EPILOG = "For example: sal explore runs/dvts-64, sal explore runs/sweep --open"
PORT = 7725


def explore(
    path: Annotated[Path, typer.Argument(help="A run, or a folder with runs in it, at any depth.")],
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"By default {PORT}, or any where that is taken."),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve the report of runs to this machine's browser until Ctrl-C.

    It follows runs that are going on: finished problems appear by themselves, and the trees of
    problems in flight grow. Nothing is written into their folders.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    from sal.reports.explore_server import ExploreServer
    from sal.reports.followed import FollowedRuns

    runs = FollowedRuns(path, path.resolve().name)
    with Console(stderr=True).status("reading runs"):
        runs.version()
    try:
        server = ExploreServer(runs, PORT if port is None else port)
    except OSError:
        if port is not None:
            raise
        server = ExploreServer(runs, 0)
    with server:
        print(f"{server.url}  (Ctrl-C ends it)", flush=True)
        if browse:
            import webbrowser

            webbrowser.open(server.url)
        server.serve_forever()
