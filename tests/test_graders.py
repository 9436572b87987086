"""Graders by name: exact match, and functions of the user's own, also those that misbehave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from test_cli_run import Sal, sal
from test_runs_servers import rows_of
from test_runs_servers import sal as run_sal

from sal.grading import function_grader
from sal.grading.exact import ExactGrader
from sal.grading.graders import grader_digest, make_grader
from sal.grading.names import GraderError
from sal.runs.errors import RunError
from sal.runs.settings import Settings, prepare

__all__ = ["sal"]  # a fixture

OWN = """
import os, sys, time

print("imported, loudly")


def grade(completion: str, gold: str) -> bool:
    print("called, loudly")
    if "raises" in completion:
        raise ValueError("no such\\nanswer")
    if "exits" in completion:
        sys.exit(3)
    if "dies" in completion:
        os._exit(1)
    if "computes" in completion:
        while True:
            pass
    if "sleeps" in completion:
        time.sleep(1000)
    if "says yes" in completion:
        return "yes"
    return completion.endswith(gold)


def keyed(completion: str, gold: str) -> bool:
    return grade(completion, gold)


def last_letter(completion: str) -> str:
    if completion == "none":
        return None
    return completion[-1:]


keyed.key = last_letter


class Nested:
    @staticmethod
    def grade(completion, gold):
        import numpy
        return numpy.bool_(completion == gold)


def one(completion):
    return True


def bad_key(completion, gold):
    return True


bad_key.key = lambda a, b: a
number = 5
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module of the user's in the current folder, of a name that no other test has."""
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


def test_a_function_says_what_is_right(own: str) -> None:
    grader = make_grader(f"{own}:grade")
    try:
        verdicts = list(grader.grade_many([("it is 4", "4"), ("it is 5", "4")]))
        assert [(v.correct, v.reason, v.reference) for v in verdicts] == [
            (True, "match", "4"),
            (False, "mismatch", "4"),
        ]
        assert grader.note == ""
        assert grader.keys([r"\boxed{\frac12}", r"\boxed{0.5}", "no answer"]) == ["1/2", "1/2", ""]
    finally:
        grader.close()


def test_calls_that_fail_are_told_and_hurt_no_other(
    own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_grader, "LIMIT_S", 2.0)
    grader = make_grader(f"{own}:grade")
    texts = ["4", "raises", "exits", "dies", "4", "computes", "sleeps", "says yes", "5", "4"]
    try:
        verdicts = list(grader.grade_many((text, "4") for text in texts))
    finally:
        grader.close()
    assert [(v.reason, v.fault) for v in verdicts] == [
        ("match", ""),
        ("error", "ValueError: no such answer"),
        ("error", "SystemExit: 3"),
        ("error", "its process ended"),
        ("match", ""),
        ("timeout", "took too long"),
        ("timeout", "took too long"),
        ("error", "returned a str, not True or False"),
        ("mismatch", ""),
        ("match", ""),
    ]
    assert [v.correct for v in verdicts] == [v.reason == "match" for v in verdicts]
    assert grader.note == (
        f"--grader {own}:grade: 6 of 10 calls failed; the first: ValueError: no such answer"
    )
    assert verdicts[1].explain().endswith("the comparison failed (ValueError: no such answer)")


def test_a_function_may_bring_the_key_of_votes(own: str) -> None:
    grader = make_grader(f"{own}:keyed")
    try:
        assert grader.keys(["ab", "cb", "none", "ab"]) == ["b", "b", "", "b"]
        assert grader.note.endswith(
            "1 of 3 calls failed; the first: returned a NoneType, not a text"
        )
        assert grader.among(["x", "y"]) is grader
    finally:
        grader.close()


def test_a_module_that_fails_in_the_worker_alone_is_a_fault_of_each_call(
    own: str, tmp_path: Path
) -> None:
    with (tmp_path / f"{own}.py").open("a") as file:
        file.write("import multiprocessing\nif multiprocessing.parent_process():\n    1 / 0\n")
    grader = make_grader(f"{own}:grade")
    try:
        verdicts = list(grader.grade_many([("4", "4"), ("4", "4")]))
        assert {(v.reason, v.fault) for v in verdicts} == {
            ("error", "ZeroDivisionError: division by zero")
        }
    finally:
        grader.close()


def test_a_function_in_a_class_and_numpys_truth(own: str) -> None:
    grader = make_grader(f"{own}:Nested.grade")
    try:
        assert [v.reason for v in grader.grade_many([("4", "4"), ("5", "4")])] == [
            "match",
            "mismatch",
        ]
    finally:
        grader.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("maths", "maths: not math, exact or a module:function"),
        ("OWN", "not math, exact or a module:function"),
        ("OWN:", "not math, exact or a module:function"),
        (":grade", "not math, exact or a module:function"),
        ("OWN:grades", "the module 'OWN' has no 'grades'"),
        ("OWN:number", "not a function, but a int"),
        ("OWN:one", "not a function of a completion and the right answer"),
        ("OWN:bad_key", "its key is not a function of a completion"),
        ("nowhere_at_all:grade", "no module 'nowhere_at_all' in "),
        (
            "broken_module:grade",
            "its module cannot be imported: ZeroDivisionError: division by zero",
        ),
        ("needs_another:grade", "its module cannot be imported: ModuleNotFoundError: No module"),
        ("that_exits:grade", "its module cannot be imported: SystemExit: 1"),
    ],
)
def test_a_grader_that_cannot_be_is_refused_before_anything_starts(
    own: str, tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0")
    (tmp_path / "needs_another.py").write_text("import nowhere_at_all")
    (tmp_path / "that_exits.py").write_text("raise SystemExit(1)")
    name, says = name.replace("OWN", own), says.replace("OWN", own)
    with pytest.raises(GraderError) as caught:
        make_grader(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match=r"^--grader "):
        prepare(Settings(strategy="greedy", params={}, dataset="tiny", grader=name), gpu=False)


def test_the_digest_is_of_the_functions_file(own: str, tmp_path: Path) -> None:
    first = grader_digest(f"{own}:grade")
    assert len(first) == 16
    with (tmp_path / f"{own}.py").open("a") as file:
        file.write("\n# another rule\n")
    assert grader_digest(f"{own}:grade") not in ("", first)
    assert grader_digest("exact") == grader_digest("math") == ""


@pytest.mark.parametrize(
    ("text", "gold", "reason"),
    [
        (r"\boxed{North  East}", "north east", "match"),
        (r"\boxed{\text{Paris}}", "Paris ", "match"),
        ("The answer is Paris.", "paris", "match"),
        (" Paris\n", "Paris", "match"),
        ("Straße", "STRASSE", "match"),
        (r"\boxed{0.50}", "0.5", "mismatch"),
        (r"\boxed{north-east}", "north east", "mismatch"),
        ("We think.\nAnd think.", "Paris", "no_answer"),
        ("", "Paris", "no_answer"),
        (r"\boxed{Paris}", " ", "error"),
        (r"\boxed{5}", r"It is \boxed{5}.", "match"),
    ],
)
def test_exact_match(text: str, gold: str, reason: str) -> None:
    (verdict,) = ExactGrader().grade_many([(text, gold)])
    assert (verdict.reason, verdict.correct) == (reason, reason == "match")


def test_exact_keys_are_equal_where_answers_match() -> None:
    grader = make_grader("exact")
    keys = grader.keys([r"\boxed{\text{North east}}", "north  East", r"\boxed{0.5}", ".5", "a\nb"])
    assert keys == ["north east", "north east", "0.5", ".5", ""]


def test_exact_match_with_flexible_extraction() -> None:
    (verdict,) = make_grader("exact", flexible=True).grade_many([("first 3\nthen 12", "12")])
    assert verdict.correct


def test_another_grader_or_another_version_of_it_is_another_recipe(
    own: str, tmp_path: Path
) -> None:
    said = Settings(strategy="greedy", params={}, dataset="tiny", limit=1)
    plain = prepare(said, gpu=False).recipe
    assert plain.grader == "math"
    assert not plain.flat().keys() & {"grader", "grader_digest", "choices_field", "preset"}
    recipes = [
        prepare(
            Settings(strategy="greedy", params={}, dataset="tiny", limit=1, grader=name), gpu=False
        ).recipe
        for name in ("math", "exact", f"{own}:grade", f"{own}:keyed")
    ]
    assert recipes[0].digest == plain.digest
    assert len({recipe.digest for recipe in recipes}) == 4


@pytest.mark.servers
def test_a_run_with_a_grader_of_ones_own_goes_on_with_it_alone(
    policy_server: str, tmp_path: Path
) -> None:
    (tmp_path / "rule.py").write_text(
        "def grade(completion, gold):\n"
        "    print('noise')\n"
        "    if 'tiny' in gold:\n"
        "        raise KeyError(gold)\n"
        "    return len(completion) > 0\n\n\n"
        "grade.key = lambda completion: 'one for all'\n"
    )
    words = ["run", "majority", "--budget", "2", "--policy", policy_server, "--limit", "2"]
    words += ["--max-tokens", "60", "--out", "out", "--json"]
    done = run_sal([*words, "--grader", "rule:grade"], tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdicts"] == {"match": summary["completions"]}
    rows = rows_of(tmp_path / "out")
    assert {c["key"] for row in rows for c in row["completions"]} == {"one for all"}
    recipe = yaml.safe_load((tmp_path / "out" / "recipe.yaml").read_text())
    assert recipe["grader"] == "rule:grade"
    again = run_sal(["run", "--resume", "out", "--json"], tmp_path)
    assert (again.returncode, json.loads(again.stdout)["verdicts"]) == (0, summary["verdicts"])
    other = run_sal(["run", "--resume", "out", "--grader", "exact"], tmp_path)
    assert other.returncode == 2
    assert "these differ: grader, grader_digest" in other.stderr
    (tmp_path / "rule.py").write_text("def grade(completion, gold):\n    return False\n")
    changed = run_sal(["run", "--resume", "out"], tmp_path)
    assert changed.returncode == 2
    assert "these differ: grader_digest" in changed.stderr


def test_sal_grade_takes_them_and_what_they_print_goes_to_stderr(
    own: str, tmp_path: Path, sal: Sal
) -> None:
    rows = [
        {"c": "it is 4", "g": "4"},
        {"c": "raises", "g": "4"},
        {"c": r"\boxed{5}", "g": "4"},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["grade", "in.jsonl", "--prediction-field", "c", "--answer-field", "g"]
    words_of_own = [*words, "--out", "out.jsonl", "--grader", f"{own}:grade", "--explain"]
    done = run_sal(words_of_own, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "1 of 3 calls failed; the first: ValueError: no such answer" in done.stderr
    assert "imported, loudly" in done.stderr
    assert "called, loudly" in done.stderr
    graded = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in graded] == ["match", "error", "mismatch"]
    assert "(ValueError: no such answer)" in graded[1]["explanation"]
    code, _, err = sal(*words, "--out", "out.jsonl", "--grader", "nowhere_at_all:grade")
    assert code == 2
    assert "--grader nowhere_at_all:grade: no module" in err
    assert sal(*words, "--out", "exact.jsonl", "--grader", "exact")[0] == 0
    graded = [json.loads(line) for line in (tmp_path / "exact.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in graded] == ["mismatch", "mismatch", "mismatch"]
