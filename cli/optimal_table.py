"""A fitted rule as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Content = Mapping[str, Any]


def rule_table(content: Content) -> str:
    """Where it comes from, what it does at each budget, and what that came to."""
    of = content.get("provenance", {})
    parts = [f"rule {content['digest']}" if "digest" in content else "rule"]
    if of:
        parts[0] += (
            f", fitted on {of['problems']} problems of {of['dataset']}: policy {of['policy']}, "
            f"PRM {of['prm']}; a budget is met in {of['cost']}"
        )
    parts.append(_aligned(["N", "probe", "it looks", "then"], _decisions(content)))
    if content.get("curves"):
        parts.append(_aligned(["accuracy, %", *_budgets(content)], _curves(content)))
        parts += [
            "95 % intervals; chosen on one half of the problems and measured on the other. Beside "
            "them, in parentheses, the tokens of a problem, policy and PRM."
        ]
        parts.append("\n".join(f"{name}: {words}" for name, words in of["curves"].items()))
    if content.get("table"):
        parts.append(_aligned(["best by pass@1", *_budgets(content)], _cells(content)))
    return "\n\n".join(parts)


def _budgets(content: Content) -> list[str]:
    return [f"N = {n}" for n in content["budgets"]]


def _decisions(content: Content) -> list[list[str]]:
    """A line for each bin of each budget."""
    lines = []
    for n, decision in content["budgets"].items():
        edges = ["0", *(f"{edge:.3g}" for edge in decision["edges"]), "1"]
        for b, chosen in enumerate(decision["choices"]):
            seen = f"{decision['measure']} {edges[b]} to {edges[b + 1]}"
            words = " or ".join(_choice(*choice) for choice in chosen)
            first = [n, str(decision["probe"])] if b == 0 else ["", ""]
            lines.append([*first, seen if decision["probe"] else "", words])
    return lines


def _choice(name: str, completions: int, rule: str, share: float = 1.0) -> str:
    what = f"{completions} x {name}" if completions else "answer"
    vote = "" if rule == "weighted" else f", {rule}"
    return f"{what}{vote}" + (f" ({share:.0%})" if share < 1 else "")


def _curves(content: Content) -> list[list[str]]:
    lines = []
    for name, points in content["curves"].items():
        cells = ["" if point is None else _point(name, point) for point in points.values()]
        lines.append([name, *cells])
    return lines


def _point(name: str, point: Mapping[str, Any]) -> str:
    accuracy, low, high = (100 * (point[key] or 0) for key in ("accuracy", "low", "high"))
    tokens = "" if point["tokens"] is None or name == "gain" else f" ({point['tokens']:,.0f})"
    return f"{accuracy:.1f} [{low:.1f}, {high:.1f}]{tokens}"


def _cells(content: Content) -> list[list[str]]:
    edges = ["0", *(f"{edge:.2g}" for edge in content["provenance"]["pass@1 edges"]), "1"]
    columns = list(content["table"].values())
    return [
        [
            f"{edges[b]} to {edges[b + 1]}",
            *(_choice(*column[b]) if column else "" for column in columns),
        ]
        for b in range(len(edges) - 1)
    ]


def _aligned(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns under each other."""
    rows = [head, *lines]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in ruled
    )
