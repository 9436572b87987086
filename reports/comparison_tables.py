"""A comparison as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sal.reports.comparison import LEVEL, Comparison, Contrast
from sal.reports.markdown import table
from sal.runs.summary import Estimate

GIGA = 1e9
MARKS = {"better": " ▲", "worse": " ▼", "no significant difference": ""}


def markdown(comparison: Comparison) -> str:
    """All tables and the words, under headings."""
    parts = [
        ("Accuracy against N", accuracy_table(comparison)),
        ("Cost of a problem", cost_table(comparison)),
        *(
            (f"Gain on {reference} at the same N", gain_table(comparison, reference))
            for reference in comparison.references
        ),
        ("Accuracy against tokens and FLOPs", frontier_table(comparison)),
        ("In words", words(comparison)),
    ]
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts)


def accuracy_table(comparison: Comparison) -> str:
    """A row per method, a column per N: percent, ± one standard error over problems."""
    budgets = comparison.budgets
    return table(
        ["accuracy, %", *(f"N = {n}" for n in budgets)],
        [
            [method, *(_percent(arm.accuracy) if arm else "" for arm in arms)]
            for method in comparison.methods
            for arms in [[comparison.arm(method, n) for n in budgets]]
        ],
    )


def cost_table(comparison: Comparison) -> str:
    """A row per method and N: means over problems."""
    head = [
        "per problem",
        "N",
        "generated",
        "prefilled",
        "PRM tokens",
        "GFLOPs",
        "unspent",
        "failed",
    ]
    return table(
        head,
        [
            [
                arm.method,
                str(arm.budget),
                f"{arm.generated:,.0f}",
                f"{arm.prefilled:,.0f}",
                f"{arm.judged:,.0f}",
                _giga(arm.flops),
                f"{arm.unspent:.1f}" if arm.unspent else "",
                str(arm.failed or ""),
            ]
            for arm in comparison.arms
        ],
    )


def gain_table(comparison: Comparison, reference: str) -> str:
    """A row per method, a column per N: paired differences in percentage points, and a mark."""
    found = [c for c in comparison.contrasts if c.reference == reference]
    budgets = sorted({c.budget for c in found})
    cells = {(c.method, c.budget): _gain(c) for c in found}
    rows = [
        [method, *(cells.get((method, n), "") for n in budgets)]
        for method in dict.fromkeys(c.method for c in found)
    ]
    return table([f"gain on {reference}, points", *(f"N = {n}" for n in budgets)], rows)


def frontier_table(comparison: Comparison) -> str:
    """All arms by what they cost, and which of them no other beats."""
    arms = zip(
        comparison.arms,
        comparison.frontier(lambda arm: arm.generated),
        comparison.frontier(lambda arm: arm.flops),
        strict=True,
    )
    by_cost = sorted(arms, key=lambda row: (row[0].flops or math.inf, row[0].generated))
    head = ["by cost", "N", "GFLOPs", "generated", "accuracy, %", "frontier of"]
    return table(
        head,
        [
            [
                arm.method,
                str(arm.budget),
                _giga(arm.flops),
                f"{arm.generated:,.0f}",
                _percent(arm.accuracy),
                " and ".join(["tokens"] * tokens + ["FLOPs"] * flops),
            ]
            for arm, tokens, flops in by_cost
        ],
    )


def words(comparison: Comparison) -> str:
    """A line per method: at which N it is better than a reference, worse, or neither."""
    shares = {value for arm in comparison.arms for value in arm.correct.values()}
    test = "McNemar's exact test" if shares <= {0, 1} else "the exact sign-flip test of means"
    lines = [
        f"Significant: p < {LEVEL:g} by {test} on the same {comparison.problems} "
        f"problems, adjusted (Holm) for all {len(comparison.contrasts)} comparisons.",
        "",
    ]
    for method in comparison.methods:
        said = [
            f"against {reference} {_verdicts(found)}"
            for reference in comparison.references
            if (found := _of(comparison, method, reference))
        ]
        if said:
            lines.append(f"- **{method}**: {'; '.join(said)}.")
    return "\n".join(lines)


def _of(comparison: Comparison, method: str, reference: str) -> list[Contrast]:
    return [c for c in comparison.contrasts if (c.method, c.reference) == (method, reference)]


def _verdicts(found: Iterable[Contrast]) -> str:
    """`better at N = 4 and 16, no significant difference at N = 64`."""
    at: dict[str, list[str]] = {}
    for contrast in found:
        at.setdefault(contrast.verdict, []).append(str(contrast.budget))
    return ", ".join(f"{verdict} at N = {_listed(budgets)}" for verdict, budgets in at.items())


def _listed(words: Sequence[str]) -> str:
    """`4, 16 and 64`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _gain(contrast: Contrast) -> str:
    points = f"{100 * contrast.difference.mean:+.1f} ± {_points(contrast.difference.stderr)}"
    return points + MARKS[contrast.verdict]


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.mean:.1f} ± {_points(estimate.stderr)}"


def _points(stderr: float) -> str:
    return "?" if math.isnan(stderr) else f"{100 * stderr:.1f}"


def _giga(flops: float | None) -> str:
    return "?" if flops is None else f"{flops / GIGA:.3g}"
