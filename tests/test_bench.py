"""The benchmark runs: every figure is measured, on real servers; none is judged here."""

from __future__ import annotations

import math

import pytest
from rich.console import Console

from bench import ours, replay
from bench.figures import Bench, Size, table
from sal.runtime.client import Engine

SMALL = Size(problems=2, budget=4, rounds=1, few=2, many=3, narrow=4, wide=8)


def test_distinct_tokens_are_the_nodes_of_a_trie() -> None:
    assert replay.distinct([(1, 2, 3), (1, 2), (1, 2, 4), (2, 3)]) == 6


@pytest.mark.servers
def test_a_round_measures_every_figure(policy: Engine, prm: Engine) -> None:
    bench = Bench(policy, prm, SMALL, Console(quiet=True))
    for strategy in ("best-of-n", "beam", "dvts"):
        bench.round(strategy)
    bench.growth("dvts")
    bench.start()
    values = [v for figure in bench.rounds.values() for row in figure.values() for v in row]
    assert len(values) == 3 * 16 + 3 + 3
    assert all(math.isfinite(value) and value >= 0 for value in values)
    assert bench.rounds["engine share"]["dvts"][0] > 0
    for scored in ("every", "newest"):
        assert bench.rounds[f"against lockstep, {scored} step scored"]["dvts"][0] > 0
    assert table(bench.rounds, "small", SMALL).row_count == len(bench.rounds)


@pytest.mark.servers
def test_a_replay_asks_what_the_search_asked(policy: Engine, prm: Engine) -> None:
    """Token for token: the engines count as many, both times."""
    bench = Bench(policy, prm, SMALL, Console(quiet=True))
    searched = ours.search(policy, prm, "beam", 2, 4)
    asked = replay.requests(searched, bench.tokenizer, bench.verifier.format)
    used = searched.summary["usage"]
    written = sum(p["sampling_params"]["max_new_tokens"] for p in asked.policy)
    assert written == used["policy"]["completion_tokens"]
    assert len(asked.prm) == used["prm"]["requests"]
    assert sum(len(p["input_ids"]) for p in asked.prm) == used["prm"]["prompt_tokens"]
