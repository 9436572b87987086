"""`sal report`: runs and sweeps as a page, as Markdown and as curves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

EPILOG = "For example: sal report runs/dvts-64, sal report runs/sweep --out report.html"


def report(
    paths: Annotated[
        list[Path], typer.Argument(help="Runs, and folders with runs in them, at any depth.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder, or the .html file itself; by default the folder that was named, or "
            "this one where there were several."
        ),
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option(help="A folder for the curves as SVG; by default one beside the page."),
    ] = None,
) -> None:
    """Write a report of runs: one HTML page, the same as Markdown, and the curves as SVG.

    The page opens from disk and needs no network. It takes runs that are still going on, too.
    """
    from sal.runtime.frontend.light import use_light_frontend

    use_light_frontend()
    from sal.reports.report import folders_of, write_report

    console = Console(stderr=True)
    folders = folders_of(paths)
    page = _page(paths, out)
    page.parent.mkdir(parents=True, exist_ok=True)
    title = _title([path.resolve().name for path in paths])
    reading = track(folders, "reading runs", console=console, transient=True)
    written = write_report(reading, page, title, svg)
    if written.empty:
        names = ", ".join(folder.name for folder in written.empty)
        console.print(f"left out, nothing is done yet: {names}", markup=False, soft_wrap=True)
    print(f"{written.page}  {_size([written.page])}")
    print(f"{written.markdown}  {_size([written.markdown])}")
    print(f"{written.curves[0].parent}  {_size(written.curves)}, {len(written.curves)} curves")
    if written.traces:
        many = f"{len(written.traces)} file{'' if len(written.traces) == 1 else 's'}"
        print(f"{written.traces[0].parent}  {_size(written.traces)}, {many} of search trees")


def _page(paths: list[Path], out: Path | None) -> Path:
    if out is None:
        out = paths[0] if len(paths) == 1 else Path()
    return out if out.suffix == ".html" else out / "report.html"


def _title(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} others"


def _size(files: list[Path] | tuple[Path, ...]) -> str:
    """`12 kB`, `2.9 MB`."""
    size = sum(file.stat().st_size for file in files)
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
