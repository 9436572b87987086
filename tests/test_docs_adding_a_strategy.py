"""The strategy of docs/adding-a-strategy.md, installed as the page says and run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_package import block, installed_package
from programs_scripted import ScriptedPolicy, ScriptedPrm, end, search
from test_strategies_registry import TestEveryStrategy as Everywhere

from sal.runs.errors import RunError
from sal.runs.registry import GROUP, Strategy, find_strategy

PAGE = "adding-a-strategy.md"


@pytest.fixture
def strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Strategy]:
    with installed_package(PAGE, GROUP, tmp_path, monkeypatch) as name:
        yield find_strategy(name)


def test_it_stops_at_a_solution_that_the_prm_likes(strategy: Strategy) -> None:
    policy = ScriptedPolicy({(i,): end(f"\\boxed{{{i}}}") for i in range(6)})
    prm = ScriptedPrm({"\\boxed{3}": 0.8})
    params = strategy.params({"budget": 6, "batch": 2, "bar": 0.8})
    result = search(strategy.program, policy, prm, params)
    assert (len(result.completions), result.unspent) == (4, 2)
    chosen = result.chosen["naive"]
    assert chosen is not None
    assert result.completions[chosen].key == "3"


def test_wrong_parameters_are_named(strategy: Strategy) -> None:
    with pytest.raises(RunError, match="bar"):
        strategy.params({"bar": 2})


def test_what_holds_for_every_strategy_holds_for_it(strategy: Strategy) -> None:
    everywhere = Everywhere()
    everywhere.test_its_parameters(strategy)
    everywhere.test_it_says_by_which_rule_it_chose(strategy)
    everywhere.test_it_says_what_it_needs(strategy)
    everywhere.test_it_stays_within_its_budget(strategy, 24)
    everywhere.test_a_cap_ends_it(strategy)
    everywhere.test_its_trace_replays(strategy, 1)


def test_it_is_about_thirty_lines() -> None:
    assert len([line for line in block(PAGE, "python").splitlines() if line.strip()]) <= 28
