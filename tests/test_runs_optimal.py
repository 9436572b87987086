"""From a sweep's folders to a rule: what is read, what is refused, what it costs, what comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runs_sweep import MODELS, failed, found, said, write_run, write_sweep

from sal.programs.auto import AutoParams
from sal.runs.errors import FolderError
from sal.runs.optimal.costs import SampleCosts, cost_of
from sal.runs.optimal.fit import FitSettings, Fitted, fit
from sal.runs.optimal.outcomes import Action, Grid
from sal.runs.optimal.sweep import NoFit, read_sweep
from sal.runs.recipe import Recipe
from sal.runs.results import ResultRow
from sal.runtime.usage import Usage
from sal.strategies.cross_fit import Bins
from sal.strategies.rule import Rule

SMALL = FitSettings(bins=Bins(2), probes=(1, 2), resamples=3, budgets=(4, 8))

IDS = [f"q{i}" for i in range(3)]


def rows(n: int, ids: list[str] = IDS) -> list[ResultRow]:
    return [found(id, *(said("1", 0.9) for _ in range(n))) for id in ids]


def good(folder: Path) -> None:
    write_run(folder, "best-of-n", 8, rows(8))
    write_run(folder, "beam", 4, rows(4))


class TestReading:
    def test_what_is_used_and_what_is_passed_over(self, tmp_path: Path) -> None:
        good(tmp_path)
        write_run(tmp_path, "best-of-n", 2, rows(2))  # in the larger one
        write_run(tmp_path, "dvts", 4, rows(4))
        write_run(tmp_path, "dvts", 8, rows(8), width=2)
        write_run(tmp_path, "majority", 4, rows(4))
        write_run(tmp_path, "deepconf", 4, rows(4))
        sweep = read_sweep(tmp_path)
        assert (sweep.samples.n, sweep.problems) == (8, 3)
        assert [(arm.label, arm.n) for arm in sweep.arms] == [
            ("beam", 4),
            ("dvts", 4),
            ("dvts width=2", 8),
        ]
        assert sweep.passed_over == (
            "deepconf-4: it does not decide by the PRM's scores",
            "majority-4: its vote is taken over the samples of best-of-n",
        )

    def test_no_samples(self, tmp_path: Path) -> None:
        write_run(tmp_path, "beam", 4, rows(4))
        with pytest.raises(NoFit, match="no run of best-of-n, whose samples tell how hard"):
            read_sweep(tmp_path)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(FolderError, match="holds no run"):
            read_sweep(tmp_path)

    def test_a_run_that_is_not_complete(self, tmp_path: Path) -> None:
        good(tmp_path)
        write_run(tmp_path, "rebase", 4, rows(4, IDS[:2]), owed=1)
        with pytest.raises(NoFit, match="rebase-4: 1 of its problems are not searched yet"):
            read_sweep(tmp_path)

    @pytest.mark.parametrize("ids", [IDS[:2], IDS[::-1], [*IDS[:2], "other"]])
    def test_other_problems(self, tmp_path: Path, ids: list[str]) -> None:
        good(tmp_path)
        write_run(tmp_path, "rebase", 4, rows(4, ids))
        with pytest.raises(NoFit, match=r"rebase-4 and .*best-of-n-8 are of other problems"):
            read_sweep(tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda r: replace(r, problems_digest="1" * 16), "are of other problems"),
            (lambda r: replace(r, policy="other"), "differ in policy"),
            (lambda r: replace(r, prm="other"), "differ in prm"),
            (lambda r: replace(r, seed=1), "differ in seed"),
            (lambda r: replace(r, system_prompt="Think."), "differ in system_prompt"),
            (lambda r: replace(r, params={**r.params, "max_tokens": 9}), r"params\.max_tokens"),
        ],
    )
    def test_what_must_be_the_same(
        self, tmp_path: Path, change: Callable[[Recipe], Recipe], message: str
    ) -> None:
        good(tmp_path)
        write_run(tmp_path, "rebase", 4, rows(4), change=change)
        with pytest.raises(NoFit, match=message):
            read_sweep(tmp_path)

    def test_the_same_thing_twice(self, tmp_path: Path) -> None:
        good(tmp_path)
        write_run(tmp_path / "again", "beam", 4, rows(4))
        with pytest.raises(NoFit, match="two runs of beam with N = 4"):
            read_sweep(tmp_path)


class TestCosts:
    def test_of_a_row(self) -> None:
        (row,) = rows(4, ["q"])
        # 5 read and 40 written by the policy, 16 by the PRM; FLOPs with what was attended to
        flops = 2 * 1000 * 45 + 4 * 400 + 2 * 2000 * 16 + 8 * 200
        assert cost_of(replace(row, unspent=1), 4, MODELS).tolist() == [3, 61, flops]
        assert np.isnan(cost_of(replace(row, prm=Usage(None)), 4, MODELS)).tolist() == [
            False,
            True,
            True,
        ]

    def test_of_some_samples(self) -> None:
        row = found("q", said("1", 0.9), said("1", 0.8), said("2", 0.1))
        costs = SampleCosts(row, MODELS)
        all_three = costs.of(row.completions)
        assert all_three.tolist() == cost_of(row, 3, MODELS).tolist()
        one, both = costs.of(row.completions[:1]), costs.of(row.completions[:2])
        # 5 + 10 tokens of the policy's; the PRM reads 10 of the 12 + 2 * 22 characters once
        characters = len("question q"), len("step 0 to 1\\boxed{1}")
        share = sum(characters) / (characters[0] + 2 * characters[1])
        assert one[1] == pytest.approx(15 + 12 * share)
        assert both[1] == pytest.approx(25 + 12 * share)  # what is equal is read once
        assert one[0] == 1


class TestOutcomes:
    def test_the_probe_votes_and_is_paid_for(self, tmp_path: Path) -> None:
        # The first 4 of the samples are wrong, the last 4, from which the probes are taken, right.
        samples = [said("2", 0.5)] * 4 + [said("1", 0.3)] * 4
        write_run(tmp_path, "best-of-n", 8, [found(id, *samples) for id in IDS])
        beams = [found(id, *[said("2", 0.2)] * 2) for id in IDS]
        write_run(tmp_path, "beam", 2, beams)
        grid = Grid(read_sweep(tmp_path), "completions")
        (probed,) = grid.probed(2, ["mean"])
        at = {action: i for i, action in enumerate(grid.actions)}
        assert probed.problem.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]  # three groups of the last 6
        assert probed.ease.tolist() == [0.3, 0.3, 0.5] * 3
        stop = at[Action("best-of-n", 0, "weighted")]
        assert probed.right[:, stop].tolist() == [1, 1, 0] * 3
        assert probed.cost[:, stop].tolist() == [2] * 9
        beam = at[Action("beam", 2, "weighted")]
        assert probed.right[:, beam].tolist() == [1, 1, 0] * 3  # 0.6 against 0.4
        assert probed.cost[:, beam].tolist() == [4] * 9
        two = at[Action("best-of-n", 2, "weighted")]
        assert probed.right[:, two].tolist() == [0, 0, 0] * 3  # 0.6 against 1.0
        majority = at[Action("best-of-n", 2, "majority")]
        assert probed.right[:, majority].tolist() == [1, 1, 0] * 3  # of equals the first seen
        four = at[Action("best-of-n", 4, "weighted")]
        assert np.isinf(probed.cost[:, four]).all()  # the probes hold some of them
        assert grid.blind.right[:, beam].tolist() == [0, 0, 0]
        assert grid.blind.cost[:, four].tolist() == [4, 4, 4]
        assert np.isinf(grid.blind.cost[:, stop]).all()

    def test_difficulty(self, tmp_path: Path) -> None:
        good(tmp_path)
        mixed = [found("q0", *[said("1", 0.8)] * 3, *[said("2", 0.4)] * 5), *rows(8, IDS[1:])]
        write_run(tmp_path / "new", "best-of-n", 8, mixed)
        write_run(tmp_path / "new", "beam", 4, rows(4))
        grid = Grid(read_sweep(tmp_path / "new"), "completions")
        assert grid.oracle.ease.tolist() == [3 / 8, 1, 1]
        assert grid.predicted.ease.tolist() == pytest.approx([4.4 / 8, 0.9, 0.9])

    def test_a_failed_problem_is_wrong_and_hard(self, tmp_path: Path) -> None:
        write_run(tmp_path, "best-of-n", 8, [*rows(8, IDS[:2]), failed(rows(8)[2])])
        write_run(tmp_path, "beam", 4, rows(4))
        grid = Grid(read_sweep(tmp_path), "tokens")
        assert grid.oracle.ease.tolist() == [1, 1, 0]
        assert grid.blind.right[2, grid.actions.index(Action("best-of-n", 4, "weighted"))] == 0
        assert grid.probed(2, ["best"])[0].ease[-1] == 0

    @pytest.mark.parametrize(("currency", "price"), [("completions", 2.0), ("tokens", 25 + 4)])
    def test_what_n_is_worth(self, tmp_path: Path, currency: str, price: float) -> None:
        same = [found(id, *[said("1", 0.9)] * 4, prm=Usage(20, 16, 0, 1)) for id in IDS]
        write_run(tmp_path, "best-of-n", 4, same)
        grid = Grid(read_sweep(tmp_path), currency)  # type: ignore[arg-type]
        assert grid.price(2) == pytest.approx(price)
        if currency == "tokens":
            with pytest.raises(NoFit, match="N = 8 is paid for as Best-of-N pays for it"):
                grid.price(8)

    def test_a_cost_that_nobody_told(self, tmp_path: Path) -> None:
        write_run(tmp_path, "best-of-n", 8, rows(8), models={"policy": None, "prm": None})
        sweep = read_sweep(tmp_path)
        assert Grid(sweep, "tokens").price(8) > 0
        with pytest.raises(NoFit, match="do not tell what they cost in flops"):
            Grid(sweep, "flops")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def fitted(sweep: Path) -> Fitted:
    return fit(sweep, SMALL)


class TestFitting:
    def test_easy_problems_get_less(self, fitted: Fitted) -> None:
        decision = fitted.rule.decisions[4]
        assert decision.probe in (1, 2)
        spent = [sum(c.completions * c.share for c in chosen) for chosen in decision.choices]
        assert spent[0] > 4 > spent[-1]

    def test_the_budget_is_spent_on_average_over_the_fitted_bins(
        self, sweep: Path, fitted: Fitted
    ) -> None:
        grid = Grid(read_sweep(sweep), "completions")
        for n, decision in [(4, fitted.rule.decisions[4])]:
            (looked,) = grid.probed(decision.probe, [decision.measure])
            at = np.searchsorted(decision.edges, looked.ease, side="right")
            spent = [
                decision.probe + sum(c.completions * c.share for c in decision.choices[b])
                for b in at
            ]
            assert np.mean(spent) == pytest.approx(n, rel=1e-3)

    def test_it_beats_the_best_single_strategy_here(self, fitted: Fitted) -> None:
        auto, fixed = fitted.curves["auto"][4], fitted.curves["fixed"][4]
        assert auto is not None
        assert fixed is not None
        assert auto.accuracy > fixed.accuracy + 0.02
        gain = fitted.curves["gain"][4]
        assert gain is not None
        assert gain.accuracy == pytest.approx(auto.accuracy - fixed.accuracy)

    def test_nothing_beats_what_is_known_afterwards(self, fitted: Fitted) -> None:
        for n in (4, 8):
            bound = fitted.curves["bound"][n]
            for name in ("fixed", "oracle", "predicted"):
                point = fitted.curves[name][n]
                assert point is not None
                assert bound is not None
                assert point.low <= point.accuracy <= point.high
                assert point.accuracy <= bound.accuracy
                assert point.cost <= n + 1e-9

    def test_it_is_the_same_again(self, sweep: Path, fitted: Fitted) -> None:
        assert fit(sweep, SMALL).as_json() == fitted.as_json()

    def test_its_file_is_a_rule_with_where_it_comes_from(
        self, fitted: Fitted, tmp_path: Path
    ) -> None:
        content = json.loads(json.dumps(fitted.as_json(), allow_nan=False))
        assert Rule.from_json(content) == fitted.rule
        of = content["provenance"]
        assert (of["problems"], of["samples"], of["policy"], of["cost"]) == (
            80,
            24,
            "tiny",
            "completions",
        )
        assert set(of["recipes"]) == {"best-of-n 24", "beam 2", "beam 4", "beam 8"}
        assert all(len(digest) == 64 for digest in of["recipes"].values())
        assert list(content["table"]) == ["4", "8"]
        (tmp_path / "rule.json").write_text(json.dumps(content))
        assert AutoParams(8, str(tmp_path / "rule.json")).rule_digest == content["digest"]

    def test_absolute_bins(self, tmp_path: Path) -> None:
        folder = write_sweep(tmp_path, problems=120)
        made = fit(folder, replace(SMALL, bins=Bins(absolute=True), resamples=2))
        assert made.provenance["pass@1 edges"] == [0.1, 0.5]
        assert all(len(actions) == 3 for actions in made.snell.values())

    def test_too_few_problems(self, tmp_path: Path) -> None:
        write_sweep(tmp_path, problems=79)
        with pytest.raises(NoFit, match="79 problems are too few for 2 bins: each wants 40"):
            fit(tmp_path, SMALL)

    def test_too_few_samples(self, sweep: Path) -> None:
        with pytest.raises(NoFit, match="at least 32 samples; the largest has 24"):
            fit(sweep, replace(SMALL, probes=(16,)))

    def test_a_budget_that_buys_nothing(self, tmp_path: Path) -> None:
        write_run(tmp_path, "best-of-n", 8, rows(8, [f"q{i}" for i in range(80)]))
        with pytest.raises(NoFit, match="costs as little as N = 0"):
            fit(tmp_path, replace(SMALL, budgets=(0,)))

    @pytest.mark.parametrize("cost", ["tokens", "flops"])
    def test_other_currencies(self, sweep: Path, cost: str) -> None:
        other = fit(sweep, replace(SMALL, cost=cost, resamples=2))  # type: ignore[arg-type]
        prices = other.provenance["prices"]
        assert prices["8"] > prices["4"] > 8
        point = other.curves["auto"][8]
        assert point is not None
        assert point.cost == pytest.approx(prices["8"], rel=0.25)


def test_without_spare_samples_the_second_half_serves(tmp_path: Path) -> None:
    write_run(tmp_path, "best-of-n", 8, rows(8))
    write_run(tmp_path, "beam", 8, rows(8))
    grid = Grid(read_sweep(tmp_path), "completions")
    (probed,) = grid.probed(2, ["mean"])
    assert probed.problem.tolist() == [0, 0, 1, 1, 2, 2]
    cost = dict(zip(grid.actions, probed.cost[0], strict=True))
    assert cost[Action("best-of-n", 4, "weighted")] == 6
    assert cost[Action("best-of-n", 8, "weighted")] == np.inf
    assert cost[Action("beam", 8, "weighted")] == 10
