"""Step labels out of runs: counts of the completions below a prefix, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distill_examples import solution as completion
from programs_scripted import Say, ScriptedPolicy, Tree, end
from runs_examples import recipe, row, written_run
from test_programs_step_rollouts import RIGHT, TWO, WRONG, Answers

from sal.cli.main import main
from sal.learn.errors import LabelError
from sal.learn.files import write_labels
from sal.learn.rows import StepLabels
from sal.learn.run_labels import (
    ALL_RIGHT,
    ALL_WRONG,
    CUT,
    EQUAL,
    FAILED,
    UNREAD,
    UNTRIED,
    labels_of,
)
from sal.learn.sources import labels_from
from sal.programs.step_rollouts import StepRolloutsParams, step_rollouts
from sal.programs.trace import SearchResult
from sal.runs.folder import RunFolder
from sal.runs.found import read_run
from sal.runs.node_records import trace_json
from sal.runs.results import CompletionRow, ResultRow


def problem(*completions: CompletionRow, id: str = "q") -> ResultRow:
    return replace(row(id), completions=completions)


def labels(path: Path, *rows: ResultRow, strategy: str = "best-of-n") -> Any:
    return labels_of(read_run(written_run(path, recipe(strategy=strategy), rows)))


def test_completions_that_begin_alike_are_rollouts_from_there(tmp_path: Path) -> None:
    """By hand: three begin with a, of which two are right; two with a, b; nobody else with c."""
    found = labels(
        tmp_path,
        problem(
            completion("a", "b", RIGHT),
            completion("a", "b", WRONG, right=False),
            completion("a", RIGHT),
            completion("c", WRONG, right=False),
        ),
    )
    assert [(r.steps, r.right, r.rollouts, r.correct) for r in found.rows] == [
        (("a", "b", RIGHT), (2, 1, 1), (3, 2, 1), True),
        (("a", "b", WRONG), (2, 1, 0), (3, 2, 1), False),
        (("a", RIGHT), (2, 1), (3, 1), True),
        (("c", WRONG), (0, 0), (1, 1), False),
    ]
    assert [r.id for r in found.rows] == ["q/0", "q/1", "q/2", "q/3"]
    assert {(r.question, r.answer, r.source) for r in found.rows} == {
        ("?", "1", "best-of-n of tiny")
    }
    assert not found.dropped


def test_what_teaches_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    good, bad = completion("a", RIGHT), completion("a", WRONG, right=False)
    found = labels(
        tmp_path,
        problem(good, good, id="right"),
        problem(bad, id="wrong"),
        row("failed", error="lost"),
        problem(
            good, bad, bad,
            completion("a", "cut", right=False, finish="length", key=""),
            completion("a", "so what", right=False, key="", verdict="no_answer"),
            id="both",
        ),
    )  # fmt: skip
    assert [r.id for r in found.rows] == ["both/0", "both/1"]
    assert found.dropped == {
        ALL_RIGHT: 1, ALL_WRONG: 1, FAILED: 1, CUT: 1, UNREAD: 1, EQUAL: 2,
    }  # fmt: skip
    # Those that were cut or do not answer are rollouts all the same, and not right.
    assert found.rows[0].right[0] == 1
    assert found.rows[0].rollouts[0] == 5


def test_a_truncated_right_answer_makes_no_problem_instructive(tmp_path: Path) -> None:
    cut = completion("a", RIGHT, finish="length")
    assert labels(tmp_path, problem(cut, completion("b", WRONG, right=False))).rows == []


def test_revisions_are_no_rollouts(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="revision"):
        labels(tmp_path, problem(completion(RIGHT)), strategy="revise")


def rolled_out(path: Path, tree: Tree, **params: Any) -> list[StepLabels]:
    """The labels of a run of `step_rollouts` over `tree`, through its folder."""
    settings = StepRolloutsParams(**params)
    policy = ScriptedPolicy(lambda at: tree.get(at, end(WRONG)))
    state = step_rollouts.run("q", params=settings, verifier=Answers(), backend=policy)
    result: SearchResult = state["result"]
    made = replace(
        row("p"),
        completions=tuple(
            CompletionRow(
                c.text, c.steps, c.scores, c.tokens, c.finish, c.key,
                "match" if RIGHT in c.text else "mismatch",
            )
            for c in result.completions
        ),
    )  # fmt: skip
    of = recipe(strategy="step-rollouts", params={"budget": 2, "separator": "\n\n"})
    written_run(path, of, [made])
    with RunFolder(path, of, resume=True) as folder:
        folder.write_trace(0, "p", trace_json("p", result.trace))
    return labels_of(read_run(path)).rows


def test_rollouts_of_a_prefix_are_counted_and_nothing_else(tmp_path: Path) -> None:
    tree: Tree = TWO | {
        (0, 1): end(RIGHT),
        (0, 2): Say("cut", "length"),
        (0, 3): Say("", "abort"),  # failed: not counted
        (0, 0, 1): end("x\n\n" + RIGHT),
        (0, 0, 2): end(RIGHT),
        (0, 0, 3): end("none"),
    }
    rows = rolled_out(tmp_path, tree, budget=2, rollouts=3)
    assert [(r.steps, r.right, r.rollouts) for r in rows] == [
        (("a", "b", RIGHT), (1, 2, 1), (2, 3, 1)),
        (("c", WRONG), (0, 0), (3, 1)),
    ]
    assert [r.correct for r in rows] == [True, False]


def test_a_shared_prefix_has_its_counts_in_every_solution(tmp_path: Path) -> None:
    tree: Tree = {
        (0,): Say("a"), (0, 0): end(RIGHT), (0, 1): end(RIGHT),
        (1,): Say("a"), (1, 0): end(WRONG),
    }  # fmt: skip
    rows = rolled_out(tmp_path, tree, budget=2, rollouts=2)
    assert [(r.right, r.rollouts) for r in rows] == [((1, 1), (2, 1)), ((1, 0), (2, 1))]


def test_a_rollout_that_adds_no_step_is_as_right_as_its_prefix(tmp_path: Path) -> None:
    tree: Tree = {
        (0,): Say(RIGHT), (0, 0): end("and so on " + RIGHT), (0, 1): end(""),
        (1,): Say(WRONG), (1, 0): end("and so on " + WRONG), (1, 1): end(""),
    }  # fmt: skip
    rows = rolled_out(tmp_path, tree, budget=2, rollouts=1)
    assert [(r.right, r.rollouts) for r in rows] == [((1, 1), (1, 1)), ((0, 0), (1, 1))]


def test_a_problem_whose_trace_is_gone_is_counted(tmp_path: Path) -> None:
    both = problem(completion("a", RIGHT), completion("b", WRONG, right=False))
    found = labels(tmp_path, both, row("failed", error="lost"), strategy="step-rollouts")
    assert found.rows == []
    assert found.dropped == {UNTRIED: 1, FAILED: 1}


def test_where_only_the_first_error_was_looked_for_other_steps_have_no_counts(
    tmp_path: Path,
) -> None:
    tree: Tree = {(0,): end(RIGHT), (1, 0, 0, 0): end(WRONG)}
    tree |= {(1,) + (0,) * i: Say(f"s{i}") for i in range(3)}
    tree |= {(1, 0, 1): end(RIGHT)}
    rows = rolled_out(tmp_path, tree, budget=2, rollouts=1, first_error=True)
    assert [(r.right, r.rollouts) for r in rows] == [((1,), (1,)), ((0, 1, 0, 0), (0, 1, 1, 1))]


def test_a_source_is_a_run_or_a_folder_of_runs(tmp_path: Path) -> None:
    both = problem(completion("a", RIGHT), completion("b", WRONG, right=False))
    for name in ("one", "deep/two"):
        written_run(tmp_path / name, recipe(strategy="best-of-n"), [both])
    assert len(labels_from(str(tmp_path / "one")).rows) == 2
    assert len(labels_from(str(tmp_path)).rows) == 4


def test_labels_that_were_written_count_before_the_run_that_they_are_of(tmp_path: Path) -> None:
    """A judge may have left some out, whom `sal learn train` must not see again."""
    both = problem(completion("a", RIGHT), completion("b", WRONG, right=False))
    written_run(tmp_path, recipe(strategy="best-of-n"), [both])
    kept = labels_from(str(tmp_path)).rows[:1]
    write_labels(kept, tmp_path)
    assert labels_from(str(tmp_path)).rows == kept


def test_the_command_tells_what_it_made_and_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = problem(completion("a", RIGHT), completion("a", WRONG, right=False), id="both")
    always = problem(completion("a", RIGHT), id="always")
    written_run(tmp_path / "run", recipe(strategy="best-of-n"), [both, always])
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(["learn", "label", str(tmp_path / "run"), "--out", str(out)])
    assert not ended.value.code
    assert [r.right for r in labels_from(str(out)).rows] == [(1, 1), (1, 0)]
    said = capsys.readouterr().out
    for line in ("solutions | 2", "problems | 1", "steps | 4", "rollouts | 6"):
        assert f"| {line} |" in said
    assert f"| left out: {ALL_RIGHT} | 1 |" in said
    assert f"| left out: {ALL_RIGHT} | 1 |" in (out / "README.md").read_text()


def test_where_nothing_is_left_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written_run(tmp_path / "run", recipe(strategy="dvts"), [problem(completion(RIGHT))])
    with pytest.raises(SystemExit) as ended:
        main(["learn", "label", str(tmp_path / "run"), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert f"no labels: left out are 1 {ALL_RIGHT}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
