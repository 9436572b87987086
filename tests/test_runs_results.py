from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from runs_examples import COST, recipe, row

from sal.cli.table import summary_table
from sal.runs.problems import Skipped
from sal.runs.results import ResultRow, failed_row
from sal.runs.summary import Estimate, summarise
from sal.runtime.model_cost import ModelCost


def summary(rows: list[ResultRow]) -> dict[str, object]:
    made = summarise(
        rows,
        strategy="dvts",
        budget=8,
        owed=1,
        seconds=9.0,
        versions={"sal": "0.1.0"},
        recipe=recipe().digest,
        models={"policy": ModelCost(1000, 32), "prm": None},
    )
    return json.loads(json.dumps(made.as_json(), allow_nan=False))  # type: ignore[no-any-return]


def test_mean_and_standard_error() -> None:
    estimate = Estimate.of([1, 0, 0, 1])
    assert estimate.mean == 0.5
    assert estimate.stderr == pytest.approx(math.sqrt((4 * 0.25 / 3) / 4))
    assert math.isnan(Estimate.of([1.0]).stderr)


def test_the_summary_has_what_readers_are_promised() -> None:
    content = summary([row("a"), row("b", correct=False), row("c", error="no completion")])
    assert content["strategy"] == "dvts"
    assert (content["budget"], content["problems"], content["failed"]) == (8, 3, 1)
    accuracy = content["accuracy"]
    assert isinstance(accuracy, dict)
    assert list(accuracy) == ["naive", "weighted", "majority", "pass"]
    assert accuracy["pass"]["mean"] == pytest.approx(1 / 3)
    assert accuracy["pass"]["stderr"] == pytest.approx(1 / 3)
    usage = {"prompt_tokens": 300, "cached_tokens": 180, "completion_tokens": 30, "requests": 6}
    usage["attended_tokens"] = 12_000
    assert content["usage"] == {"policy": usage, "prm": usage}
    # 2 x parameters x (prefilled past the cache + generated) + 32 for each position attended
    assert content["flops"] == {"policy": 2 * 1000 * 150.0 + 32 * 12_000.0, "prm": None}
    assert content["models"] == {"policy": {"parameters": 1000, "attention": 32}, "prm": None}
    assert content["verdicts"] == {"match": 2}
    assert content["owed"] == 1
    assert content["capped"] == 0
    assert summary([row("a"), replace(row("b"), capped=True)])["capped"] == 1
    assert content["versions"] == {"sal": "0.1.0"}


def test_skipped_rows_stand_in_the_summary_and_in_the_table() -> None:
    reasons = ("line 3: not JSON (Expecting value at column 1)", "line 9: field 'answer' is empty")
    skipped = Skipped(2, 10, reasons)
    made = summarise(
        [row("a")], strategy="dvts", budget=8, owed=0, seconds=9.0, versions={}, recipe="",
        models={}, skipped=skipped,
    )  # fmt: skip
    assert made.as_json()["skipped"] == {"rows": 2, "of": 10, "reasons": reasons}
    told = [line.strip("| ") for line in summary_table(made, Path("out")).splitlines()]
    at = next(i for i, line in enumerate(told) if line.startswith("skipped"))
    assert [line.split("| ")[-1] for line in told[at : at + 3]] == ["2 of 10 rows", *reasons]
    assert summary([row("a")])["skipped"] == {"rows": 0, "of": 0, "reasons": []}


def test_no_problem_and_one_problem_are_json_too() -> None:
    nothing = {"mean": None, "stderr": None}
    rules = ("naive", "weighted", "majority", "pass")
    assert summary([])["accuracy"] == dict.fromkeys(rules, nothing)
    one = summary([row("a")])["accuracy"]
    assert isinstance(one, dict)
    assert one["naive"] == {"mean": 1.0, "stderr": None}


def test_a_row_has_what_readers_are_promised_and_comes_back() -> None:
    ours = failed_row(
        "a", "?", "1", "no completion", policy=COST, errors=["x"], unspent=3, capped=True
    )
    content = json.loads(json.dumps(ours.as_json()))
    promised = {"id", "question", "answer", "completions", "chosen", "correct", "usage", "seconds"}
    assert promised | {"error"} <= set(content)
    assert ResultRow.from_json(content) == ours
    assert set(row("a").as_json()["completions"][0]) >= {
        "text",
        "steps",
        "scores",
        "tokens",
        "finish",
        "key",
    }


def test_a_row_of_an_older_version_comes_back_and_its_flops_are_not_known() -> None:
    content = json.loads(json.dumps(row("a").as_json()))
    del content["kv_peak"]
    for usage in content["usage"].values():
        del usage["attended_tokens"]
    older = ResultRow.from_json(content)
    assert older.policy.attended_tokens is None
    assert older.kv_peak is None
    assert summary([older, row("b")])["flops"] == {"policy": None, "prm": None}


def test_the_kv_peak_over_problems_is_known_when_every_row_has_one() -> None:
    rows = [replace(row(id), kv_peak=peak) for id, peak in (("a", 30), ("b", 50))]
    assert summary(rows)["kv_peak"] == {"mean": 40.0, "max": 50.0}
    assert summary([*rows, row("c")])["kv_peak"] == {"mean": None, "max": None}
    assert summary([])["kv_peak"] == {"mean": None, "max": None}
