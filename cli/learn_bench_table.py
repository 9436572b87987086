"""A benchmark of a PRM as a Markdown table."""

from __future__ import annotations

from typing import Any


def bench_table(found: dict[str, Any]) -> str:
    """A row a subset and threshold; of each subset also its AUC and calibration error."""
    lines = [
        "| set | threshold | error | correct | F1 | 95 % | AUC | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for mode, mean in found["mean"].items():
        for name, told in found["subsets"].items():
            at = told[mode]
            lines.append(
                f"| {name} | {_threshold(mode, at['threshold'])} | {_percent(at['error'])} | "
                f"{_percent(at['correct'])} | {_percent(at['f1'])} | {_range(at['interval'])} | "
                f"{told['auc']:.3f} | {told['calibration']['ece']:.3f} |"
            )
        if len(found["subsets"]) > 1:
            lines.append(
                f"| mean | {mode} | | | {_percent(mean['f1'])} | {_range(mean['interval'])} | | |"
            )
    failed = sum(told["failed"] for told in found["subsets"].values())
    if failed:
        lines += ["", f"{failed:,} solutions could not be scored, and count as judged wrongly."]
    if "best" in found["mean"]:
        lines += ["", "best: the threshold chosen on the set itself, an upper bound."]
    return "\n".join(lines)


def _threshold(mode: str, value: float) -> str:
    return mode if mode == "0.5" else f"{mode}: {value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _range(interval: list[float] | tuple[float, float]) -> str:
    return " to ".join(map(_percent, interval))
