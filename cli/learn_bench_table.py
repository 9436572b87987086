"""A benchmark of a PRM as Markdown tables."""

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


def choice_table(found: dict[str, Any]) -> str:
    """Accuracy at n by rule, and the gain on the majority at N."""
    rules = list(found["accuracy"])
    sizes = list(found["accuracy"][rules[0]])
    lines = [f"| n | {' | '.join(rules)} |", "|---" * (len(rules) + 1) + "|"]
    for n in sizes:
        cells = [_estimate(found["accuracy"][rule][n]) for rule in rules]
        lines.append(f"| {n} | {' | '.join(cells)} |")
    gains = ", ".join(f"{rule} {_estimate(gain)}" for rule, gain in found["gain"].items())
    over = f"paired over {found['problems']:,} problems"
    lines += ["", f"Gain on majority at n = {sizes[-1]}, {over}: {gains}."]
    return "\n".join(lines)


def _estimate(told: dict[str, float | None]) -> str:
    mean, stderr = told["mean"], told["stderr"]
    return "" if mean is None else f"{mean:.3f}" + ("" if stderr is None else f" ± {stderr:.3f}")


def _threshold(mode: str, value: float) -> str:
    return mode if mode == "0.5" else f"{mode}: {value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _range(interval: list[float] | tuple[float, float]) -> str:
    return " to ".join(map(_percent, interval))
