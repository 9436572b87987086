"""The report as Markdown: accuracy, cost, and which differences are significant."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sal.reports.comparison import Arm, Comparison
from sal.reports.comparison_tables import gain_table, words
from sal.reports.markdown import table
from sal.reports.run_data import CHOSEN
from sal.reports.series import Point, Series
from sal.runs.results import RULES
from sal.runs.summary import Estimate

Z = 1.96
"""Standard errors on each side of a 95 % interval."""

REFERENCES = ("majority", "best-of-n")
"""Strategies against which all others are held."""


def report_markdown(lines: Sequence[Series], title: str, curves: Sequence[tuple[str, str]]) -> str:
    """All tables under headings; `curves` are titles and addresses of pictures."""
    parts = [f"# {title}", _partial(lines), of_a_part(lines)]
    parts += [f"![Accuracy against {name}]({address})" for name, address in curves]
    parts += ["## Accuracy", accuracy_table(lines), "## Cost of a problem", cost_table(lines)]
    if (comparison := comparison_of(lines)) is not None:
        parts += ["## Gains at the same N"]
        parts += [gain_table(comparison, name) for name in comparison.references]
        parts += [words(comparison)]
    return "\n\n".join(part for part in parts if part) + "\n"


def accuracy_table(lines: Sequence[Series]) -> str:
    """A row for each point: percent by every rule, ± one standard error over problems."""
    head = ["", "N", "accuracy, %", "95 %", *RULES, "problems", "seeds"]
    return table(
        head,
        [
            [
                line.name,
                str(point.budget),
                percent(found),
                interval(found),
                *(percent(point.accuracy(rule)) for rule in RULES),
                str(point.problems),
                str(len(point.runs)),
            ]
            for line in lines
            for point in line.points
            for found in [point.accuracy(CHOSEN)]
        ],
    )


def cost_table(lines: Sequence[Series]) -> str:
    """A row for each point: means over problems and runs."""
    kinds = ("generated", "prefilled", "cached", "prm_prefilled", "prm_cached")
    named = [kind.replace("prm_", "PRM ") for kind in kinds]
    return table(
        ["per problem", "N", *named, "GFLOPs", "seconds", "failed"],
        [
            [
                line.name,
                str(point.budget),
                *(_count(_mean(point, kind)) for kind in kinds),
                _short(point.cost("flops"), 1e9),
                _short(point.cost("seconds"), 1.0),
                str(sum(run.summary.failed for run in point.runs) or ""),
            ]
            for line in lines
            for point in line.points
        ],
    )


def comparison_of(lines: Sequence[Series]) -> Comparison | None:
    """What was searched once, and on the problems that all others have too; None for too little."""
    single = [(line, p) for line in lines for p in line.points if len(p.runs) == 1]
    if not single:
        return None
    most = max((frozenset(p.runs[0].columns.problems) for _, p in single), key=len)
    arms = [_arm(line.name, p) for line, p in single if set(p.runs[0].columns.problems) == most]
    present = {arm.method for arm in arms}
    names = [line.name for of in REFERENCES for line in lines if line.strategy == of]
    comparison = Comparison(arms, [name for name in names if name in present])
    return comparison if comparison.contrasts else None


def percent(estimate: Estimate) -> str:
    """`62.5 ± 3.4`"""
    if math.isnan(estimate.mean):
        return "?"
    error = "?" if math.isnan(estimate.stderr) else f"{100 * estimate.stderr:.1f}"
    return f"{100 * estimate.mean:.1f} ± {error}"


def interval(estimate: Estimate) -> str:
    """`55.8 to 69.2`"""
    if math.isnan(estimate.stderr):
        return "?"
    ends = (estimate.mean - Z * estimate.stderr, estimate.mean + Z * estimate.stderr)
    return " to ".join(f"{100 * min(1.0, max(0.0, end)):.1f}" for end in ends)


def _partial(lines: Sequence[Series]) -> str:
    owed = [
        f"{line.name} at N = {point.budget} ({run.summary.owed} problems owed)"
        for line in lines
        for point in line.points
        for run in point.runs
        if run.summary.owed
    ]
    return f"Not finished, told by what is done: {'; '.join(owed)}." if owed else ""


def of_a_part(lines: Sequence[Series]) -> str:
    """What is told by fewer problems than were searched; "" where nothing is."""
    large = [
        f"{line.name} at N = {point.budget} ({len(point.runs[0].columns.problems):,} of "
        f"{point.problems:,})"
        for line in lines
        for point in line.points
        if len(point.runs[0].columns.problems) < point.runs[0].summary.problems
    ]
    if not large:
        return ""
    return (
        "Single problems, pairs, curves of n < N and means over seeds are told by a part of the "
        f"problems, taken evenly from all: {'; '.join(large)}. Accuracies and costs of one run are "
        "those of all."
    )


def _arm(name: str, point: Point) -> Arm:
    """Of its answers alone: costs have a table of their own."""
    run = point.runs[0]
    ids = map(repr, run.columns.problems)
    return Arm(
        method=name,
        budget=point.budget,
        correct=dict(zip(ids, run.columns.right[CHOSEN], strict=True)),
        generated=math.nan,
        prefilled=math.nan,
        judged=math.nan,
        flops=None,
        unspent=0.0,
        failed=run.summary.failed,
    )


def _mean(point: Point, kind: str) -> float | None:
    counts = [run.tokens[kind] for run in point.runs]
    known = [count for count in counts if count is not None]
    problems = sum(run.summary.problems for run in point.runs)
    return sum(known) / problems if problems and len(known) == len(counts) else None


def _count(value: float | None) -> str:
    return "?" if value is None else f"{value:,.0f}"


def _short(value: float | None, unit: float) -> str:
    return "?" if value is None else f"{value / unit:.3g}"
