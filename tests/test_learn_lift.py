"""The share of another PRM's gain on the majority, on the same samples."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from runs_examples import written_run
from test_learn_best_of_n import BEST_OF_4, LOST, SETTINGS, WON

from sal.learn import lift as module
from sal.learn.bench_prm import BenchSettings
from sal.learn.best_of_n import best_of_n
from sal.learn.errors import LabelError
from sal.learn.lift import Lift, lift
from sal.runs.found import read_run

INDIFFERENT = BenchSettings(prm=f"{__name__}:indifferent")


def indifferent(question: str, steps: list[str]) -> list[float]:
    return [0.5] * len(steps)


def test_the_votes_are_those_of_the_two_benches(tmp_path: Path) -> None:
    run = written_run(tmp_path / "run", BEST_OF_4, [WON, LOST])
    best_of_n(SETTINGS, run, tmp_path / "b")
    best_of_n(INDIFFERENT, run, tmp_path / "even")
    found = lift(read_run(run), tmp_path / "even", tmp_path / "b")
    assert found == Lift(majority=[0, 1], ours=[0, 1], theirs=[1, 0])
    assert lift(read_run(run), tmp_path / "b", tmp_path / "even").ours == [1, 0]


def test_the_share_is_of_mean_gains_and_its_interval_over_problems() -> None:
    thirds = Lift(majority=[0.0] * 300, ours=[1, 1, 0] * 100, theirs=[1.0] * 300)
    assert thirds.share == pytest.approx(2 / 3)
    low, high = thirds.interval()
    spread = 1.96 * math.sqrt(2 / 9 / 300)  # of a share whose denominator is always 1
    assert (low, high) == pytest.approx((2 / 3 - spread, 2 / 3 + spread), abs=0.01)
    worse = Lift(majority=[1, 0, 0, 0], ours=[0, 0, 0, 0], theirs=[1, 1, 0, 0])
    assert worse.share == pytest.approx(-1)
    assert math.isnan(Lift([0, 1], [0, 1], [0, 1]).share)


def test_what_is_not_scored_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = written_run(tmp_path / "run", BEST_OF_4, [WON])
    best_of_n(SETTINGS, run, tmp_path / "b")
    with pytest.raises(LabelError, match="even: no finished sal learn bench --samples"):
        lift(read_run(run), tmp_path / "even", tmp_path / "b")
    more = written_run(tmp_path / "more", BEST_OF_4, [WON, LOST])
    with pytest.raises(LabelError, match=r"b: 4 samples of .* have no scores"):
        lift(read_run(more), tmp_path / "b", tmp_path / "b")
    assert module.main([str(more), str(tmp_path / "b"), str(tmp_path / "b")]) == 2
    assert "4 samples" in capsys.readouterr().err


def test_it_prints_the_accuracies_and_the_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written_run(tmp_path / "run", BEST_OF_4, [WON])
    best_of_n(SETTINGS, run, tmp_path / "b")
    assert module.main([str(run), str(tmp_path / "b"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("majority: 0.000")
    assert out.splitlines()[-1] == "share of the gain: 1.00 (95 %: 1.00 to 1.00)"
    assert module.main([str(run)]) == 2
