"""A finished run as a Markdown table."""

from __future__ import annotations

from pathlib import Path

from sal.cli.display.words import cached, duration, known
from sal.runs.results import Estimate, Summary
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
        ("time", duration(summary.seconds)),
        ("folder", f"{folder}"),
    ]
    if summary.unspent:
        rows.insert(-2, ("unspent", f"{summary.unspent} completions"))
    if summary.capped:
        rows.insert(-2, ("capped", f"{summary.capped} of {searched}"))
    if summary.truncated:
        rows.insert(-2, ("truncated", f"{summary.truncated} of {summary.completions} completions"))
    if summary.skipped.rows:
        because = [("", f"{reason:.80}") for reason in summary.skipped.reasons]
        rows[-1:-1] = [("skipped", f"{summary.skipped}"), *because]
    head = (f"{summary.strategy}, budget {summary.budget}", problems)
    cells = [tuple(cell.replace("|", "\\|") for cell in row) for row in [head, *rows]]
    left, right = (max(len(row[i]) for row in cells) for i in (0, 1))
    lines = [f"| {a:<{left}} | {b:<{right}} |" for a, b in cells]
    lines.insert(1, f"|{'-' * (left + 2)}|{'-' * (right + 2)}|")
    return "\n".join(lines)


def _percent(estimate: Estimate) -> str:
    mean, error = (f"{100 * value:.1f}" for value in (estimate.mean, estimate.stderr))
    return f"{mean} ± {error} %" if error != "nan" else f"{mean} %"


def _tokens(usage: Usage) -> str:
    if not usage.requests:
        return "not used"
    prompt = f"{known(usage.prompt_tokens)} prompt tokens ({cached(usage)} cached)"
    made = usage.completion_tokens
    return prompt if made == 0 else f"{prompt}, {known(made)} generated"
