"""`sal report`: runs read one by one; the page, the Markdown and the curves written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

from sal.reports.curves_svg import LABELS, curves_svg
from sal.reports.html_page import html_page
from sal.reports.page_data import AXES, page_data
from sal.reports.page_traces import PackedTraces
from sal.reports.report_markdown import report_markdown
from sal.reports.run_data import ProblemKey, RunData, problem_key, run_data, shown
from sal.reports.series import series_of
from sal.reports.trace_data import trace_data
from sal.runs.errors import FolderError
from sal.runs.folder import write_atomically
from sal.runs.found import FoundRun, read_run, run_folders
from sal.runs.recipe import read_recipe

NO_TRACES: Mapping[str, Any] = {"packed": {}, "files": {}, "url": ""}


@dataclass(frozen=True, slots=True)
class Written:
    """What a report consists of. `traces` are the files beside the page, `empty` the runs of which
    nothing is done, so that they are not in it."""

    page: Path
    markdown: Path
    curves: tuple[Path, ...]
    traces: tuple[Path, ...]
    empty: tuple[Path, ...]


def data(found: Iterable[FoundRun], title: str) -> dict[str, Any]:
    """What the page shows, as JSON. A run is let go of before the next is asked for."""
    return page_data([run_data(run) for run in found], title)


def page(found: Iterable[FoundRun], title: str, *, trace_url: str = "") -> str:
    """The page, which asks for traces at `trace_url`/RUN/PROBLEM: their places in its data."""
    return html_page(data(found, title), {**NO_TRACES, "url": trace_url})


def folders_of(paths: Iterable[Path]) -> list[Path]:
    """The runs in `paths`, each once: by strategy as they come, then by N and seed.

    Raises `FolderError` where there is none.
    """
    folders = dict.fromkeys(f.resolve() for path in paths for f in run_folders(path))
    recipes = {folder: read_recipe(folder / "recipe.yaml") for folder in folders}
    order = list(dict.fromkeys(recipe.strategy for recipe in recipes.values()))

    def place(folder: Path) -> tuple[int, int, int]:
        recipe = recipes[folder]
        return order.index(recipe.strategy), int(recipe.params.get("budget", 1)), recipe.seed

    return sorted(folders, key=place)


def write_report(folders: Iterable[Path], out: Path, title: str, svg: Path | None) -> Written:
    """The report of the runs in `folders` as `out`, a .html; all else is named after it.

    A run is read, taken what is shown of it, and let go of before the next. The curves go to `svg`,
    else to a folder beside the page. Raises `FolderError` when nothing is done in any run, and
    OSError.
    """
    beside = out.with_name(f"{out.stem}-traces")
    traces = PackedTraces(trace_data, beside)
    numbers: dict[ProblemKey, int] = {}
    runs: list[RunData] = []
    empty: list[Path] = []
    for folder in folders:
        found = read_run(folder)
        if not found.rows:
            empty.append(folder)
            continue
        runs.append(run_data(found))
        for row in shown(found):
            numbers.setdefault(problem_key(row), len(numbers))
        traces.add(found, numbers)
    if not runs:
        raise FolderError(f"{', '.join(map(str, empty))}: no problem is done yet")
    content = page_data(runs, title)
    curves = _write_curves(content, svg or out.with_name(f"{out.stem}-curves"))
    write_atomically(out, html_page(content, traces.as_json()).encode())
    markdown = out.with_suffix(".md")
    pictures = [(LABELS[axis], Path(relpath(path, out.parent))) for axis, path in curves]
    text = report_markdown(
        series_of(runs), title, [(label, path.as_posix()) for label, path in pictures]
    )
    write_atomically(markdown, text.encode())
    return Written(
        out,
        markdown,
        tuple(path for _, path in curves),
        tuple(sorted(beside.glob("*.js"))),
        tuple(empty),
    )


def _write_curves(shown: Mapping[str, Any], folder: Path) -> Sequence[tuple[str, Path]]:
    """A file for each axis that something is known of."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for axis in AXES:
        if (text := curves_svg(shown, axis)) is not None:
            path = folder / f"accuracy-{axis}.svg"
            write_atomically(path, text.encode())
            written.append((axis, path))
    return written
