"""How well a PRM finds the first wrong step: on ProcessBench, or on any labelled solutions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sal.learn.bench_figures import figures
from sal.learn.bench_folder import BenchFolder
from sal.learn.bench_prm import BenchSettings
from sal.learn.errors import LabelError
from sal.learn.processbench import SUBSETS, read_subset
from sal.learn.rows import StepLabels
from sal.learn.scoring import known_error, measured
from sal.learn.sources import labels_from

Sets = Mapping[str, Sequence[StepLabels]]


def read_sets(
    names: Sequence[str], limit: int | None = None, say: Callable[[str], object] = lambda _: None
) -> dict[str, list[StepLabels]]:
    """Labelled solutions by the names of their sets: subsets of ProcessBench, or any labels.

    Those whose first wrong step is not known are left out, and `say` is told how many; `limit`
    takes the first ones of each set. Raises `LabelError` for a set without solutions of both kinds,
    and `DatasetError`.
    """
    found: dict[str, list[StepLabels]] = {}
    for name in names:
        rows = read_subset(name) if name in SUBSETS else labels_from(name).rows
        known = [row for row in rows if known_error(row) is not None]
        if len(known) < len(rows):
            unknown = len(rows) - len(known)
            say(f"{name}: {unknown:,} of {len(rows):,} are left out: what is wrong is not known")
        found[name] = known[:limit]
        if len({known_error(row) == -1 for row in found[name]}) < 2:
            raise LabelError(f"{name}: F1 needs solutions with a wrong step, and without one")
    seen = Counter(row.id for rows in found.values() for row in rows)
    if twice := [id for id, count in seen.items() if count > 1]:
        raise LabelError(f"{len(twice):,} ids are there more than once, as {twice[0]}")
    return found


def bench(settings: BenchSettings, sets: Sets, out: Path, **follow: Any) -> dict[str, Any] | None:
    """Score what is owed in the folder `out`, and measure; None where solutions are still owed.

    `follow` and what is raised are those of `BenchFolder.fill`. A folder in which nothing is owed
    needs no server.
    """
    with BenchFolder(out, settings, [row for rows in sets.values() for row in rows]) as folder:
        if not folder.fill(**follow):
            return None
        told = figures({name: measured(rows, folder.known) for name, rows in sets.items()})
        folder.write(told)
        return told
