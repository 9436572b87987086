"""The tiny task: questions, the student, and the oracle that shares no code with either."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.tiny import fresh, oracle, paths
from sal.tiny.fresh import fresh_problems
from sal.tiny.student import demonstrate, revise, rewrite, slip
from sal.tiny.task import LEVELS, LIMIT, Definition, generate, held_out, rewritings, show

QUESTION = "Let a=7, b=a-3+2, c=b*2+a. Find c."
RIGHT = ["b=7-3+2=4+2=6", "c=6*2+7=12+7=19", "\\boxed{19}"]


class Never:
    """A source of chance that no habit gets past."""

    def random(self) -> float:
        return 1.0


@pytest.mark.parametrize("level", LEVELS)
def test_the_oracle_agrees_with_the_generator_and_the_perfect_student(level: int) -> None:
    rng = random.Random(level)
    for _ in range(100):
        problem = generate(rng, level)
        steps = demonstrate(rng, problem, rate=0)
        assert oracle.answer(problem.question) == problem.answer
        assert oracle.step_labels(problem.question, steps) == [True] * (level + 2)


@pytest.mark.parametrize(
    ("operands", "operators", "right", "wrong"),
    [
        ((7, 6, 2), "+*", "7+12", "13*2"),
        ((7, 3, 2), "-+", "4+2", "7-5"),
        ((7, -3), "-", "7+3", "7-3"),
        ((-7, -3, 2), "-*", "-7-(-6)", "-4*2"),
        ((7, -3), "+", "7-3", None),
        ((7, 2, 3), "*+", "14+3", None),
    ],
)
def test_habits(operands: tuple[int, ...], operators: str, right: str, wrong: str | None) -> None:
    first, habit = rewritings((operands, operators))
    assert show(first) == right
    assert (habit and show(habit)) == wrong


def test_a_step_is_one_definition_worked_out() -> None:
    definition = Definition("c", ("b", 2, "a"), "*+")
    assert rewrite(Never(), definition, {"a": 7, "b": 6}, 0.9) == (RIGHT[1], 19, False)  # type: ignore[arg-type]


def test_no_outcome_leaves_the_limit_whatever_the_habits() -> None:
    rng = random.Random(0)
    for level in LEVELS:
        problem = generate(rng, level)
        for _ in range(200):
            steps = demonstrate(rng, problem, rate=0.5)
            assert abs(int(steps[-1].removeprefix("\\boxed{")[:-1])) <= LIMIT


def test_a_careless_student_is_often_wrong_and_slips_are_not_habits() -> None:
    rng = random.Random(0)
    problems = [generate(rng, 3) for _ in range(200)]
    habits = [demonstrate(rng, p, rate=0.9) for p in problems]
    slips = [slip(rng, p, rate=0.0, slips=0.5) for p in problems]
    for solutions in (habits, slips):
        pairs = zip(problems, solutions, strict=True)
        wrong = sum(not all(oracle.step_labels(p.question, s)) for p, s in pairs)
        assert 100 < wrong < 200


def test_revisions_mend_more_than_they_spoil() -> None:
    rng = random.Random(0)
    problems = [generate(rng, 4) for _ in range(400)]
    right = [
        [all(oracle.step_labels(p.question, steps)) for steps in revise(rng, p, 5)]
        for p in problems
    ]
    solved = [sum(attempt) for attempt in zip(*right, strict=True)]
    assert solved[4] > solved[2] > solved[1] > solved[0]
    assert any(before and not after for before, after, *_ in right)
    stays = [after for before, after, *_ in right if before]
    assert sum(stays) / len(stays) > 0.7


@pytest.mark.parametrize(
    ("steps", "labels"),
    [
        (RIGHT, [True, True, True]),
        (["b=7-3+2=6", "c=6*2+7=19", "\\boxed{19}"], [True, True, True]),
        (["b=7-3+2=7-5=2", "c=2*2+7=4+7=11", "\\boxed{11}"], [False, False, False]),
        (["b=7-3+2=7-5=6", *RIGHT[1:]], [False, False, False]),
        ([RIGHT[0], "c=6*2+7=12+7=20", "\\boxed{19}"], [True, False, False]),
        ([RIGHT[0], "\\boxed{19}"], [True, False]),
        ([RIGHT[0], *RIGHT], [True, False, False, False]),
        ([*RIGHT, "\\boxed{19}"], [True, True, True, False]),
        (["b=7-3+2=4+2"], [False]),
        (["c=7-3+2=4+2=6"], [False]),
        ([*RIGHT[:2], "\\boxed{18}"], [True, True, False]),
        (["b=6"], [True]),
        ([], []),
    ],
)
def test_labels(steps: list[str], labels: list[bool]) -> None:
    assert oracle.step_labels(QUESTION, steps) == labels


GARBAGE = st.text(alphabet="b=0123456789+-*() \\{}é٣", max_size=300)


@given(st.lists(GARBAGE | GARBAGE.map(lambda t: f"b={t}"), max_size=4))
def test_garbage_is_wrong_and_raises_nothing(steps: list[str]) -> None:
    labels = oracle.step_labels(QUESTION, steps)
    assert len(labels) == len(steps)
    assert not any(labels[1:]) or labels[0]


def test_deep_parentheses_are_wrong_and_raise_nothing() -> None:
    assert oracle.step_labels(QUESTION, ["b=" + "(" * 5000 + "6"]) == [False]
    assert oracle.step_labels(QUESTION, ["b=" + "-(" * 90 + "6"]) == [False]


@pytest.mark.parametrize("text", ["", "What is 1+1?", "Let a=b. Find a.", "Let a=1, a=2. Find a."])
def test_other_questions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        oracle.answer(text)


def test_generation_is_seeded_and_refuses_unknown_levels() -> None:
    assert generate(7, 3) == generate(7, 3)
    assert generate(7, 3) != generate(8, 3)
    with pytest.raises(ValueError, match="level"):
        generate(7, 6)


def test_the_problem_sets_are_disjoint_right_and_of_every_level() -> None:
    rows = {
        split: [json.loads(line) for line in path.read_text().splitlines()]
        for split, path in paths.PROBLEMS.items()
    }
    assert len(rows["test"]) >= 400
    for split, some in rows.items():
        assert {row["level"] for row in some} == set(LEVELS)
        assert len({row["id"] for row in some}) == len(some)
        for row in some:
            assert held_out(row["question"]) == (split == "test")
            assert oracle.answer(row["question"]) == int(row["answer"])


def test_fresh_problems_are_in_no_file_and_are_the_same_again() -> None:
    shipped = {
        json.loads(line)["question"]
        for p in paths.PROBLEMS.values()
        for line in p.read_text().splitlines()
    }
    made = list(fresh_problems(200, seed=1))
    assert len({p.question for p in made} - shipped) == 200
    assert [p.level for p in made[:6]] == [1, 2, 3, 4, 5, 1]
    assert all(held_out(p.question) for p in made)
    assert made == list(fresh_problems(200, seed=1))
    assert made[:20] != list(fresh_problems(20, seed=2))


def test_fresh_problems_of_the_training_split_are_none_of_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fresh.main(["--count", "200", "--seed", "1", "--split", "train"])
    made = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len({row["question"] for row in made}) == 200
    assert not any(held_out(row["question"]) for row in made)
    assert all(oracle.answer(row["question"]) == int(row["answer"]) for row in made)
