"""`sal export`: results as other tools read them, and on the Hub."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from sal.cli import options

EPILOG = """[bold]Examples[/bold]

sal export runs-out/bon32 --to parquet --out exports

sal export runs-out/bon32 --to datasets --traces --out exports

sal export runs-out --to lighteval --out lighteval

sal export runs-out/bon32 --push-to-hub me/my-searches --dry-run

sal export runs-out --push-to-hub me/my-searches --public

sal export prm --push-to-hub me/my-prm
"""


def export(
    run: Annotated[
        Path,
        typer.Argument(
            help="The folder of a run, or one with runs in it; with --push-to-hub alone also what "
            "sal learn made: labels, examples, a PRM, a policy."
        ),
    ],
    to: Annotated[
        Literal["datasets", "parquet", "lighteval"] | None,
        typer.Option(help="A folder for load_from_disk, a parquet file, or lighteval's details."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="With --to: the folder of what is written.")
    ] = None,
    traces: Annotated[
        bool, typer.Option("--traces", help="Add a column with the whole search, as JSON.")
    ] = False,
    push_to_hub: options.PushToHub = None,
    public: Annotated[
        bool,
        typer.Option("--public", help="With --push-to-hub: for everybody. Private by default."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say which files, and how large; write and send nothing."),
    ] = False,
) -> None:
    """Write results as parquet, a datasets folder or lighteval's details; push them.

    A run that is being written is taken as it is now. Every run is a file, a folder or a revision
    of its own (docs/export.md).
    """
    if to is None and push_to_hub is None:
        raise typer.BadParameter("say --to FORMAT, --push-to-hub REPO_ID, or both")
    if (to is None) != (out is None):
        raise typer.BadParameter("--to and --out go together")
    if public and push_to_hub is None:
        raise typer.BadParameter("--public goes with --push-to-hub")
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()  # before a program is imported: the whole of sglang takes 10 s
    from sal.cli.push import push_learned, push_runs, sizes
    from sal.runs.export.formats import write_run
    from sal.runs.found import read_run, run_folders

    learned = to is None and push_to_hub is not None
    if learned and push_learned(run, str(push_to_hub), public=public, dry_run=dry_run):
        return
    folders = run_folders(run)
    if to is not None and out is not None:
        with tempfile.TemporaryDirectory() as work:
            target = Path(work) if dry_run else out
            for folder in folders:
                name = run.resolve().name if folder == run else str(folder.relative_to(run))
                for path in write_run(read_run(folder), name, target, to, traces=traces):
                    shown = out / path.relative_to(target)
                    print("\n".join(sizes(path, shown)) if dry_run else shown, flush=True)
    if push_to_hub is not None:
        push_runs(folders, push_to_hub, public=public, traces=traces, dry_run=dry_run)
