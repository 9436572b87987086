"""Targets of training from counts and labels, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sal.learn.rows import StepLabels
from sal.learn.scoring import known_error
from sal.learn.targets import Targets, first_error
from sal.learn.values import values_of

VALUES = (1.0, 0.75, 0.5, 0.0, 0.25)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (Targets("hard"), (1, 1, 1, 0, None)),
        (Targets("hard", after_error=True), (1, 1, 1, 0, 1)),
        (Targets("hard", right_above=0.5), (1, 1, 0, None, None)),
        (Targets("soft"), (1, 0.75, 0.5, 0, None)),
        (Targets("soft", after_error=True), (1, 0.75, 0.5, 0, 0.25)),
        # 0.75 is less than 0.8 of 1, 0.5 less than 0.8 of 0.75
        (Targets("progress"), (1, 0, 0, 0, None)),
        (Targets("progress", kept=0.7), (1, 1, 0, 0, None)),
        (Targets("progress", kept=0.6, after_error=True), (1, 1, 1, 0, 0)),
    ],
)
def test_targets_of_counted_steps(targets: Targets, expected: tuple[Any, ...]) -> None:
    assert targets.of(VALUES) == expected


def test_progress_is_kept_at_exactly_the_share() -> None:
    """0.8 of 3/4 is 3/5, which floats miss by a rounding."""
    assert Targets("progress").of((1.0, 4 / 5)) == (1, 1)
    assert Targets("progress").of((3 / 4, 3 / 5)) == (1, 1)


def test_a_step_of_which_nothing_is_known_has_no_target() -> None:
    assert Targets("hard").of((None, 0.5, None, 0.0)) == (None, 1, None, 0)
    assert Targets("progress").of((0.5, None, 0.1)) == (1, None, 1)


def test_soft_labels_stay_what_they_are() -> None:
    """int(0.9) is 0, and all that a float label said would be lost."""
    row = StepLabels(id="a", question="q", steps=("x", "y"), labels=(0.9, 0.1))
    assert Targets("soft").of(values_of(row, "soft")) == (0.9, 0.1)
    assert Targets("hard", right_above=0.5).of(values_of(row)) == (1, 0)


@pytest.mark.parametrize(("right_above", "expected"), [(0, (1, 0, None)), (-1, (1, 1, 0))])
def test_a_neutral_rating_of_prm800k_is_wrong_or_right_as_is_said(
    right_above: float, expected: tuple[Any, ...]
) -> None:
    row = StepLabels(id="a", question="q", steps=("x", "y", "z"), labels=(1, 0, -1))
    assert Targets("hard", right_above).of(values_of(row)) == expected


def test_a_rating_is_no_share() -> None:
    with pytest.raises(ValueError, match=r"-1 is no share in \[0, 1\], which soft wants"):
        Targets("soft").of((1.0, -1.0))


def test_the_first_error() -> None:
    assert first_error((1.0, 0.1, 0.0, 0.0)) == 2
    assert first_error((1.0, None)) == -1
    assert first_error((1.0, 0.5), 0.5) == 1


def test_values_come_from_counts_then_from_labels() -> None:
    told: dict[str, Any] = {"id": "a", "question": "q", "steps": ("x", "y")}
    counted = StepLabels(**told, right=(3, 0), rollouts=(4, 0), labels=(False, True))
    assert values_of(counted) == (0.75, None)
    assert values_of(StepLabels(**told, labels=(True, None))) == (1.0, None)
    assert values_of(StepLabels(**told)) == (None, None)


def test_a_first_error_tells_of_the_steps_before_it_and_for_hard_targets_alone() -> None:
    steps = ("a", "b", "c", "d")
    given = StepLabels(id="a", question="q", steps=steps, first_error=2)
    assert values_of(given) == (1, 1, 0, None)
    assert values_of(given, "soft") == (None,) * 4
    none = StepLabels(id="a", question="q", steps=steps, first_error=-1)
    assert values_of(none) == (1, 1, 1, 1)
    bisected = StepLabels(
        id="a", question="q", steps=steps, first_error=1, right=(0, 0, 0, 0), rollouts=(0, 8, 8, 0)
    )
    assert values_of(bisected) == (1, 0, 0, None)


def test_before_a_step_that_could_be_finished_nothing_is_wrong() -> None:
    """As bisection leaves it: the third step is wrong, and of the first nothing was tried."""
    steps = ("a", "b", "c", "d", "e")
    row = StepLabels(
        id="a", question="q", steps=steps, right=(0, 3, 0, 0, 0), rollouts=(0, 8, 8, 0, 1)
    )
    assert values_of(row) == (1, 0.375, 0, None, 0)
    assert known_error(row) == 2
    assert Targets("hard").of(values_of(row)) == (1, 1, 0, None, None)
    assert values_of(row, "soft") == (None, 0.375, 0, None, 0)
    tried = StepLabels(id="a", question="q", steps=steps[:2], right=(0, 3), rollouts=(8, 8))
    assert values_of(tried) == (0, 0.375)  # Math-Shepherd's label of a step that was tried
