"""From rows to numbers at every n, and what the summary says of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import recipe, row

from sal.cli.table import at_n_table, summary_table
from sal.runs.at_n import numbers_at, sizes_up_to
from sal.runs.registry import STRATEGIES
from sal.runs.results import CompletionRow, ResultRow
from sal.runs.summary import AtN, Summary, summarise


def sample(key: str, weight: float | None = 0.5, finish: str = "eot") -> CompletionRow:
    """The answer 1 is right."""
    verdict = "no_answer" if not key else "match" if key == "1" else "mismatch"
    return CompletionRow(f"so {key}", ("x",), (0.5,), 3, finish, key, verdict, weight)


def problem(name: str, *made: CompletionRow) -> ResultRow:
    return replace(row(name), completions=made)


ROWS = [
    problem("a", sample("1", 0.9), sample("2", 0.2), sample("2", 0.3), sample("1", 0.1)),
    problem("b", sample("2", 0.9), sample("1", 0.4), sample("", 0.0), sample("1", None, "length")),
]


def at(rows: list[ResultRow], *, independent: bool = True) -> AtN:
    return numbers_at(rows, "best-of-n", 4, independent=independent, ns=[1, 2, 4])


def test_worked_by_hand() -> None:
    found = at(ROWS)
    # a: 2 of 4 are right. b: 1 of 4, for the truncated one is wrong, whatever it says.
    assert found.estimates["pass"][1].mean == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert found.estimates["pass"][2].mean == pytest.approx((5 / 6 + 3 / 6) / 2)
    assert found.estimates["pass"][4].mean == 1.0
    for rule in ("naive", "weighted", "majority"):
        assert found.estimates[rule][1] == found.estimates["pass"][1]
    # Pairs of a by score: the best is the first (right) in 3 of 6, of the other three pairs one
    # holds the two 2s, and the rest has the 0.1 of the last, which loses. b: the best is the first
    # (wrong) in 3 of 6; the second, right, beats both that have no vote.
    assert found.estimates["naive"][2].mean == pytest.approx((3 / 6 + 2 / 6) / 2)
    # All four: a has 1 with 0.9 + 0.1 against 0.5, b has 2 with 0.9 against 0.4.
    assert found.estimates["weighted"][4].mean == 0.5
    # a ties 2 to 2, b 1 to 1: to what was seen first, 1 and 2.
    assert found.estimates["majority"][4].mean == 0.5
    assert found.note == ""


def test_the_error_is_that_of_problems_not_of_samples() -> None:
    ones = at(ROWS).estimates["pass"][1]
    assert ones.stderr == pytest.approx(math.sqrt(((0.125) ** 2 * 2) / 1 / 2))


def test_a_sample_that_failed_is_wrong() -> None:
    short = [problem("a", sample("1"))]  # three of the four are errors
    assert at(short).estimates["pass"][1].mean == pytest.approx(1 / 4)
    assert at(short).estimates["majority"][2].mean == pytest.approx(1 / 2)
    assert at([row("c", error="all failed")]).estimates["weighted"][4].mean == 0.0


def test_samples_that_are_not_independent_are_not_subsampled() -> None:
    found = at(ROWS, independent=False)
    assert found.estimates == {"pass": {1: found.estimates["pass"][1]}}
    assert found.estimates["pass"][1].mean == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert "best-of-n does not sample its completions independently" in found.note


def test_what_a_cap_left_out_is_not_subsampled() -> None:
    found = at([ROWS[0], replace(ROWS[1], capped=True)])
    assert list(found.estimates) == ["pass"]
    assert "a cap ended the search of 1 of 2 problems" in found.note


def test_no_problem_no_number() -> None:
    assert at([]) == AtN({})


def test_what_was_drawn_is_said() -> None:
    many = [problem("a", *(sample("12"[i % 2], i / 16) for i in range(16)))]
    found = numbers_at(many, "best-of-n", 16, independent=True, ns=[4, 8, 16])
    assert found.note == (
        "over 400 subsets of the samples: weighted at n = 8; majority at n = 8; else over all subsets"
    )


def test_which_n_stand_in_a_summary() -> None:
    assert sizes_up_to(1) == [1]
    assert sizes_up_to(16) == [1, 2, 4, 8, 16]
    assert sizes_up_to(24) == [1, 2, 4, 8, 16, 24]


def test_who_samples_independently() -> None:
    independent = [name for name, s in STRATEGIES.items() if s.program.independent]
    assert independent == ["greedy", "majority", "best-of-n"]


def summary(rows: list[ResultRow], at_n: AtN = AtN({})) -> Summary:
    return summarise(
        rows,
        strategy="best-of-n",
        budget=4,
        owed=0,
        seconds=9.0,
        versions={},
        recipe=recipe().digest,
        models={},
        at_n=at_n,
    )


def test_the_summary_and_the_table_have_them() -> None:
    made = summary(ROWS, at(ROWS))
    content = json.loads(json.dumps(made.as_json(), allow_nan=False))
    assert set(content["at_n"]) == {"naive", "weighted", "majority", "pass"}
    assert list(content["at_n"]["pass"]) == ["1", "2", "4"]
    assert content["at_n"]["pass"]["1"]["mean"] == pytest.approx(0.375)
    assert content["at_n_note"] == ""
    table = at_n_table(made, (1, 4))
    head = " ".join(table.splitlines()[0].split())
    assert head == "| samples of each problem | n = 1 | n = 4 |"
    assert "| pass                    | 37.5 ± 12.5 % | 100.0 ± 0.0 % |" in table
    assert at_n_table(summary(ROWS, at(ROWS, independent=False)), (4,)).startswith("@1 only")


def test_completions_without_an_answer_are_counted() -> None:
    mute = replace(sample(""), text="I do not know.")
    silent = problem("c", mute, replace(mute, text="it is 7"), replace(mute, finish="length"))
    made = summary([silent])
    assert (made.no_answer, made.readable, made.truncated) == (2, 1, 1)
    table = summary_table(made, Path("here"))
    assert "2 of 3 completions; --extract flexible would read 1" in table
    assert "no answer" not in summary_table(summary([ROWS[0]]), Path("here"))
