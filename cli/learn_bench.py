"""`sal learn bench`: does a PRM find the first wrong step?"""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sal.cli import options
from sal.cli.interrupt import Interrupt

EPILOG = """[bold]Examples[/bold]

sal learn bench --prm Qwen/Qwen2.5-Math-PRM-7B --out bench-qwen

sal learn bench held-out-labels --prm prm --out bench-mine
"""


def bench(
    out: Annotated[Path, typer.Option(help="Folder of scores and figures; goes on there.")],
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET...",
            help="Subsets of ProcessBench (gsm8k, math, olympiadbench, omnimath: all by default), "
            "or labelled solutions of your own.",
        ),
    ] = None,
    prm: options.Prm = None,
    prm_family: options.PrmFamily = None,
    prm_arg: options.PrmArg = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first solutions of each set.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print bench.json, not the table.")] = False,
) -> int:
    """Measure a PRM on ProcessBench, or on labelled solutions: F1, AUC, calibration.

    A PRM says which step is the first wrong one; F1 is the harmonic mean of how often that is true
    for solutions with an error, and without one. Stopped or killed, the same command goes on.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    from sal.cli.learn_bench_table import bench_table
    from sal.learn.bench import BenchSettings, read_sets
    from sal.learn.bench import bench as run_bench
    from sal.learn.processbench import SUBSETS

    if prm is None:
        raise typer.BadParameter("name the PRM with --prm")
    console = Console(stderr=True)
    settings = BenchSettings(prm=prm, family=prm_family, prm_args=tuple(prm_arg or ()))
    wanted = read_sets(sets or SUBSETS, limit, lambda text: typer.echo(text, err=True))
    total = sum(map(len, wanted.values()))
    with Interrupt() as interrupt, interrupt.deferred(), console.status("starting") as status:
        found = run_bench(
            settings,
            wanted,
            out,
            on_status=lambda role, text: status.update(f"{role}: {text}"),
            tick=lambda known, failed: status.update(
                f"{known:,} of {total:,} solutions" + (f", {failed:,} failed" if failed else "")
            ),
            stop=lambda: interrupt.asked,
        )
    if found is None:
        console.print("not all solutions are scored: the same command goes on", highlight=False)
        return interrupt.exit_code if interrupt.asked else 1
    print(json_format.dumps(found, indent=1) if json else f"{bench_table(found)}\n\n{out}")
    return 0
