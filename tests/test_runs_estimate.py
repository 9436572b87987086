"""What a dry run says that a run will need, against what it then really uses."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny_plan
from test_runs_experiment import Follower, experiment

from sal.cli.estimate import estimate_of
from sal.programs.best_of_n import BestOfNParams
from sal.programs.dvts import DvtsParams
from sal.programs.greedy import GreedyParams
from sal.programs.lookahead import LookaheadParams
from sal.programs.step_rollouts import StepRolloutsParams
from sal.runs.estimate import RECORDED, Estimate, Need, Probe, Solution, assumed, from_probe
from sal.runs.planned_run import PlannedRun
from sal.runs.probe import running, smaller, spread
from sal.runs.problems import Question
from sal.runs.results import failed_row
from sal.runs.settings import Settings, prepare
from sal.runtime.plan import Plan
from sal.runtime.usage import Usage

SHORT = Solution(tokens=50, steps=5, letters=4)


class TestAssumed:
    def of(self, params: Any, **changes: Any) -> Estimate:
        return assumed(params, 10, 20, SHORT, **{"prm": True, **changes})

    def test_whole_solutions_are_a_request_each(self) -> None:
        estimate = self.of(BestOfNParams(budget=4))
        assert estimate.policy == Need(requests=40, prefilled=10 * (20 + 4), generated=10 * 4 * 50)
        assert estimate.prm == Need(requests=40, prefilled=10 * (20 + 4 + 200))
        assert estimate.kv_tokens == 20 + 4 * 50
        assert estimate.seconds is None

    def test_each_step_is_a_request(self) -> None:
        estimate = self.of(DvtsParams(budget=8))
        assert estimate.policy == Need(requests=400, prefilled=600, generated=4000)
        assert self.of(DvtsParams(budget=8, max_steps=2)).policy.requests == 160

    def test_a_rollout_is_a_request_and_writes_as_many_steps_more(self) -> None:
        estimate = self.of(LookaheadParams(budget=8, lookahead=3))
        assert (estimate.policy.requests, estimate.policy.generated) == (800, 4 * 4000)

    def test_labels_are_rollouts_behind_every_step_or_behind_a_few(self) -> None:
        """By hand: 2 solutions of 5 steps, 4 rollouts from 4 prefixes of each, half as long."""
        estimate = self.of(StepRolloutsParams(budget=2, rollouts=4), prm=False)
        requests, written = 2 * (5 + 4 * 4), 2 * 50 * (1 + 4 * 4 / 2)
        assert estimate.policy == Need(10 * requests, 10 * (20 + requests), 10 * written)
        assert estimate.kv_tokens == 20 + written
        fewer = self.of(StepRolloutsParams(budget=2, rollouts=4, first_error=True), prm=False)
        assert fewer.policy.requests == pytest.approx(10 * 2 * (5 + 4 * math.log2(5)))

    def test_limits_and_a_lack_of_a_prm_count(self) -> None:
        estimate = self.of(GreedyParams(max_tokens=30), prm=False)
        assert estimate.policy == Need(requests=10, prefilled=210, generated=300)
        assert estimate.prm is None


def test_the_recorded_solutions_are_as_long_as_assumed() -> None:
    counts = json.loads((Path(__file__).parents[1] / "bench" / "lengths.json").read_text())

    def mean(name: str) -> float:
        total = sum(int(n) * k for n, k in counts[name].items())
        return float(total / sum(counts[name].values()))

    assert pytest.approx(mean("steps"), rel=0.01) == RECORDED.steps
    assert pytest.approx(mean("steps") * mean("step_tokens"), rel=0.01) == RECORDED.tokens


class TestFromProbe:
    ROW = failed_row(
        *("id", "", "", ""),
        policy=Usage(300, 250, 100, requests=10),
        prm=Usage(400, 250, 0, requests=5),
        kv_peak=70,
    )
    PROBE = Probe(budget=8, begun=2, rows=[ROW, ROW], generated=200, seconds=4.0)

    def test_it_is_scaled_to_all_problems(self) -> None:
        estimate = from_probe(self.PROBE, 8, 10, 20)
        assert estimate is not None
        assert estimate.policy == Need(requests=100, prefilled=500, generated=1000)
        assert estimate.prm == Need(requests=50, prefilled=1500)
        assert estimate.kv_tokens == 90
        assert estimate.seconds == pytest.approx(20.0)
        assert estimate.basis == "from 2 problems searched now, in 4.0 s"

    def test_a_larger_budget_reads_no_more_prompts(self) -> None:
        estimate = from_probe(self.PROBE, 16, 10, 20)
        assert estimate is not None
        # 30 of the 50 tokens that a problem prefilled are not its prompt
        assert estimate.policy == Need(requests=200, prefilled=10 * (20 + 2 * 30), generated=2000)
        assert "with N = 8" in estimate.basis

    def test_of_problems_that_did_not_end_only_the_time_counts(self) -> None:
        cut = replace(self.PROBE, begun=4, generated=400)
        estimate = from_probe(cut, 8, 10, 20)
        assert estimate is not None
        assert estimate.policy.generated == 1000
        assert estimate.seconds == pytest.approx(10.0)
        assert "from 2 problems of 4, those that ended in time," in estimate.basis

    def test_where_nothing_is_known_nothing_is_said(self) -> None:
        unknown = replace(self.ROW, policy=Usage(None, None, None, requests=10))
        failed = replace(self.ROW, error="no completion")
        for rows in ([], [failed], [unknown]):
            assert from_probe(replace(self.PROBE, rows=rows), 8, 10, 20) is None


def test_the_budget_of_a_probe_is_one_that_the_strategy_takes() -> None:
    assert smaller(DvtsParams(budget=256)) == (DvtsParams(budget=32), 32)
    assert smaller(DvtsParams(budget=132, width=12)) == (DvtsParams(budget=24, width=12), 24)
    assert smaller(DvtsParams(budget=64, width=64)) == (DvtsParams(budget=64, width=64), 64)
    assert smaller(BestOfNParams(budget=1)) == (BestOfNParams(budget=1), 1)
    assert smaller(GreedyParams()) == (GreedyParams(), 1)


def test_a_probes_problems_are_from_all_over_the_set() -> None:
    questions = tuple(Question(str(i), "", "") for i in range(10))
    assert [q.id for q in spread(questions, 3)] == ["0", "3", "6"]
    assert spread(questions, 99) == list(questions)


NOBODY = Plan(urls={"policy": "http://127.0.0.1:9"})


def test_servers_that_are_not_up_are_not_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAL_STATE", str(tmp_path))
    assert running(tiny_plan(), "tiny") is None
    assert running(NOBODY, None) is None


@pytest.mark.servers
@pytest.mark.parametrize(
    ("strategy", "budget", "limit"),
    [("dvts", 16, 20), ("best-of-n", 8, 30), ("beam", 64, 8), ("majority", 4, 30)],
)
def test_a_run_uses_what_was_estimated_within_a_factor_of_two(
    policy_server: str, prm_server: str, tmp_path: Path, strategy: str, budget: int, limit: int
) -> None:
    said = Settings(strategy=strategy, params={"budget": budget}, limit=limit)
    prepared = prepare(said, gpu=False)
    urls = {"policy": policy_server} | ({"prm": prm_server} if prepared.recipe.prm else {})
    plan = Plan(urls=urls)  # type: ignore[arg-type]
    probed = estimate_of(prepared, plan, {})
    assert probed.basis.startswith("from ")
    assert probed.seconds is not None
    guessed = estimate_of(prepared, NOBODY, {})
    assert guessed.basis.startswith("if ")

    run = PlannedRun(prepared, tmp_path / "run")
    experiment([run], urls, Follower(), []).run()
    summary = run.look()[0]
    assert summary is not None

    def within(factor: float, estimated: float, used: int | None) -> None:
        assert used
        assert used / factor <= estimated <= used * factor, (estimated, used)

    for estimate in (probed, guessed):
        within(2, estimate.policy.requests, summary.policy.requests)
        within(2, estimate.policy.generated, summary.policy.completion_tokens)
    if probed.prm is not None:
        within(2, probed.prm.requests, summary.prm.requests)
    else:
        assert strategy == "majority"
