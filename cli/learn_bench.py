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

sal learn bench prmbench --prm Qwen/Qwen2.5-Math-PRM-7B --out prmbench-qwen

sal learn bench held-out-labels --prm prm --out bench-mine

sal learn bench --samples runs-out/bon64 --prm prm --out bon-mine
"""


def bench(
    out: Annotated[Path, typer.Option(help="Folder of scores and figures; goes on there.")],
    sets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SET...",
            help="Subsets of ProcessBench (gsm8k, math, olympiadbench, omnimath: all by default), "
            "prmbench, or labelled solutions of your own.",
        ),
    ] = None,
    prm: options.Prm = None,
    prm_family: options.PrmFamily = None,
    prm_arg: options.PrmArg = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Instead choose among the samples of a run of best-of-n, and grade the choice.",
        ),
    ] = None,
    aggregate: options.Aggregate = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="So many solutions of each set, half of them with an error; of PRMBench, of each "
            "kind.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print bench.json, not the table.")] = False,
) -> int:
    """Measure a PRM on ProcessBench, PRMBench or labelled solutions, or as Best-of-N's chooser.

    A PRM says which step is the first wrong one; F1 is the harmonic mean of how often that is true
    for solutions with an error, and without one. On PRMBench it judges every step. The folder holds
    bench.json, and of sets bench.md with a calibration plot. Stopped or killed, the same command
    goes on.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    from sal.cli.learn_bench_progress import Progress
    from sal.learn.bench import bench as run_bench
    from sal.learn.bench import read_sets
    from sal.learn.bench_prm import BenchSettings
    from sal.learn.bench_table import bench_table, choice_table
    from sal.learn.best_of_n import best_of_n
    from sal.learn.processbench import SUBSETS

    if prm is None:
        raise typer.BadParameter("name the PRM with --prm")
    if samples is not None and (sets or limit):
        raise typer.BadParameter("--samples goes without sets and --limit")
    if samples is None and aggregate:
        raise typer.BadParameter("--aggregate goes with --samples: F1 is about steps")
    console = Console(stderr=True)
    settings = BenchSettings(prm=prm, family=prm_family, prm_args=tuple(prm_arg or ()))
    with Interrupt() as interrupt, interrupt.deferred(), Progress(console) as progress:
        follow = {
            "on_status": progress.server,
            "tick": progress.tick,
            "stop": lambda: interrupt.asked,
        }
        if samples is not None:
            found = best_of_n(settings, samples, out, aggregate, **follow)
        else:
            wanted = read_sets(sets or SUBSETS, limit, lambda text: typer.echo(text, err=True))
            found = run_bench(settings, wanted, out, **follow)
    if found is None:
        console.print("not all solutions are scored: the same command goes on", highlight=False)
        return interrupt.exit_code if interrupt.asked else 1
    table = bench_table if samples is None else choice_table
    print(json_format.dumps(found, indent=1) if json else f"{table(found)}\n\n{out}")
    return 0
