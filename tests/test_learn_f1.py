"""ProcessBench's F1, its thresholds and intervals, against a slow reading of their definition."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sal.learn.auc import auc
from sal.learn.bench_figures import Measured, figures
from sal.learn.f1 import Judged, f1_of, resampled

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]), min_size=1, max_size=5)


@st.composite
def solutions(draw: st.DrawFn) -> list[tuple[list[float], int]]:
    """Scored solutions, at least one with an error and one without."""
    rows = [(scores, -1) for scores in draw(st.lists(SCORES, min_size=1, max_size=6))]
    for scores in draw(st.lists(SCORES, min_size=1, max_size=6)):
        rows.append((scores, draw(st.integers(0, len(scores) - 1))))
    return rows


def said(scores: Sequence[float], threshold: float) -> int:
    """The step that a PRM calls the first wrong one; -1 for none."""
    return next((k for k, score in enumerate(scores) if score < threshold), -1)


def slow_f1(rows: Sequence[tuple[Sequence[float], int]], threshold: float) -> float:
    """By the definition."""
    hits = [(label, said(scores, threshold) == label) for scores, label in rows]
    wrong = [hit for label, hit in hits if label >= 0]
    right = [hit for label, hit in hits if label < 0]
    a, b = sum(wrong) / len(wrong), sum(right) / len(right)
    return 2 * a * b / (a + b) if a + b else 0.0


def judged(rows: Sequence[tuple[Sequence[float], int]]) -> Judged:
    return Judged([scores for scores, _ in rows], [label for _, label in rows])


@given(solutions(), st.floats(0, 1))
def test_f1_at_a_threshold_is_the_definitions(
    rows: list[tuple[list[float], int]], threshold: float
) -> None:
    assert judged(rows).at(threshold).f1 == pytest.approx(slow_f1(rows, threshold))


@given(solutions())
def test_no_threshold_is_better_than_the_best(rows: list[tuple[list[float], int]]) -> None:
    threshold, best = judged(rows).best()
    assert best.f1 == pytest.approx(slow_f1(rows, threshold))
    assert best.f1 >= max(slow_f1(rows, t / 200) for t in range(203)) - 1e-12


def test_an_example_by_hand() -> None:
    rows = [([0.9, 0.2], 1), ([0.9, 0.8], 1), ([0.4, 0.9], -1), ([0.9, 0.9], -1), ([0.6], -1)]
    found = judged(rows).at(0.5)
    assert (found.error, found.correct) == (1 / 2, 2 / 3)
    assert found.f1 == pytest.approx(4 / 7)
    assert judged(rows).best()[0] == pytest.approx(0.4)  # all right ones pass, one error is found


def test_nothing_found_is_nothing_and_not_nan() -> None:
    assert judged([([0.9], 0), ([0.1], -1)]).at(0.5).f1 == 0.0


def test_weights_count_solutions_so_often() -> None:
    rows = [([0.9, 0.2], 1), ([0.9, 0.8], 1), ([0.4, 0.9], -1), ([0.9, 0.9], -1)]
    counts = [3, 1, 0, 2]
    many = [row for row, n in zip(rows, counts, strict=True) for _ in range(n)]
    at = np.array([0.3, 0.5, 0.85])
    table = judged(rows)
    found = f1_of(table.right(at), table.wrong, np.array([counts], float))[0]
    assert found.tolist() == pytest.approx([slow_f1(many, t) for t in at])


def test_the_bootstrap_draws_both_kinds_apart() -> None:
    wrong = np.array([True] * 3 + [False] * 7)
    weights = resampled(wrong, 50, np.random.default_rng(0))
    assert (weights[:, wrong].sum(1) == 3).all()
    assert (weights[:, ~wrong].sum(1) == 7).all()


def test_the_gsm8k_threshold_is_chosen_there_and_used_elsewhere() -> None:
    gsm8k = [Measured((0.9, 0.25), 1), Measured((0.3, 0.4), -1)]
    math_ = [Measured((0.9, 0.2), 1), Measured((0.9, 0.4), 1), Measured((0.45, 0.9), -1)]
    found = figures({"gsm8k": gsm8k, "math": math_}, draws=20)["subsets"]
    assert found["gsm8k"]["gsm8k"]["threshold"] == found["math"]["gsm8k"]["threshold"] == 0.3
    assert found["gsm8k"]["gsm8k"]["f1"] == 1.0
    assert found["math"]["gsm8k"]["error"] == 0.5
    assert found["math"]["best"]["threshold"] == 0.45
    assert found["math"]["best"]["f1"] == 1.0
    assert found["math"]["0.5"]["correct"] == 0.0


def test_without_gsm8k_no_threshold_is_chosen_there() -> None:
    rows = [Measured((0.9, 0.25), 1), Measured((0.3, 0.4), -1)]
    assert set(figures({"math": rows}, draws=5)["mean"]) == {"0.5", "best"}


def test_a_solution_without_scores_is_judged_wrongly() -> None:
    rows = [Measured((0.1,), 0), Measured(None, 0), Measured((0.9,), -1), Measured(None, -1)]
    told = figures({"own": rows}, draws=5)["subsets"]["own"]
    assert (told["best"]["error"], told["best"]["correct"], told["failed"]) == (0.5, 0.5, 2)


def test_an_interval_holds_the_figure_and_shrinks_with_solutions() -> None:
    rng = random.Random(0)

    def sample(count: int) -> list[Measured]:
        rows = []
        for i in range(count):
            label = -1 if i % 2 else 0
            rows.append(Measured((rng.random() * 0.8 + (0.2 if label < 0 else 0),), label))
        return rows

    widths = []
    for count in (40, 640):
        told = figures({"own": sample(count)}, draws=300)["subsets"]["own"]["0.5"]
        low, high = told["interval"]
        assert low <= told["f1"] <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_auc_is_the_share_of_pairs_in_order() -> None:
    assert auc([0.9, 0.5, 0.5, 0.1], [True, True, False, False]) == pytest.approx(3.5 / 4)
    assert math.isnan(auc([0.5], [True]))


def test_calibration_by_hand() -> None:
    """Steps behind the first wrong one are in no bin."""
    rows = [Measured((0.95, 0.95, 0.95), 1), Measured((1.0, 0.25), -1)]
    found = figures({"own": rows}, draws=5)["subsets"]["own"]["calibration"]
    assert [b["steps"] for b in found["bins"]] == [1, 3]
    assert found["bins"][1]["right"] == pytest.approx(2 / 3)
    gap = (0.95 + 0.95 + 1.0) / 3 - 2 / 3
    assert found["ece"] == pytest.approx((0.75 + 3 * gap) / 4)
