"""`just compare`: its statistics by hand, its tables, and its runs on real servers."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from conftest import known
from hypothesis import given
from hypothesis import strategies as st
from runs_examples import row
from runs_terminal import records

from bench import ours
from bench.compare import command
from bench.compare.comparing import comparison_of
from bench.compare.shared import ColdCache, Replies, SharedEngine
from sal.cli.interrupt import EXIT_CODE, Interrupt
from sal.reports.comparison import Arm, Comparison
from sal.reports.comparison_tables import accuracy_table, frontier_table, gain_table, words
from sal.reports.statistics import frontier, holm, mcnemar, paired_difference
from sal.runs import registry
from sal.runs.errors import RunError
from sal.runs.planned_run import PlannedRun
from sal.runs.results import Summary, summarise
from sal.runtime.access import Access
from sal.runtime.client import Engine
from sal.runtime.plan import Role
from sal.runtime.usage import Usage

ROOT = Path(__file__).parents[1]
PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40)


class TestStatistics:
    def test_a_paired_difference(self) -> None:
        """Differences 0, 1, 0, 1: variance 1/3, over four problems."""
        found = paired_difference([True, True, False, True], [True, False, False, False])
        assert found.mean == 0.5
        assert found.stderr == pytest.approx(math.sqrt(1 / 12))

    def test_mcnemar_is_the_coin_toss_of_what_differs(self) -> None:
        """8 wins, 1 loss: 2 (C(9,0) + C(9,1)) / 2^9; problems that both solve say nothing."""
        ours = [True] * 8 + [False] + [True] * 5
        theirs = [False] * 8 + [True] + [True] * 5
        assert mcnemar(ours, theirs) == pytest.approx(20 / 512)
        assert mcnemar([True] * 5, [False] * 5) == pytest.approx(2 / 32)
        assert mcnemar([True, False], [True, False]) == 1.0

    def test_holm(self) -> None:
        """0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1 is no less than the one before."""
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
        assert holm([0.6, 0.7]) == [1.0, 1.0]
        assert holm([]) == []

    def test_a_frontier(self) -> None:
        assert frontier([1, 2, 3, 2, 2], [0.5, 0.7, 0.6, 0.7, 0.6]) == [
            True,
            True,
            False,
            True,
            False,
        ]

    @pytest.mark.parametrize("compared", [paired_difference, mcnemar])
    def test_what_is_not_paired_is_refused(self, compared: Any) -> None:
        with pytest.raises(ValueError, match="shorter"):
            compared([True, False], [True])

    @given(PAIRS)
    def test_two_methods_against_each_other(self, pairs: list[tuple[bool, bool]]) -> None:
        ours, theirs = zip(*pairs, strict=True)
        there, back = paired_difference(ours, theirs), paired_difference(theirs, ours)
        assert there.mean == -back.mean
        assert there.stderr == back.stderr
        assert mcnemar(ours, theirs) == mcnemar(theirs, ours)
        assert 0 < mcnemar(ours, theirs) <= 1

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
    def test_holm_adjusts_upwards_whatever_the_order(self, ps: list[float], random: Any) -> None:
        adjusted = holm(ps)
        assert all(p <= a <= min(1.0, len(ps) * p) for p, a in zip(ps, adjusted, strict=True))
        assert min(adjusted) == min(1.0, len(ps) * min(ps))
        ranked = [a for _, a in sorted(zip(ps, adjusted, strict=True))]
        assert ranked == sorted(ranked)
        order = list(range(len(ps)))
        random.shuffle(order)
        assert holm([ps[i] for i in order]) == [adjusted[i] for i in order]

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1))
    def test_a_point_off_the_frontier_is_beaten_by_one_on_it(
        self, points: list[tuple[int, int]]
    ) -> None:
        marks = frontier(*zip(*points, strict=True))
        best = [point for point, on in zip(points, marks, strict=True) if on]
        assert {(c, -v) for c, v in best} >= {min((c, -v) for c, v in points)}
        for point, on in zip(points, marks, strict=True):
            beaten = any(c <= point[0] and v >= point[1] and (c, v) != point for c, v in best)
            assert beaten is not on


def arm(method: str, budget: int, right: Sequence[bool], flops: float | None = 1e9) -> Arm:
    correct = {f"q{i}": value for i, value in enumerate(right)}
    return Arm(method, budget, correct, 50.0 * budget, 30.0, 20.0, flops, 0.0, 0)


class TestComparison:
    """12 problems: majority solves 2 of them, beam all, rebase the same 2."""

    two = [True] * 2 + [False] * 10
    arms = (
        arm("greedy", 1, two, 1e8),
        arm("majority", 4, two, 4e8),
        arm("beam", 4, [True] * 12, 6e8),
        arm("rebase", 4, two, 7e8),
        arm("best-of-n", 4, two, 5e8),
    )
    comparison = Comparison(arms, ["majority", "best-of-n"])

    def test_only_equal_budgets_are_compared_and_each_pair_once(self) -> None:
        made = [(c.method, c.reference) for c in self.comparison.contrasts]
        assert made == [
            ("beam", "majority"),
            ("rebase", "majority"),
            ("best-of-n", "majority"),
            ("beam", "best-of-n"),
            ("rebase", "best-of-n"),
        ]

    def test_a_difference_is_adjusted_for_all_comparisons(self) -> None:
        """10 wins and no loss: 2 / 2^10, the two least of five p-values."""
        found = self.comparison.contrast("beam", "majority", 4)
        assert found is not None
        assert found.p == pytest.approx(5 * 2 / 2**10)
        assert found.verdict == "better"
        assert found.difference.mean == pytest.approx(10 / 12)
        worse = Comparison([self.arms[2], arm("dvts", 4, self.two)], ["beam"]).contrasts
        assert [c.verdict for c in worse] == ["worse"]

    def test_problems_are_matched_by_their_ids(self) -> None:
        turned = dict(reversed(list(self.arms[1].correct.items())))
        other = Arm("turned", 4, turned, 1, 1, 1, 1, 0, 0)
        (found,) = Comparison([self.arms[1], other], ["majority"]).contrasts
        assert (found.difference.mean, found.p) == (0.0, 1.0)

    def test_arms_on_other_problems_are_refused(self) -> None:
        with pytest.raises(ValueError, match="same problems"):
            Comparison([self.arms[0], arm("beam", 4, [True])], ["beam"])

    def test_the_tables(self) -> None:
        lines = accuracy_table(self.comparison).splitlines()
        assert lines[0] == "| accuracy, % | N = 1       | N = 4       |"
        assert lines[2] == "| greedy      | 16.7 ± 11.2 |             |"
        assert lines[4] == "| beam        |             | 100.0 ± 0.0 |"
        gains = gain_table(self.comparison, "majority").splitlines()
        assert gains[2].split("|")[1:3] == [" beam                     ", " +83.3 ± 11.2 ▲ "]
        assert gains[3].split("|")[1:3] == [" rebase                   ", " +0.0 ± 0.0     "]

    def test_the_words(self) -> None:
        said = words(self.comparison).splitlines()
        assert "for all 5 comparisons" in said[0]
        assert said[2] == (
            "- **beam**: against majority better at N = 4; against best-of-n better at N = 4."
        )
        assert said[3].startswith("- **rebase**: against majority no significant difference at")

    def test_the_words_list_all_budgets(self) -> None:
        arms = [arm(name, n, self.two) for name in ("majority", "beam") for n in (4, 16, 64)]
        said = words(Comparison(arms, ["majority"]))
        assert "no significant difference at N = 4, 16 and 64." in said

    def test_the_frontier_is_marked_by_cost(self) -> None:
        rows = [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in frontier_table(self.comparison).splitlines()[2:]
        ]
        assert [row[0] for row in rows] == ["greedy", "majority", "best-of-n", "beam", "rebase"]
        assert [row[-1] for row in rows] == ["tokens and FLOPs", "", "", "tokens and FLOPs", ""]

    def test_an_unknown_cost_has_no_frontier(self) -> None:
        found = Comparison([*self.arms[:2], arm("beam", 4, [True] * 12, None)], []).as_json()
        assert [a["frontier"]["flops"] for a in found["arms"]] == [False] * 3
        assert [a["frontier"]["tokens"] for a in found["arms"]] == [True, False, True]


class TestPlan:
    def test_every_strategy_at_every_budget(self, tmp_path: Path) -> None:
        planned = command.plan(list(registry.summaries()), (4, 16), 10, tmp_path)
        names = [(run.prepared.recipe.strategy, run.prepared.budget) for run in planned]
        searches = [name for name in registry.STRATEGIES if name != "greedy"]
        assert names == [("greedy", 1)] + [(name, n) for n in (4, 16) for name in searches]
        assert len({run.path for run in planned}) == len(planned)
        assert {len(run.prepared.problems.questions) for run in planned} == {10}

    def test_a_new_strategy_is_compared_by_itself(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        known = registry.STRATEGIES["beam"]
        monkeypatch.setitem(registry.STRATEGIES, "newest", known)
        seen: list[PlannedRun] = []

        def stop(planned: Sequence[PlannedRun], interrupt: Interrupt) -> None:
            seen.extend(planned)
            raise KeyboardInterrupt

        monkeypatch.setattr(command, "compare", stop)
        assert command.main(["--problems", "2", "--budgets", "8,4"]) == EXIT_CODE
        assert [run.name for run in seen if "newest" in run.name] == [
            "newest, N = 4",
            "newest, N = 8",
        ]

    def test_a_folder_of_other_runs_is_refused(self, tmp_path: Path) -> None:
        (one,) = command.plan(["greedy"], (4,), 2, tmp_path)
        one.path.mkdir()
        (one.path / "notes.txt").write_text("mine")
        with Interrupt() as interrupt, pytest.raises(RunError, match="holds no run"):
            command.compare([one], interrupt, {})

    @pytest.mark.parametrize("words", [["--problems", "0"], ["--budgets", "4,x"]])
    def test_wrong_numbers_are_refused(self, words: list[str]) -> None:
        with pytest.raises(SystemExit) as ended:
            command.main(words)
        assert ended.value.code == 2


STRATEGIES = ["greedy", "majority", "best-of-n"]
PROBLEMS = 6
SCRIPT = """
import sys
from pathlib import Path
from bench.compare.command import compare, plan
from sal.cli.interrupt import Interrupt
folder, policy, prm, problems, *strategies = sys.argv[1:]
with Interrupt() as interrupt:
    planned = plan(strategies, (4,), int(problems), Path(folder))
    compare(planned, interrupt, {"policy": policy, "prm": prm})
"""


def ids_of(folder: Path) -> list[str]:
    if not (folder / "journal.jsonl").exists():
        return []
    return [record["row"]["id"] for record in records(folder, "problem")]


def test_particles_are_judged_by_their_own_rule_beside_the_weighted_vote() -> None:
    """One problem, on which the particle of the highest score is right and the vote is not."""
    right = {"naive": True, "weighted": False, "majority": False, "pass": True}

    def done(strategy: str, rule: str) -> tuple[Any, Summary]:
        rows = [replace(row("a"), rule=rule, correct=right)]
        recipe = SimpleNamespace(strategy=strategy)
        prepared = SimpleNamespace(recipe=recipe, budget=4)
        run = SimpleNamespace(prepared=prepared, path=Path(strategy), rows=lambda: iter(rows))
        summary = summarise(
            rows,
            strategy=strategy,
            budget=4,
            owed=0,
            seconds=1.0,
            versions={},
            recipe="",
            models={},
        )
        return run, summary

    made = [done("majority", "majority"), done("best-of-n", "weighted"), done("particle", "naive")]
    found = comparison_of([run for run, _ in made], {run.path: summary for run, summary in made})
    assert {arm.method: arm.accuracy.mean for arm in found.arms} == {
        "majority": 0.0,
        "best-of-n": 0.0,
        "best-of-n, naive": 1.0,
        "particle": 1.0,
        "particle, weighted": 0.0,
    }


@pytest.mark.servers
def test_a_killed_comparison_goes_on_with_what_is_missing(
    policy_server: str, prm_server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, runs, policy_server, prm_server, str(PROBLEMS), *STRATEGIES],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not ids_of(runs / "majority-4") and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    shown = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, shown
    assert "1/3  greedy, N = 1" in shown
    planned = command.plan(STRATEGIES, (4,), PROBLEMS, runs)
    before = {run.path: ids_of(run.path) for run in planned}
    assert len(before[runs / "greedy"]) == PROBLEMS
    assert before[runs / "best-of-n-4"] == []

    urls: dict[Role, str] = {"policy": policy_server, "prm": prm_server}
    with Interrupt() as interrupt:
        experiment = command.compare(planned, interrupt, urls)
    assert "greedy" not in capsys.readouterr().err
    wanted = {question.id for question in planned[0].prepared.problems.questions}
    for run in planned:
        found = ids_of(run.path)
        assert found[: len(before[run.path])] == before[run.path]
        assert (len(found), set(found)) == (PROBLEMS, wanted)

    text = command.report(experiment, tmp_path / "report")
    assert (tmp_path / "report" / "compare.md").read_text() == text
    content = json.loads((tmp_path / "report" / "compare.json").read_text())
    arms = {(a["method"], a["budget"]): a for a in content["arms"]}
    assert list(arms) == [("greedy", 1), ("majority", 4), ("best-of-n", 4), ("best-of-n, naive", 4)]
    for (method, _), found_arm in arms.items():
        assert (found_arm["judged"] > 0) == method.startswith("best-of-n")
        assert found_arm["flops"] > 0
        assert found_arm["failed"] == 0
    made = {(c["method"], c["reference"]) for c in content["contrasts"]}
    assert made == {
        ("best-of-n", "majority"),
        ("best-of-n, naive", "majority"),
        ("best-of-n, naive", "best-of-n"),
    }

    with Interrupt() as interrupt:  # with nothing owed no server is asked
        again = command.compare(planned, interrupt, {})
    assert command.report(again, tmp_path / "again") == text


@pytest.mark.servers
def test_an_interrupted_comparison_keeps_what_is_finished(
    policy_server: str, prm_server: str, tmp_path: Path
) -> None:
    planned = command.plan(["greedy", "majority"], (4,), 2, tmp_path)
    urls: dict[Role, str] = {"policy": policy_server, "prm": prm_server}
    with Interrupt() as interrupt:
        interrupt.asked = True
        with pytest.raises(KeyboardInterrupt):
            command.compare(planned, interrupt, urls)
    assert planned[-1].look() == (None, [])


class Kept(SharedEngine):
    """Remembers every client, whose `usage` is what the server was really asked."""

    made: ClassVar[list[Kept]] = []

    def __init__(self, url: str, access: Access, *, replies: Replies) -> None:
        super().__init__(url, access, replies=replies)
        self.made.append(self)


def but_for_the_cache(usage: Usage) -> Usage:
    return replace(usage, cached_tokens=0, attended_tokens=0)


@pytest.mark.servers
def test_what_was_asked_before_is_not_asked_again_and_costs_the_same(
    policy: Engine,
    prm: Engine,
    policy_server: str,
    prm_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beam search, the same again, and DVTS, whose first steps are among those of beam search."""
    monkeypatch.setattr(command, "SharedEngine", Kept)
    monkeypatch.setattr(Kept, "made", [])
    ours.flush(policy, prm)
    planned = [
        run
        for name, folder in (("beam", "first"), ("beam", "again"), ("dvts", "after"))
        for run in command.plan([name], (8,), PROBLEMS, tmp_path / folder)
    ]
    with Interrupt() as interrupt:
        experiment = command.compare(
            planned, interrupt, {"policy": policy_server, "prm": prm_server}
        )
    first, again, after = (experiment.summaries[run.path] for run in planned)
    asked = [engine.usage for engine in Kept.made[2:]]  # each run has two of its own

    for counted, real, twice in zip(
        (first.policy, first.prm), asked[:2], (0.01, 0.05), strict=True
    ):
        assert but_for_the_cache(counted) == but_for_the_cache(real)
        assert counted.cached_tokens == pytest.approx(real.cached_tokens, rel=twice)
        assert counted.attended_tokens == pytest.approx(real.attended_tokens, rel=2 * twice)

    assert [usage.requests for usage in asked[2:4]] == [0, 0]
    for once, anew in ((first.policy, again.policy), (first.prm, again.prm)):
        assert but_for_the_cache(anew) == but_for_the_cache(once)
        assert anew.cached_tokens == pytest.approx(once.cached_tokens, rel=0.01)
    rows, rows_again = (list(run.rows()) for run in planned[:2])
    assert [row.completions for row in rows_again] == [row.completions for row in rows]

    assert 0 < asked[4].requests < after.policy.requests
    assert known(after.policy.cached_tokens) < known(after.policy.prompt_tokens)


def test_replies_are_remembered_and_counted_as_from_a_cold_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    def generate(_: Engine, payload: dict[str, Any]) -> dict[str, Any]:
        asked.append(payload)
        return {"output_ids": [], "meta_info": {"cached_tokens": 99}}

    monkeypatch.setattr(Engine, "generate", generate)
    said: dict[str, Any] = {"input_ids": [1, 2, 3]}
    large = {**said, "top_logprobs_num": 20}
    payloads = [said, dict(said), {**said, "logprob_start_len": 1}, large, large]
    with SharedEngine("http://127.0.0.1:9", replies={}) as engine:
        cached = [engine.generate(p)["meta_info"]["cached_tokens"] for p in payloads]
    assert asked == [said, payloads[2], large, large]
    assert cached == [0, 2, 1, 2, 2]


def test_a_cold_cache_holds_what_was_read_and_written() -> None:
    cache = ColdCache()
    assert cache.read([1, 2, 3], [4, 5]) == 0
    assert cache.read([1, 2, 3], [6]) == 3
    assert cache.read([1, 2, 3, 4, 5], []) == 4, "behind the last token nothing was computed"
    assert cache.read([1, 2, 3, 4, 5, 9], []) == 5, "unless it was read since"
    assert cache.read([2, 3], []) == 0


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=6), max_size=12))
def test_a_cold_cache_finds_the_longest_common_start(prompts: list[list[int]]) -> None:
    cache = ColdCache()
    for i, prompt in enumerate(prompts):
        starts = {tuple(earlier[:n]) for earlier in prompts[:i] for n in range(len(earlier) + 1)}
        common = max((len(s) for s in starts if s == tuple(prompt[: len(s)])), default=0)
        assert cache.read(prompt, []) == common
