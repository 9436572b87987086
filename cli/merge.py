"""`sal merge`: the shards of a run become one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """[bold]Examples[/bold]

sal merge runs-out/dvts-math runs-out/dvts-math-shards/*
"""


def merge(
    out: Annotated[Path, typer.Argument(help="A new folder for the whole run.")],
    shards: Annotated[
        list[Path], typer.Argument(metavar="SHARD...", help="The folders of all of its shards.")
    ],
) -> int:
    """Put the shards of a run together: OUT is what the run without --shard would have been.

    Refused, with what is wrong, unless every shard of the run is there, whole and once. The time of
    OUT is the sum of the shards'.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from sal.cli.table import summary_table
    from sal.runs.merge import merge as merge_shards

    summary = merge_shards(out, shards)
    print(summary_table(summary, out))
    print(f"\nThe time is the sum of {len(shards)} shards'.")
    return 1 if summary.failed else 0
