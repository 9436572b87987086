"""The data of the report's page: runs as JSON, compact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sal import __version__
from sal.reports.report_markdown import of_a_part
from sal.reports.run_data import CHOSEN, Columns, ProblemKey, RunData
from sal.reports.series import GREEDY, Point, Series, accuracies, series_of
from sal.runs.summary import Estimate

AXES = ("n", "tokens", "flops", "seconds")
"""What accuracy can be drawn against: N, and means over problems."""

LOOKS = {"pass": 7, "majority": 3, "weighted": 0, "naive": 1}
"""The colours of the curves of n samples, by rule; strategies have theirs by their order."""


def page_data(runs: Sequence[RunData], title: str) -> dict[str, Any]:
    """All that the page shows but the search trees."""
    problems = problem_keys(runs)
    labels = run_labels(runs)
    lines = series_of(runs)
    return {
        "title": title,
        "version": __version__,
        "problems": [
            {"id": name, "question": question, "answer": answer}
            for name, question, answer in _told(runs, problems)
        ],
        "runs": [_run(run, label, problems) for run, label in zip(runs, labels, strict=True)],
        "series": [_series(line, runs) | {"look": i} for i, line in enumerate(lines)],
        "samples": sample_curves(lines),
        "levels": levels(lines),
        "part": of_a_part(lines),
    }


def problem_keys(runs: Iterable[RunData]) -> dict[ProblemKey, int]:
    """Every problem of the runs, numbered as they come."""
    return {
        key: number
        for number, key in enumerate(
            dict.fromkeys(key for run in runs for key in run.columns.problems)
        )
    }


def run_labels(runs: Sequence[RunData]) -> list[str]:
    """A name for each run that no other has: strategy and N, else where it lies as well."""
    if not runs:
        return []
    short = [f"{run.recipe.strategy} N={run.summary.budget}" for run in runs]
    often = Counter(short)
    parents = common_parent([run.path for run in runs])
    return [
        label
        if often[label] == 1
        else f"{label} ({run.path.resolve().relative_to(parents).as_posix()})"
        for label, run in zip(short, runs, strict=True)
    ]


def common_parent(paths: Sequence[Path]) -> Path:
    """The deepest folder that has all of `paths` below it."""
    parents = [path.resolve().parent for path in paths]
    shared = parents[0]
    while not all(parent.is_relative_to(shared) for parent in parents):
        shared = shared.parent
    return shared


def sample_curves(lines: Iterable[Series]) -> list[dict[str, Any]]:
    """pass@n and what each rule comes to with n samples: of each policy, from its largest N.

    n of N samples are counted as n/N of what the run cost; its seconds are not divided, for
    samples are drawn side by side.
    """
    most: dict[tuple[str, str, str], tuple[Series, Point]] = {}
    for line in lines:
        for point in line.points:
            for rule in point.samples if point.budget > 1 else ():
                key = (rule, point.runs[0].policy, point.runs[0].recipe.problems_digest)
                if key not in most or most[key][1].budget < point.budget:
                    most[key] = (line, point)
    return [_sample_curve(rule, line, point) for (rule, *_), (line, point) in most.items()]


def _sample_curve(rule: str, line: Series, point: Point) -> dict[str, Any]:
    whole = {axis: point.cost(axis) for axis in ("tokens", "flops")}
    shares = {
        n: {axis: None if cost is None else cost * n / point.budget for axis, cost in whole.items()}
        for n in point.samples[rule]
    }
    return {
        "name": f"{rule}@n of {line.name}",
        "look": LOOKS[rule],
        "rule": rule,
        "points": [
            {"cost": {"n": n, "seconds": None, **shares[n]}, "accuracy": estimate_pair(estimate)}
            for n, estimate in point.samples[rule].items()
        ],
    }


def levels(lines: Iterable[Series]) -> list[dict[str, Any]]:
    """Greedy accuracies, one for each policy: a height to be compared with."""
    return [
        {
            "name": f"greedy, {line.policy}",
            "accuracy": estimate_pair(point.accuracy(CHOSEN)),
        }
        for line in lines
        for point in line.points
        if point.strategy == GREEDY
    ]


def estimate_pair(estimate: Estimate) -> list[float | None]:
    """Mean and standard error; null where they are unknown."""
    return [_number(estimate.mean), _number(estimate.stderr)]


def _series(line: Series, runs: Sequence[RunData]) -> dict[str, Any]:
    places = {id(run): place for place, run in enumerate(runs)}
    return {
        "name": line.name,
        "strategy": line.points[0].strategy,
        "points": [
            {
                "runs": [places[id(run)] for run in point.runs],
                "cost": _costs(point),
                "accuracy": {rule: estimate_pair(e) for rule, e in accuracies(point).items()},
                "partial": point.partial,
            }
            for point in line.points
        ],
    }


def _costs(point: Point) -> dict[str, float | None]:
    means = {axis: _number(point.cost(axis)) for axis in AXES if axis != "n"}
    return {"n": float(point.budget), **means}


def _run(run: RunData, label: str, problems: Mapping[ProblemKey, int]) -> dict[str, Any]:
    summary = run.summary
    return {
        "label": label,
        "strategy": run.recipe.strategy,
        "budget": summary.budget,
        "policy": run.policy,
        "prm": run.prm,
        "seed": run.recipe.seed,
        "rule": summary.rule,
        "done": summary.problems,
        "owed": summary.owed,
        "failed": summary.failed,
        "cost": {name: _number(value) for name, value in run.cost.items()},
        "tokens": run.tokens,
        "rows": _rows(run.columns, problems),
    }


def _rows(columns: Columns, problems: Mapping[ProblemKey, int]) -> dict[str, Any]:
    """Yes and no are a letter each, so that a thousand of them are a kilobyte."""
    return {
        "problem": [problems[key] for key in columns.problems],
        "chosen": columns.chosen,
        "right": {rule: _bits(values) for rule, values in columns.right.items()},
        "fooled": _bits(columns.fooled),
        "completions": columns.completions,
        "correct": columns.correct,
        "truncated": columns.truncated,
        "tokens": columns.tokens,
        "seconds": [round(seconds, 3) for seconds in columns.seconds],
        "error": columns.error,
    }


def _told(
    runs: Iterable[RunData], problems: Mapping[ProblemKey, int]
) -> list[tuple[str, str, str]]:
    answers: dict[ProblemKey, str] = {}
    for run in runs:
        for key, answer in zip(run.columns.problems, run.columns.answers, strict=True):
            answers.setdefault(key, answer)
    return [(*key, answers[key]) for key in problems]


def _bits(values: Iterable[bool]) -> str:
    return "".join("1" if value else "0" for value in values)


def _number(value: float | None) -> float | None:
    """To six digits, which is more than is known; NaN is no JSON."""
    return None if value is None or math.isnan(value) else float(f"{value:.6g}")
