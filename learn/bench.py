"""How well a PRM tells wrong steps: on ProcessBench, PRMBench, or any labelled solutions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sal.learn import prmbench
from sal.learn.bench_figures import figures
from sal.learn.bench_folder import BenchFolder
from sal.learn.bench_prm import BenchSettings
from sal.learn.bench_table import bench_page
from sal.learn.calibration_svg import calibration_svg
from sal.learn.errors import LabelError
from sal.learn.prmbench_figures import prmbench_figures
from sal.learn.rows import StepLabels
from sal.learn.scoring import known_error, measured
from sal.learn.sources import solutions_in

Sets = Mapping[str, Sequence[StepLabels]]


def read_sets(
    names: Sequence[str], limit: int | None = None, say: Callable[[str], object] = lambda _: None
) -> dict[str, list[StepLabels]]:
    """Labelled solutions by the names of their sets: PRMBench, subsets of ProcessBench, any labels.

    Those whose first wrong step is not known are left out, and `say` is told how many. `limit`
    takes so many of each set, the first ones with an error and the first ones without, and so many
    of each kind of PRMBench. Raises `LabelError` for a set without solutions of both kinds, and
    `DatasetError`.
    """
    found: dict[str, list[StepLabels]] = {}
    for name in names:
        if name == prmbench.NAME:
            found[name] = prmbench.read_prmbench(limit)
            continue
        rows = solutions_in(name)
        known = [row for row in rows if known_error(row) is not None]
        if len(known) < len(rows):
            unknown = len(rows) - len(known)
            say(f"{name}: {unknown:,} of {len(rows):,} are left out: what is wrong is not known")
        found[name] = known if limit is None else _few(known, limit)
        if len({known_error(row) == -1 for row in found[name]}) < 2:
            raise LabelError(f"{name}: F1 needs solutions with a wrong step, and without one")
    seen = Counter(row.id for rows in found.values() for row in rows)
    if twice := [id for id, count in seen.items() if count > 1]:
        raise LabelError(f"{len(twice):,} ids are there more than once, as {twice[0]}")
    return found


def _few(rows: Sequence[StepLabels], limit: int) -> list[StepLabels]:
    """Half of them with an error where there are as many: subsets begin with those alone."""
    wrong = [row for row in rows if known_error(row) != -1]
    right = [row for row in rows if known_error(row) == -1]
    errors = max(limit - limit // 2, limit - len(right))
    return wrong[:errors] + right[: limit - min(errors, len(wrong))]


def bench(settings: BenchSettings, sets: Sets, out: Path, **follow: Any) -> dict[str, Any] | None:
    """Score what is owed in the folder `out`, and measure; None where solutions are still owed.

    `follow` and what is raised are those of `BenchFolder.fill`. A folder in which nothing is owed
    needs no server.
    """
    with BenchFolder(out, settings, [row for rows in sets.values() for row in rows]) as folder:
        if not folder.fill(**follow):
            return None
        told: dict[str, Any] = {"prm": settings.prm, "weights": folder.weights}
        first = {n: measured(rows, folder.known) for n, rows in sets.items() if n != prmbench.NAME}
        if first:
            told |= figures(first)
        if prmbench.NAME in sets:
            told[prmbench.NAME] = prmbench_figures(
                prmbench.items(sets[prmbench.NAME], folder.known)
            )
        told["usage"] = asdict(folder.usage)
        folder.write(told)
        plots = {name: of["calibration"] for name, of in told.get("subsets", {}).items()}
        if prmbench.NAME in told:
            plots["PRMBench"] = told[prmbench.NAME]["overall"]["calibration"]
        folder.write_page(bench_page(told), calibration_svg(plots))
        return told
