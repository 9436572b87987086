"""Pairs of answers, in both directions: what states the same answer, and what only looks like it.

The groups are the classes of answers that math-verify alone gets wrong, each with near misses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from sal.grading.grader import Grader

Pairs = Sequence[tuple[str, str]]

EQUAL: Mapping[str, Pairs] = {
    "intervals and inequalities": [
        ("(1,2)", "1<x<2"),
        (r"(2,\infty)", "x>2"),
        ("[0,1)", r"0 \le x < 1"),
        ("[-1,3]", r"x \in [-1,3]"),
        (r"x \ge 0", r"0 \leq x"),
        (r"(-\infty,0)\cup(2,\infty)", r"x<0 \text{ or } x>2"),
        (r"(-\infty,0)\cup(2,\infty)", "x < 0 or x > 2"),
        (r"x \neq 3", r"(-\infty,3)\cup(3,\infty)"),
        (r"(-\infty,\infty)", r"\mathbb{R}"),
        (r"\mathbb{R}", "all real numbers"),
    ],
    "percent": [
        (r"12.5\%", "12.5"),
        (r"50\%", "0.5"),
        (r"50\%", "50"),
        (r"12\frac12\%", r"12.5\%"),
        (r"25\%", "25 percent"),
    ],
    "units": [
        ("10", "10 weeks"),
        ("10", "10 cm^2"),
        (r"10\text{ cm}^2", "10 cm^2"),
        ("10 square centimeters", r"10 \text{ cm}^2"),
        (r"5\text{ m/s}", r"5 \text{ meters per second}"),
        (r"16\pi", r"16\pi \text{ square units}"),
        (r"\$5", "5 dollars"),
        (r"\$5.50", "5.5"),
        (r"\frac34 \text{ hour}", "3/4"),
        ("5 million", "5000000"),
    ],
    "angles and clocks": [
        (r"30^\circ", "30"),
        (r"30^\circ", r"\frac{\pi}{6}"),
        (r"\sin 30^\circ", r"\frac12"),
        ("20:34:00", "20:34"),
        (r"\text{4:30 p.m.}", "4:30 PM"),
        ("8:34 pm", "20:34"),
        ("4:30 p.m.", "4:30"),
    ],
    "ways to write a number": [
        (r"\frac72", "3 1/2"),
        (r"3\frac12", "3.5"),
        (r"1\frac{3}{4}", "1.75"),
        (r"-\frac12", r"\frac{-1}{2}"),
        ("10{,}000", "10000"),
        (r"10,\!000", "10,000"),
        ("10080", "10 080"),
        ("6.02e23", r"6.02\times10^{23}"),
        (r"1.5\times 10^{-3}", "0.0015"),
        ("5", "5.0"),
        (r"0.\overline{3}", r"\frac13"),
        (r"0.1\overline{6}", "1/6"),
        (r"\frac13", "0.333333"),
        (r"\binom52", "10"),
        ("6!", "720"),
        ("2^{10}", "1024"),
        ("3:2", r"\frac32"),
        ("7th", "7"),
        ("11_2", r"11_{\text{two}}"),
        ("11_2", "11"),
    ],
    "letters beyond ASCII": [
        (r"\sqrt2", "√2"),
        (r"\frac12", "½"),
        ("12", "１２"),
        (r"2\pi", "2π"),
        ("-5", "−5"),
        ("x^2", "x²"),
        (r"x \le 5", "x ≤ 5"),
    ],
    "words and choices": [
        (r"\text{ellipse}", r"\text{an ellipse}"),
        (r"\text{ellipse}", "Ellipse"),
        (r"\text{Tuesday}", "Tuesday"),
        ("north-east", "North East"),
        (r"\text{(C) } 5", "C"),
        (r"\text{(C)}", "C"),
        (r"\text{no solution}", r"\emptyset"),
        (r"\text{undefined}", "does not exist"),
        (r"\text{A and B}", r"\text{B, A}"),
    ],
    "equations and names": [
        ("x=5", "5"),
        ("f(x)=x^2", "x^2"),
        (r"\text{Area}=5", "5"),
        ("x+y=3", "y+x=3"),
        ("2x+3y=6", "4x+6y=12"),
        ("y=2x+3", "2x-y+3=0"),
        (r"x=2 \text{ or } x=3", "2,3"),
        (r"\begin{cases} x=1 \\ y=2 \end{cases}", "x=1, y=2"),
        ("(x,y)=(1,2)", "(1,2)"),
    ],
    "several values": [
        (r"\{1,2\}", r"\{2,1\}"),
        ("1,2", "2, 1"),
        ("1,2", r"\{1,2\}"),
        ("1 and 2", "1,2"),
        (r"1\pm\sqrt2", r"1+\sqrt2, 1-\sqrt2"),
        (r"\left(3,\frac{\pi}{2}\right)", r"(3, \pi/2)"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
        (r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ],
    "formulas": [
        (r"\frac{\sqrt3}{3}", r"\frac1{\sqrt3}"),
        ("x^2+2x+1", "(x+1)^2"),
        (r"2\sqrt3+1", r"1+\sqrt{12}"),
        ("i", r"\sqrt{-1}"),
        (r"e^{i\pi}", "-1"),
        (r"\log_2 8", "3"),
        (r"2k\pi", r"2\pi n"),
        ("x+C", "x+K"),
    ],
}

DIFFERENT: Mapping[str, Pairs] = {
    "intervals and inequalities": [
        ("x>2", r"x\ge 2"),
        ("x>2", "x<2"),
        ("x>2", "2"),
        (r"(2,\infty)", r"x\ge2"),
        ("1<x<2", r"1\le x<2"),
        ("0<x<2", "2"),
        ("[1,2]", "(1,2)"),
        ("(1,2)", "[1,2)"),
        (r"(-\infty,0)\cup(2,\infty)", "x<0"),
        (r"\mathbb{R}", r"\mathbb{Z}"),
    ],
    "percent": [
        (r"12.5\%", "1.25"),
        (r"50\%", "5"),
        (r"50\%", "0.05"),
    ],
    "units": [
        ("5 cm", "5 m"),
        (r"5\text{ cm}^2", r"5\text{ cm}^3"),
        (r"\$5", "5 cents"),
        (r"5\text{ dollars}", r"5\text{ euros}"),
        ("10 weeks", "10 days"),
        ("10 weeks", "11 weeks"),
        ("5 million", "5"),
        (r"16\pi", "16"),
    ],
    "angles and clocks": [
        (r"30^\circ", r"30\pi"),
        ("20:34", "8:35 pm"),
        ("4:30 a.m.", "4:30 p.m."),
    ],
    "bases": [
        ("11_2", "11_3"),
        ("1_{10}", "1_{16}"),
        ("1_{1000000000}", "1_2"),
        ("11_2", "3"),
    ],
    "tiny and huge numbers": [
        (r"\frac1{2004!}", r"\frac1{2006!}"),
        ("10^{-20}", r"2\cdot10^{-20}"),
        (r"\frac1{10^9}", "0.0"),
        (r"\frac1{10^9}", "0"),
        ("0.0000001", "0.0000002"),
        (r"\sqrt2+10^{-18}", r"\sqrt2"),
        ("10^{100}", "10^{100}+1"),
        ("999999999999999999999", "1000000000000000000000"),
    ],
    "ways to write a number": [
        ("3 1/2", "2"),
        (r"3\frac12", r"\frac32"),
        (r"3\frac12", "31/2"),
        ("1,234", "1.234"),
        ("1,000", "1"),
        (r"\binom52", r"\frac52"),
        (r"0.\overline{3}", "0.3"),
        (r"\frac13", "0.33"),
        (r"\pi", "3.14"),
        (r"\sqrt2", "1.4"),
        ("3:2", "2:3"),
        ("7", "7!"),
        ("5", "-5"),
    ],
    "words and choices": [
        ("east", "seat"),
        (r"\text{east}", "seat"),
        ("east+1", "seat+1"),
        ("red then blue", "blue then red"),
        (r"\text{ellipse}", r"\text{parabola}"),
        (r"\text{yes}", r"\text{no}"),
        (r"\text{A and B}", r"\text{A and C}"),
        (r"\text{(C)}", r"\text{(D)}"),
        (r"\text{(C) } 5", "D"),
        ("BAC", "CAB"),
        (r"\emptyset", "0"),
        (r"\emptyset", r"\{0\}"),
    ],
    "equations and names": [
        ("x+y=3", "3"),
        ("x=5", "y=5"),
        ("x=5", "6"),
        ("2x+3y=6", "2x+3y=7"),
        ("y=2x+3", "y=2x-3"),
        ("f(x)=x^2", "x"),
        ("x=1,y=2", "x=2,y=1"),
    ],
    "several values": [
        (r"\{1,2\}", "(1,2)"),
        ("(1,2)", "(2,1)"),
        ("1,2", "1,2,3"),
        (r"\{1\}", r"\{1,2\}"),
        (r"1\pm\sqrt2", r"1+\sqrt2"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", "(2,1)"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    ],
    "formulas": [
        ("i", "1"),
        ("5", "5i"),
        ("x+1", "x-1"),
        ("x+C", "x"),
        (r"2k\pi", r"2\pi"),
        (r"\frac{1}{x+1}", r"\frac{1}{x-1}"),
        (r"x^2+10^{-18}", "x^2"),
        (r"\sin x", r"\cos x"),
    ],
}


def flat(classes: Mapping[str, Pairs]) -> list[object]:
    return [pytest.param(*pair, id=f"{name}: {pair}") for name in classes for pair in classes[name]]


@pytest.mark.parametrize(("one", "other"), flat(EQUAL))
def test_equal(grader: Grader, one: str, other: str) -> None:
    assert [grader.equal(one, other).reason, grader.equal(other, one).reason] == ["match"] * 2
    assert len(set(grader.cluster([one, other]))) == 1


@pytest.mark.parametrize(("one", "other"), flat(DIFFERENT))
def test_different(grader: Grader, one: str, other: str) -> None:
    assert [grader.equal(one, other).reason, grader.equal(other, one).reason] == ["mismatch"] * 2
    assert len(set(grader.cluster([one, other]))) == 2


@pytest.mark.parametrize(("gold", "pred"), [("125.663", r"40\pi"), ("1.732", r"\sqrt3")])
def test_a_rounded_reference_is_believed_and_a_rounded_answer_is_not(
    grader: Grader, gold: str, pred: str
) -> None:
    assert grader.equal(gold, pred).correct
    assert not grader.equal(pred, gold).correct


def test_a_verdict_on_a_completion_carries_its_answer(grader: Grader) -> None:
    verdict = grader.grade(r"So it is $\boxed{\frac{14}{3}}$.", r"\dfrac{14}{3}")
    assert (verdict.correct, verdict.reason, verdict.answer) == (True, "match", r"\frac{14}{3}")


def test_a_reference_without_an_answer_is_an_error_of_the_reference(grader: Grader) -> None:
    verdict = grader.grade(r"\boxed{5}", " ")
    assert (verdict.correct, verdict.reason, verdict.answer) == (False, "error", "5")
