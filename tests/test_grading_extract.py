"""Where the final answer of a completion stands, and where there is none."""

from __future__ import annotations

import pytest

from sal.grading.extract import extract, extract_gold
from sal.grading.grader import Grader

CUT_OFF = r"we try 6, then \boxed{"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"\boxed{4} is wrong; so \boxed{5}", "5"),  # math-verify takes the set {4, 5}
        (r"either \boxed{4}, \boxed{5}", "4, 5"),
        (r"\boxed{4} and \boxed{}", "4"),
        (r"\boxed{4}, that is \boxed{ }", "4"),
        (r"\boxed{\boxed{3}}", "3"),
        (r"thus \fbox{7}", "7"),
        (r"\fbox{7}, no: \boxed{8}", "8"),
        (r"\boxed {8}", "8"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\text{if } \}}", r"\text{if } \}"),
        (r"\boxed{5} and with it 17 more words", "5"),
        ("The box\n\\[\n\\boxed{\n  x = 5\n}\n\\]", "x = 5"),
    ],
)
def test_the_last_closed_box_that_holds_something(text: str, answer: str) -> None:
    assert extract(text) == answer


@pytest.mark.parametrize(
    "text",
    [CUT_OFF, r"\boxed{4} and then \boxed{", r"4 so \boxed{}", r"\boxed{ }", r"\boxed", r"A: 5, so \boxed{5", "", "  \n", "A:", "####",
     "I think that 5 is a nice number", "so there are 12 apples"],
)  # fmt: skip
def test_no_answer(text: str) -> None:
    assert extract(text) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("9 * 2 = 18\n#### 18", "18"),
        ("so 5\n#### 1,234\n", "1,234"),
        ("a = 3\n####3", "3"),
        ("a = 3\nA: 3", "3"),
        ("Q: x?\nA: 5\nQ: y?\nA: 6", "6"),
        ("A: $5 each.", "$5 each"),
        ("**Answer:** 42", "42"),
        ("Answer: 3.5", "3.5"),
        ("Hence the answer is 5.", "5"),
        ("The answer is\n7", "7"),
        ("Final Answer: The final answer is $7$. I hope it is correct.", "$7$"),
        ("The answer is 12, because 3 * 4 = 12", "12"),
        (r"\frac12", r"\frac12"),
        ("-3.5", "-3.5"),
    ],
)
def test_a_stated_answer_where_there_is_no_box(text: str, answer: str) -> None:
    assert extract(text) == answer


def test_flexible_takes_the_last_number_where_no_answer_is_stated() -> None:
    assert extract("there are 1,200 of them, or 15.5%") is None
    assert extract("there are 15.5% or 1,200.", flexible=True) == "1,200"
    assert extract("The answer is 3, of 4", flexible=True) == "3, of 4"
    assert extract(CUT_OFF, flexible=True) == "6"
    assert extract("no number", flexible=True) is None


def test_a_reference_may_be_an_answer_or_a_solution() -> None:
    assert extract_gold("ellipse with two foci") == "ellipse with two foci"
    assert extract_gold("9 * 2 = 18\n#### 18") == "18"
    assert extract_gold(r"It is \boxed{18}.") == "18"
    assert extract_gold(" ") is None
    assert extract_gold(CUT_OFF) is None


def test_a_cut_off_completion_is_no_answer_even_when_its_last_number_is_right(
    grader: Grader,
) -> None:
    verdict = grader.grade(CUT_OFF, "6")
    assert (verdict.correct, verdict.reason, verdict.answer) == (False, "no_answer", None)


class CountedText(str):
    """A text that counts the characters copied out of it."""

    copied = 0

    def __getitem__(self, index: object) -> str:
        piece = super().__getitem__(index)  # type: ignore[index]
        CountedText.copied += len(piece)
        return piece


@pytest.mark.parametrize("unit", [r"\boxed{", r"\boxed{{", r"\fbox{\boxed{", r"\boxed"])
def test_unclosed_boxes_are_read_in_linear_time(unit: str) -> None:
    text = CountedText(unit * 20_000)
    CountedText.copied = 0
    assert extract(text) is None
    assert CountedText.copied < len(text)  # each box tried to the end would copy 10,000 times that
