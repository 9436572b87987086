"""How far a PRM lifts the weighted vote, of the way that another PRM does, on the same samples.

sal learn bench --samples RUN --prm mine --out bench-mine
sal learn bench --samples RUN --prm theirs --out bench-theirs
python -m sal.learn.lift RUN bench-mine bench-theirs
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sal.learn.bench_folder import FIGURES, JOURNAL
from sal.learn.best_of_n import rescored, solutions
from sal.learn.errors import LabelError
from sal.learn.f1 import interval
from sal.learn.scoring import recorded
from sal.runs.at_n import values_at
from sal.runs.errors import RunError
from sal.runs.found import FoundRun, read_run
from sal.runs.journal import read_records
from sal.runs.summary import Estimate

DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Lift:
    """Of B problems, each as likely to be right as its N samples are by three votes."""

    majority: list[float]
    ours: list[float]
    theirs: list[float]

    @property
    def share(self) -> float:
        """Our gain on the majority, of theirs; nan where they gain nothing."""
        return float(_shares(self._gains().mean(0)))

    def interval(self, draws: int = DRAWS) -> tuple[float, float]:
        """The bootstrap's 95 % of `share`, over problems."""
        gains = self._gains()
        picked = np.random.default_rng(0).integers(len(gains), size=(draws, len(gains)))
        return interval(_shares(gains[picked].mean(1)))

    def _gains(self) -> Any:
        votes = np.array([self.ours, self.theirs]).T
        return votes - np.array(self.majority)[:, None]


def lift(run: FoundRun, ours: Path, theirs: Path) -> Lift:
    """By the scores in two folders of `sal learn bench --samples`; raises `RunError`."""
    votes = [_votes(run, folder) for folder in (ours, theirs)]
    return Lift(votes[0]["majority"], votes[0]["weighted"], votes[1]["weighted"])


def _votes(run: FoundRun, folder: Path) -> dict[str, list[float]]:
    """By rule, for each problem, with all N samples."""
    try:
        how = json.loads((folder / FIGURES).read_bytes())["aggregate"]
        known = recorded(read_records(folder / JOURNAL))
    except (OSError, ValueError, KeyError) as error:
        raise LabelError(f"{folder}: no finished sal learn bench --samples") from error
    if owed := sum(row.id not in known for row in solutions(run)):
        raise LabelError(f"{folder}: {owed:,} samples of {run.path} have no scores")
    rows = [rescored(row, known, how) for row in run.rows]
    by_rule = values_at(rows, run.budget, [run.budget])
    return {rule: values[run.budget] for rule, values in by_rule.items()}


def _shares(gains: Any) -> Any:
    """Of mean gains, ours in the first place and theirs in the second."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.divide(gains[..., 0], gains[..., 1])


def main(arguments: Sequence[str]) -> int:
    """Print the three accuracies and the share."""
    if len(arguments) != 3:
        print("python -m sal.learn.lift RUN BENCH BENCH-OF-THE-OTHER", file=sys.stderr)
        return 2
    run, ours, theirs = map(Path, arguments)
    try:
        found = lift(read_run(run), ours, theirs)
    except RunError as error:
        print(f"sal: {error}", file=sys.stderr)
        return 2
    for name, values in (
        ("majority", found.majority),
        (f"weighted, {ours}", found.ours),
        (f"weighted, {theirs}", found.theirs),
    ):
        told = Estimate.of(values)
        print(f"{name}: {told.mean:.3f} ± {told.stderr or 0:.3f}")
    low, high = found.interval()
    print(f"share of the gain: {found.share:.2f} (95 %: {low:.2f} to {high:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
