"""A finished run as a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sal.cli.display.words import cached, duration, known
from sal.runs.summary import Estimate, Summary
from sal.runtime.usage import Usage


def summary_table(summary: Summary, folder: Path) -> str:
    """Accuracy by rule in percent, ± one standard error over problems; cost; where it lies.

    The rule by which the strategy chose is marked.
    """
    searched = problems = f"{summary.problems} problem{'' if summary.problems == 1 else 's'}"
    if summary.failed:
        problems += f", {summary.failed} failed (counted as wrong)"
    rows: list[tuple[str, str]] = [
        (f"{rule} (chosen)" if rule == summary.rule else rule, _percent(mean))
        for rule, mean in summary.accuracy.items()
    ]
    rows += [
        ("policy", _tokens(summary.policy)),
        ("PRM", _tokens(summary.prm)),
        ("compute", _compute(summary)),
        ("KV held", _kv(summary.kv_peak)),
        ("time", duration(summary.seconds)),
        ("folder", f"{folder}"),
    ]
    if summary.unspent:
        rows.insert(-2, ("unspent", f"{summary.unspent} completions"))
    if summary.capped:
        rows.insert(-2, ("capped", f"{summary.capped} of {searched}"))
    if summary.truncated:
        rows.insert(-2, ("truncated", f"{summary.truncated} of {summary.completions} completions"))
    if summary.no_answer:
        would = f"; --extract flexible would read {summary.readable}" if summary.readable else ""
        rows.insert(
            -2, ("no answer", f"{summary.no_answer} of {summary.completions} completions{would}")
        )
    if summary.skipped.rows:
        because = [("", f"{reason:.80}") for reason in summary.skipped.reasons]
        rows[-1:-1] = [("skipped", f"{summary.skipped}"), *because]
    head = (f"{summary.strategy}, budget {summary.budget}", problems)
    return markdown([head, *rows])


def at_n_table(summary: Summary, ns: Sequence[int]) -> str:
    """What fewer of the same samples come to: a row per rule, a column for each of `ns`.

    Below it what its note says; alone, where no number is there.
    """
    found = summary.at_n.estimates
    columns = [n for n in ns if all(n in by_n for by_n in found.values())]
    lines = [summary.at_n.note] if summary.at_n.note else []
    if found and columns:
        head = ["samples of each problem", *(f"n = {n}" for n in columns)]
        rows = [[rule, *(_percent(by_n[n]) for n in columns)] for rule, by_n in found.items()]
        lines.insert(0, markdown([head, *rows]))
    return "\n".join(lines)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table, its columns aligned; the first row is the head."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _percent(estimate: Estimate) -> str:
    mean, error = (f"{100 * value:.1f}" for value in (estimate.mean, estimate.stderr))
    return f"{mean} ± {error} %" if error != "nan" else f"{mean} %"


def _compute(summary: Summary) -> str:
    """FLOPs of the policy and of the PRM, apart."""
    used = [("policy", summary.policy), ("prm", summary.prm)]
    told = {role: summary.flops[role] for role, usage in used if usage.requests}
    names = {"policy": "policy", "prm": "PRM"}
    return ", ".join(f"{names[role]} {_flops(value)}" for role, value in told.items()) or "none"


def _flops(value: float | None) -> str:
    """`812 MFLOPs`, `8.1 TFLOPs`."""
    if value is None:
        return "unknown"
    for power, unit in ((18, "E"), (15, "P"), (12, "T"), (9, "G")):
        if value >= 10**power:
            return f"{value / 10**power:.3g} {unit}FLOPs"
    return f"{value / 1e6:.3g} MFLOPs"


def _kv(peak: Mapping[str, float | None]) -> str:
    if peak["mean"] is None:
        return "unknown"
    return f"{known(peak['mean'])} tokens at a search's peak, {known(peak['max'])} at most"


def _tokens(usage: Usage) -> str:
    if not usage.requests:
        return "not used"
    prompt = f"{known(usage.prompt_tokens)} prompt tokens ({cached(usage)} cached)"
    made = usage.completion_tokens
    return prompt if made == 0 else f"{prompt}, {known(made)} generated"
