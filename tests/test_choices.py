"""Multiple choice: how choices are read, shown, shuffled, voted on and graded."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from runs_examples import COST, completion, found

from sal.grading.exact import ExactGrader
from sal.grading.grader import Grader
from sal.programs.trace import Trace
from sal.runs.choices import Choices
from sal.runs.errors import DatasetError
from sal.runs.judging import judge, judge_of
from sal.runs.problems import Question, load_problems

TEXTS = ("5", "7", "$x+1$", "a red fox")

NAMED = {
    "A": [r"\boxed{A}", r"\boxed{5}", "The answer is 5.", r"\boxed{\text{A}}", "Answer: A) 5"],
    "B": [
        r"\boxed{B}",
        r"\boxed{b}",
        r"\boxed{(b)}",
        r"\boxed{\text{(B) } 7}",
        r"\boxed{\textbf{(B)}\ 7}",
        r"\boxed{\mathbf{B}}",
        r"\boxed{\text{Option B}}",
        r"\boxed{7.0}",
        r"\boxed{(B) 5}",  # the letter counts
        "The answer is (B).",
        "Answer: B) 7",
        "ANSWER: B",
        "Answer: $B$",
        "**Answer: B**",
        "The correct option is **B**.",
        "Therefore, option B is correct.",
        "A is too small.\nSo **(B)** is the correct answer.",
        "A and C are wrong, so I choose (B).\n",
        r"\boxed{[B]}",
        r"Therefore, the final answer is: $\boxed{B}$. I hope it is correct.",
    ],
    "C": [r"\boxed{C}", r"\boxed{1+x}", r"The answer is $x + 1$."],
    "D": [r"\boxed{\text{A red fox}}", "The answer is a red fox.", r"\boxed{D. a red fox}"],
}
OF_NONE = [
    r"\boxed{E}",
    r"\boxed{A and B}",
    r"\boxed{A) or B)}",
    r"\boxed{(A), (B)}",
    r"\boxed{6}",
    r"\boxed{5 \text{ or } 7}",
]


@pytest.mark.parametrize(
    ("letter", "text"), [(letter, text) for letter, texts in NAMED.items() for text in texts]
)
def test_an_answer_names_a_choice(grader: Grader, letter: str, text: str) -> None:
    among = grader.among(TEXTS)
    verdicts = {
        gold: verdict.correct
        for gold, verdict in zip("ABCD", among.grade_many((text, g) for g in "ABCD"), strict=True)
    }
    assert verdicts == {gold: gold == letter for gold in "ABCD"}
    assert among.keys([text]) == [letter]


@pytest.mark.parametrize("text", OF_NONE)
def test_an_answer_that_names_none_is_wrong_and_has_its_own_key(grader: Grader, text: str) -> None:
    among = grader.among(TEXTS)
    assert {v.reason for v in among.grade_many((text, g) for g in "ABCD")} == {"mismatch"}
    (key,) = among.keys([text])
    assert key not in ("", *"ABCD")


@pytest.mark.parametrize(
    "text",
    ["Option B is not correct.", "We choose B cells here.", "A or B is right.", "Is it option B?"],
)
def test_what_only_speaks_of_a_choice_states_none(grader: Grader, text: str) -> None:
    (verdict,) = grader.among(TEXTS).grade_many([(text, "B")])
    assert verdict.reason == "no_answer"


def test_no_answer_is_none_and_a_text_of_two_choices_names_neither(grader: Grader) -> None:
    among = grader.among(["0.5", "1/2", "2"])
    texts = ["We try \\boxed{", r"\boxed{\frac24}", r"\boxed{0.5}"]
    verdicts = among.grade_many((text, "A") for text in texts)
    assert [v.reason for v in verdicts] == ["no_answer", "mismatch", "match"]  # spelled alike


def test_a_choice_that_begins_like_a_letter_is_read_whole(grader: Grader) -> None:
    among = grader.among(["A. thaliana", "B. subtilis", "E. coli"])
    texts = [r"\boxed{\text{E. coli}}", "The answer is B. subtilis", r"\boxed{C}"]
    assert among.keys(texts) == ["C", "B", "C"]
    among = grader.among(["P", "I, II and III", "-19", "more than doubles"])
    texts = [r"\boxed{\text{P}}", r"\boxed{\text{I, II and III}}", "Answer: C) -19"]
    texts += ["Answer: D) more than doubles", "The answer is I, II and III."]
    assert among.keys(texts) == ["A", "B", "C", "D", "B"]
    among = grader.among(["B", "A"])
    assert among.keys([r"\boxed{B}"]) == ["B"]  # a letter is a letter


def test_hostile_answers_are_of_no_choice(grader: Grader) -> None:
    among = grader.among(TEXTS)
    for answer in ("9^{9^{9^9}}", "(" * 3000, "x" * 5000):
        assert [v.correct for v in among.grade_many([(rf"\boxed{{{answer}}}", "A")])] == [False]


def test_exact_match_knows_letters_and_spelled_texts() -> None:
    among = ExactGrader().among(TEXTS)
    assert among.keys([r"\boxed{B}", "(B)", "A red fox", r"\boxed{7.0}"]) == ["B", "B", "D", "7.0"]
    graded = among.grade_many([(r"\boxed{7.0}", "B"), ("a  red Fox", "D"), ("(b)", "B")])
    assert [v.correct for v in graded] == [False, True, True]


def test_votes_and_verdicts_have_one_key(grader: Grader) -> None:
    question = Question("q", "Which?\n\nA) 5\nB) 7", "B", choices=("5", "7"))
    texts = [r"\boxed{B}", r"\boxed{7}", r"\boxed{(A) 7}"]
    keys = judge_of(question, grader).keys(texts)
    assert keys == ["B", "B", "A"]
    result = found(Trace(), *(completion(answer) for answer in ("B", "7", r"(A) 7")))
    row = judge(question, result, (COST, COST), 1.0, grader=grader)
    assert [c.verdict for c in row.completions] == ["match", "match", "mismatch"]
    assert row.answer == "B"


def jsonl(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


LIST = {"question": "1+1?", "choices": ["3", "two", "$2$"]}


@pytest.mark.parametrize("answer", [2, "2", "C", "(C)", "$2$"])
def test_a_list_of_choices_stays_in_order(tmp_path: Path, answer: int | str) -> None:
    path = jsonl(tmp_path / "p.jsonl", LIST | {"answer": answer})
    (question,) = load_problems(path, choices_field="choices").questions
    assert question.text == "1+1?\n\nA) 3\nB) two\nC) $2$"
    assert (question.answer, question.choices) == ("C", ("3", "two", "$2$"))
    assert load_problems(path, choices_field="choices").choices_field == "choices"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"answer": "D"}, "field 'answer': 'D' is none of the choices"),
        ({"answer": 7}, "field 'answer': '7' is none of the choices"),
        ({"answer": -1}, "is none of the choices"),
        ({"answer": "B", "choices": ["B", "A"]}, "'B' may be more than one of the choices"),
        ({"answer": 1, "choices": [1, 2]}, "'1' may be more than one of the choices"),
        ({"answer": None}, "field 'answer' is empty"),
        ({"answer": True}, "field 'answer': 'True' is none of the choices"),
        ({"answer": 1.5}, "field 'answer': '1.5' is none of the choices"),
        ({"answer": ["A", "B"]}, "field 'answer' is not a text"),
        ({"answer": "A", "choices": "5, 7"}, "field 'choices' is no list of choices"),
        ({"answer": "A", "choices": ["5"]}, "1 choices: there must be from 2 to 10"),
        ({"answer": "A", "choices": ["5", None]}, "field 'choices' is empty"),
        ({"answer": "A", "question": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]}, "is a conversation, with which no choices go"),
    ],
)  # fmt: skip
def test_choices_that_cannot_be_are_refused(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    path = jsonl(tmp_path / "p.jsonl", LIST | row)
    with pytest.raises(DatasetError) as caught:
        load_problems(path, choices_field="choices")
    assert says in str(caught.value)
    assert "--skip-bad-rows" in str(caught.value)


def test_a_field_of_choices_that_is_not_there(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", LIST | {"answer": "A"})
    with pytest.raises(DatasetError, match=r"no field 'choises'; .* is 'choices' meant"):
        load_problems(path, choices_field="choises")


def test_a_number_among_texts_is_a_place(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path / "p.jsonl", {"question": "1+1?", "choices": ["3", "2", "1"], "answer": 1}
    )
    assert load_problems(path, choices_field="choices").questions[0].answer == "B"
    path = jsonl(tmp_path / "q.jsonl", {"question": "1+1?", "choices": [4, 3, 2], "answer": 3})
    assert load_problems(path, choices_field="choices").questions[0].answer == "B"


def test_choices_in_fields_are_shuffled_only_where_one_is_the_answers(tmp_path: Path) -> None:
    rows = [{"q": f"{i}?", "right": "r", "w1": "x", "w2": "y", "answer": "A"} for i in range(300)]
    path = jsonl(tmp_path / "p.jsonl", *rows)
    said: dict[str, Any] = {"question_field": "q", "choices_field": "right+w1 + w2"}
    first = load_problems(path, answer_field="right", **said)
    letters = Counter(q.answer for q in first.questions)
    assert letters.keys() == {"A", "B", "C"}
    assert min(letters.values()) > 70  # of 300; a fair share is 100
    assert all(q.choices["ABC".index(q.answer)] == "r" for q in first.questions)
    assert load_problems(path, answer_field="right", **said).digest == first.digest
    fewer = load_problems(path, answer_field="right", limit=9, **said)
    assert fewer.questions == first.questions[:9]
    ordered = load_problems(path, answer_field="answer", **said)
    assert {(q.answer, q.choices) for q in ordered.questions} == {("A", ("r", "x", "y"))}


def test_the_order_is_of_the_seed_alone() -> None:
    choices = Choices(("r", "x", "y", "z"), 0)
    assert choices.shuffled("rec1") == choices.shuffled("rec1")
    assert len({choices.shuffled(f"rec{i}").texts for i in range(200)}) == 24


def test_joined_fields_are_one_question(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "p.jsonl", {"a": "One ", "b": "two?", "answer": 1, "a+b": "x"})
    assert load_problems(path, question_field="b+a").questions[0].text == "two? One"
    assert load_problems(path, question_field="a+b").questions[0].text == "x"
    with pytest.raises(DatasetError, match="no field 'c'; there are a, b, answer"):
        load_problems(path, question_field="a+c")
