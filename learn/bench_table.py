"""A benchmark of a PRM as Markdown: its tables, and the page that stands in its folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sal.learn.prmbench import NAME as PRMBENCH
from sal.learn.prmbench_figures import GROUPS


def bench_table(found: dict[str, Any]) -> str:
    """All figures of bench.json that fit a table."""
    parts = [first_errors(found)] if "mean" in found else []
    parts += [prmbench_table(found[PRMBENCH])] if PRMBENCH in found else []
    return "\n\n".join(parts)


def bench_page(found: dict[str, Any]) -> str:
    """The tables, the calibration plot, which PRM it is and what it was asked."""
    used = found["usage"]
    told = {
        "PRM": found["prm"],
        "weights (SHA-256)": found["weights"] or "not known",
        "requests": f"{used['requests']:,}",
        "tokens read": _count(used["prompt_tokens"]),
        "of these cached": _count(used["cached_tokens"]),
    }
    lines = "\n".join(f"| {name} | {value} |" for name, value in told.items())
    return (
        f"# Benchmark of a PRM\n\n{bench_table(found)}\n\n![calibration](calibration.svg)\n\n"
        f"| | |\n|---|---|\n{lines}\n"
    )


def first_errors(found: dict[str, Any]) -> str:
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
                f"{_decimal(told['auc'])} | {_decimal(told['calibration']['ece'])} |"
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


def prmbench_table(found: dict[str, Any]) -> str:
    """A row a kind of error, a group of kinds, and all."""
    lines = [
        "| PRMBench | PRMScore | 95 % | F1 | negative F1 | first error | AUC | ECE |",
        "|---|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(cells)} |" for cells in _prmbench_rows(found)),
    ]
    if found["failed"]:
        lines += ["", f"{found['failed']:,} solutions could not be scored, and are left out."]
    return "\n".join(lines)


def _prmbench_rows(found: dict[str, Any]) -> Iterator[list[str]]:
    yield _prmbench_row("overall", found["overall"])
    for group, kinds in GROUPS.items():
        yield _prmbench_row(group, found["groups"][group])
        for kind, short in kinds.items():
            yield _prmbench_row(f"{short} {kind.replace('_', ' ')}", found["kinds"][kind])


def _prmbench_row(name: str, told: dict[str, Any]) -> list[str]:
    parts = [_percent(told.get(part)) for part in ("f1", "negative_f1", "first_error")]
    ece = told.get("calibration", {}).get("ece")
    return [
        name,
        _percent(told["score"]),
        _range(told["interval"]),
        *parts,
        _decimal(told.get("auc")),
        _decimal(ece),
    ]


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


def _count(tokens: int | None) -> str:
    return "not told" if tokens is None else f"{tokens:,}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _decimal(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _range(interval: list[float] | tuple[float, float]) -> str:
    return " to ".join(map(_percent, interval))
