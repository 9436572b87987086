"""Sets that have step labels: each in its own format, as it stands on the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sal.learn.errors import LabelError
from sal.learn.files import write_labels
from sal.learn.labelled import Labelled
from sal.learn.rows import StepLabels
from sal.learn.sets import BAD_PROBLEM, NO_STEPS, labels_in
from sal.learn.sources import labels_from


def read(tmp_path: Path, *rows: Any, name: str = "set.jsonl") -> Labelled:
    file = tmp_path / name
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return labels_in(str(file))


def rated(text: str, rating: int | None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": None}


def prm800k(*steps: dict[str, Any], finish: str = "solution") -> dict[str, Any]:
    return {
        "labeler": "x",
        "question": {"problem": "2+2?", "ground_truth_answer": "4"},
        "label": {"steps": list(steps), "finish_reason": finish},
    }


def step(*completions: dict[str, Any], chosen: int | None = 0, human: Any = None) -> dict[str, Any]:
    return {
        "completions": list(completions), "human_completion": human, "chosen_completion": chosen,
    }  # fmt: skip


def test_prm800k_is_its_path_and_every_alternative(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        prm800k(
            step(rated("a", 0)),
            step(rated("bad", -1), rated("b", 1), chosen=1),
            step(rated("c", -1), rated("d", -1), chosen=None, human=rated("mine", None)),
        ),
    )
    assert {r.id: (r.steps, r.labels, r.correct) for r in found.rows} == {
        "0/1.0": (("a", "bad"), (0, -1), None),
        "0/2.0": (("a", "b", "c"), (0, 1, -1), None),
        "0/2.1": (("a", "b", "d"), (0, 1, -1), None),
        "0": (("a", "b", "mine"), (0, 1, None), True),
    }
    assert {(r.question, r.answer, r.source) for r in found.rows} == {("2+2?", "4", "PRM800K")}
    assert all(type(v) in (int, type(None)) for r in found.rows for v in r.labels)


def test_prm800k_ends_where_nothing_was_chosen(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        prm800k(
            step(rated("a", 1)),
            step(rated("x", -1), rated("y", 0), chosen=None),
            finish="found_error",
        ),
    ).rows
    assert [(r.steps, r.labels) for r in rows] == [(("a", "x"), (1, -1)), (("a", "y"), (1, 0))]


def test_a_broken_problem_is_left_out_and_counted(tmp_path: Path) -> None:
    found = read(
        tmp_path, prm800k(step(rated("a", 1)), finish="bad_problem"), prm800k(step(rated("a", 1)))
    )
    assert len(found.rows) == 1
    assert found.dropped == {BAD_PROBLEM: 1}


def test_math_shepherd(tmp_path: Path) -> None:
    text = "How many? - or + ? Step 1: 1+1=2. {}\nStep 2: so 3-1. {}\nStep 3: The answer is: 2 {}"
    given = text.format(*["ки"] * 3)
    label = text.format("+", "-", "+")
    (row,) = read(tmp_path, {"input": given, "label": label, "task": "GSM8K"}).rows
    assert row.question == "How many? - or + ?"
    assert row.steps == ("Step 1: 1+1=2.", "Step 2: so 3-1.", "Step 3: The answer is: 2")
    assert row.labels == (True, False, True)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("Q Step 1: a ки", "Q Step 1: a ?"),
        ("Q Step 1: ab ки", "Q Step 1: a +"),
        ("Q a ки", "Q a +"),
    ],
)
def test_a_math_shepherd_row_that_does_not_fit_is_named(
    given: str, label: str, tmp_path: Path
) -> None:
    with pytest.raises(LabelError, match=r"set.jsonl:1: no row of Math-Shepherd"):
        read(tmp_path, {"input": given, "label": label})


def test_processbench_has_first_errors(tmp_path: Path) -> None:
    of = {"id": "g-1", "problem": "?", "steps": ["a ", "\n", "b"], "final_answer_correct": False}
    found = read(tmp_path, of | {"label": 2}, of | {"label": -1, "final_answer_correct": True})
    assert [(r.id, r.steps, r.first_error, r.correct) for r in found.rows] == [
        ("g-1", ("a", "b"), 1, False),
        ("g-1", ("a", "b"), -1, True),
    ]


def mr_gsm8k(judged: str, error: Any) -> dict[str, Any]:
    return {
        "uuid": "u-1",
        "question": "?",
        "ground_truth_answer": 17,
        "model_output_steps": ["Step 1: a", "Step 2: b"],
        "model_output_answer_correctness": "correct",
        "model_output_solution_correctness": judged,
        "model_output_solution_first_error_step": error,
        "question_type": "original",
    }


def test_mr_gsm8k_counts_from_one(tmp_path: Path) -> None:
    found = read(tmp_path, mr_gsm8k("wrong", 2), mr_gsm8k("correct", "N/A"))
    assert [(r.id, r.steps, r.first_error, r.correct, r.answer) for r in found.rows] == [
        ("u-1", ("Step 1: a", "Step 2: b"), 1, True, "17"),
        ("u-1", ("Step 1: a", "Step 2: b"), -1, True, "17"),
    ]


@pytest.mark.parametrize("labels", [[True, False], [1, -1], [0.9, 0.25]])
def test_trls_labels_stay_what_they_are(labels: list[Any], tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"prompt": "? ", "completions": ["a\n", " b"], "labels": labels}).rows
    assert (row.question, row.steps, list(row.labels)) == ("?", ("a", "b"), labels)
    assert [type(v) for v in row.labels] == [type(v) for v in labels]


def test_an_empty_step_goes_with_its_label(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"prompt": "?", "completions": ["a", " ", "b"], "labels": [True, False, True]},
        {"prompt": "?", "completions": [""], "labels": [True]},
    )
    assert [(r.steps, r.labels) for r in found.rows] == [(("a", "b"), (True, True))]
    assert found.dropped == {NO_STEPS: 1}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "?", "completions": ["a", "b"], "labels": [True]}, "1 labels for 2"),
        ({"prompt": "?", "completions": ["a"], "labels": ["+"]}, "neither true or false"),
        ({"prompt": "?", "completions": [7], "labels": [True]}, "not a list of texts"),
        ({"prompt": [], "completions": ["a"], "labels": [True]}, "prompt is not a text"),
        ({"problem": None, "steps": ["a"], "label": 0}, "the question is not a text"),
        ({"problem": "?", "steps": "a", "label": 0}, "the steps are not a list of texts"),
        ({"problem": "?", "steps": ["a"], "label": 1}, "set.jsonl:1: the first wrong step is 1 of"),
        ({"problem": "?", "steps": ["a"], "label": "0"}, "the first wrong step is '0' of 1"),
        ({"problem": "?", "steps": ["a", ""], "label": 1}, "the first wrong step, 1, is empty"),
        (mr_gsm8k("maybe", 1), "no row of MR-GSM8K"),
        (mr_gsm8k("wrong", "N/A"), "no row of MR-GSM8K"),
        (mr_gsm8k("wrong", 3), "the first wrong step is 2 of 2"),
        (mr_gsm8k("wrong", 0), "first wrong step"),
        ({"labeler": "x", "question": {}, "label": {"finish_reason": ""}}, "no row of PRM800K"),
        ({"question": "?", "answer": "4"}, "no labels in the columns question, answer"),
    ],
)
def test_a_row_that_is_none_is_told_in_a_sentence(row: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=says) as raised:
        read(tmp_path, row)
    assert "\n" not in str(raised.value)


def test_our_own_labels_come_in_again(tmp_path: Path) -> None:
    rows = [
        StepLabels(
            id="a/0", question="?", steps=("x", "y"), right=(3, 0), rollouts=(8, 8),
            judged=(0.5, 0.0), answer="1", correct=False, source="step-rollouts of p",
        )
    ]  # fmt: skip
    write_labels(rows, tmp_path)
    assert labels_from(str(tmp_path)).rows == rows


def test_a_limit_counts_the_sets_rows(tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}", "completions": ["a"], "labels": [True]} for i in range(5)]
    read(tmp_path, *rows)
    assert len(labels_in(str(tmp_path / "set.jsonl"), limit=2).rows) == 2


@pytest.mark.recorded
@pytest.mark.parametrize(("name", "wrong", "right"), [("gsm8k", 207, 193), ("math", 594, 406)])
def test_processbench_itself(name: str, wrong: int, right: int, recorded_data: Path) -> None:
    """The numbers of its paper (Zheng et al., arXiv 2412.06559)."""
    rows = labels_in(str(recorded_data / f"processbench_{name}.json")).rows
    assert sum(r.first_error == -1 for r in rows) == right
    assert sum(r.first_error is not None and r.first_error >= 0 for r in rows) == wrong
