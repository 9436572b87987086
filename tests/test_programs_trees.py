"""Particle filtering and the tree searches, on a scripted policy and PRM."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import known
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import Grown, Say, ScriptedPolicy, ScriptedPrm, Tree, end, search

from sal.programs.ab_mcts import AbMctsParams, ab_mcts
from sal.programs.mcts import MctsParams, mcts
from sal.programs.particle import ParticleParams, particle
from sal.programs.search import Search
from sal.programs.strategy import strategy
from sal.programs.vote import Vote, by_number

GOLDEN = Path(__file__).parent / "golden"


def grown(seed: int, errors: bool = True) -> Grown:
    """A script for any path, and a PRM for what it says."""

    def script(path: tuple[int, ...]) -> Say:
        dice = random.Random(f"{seed}{path}")
        odds = [6, 3, 1, 0.5 if errors and len(path) < 5 else 0]
        finish = dice.choices(["separator", "eot", "length", "abort"], odds)[0]
        return Say(f"{dice.choice('abc')}{path} \\boxed{{{dice.randrange(3)}}}", finish)

    return script, lambda step: random.Random(f"{seed}{step}").random()


def late(script: Any, seed: int) -> Any:
    """The same script, in which siblings wait for each other in an order drawn from `seed`."""
    done: dict[tuple[int, ...], threading.Event] = {}
    lock = threading.Lock()

    def event(path: tuple[int, ...]) -> threading.Event:
        with lock:
            return done.setdefault(path, threading.Event())

    def waiting(path: tuple[int, ...]) -> Say:
        said = script(path)
        # Only for the first sibling: it was begun before, whatever the width.
        after = event((*path[:-1], 0)) if path[-1] and seed % 2 else None
        return Say(said.text, said.finish, after=after, announce=event(path))

    return waiting


def told(result: Any) -> dict[str, Any]:
    """The whole tree and what became of it, whoever came first."""
    return {
        "nodes": [
            [list(n.id), n.text, n.finish, list(n.scores)]
            for n in sorted(result.trace.nodes, key=lambda n: n.id)
        ],
        "completions": [[list(c.node), c.key, c.finish] for c in result.completions],
        "chosen": result.chosen,
        "unspent": result.unspent,
    }


def parents_of(result: Any) -> set[tuple[int, ...]]:
    return {n.parent for n in result.trace.nodes}


class TestParticle:
    def test_the_population_follows_the_score(self) -> None:
        # Odds 999, 1/999, 1/999, 1/999: the effective size is 1, so all four go on from (1,).
        tree: dict[Any, Any] = {(i,): Say("bad") for i in range(4)} | {(1,): Say("good")}
        tree |= {(1, i): end(f"\\boxed{{{i}}}") for i in range(4)}
        prm = ScriptedPrm({"bad": 0.001, "good": 0.999, "\\boxed{3}": 0.9})
        result = search(particle, ScriptedPolicy(tree), prm, ParticleParams(budget=4))
        assert [c.node for c in result.completions] == [(1, 0), (1, 1), (1, 2), (1, 3)]
        assert result.chosen["naive"] == 3

    def test_a_finished_particle_stays_and_is_never_extended(self) -> None:
        tree: dict[Any, Any] = {(0,): end("\\boxed{1}"), (1,): Say("a"), (1, 0): end("\\boxed{2}")}
        prm = ScriptedPrm({"\\boxed{1}": 0.6, "a": 0.5, "\\boxed{2}": 0.5})
        result = search(particle, ScriptedPolicy(tree), prm, ParticleParams(budget=2))
        assert [c.node for c in result.completions] == [(0,), (1, 0)]

    def test_a_finished_particle_may_be_drawn_again(self) -> None:
        tree: dict[Any, Any] = {(0,): end("\\boxed{1}"), (1,): Say("a"), (2,): Say("a")}
        prm = ScriptedPrm({"\\boxed{1}": 0.999, "a": 0.001})
        result = search(particle, ScriptedPolicy(tree), prm, ParticleParams(budget=3))
        assert [c.node for c in result.completions] == [(0,)] * 3
        assert len(result.trace.nodes) == 3

    def test_weights_multiply_up_until_they_are_drawn(self) -> None:
        # Odds 2 of N = 2: sizes 1 / (4 + 1) * 9 = 1.8, 25/17, ... never under 1: no draw.
        script: Tree = {(i, *[0] * d): Say(str(i)) for i in range(2) for d in range(3)}
        script |= {(i, 0, 0, 0): end("\\boxed{1}") for i in range(2)}
        prm = ScriptedPrm({"0": 2 / 3, "1": 1 / 2})
        result = search(particle, ScriptedPolicy(script), prm, ParticleParams(budget=2))
        assert len(result.completions) == 2
        # With 9 particles, one of odds 3: sizes 11^2 / 17 > 9/2, 17^2 / 89 < 9/2: drawn at step 3.
        drawn = search(
            particle,
            ScriptedPolicy(lambda path: Say(str(path[0])) if len(path) < 3 else end("\\boxed{1}")),
            ScriptedPrm(lambda step: 3 / 4 if step == "0" else 1 / 2),
            ParticleParams(budget=9),
        )
        assert {n for n in parents_of(drawn) if len(n) == 1} == {(i,) for i in range(9)}
        assert {n.id for n in drawn.trace.nodes if len(n.id) == 3} >= {(0, 0, i) for i in range(4)}

    def test_what_cannot_go_on_nor_answer_weighs_nothing(self) -> None:
        tree: dict[Any, Any] = {(0,): Say("cut", "length"), (1,): Say("", "abort"), (2,): Say("a")}
        tree |= {(2, i): end("\\boxed{1}") for i in range(3)}
        prm = ScriptedPrm({"cut": 0.99, "a": 0.2})
        result = search(particle, ScriptedPolicy(tree), prm, ParticleParams(budget=3))
        assert [c.node for c in result.completions] == [(2, 0), (2, 1), (2, 2)]

    def test_the_last_step_runs_to_the_end(self) -> None:
        policy = ScriptedPolicy({(0,): Say("a"), (0, 0): end("b\n\n\\boxed{1}")})
        search(particle, policy, ScriptedPrm(), ParticleParams(budget=1, max_steps=2))
        assert policy.stops == [["\n\n"], []]


class TestMcts:
    def test_a_simulation_follows_the_best_to_its_end(self) -> None:
        # Width 2, N 2: (1,) is better, and its two ends spend the budget.
        tree: dict[Any, Any] = {(0,): Say("a"), (1,): Say("b")}
        tree |= {(1, 0): end("\\boxed{1}"), (1, 1): end("\\boxed{2}")}
        prm = ScriptedPrm({"a": 0.4, "b": 0.6, "\\boxed{2}": 0.9})
        result = search(mcts, ScriptedPolicy(tree), prm, MctsParams(budget=2, width=2))
        assert [c.node for c in result.completions] == [(1, 0), (1, 1)]
        assert result.chosen["naive"] == 1

    def test_the_next_one_starts_where_puct_says(self) -> None:
        # The first leaves (0, 0), (0, 1) told their 0.2 and 0.3.
        # All is finished under (0,), so (1,) is next whatever c is; its ends are worth more.
        script: Tree = {(0,): Say("a"), (1,): Say("b")}
        script |= {(i, j): end(f"{i}{j} \\boxed{{{i}}}") for i in range(2) for j in range(2)}
        scores = {"a": 0.6, "b": 0.4, "00 \\boxed{0}": 0.2, "01 \\boxed{0}": 0.3}
        params = MctsParams(budget=4, width=2)
        result = search(mcts, ScriptedPolicy(script), ScriptedPrm(scores), params)
        assert [c.node for c in result.completions] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert result.chosen["weighted"] == 2

    def test_exploring_depends_on_c(self) -> None:
        # After (0, 0, 0), (0, 0, 1): N(root) = 2, N(0) = 3, Q(0) = 0.8, Q(1) = 0.2 (of 0.9, 0.6).
        # c = 2: 0.8 + 2 sqrt(ln 2 / 3) = 1.76 < 0.2 + 2 sqrt(ln 2) = 1.87; c = 0.1: 0.85 > 0.28.
        def script(path: tuple[int, ...]) -> Say:
            return Say("ab"[path[0]]) if len(path) < 3 else end("\\boxed{1}")

        prm = ScriptedPrm({"a": 0.9, "b": 0.6, "\\boxed{1}": 0.9})

        def ends(c: float) -> list[tuple[int, ...]]:
            # Three children of a node; of the last step the budget's one and only.
            first = MctsParams(budget=4, width=2, c_puct=c)
            return [x.node for x in search(mcts, ScriptedPolicy(script), prm, first).completions]

        assert ends(2.0) == [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 0, 1)]
        assert ends(0.1) == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]

    def test_iterations_bound_the_simulations(self) -> None:
        policy = ScriptedPolicy(lambda p: Say(str(p)) if len(p) < 2 else end(f"{p} \\boxed{{1}}"))
        params = MctsParams(budget=9, width=2, iterations=2, c_puct=0.1)
        result = search(mcts, policy, ScriptedPrm(), params)
        assert [c.node for c in result.completions] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert result.unspent == 5

    def test_one_end_is_the_only_child(self) -> None:
        """Equal steps are one; the first end alone is left, though another has a better score."""
        script: Tree = {(0,): Say("a"), (1,): Say("a"), (2,): Say("b")}
        script |= {(0, 0): Say("c"), (0, 1): end("\\boxed{1}"), (0, 2): end("\\boxed{2}")}
        script |= {(2, j): end("\\boxed{3}") for j in range(3)}
        prm = ScriptedPrm({"a": 0.9, "b": 0.5, "c": 0.9, "\\boxed{2}": 0.9})
        params = MctsParams(budget=9, width=3, one_end=True)
        result = search(mcts, ScriptedPolicy(script), prm, params)
        assert [c.node for c in result.completions] == [(0, 1), (2, 0)]
        assert result.unspent == 9 - 2 - 3  # what is dropped was sampled

    def test_a_tree_without_room_leaves_budget_unspent(self) -> None:
        policy = ScriptedPolicy(lambda _: end("\\boxed{1}"))
        result = search(mcts, policy, ScriptedPrm(), MctsParams(budget=5, width=2))
        assert (len(result.completions), result.unspent) == (2, 3)

    def test_a_leaf_that_fails_is_spent(self) -> None:
        policy = ScriptedPolicy(lambda path: Say("a") if path == (0,) else Say("", "abort"))
        result = search(mcts, policy, ScriptedPrm(), MctsParams(budget=3, width=2))
        assert (len(result.errors), result.unspent) == (3, 0)

    def test_simulations_in_flight_do_not_wait_for_each_other(self) -> None:
        finished = threading.Event()
        script: Tree = {(i,): Say("a") for i in range(2)}
        script |= {(0, 0): Say("b"), (0, 1): Say("b"), (1, 0): Say("b"), (1, 1): Say("b")}
        script |= {(i, 0, j): end("\\boxed{1}") for i in range(2) for j in range(2)}
        script |= {(i, 1, j): end("\\boxed{1}") for i in range(2) for j in range(2)}
        # The second batch has (0, 1) and (1,): the former, begun first, waits for the latter.
        script[0, 1, 0] = end("\\boxed{1}", after=finished)
        script[1, 0, 1] = end("\\boxed{1}", announce=finished)
        params = MctsParams(budget=6, width=2, in_flight=2)
        result = search(mcts, ScriptedPolicy(script), ScriptedPrm(), params)
        assert len(result.completions) == 6


class TestAbMcts:
    def test_every_rollout_ends(self) -> None:
        policy = ScriptedPolicy(lambda path: Say("a") if len(path) < 3 else end("\\boxed{1}"))
        result = search(ab_mcts, policy, ScriptedPrm(), AbMctsParams(budget=6))
        assert len(result.completions) == 6
        assert {len(c.node) for c in result.completions} == {3}

    def test_it_goes_on_below_what_is_good(self) -> None:
        """One first step is right, the others are not; below it every second one is wrong."""

        def script(path: tuple[int, ...]) -> Say:
            good = path[0] == 0 and path[-1] % 2 == 0
            step = "good" if good else "bad"
            return Say(step) if len(path) < 3 else end(f"{step} \\boxed{{{int(good)}}}")

        prm = ScriptedPrm(lambda step: 0.95 if step.startswith("good") else 0.05)
        result = search(ab_mcts, ScriptedPolicy(script), prm, AbMctsParams(budget=24))
        below = [c for c in result.completions if c.node[0] == 0]
        assert len(below) >= 10  # 24 samples would have one
        assert result.completions[result.chosen["weighted"] or 0].key == "1"

    def test_a_finished_first_step_makes_it_best_of_n(self) -> None:
        policy = ScriptedPolicy(lambda _: end("\\boxed{1}"))
        result = search(ab_mcts, policy, ScriptedPrm(), AbMctsParams(budget=5, in_flight=2))
        assert [c.node for c in result.completions] == [(i,) for i in range(5)]

    def test_a_rollout_that_fails_is_spent(self) -> None:
        policy = ScriptedPolicy(lambda path: Say("a") if len(path) < 2 else Say("", "abort"))
        result = search(ab_mcts, policy, ScriptedPrm(), AbMctsParams(budget=3))
        assert (len(result.errors), result.unspent) == (3, 0)

    def test_what_is_in_flight_does_not_wait(self) -> None:
        finished = threading.Event()
        script: Tree = {(i,): Say("a") for i in range(2)}
        script |= {(0, 0): end("\\boxed{1}", after=finished)}
        script |= {(1, 0): end("\\boxed{1}", announce=finished)}
        params = AbMctsParams(budget=2, in_flight=2)
        assert len(search(ab_mcts, ScriptedPolicy(script), ScriptedPrm(), params).completions) == 2


@pytest.mark.parametrize(
    ("make", "wrong", "field"),
    [
        (ParticleParams, {"budget": 0}, "budget"),
        (ParticleParams, {"resampling": "residual"}, "resampling"),
        (ParticleParams, {"tau": 0}, "tau"),
        (ParticleParams, {"resample_below": 0}, "resample_below"),
        (ParticleParams, {"annealing": "linear"}, "annealing"),
        (MctsParams, {"c_puct": -1}, "c_puct"),
        (MctsParams, {"iterations": 0}, "iterations"),
        (MctsParams, {"one_end": 1}, "one_end"),
        (MctsParams, {"in_flight": 0}, "in_flight"),
        (MctsParams, {"width": 0}, "width"),
        (AbMctsParams, {"prior_m": "0"}, "prior_m"),
        (AbMctsParams, {"prior_b": 0}, "prior_b"),
        (AbMctsParams, {"posterior": "uniform"}, "posterior"),
        (AbMctsParams, {"max_steps": 0}, "max_steps"),
    ],
)
def test_the_wrong_field_is_named(make: Any, wrong: Any, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} "):
        make(**wrong)


@pytest.mark.parametrize("keeps_stop", [True, False], ids=["pooled", "stock"])
def test_a_parent_can_be_continued_again(keeps_stop: bool) -> None:
    """The ids of its children go on, and nothing is lost."""

    @strategy(ParticleParams)
    def twice(search: Search, params: ParticleParams) -> Vote:
        (parent,) = search.expand([search.root], [1])
        return by_number([*search.expand([parent], [2]), *search.expand([parent], [3])])

    policy = ScriptedPolicy(
        lambda path: Say("a") if len(path) < 2 else end(f"b{path[-1]}"), keeps_stop=keeps_stop
    )
    result = search(twice, policy, ScriptedPrm(), ParticleParams())
    assert [c.node for c in result.completions] == [(0, i) for i in range(5)]
    assert [c.text for c in result.completions] == [f"a\n\nb{i}" for i in range(5)]
    assert {policy.prefixes[0, i] for i in range(5)} == {"q\n\na\n\n"}


SEARCHES: dict[str, tuple[Any, Any]] = {
    "particle": (particle, ParticleParams),
    "particle-multinomial": (
        particle,
        lambda **given: ParticleParams(resampling="multinomial", **given),
    ),
    "mcts": (mcts, lambda **given: MctsParams(width=3, **given)),
    "mcts-in-flight": (mcts, lambda **given: MctsParams(width=2, in_flight=3, **given)),
    "ab-mcts": (ab_mcts, AbMctsParams),
    "ab-mcts-in-flight": (
        ab_mcts,
        lambda **given: AbMctsParams(posterior="beta", in_flight=3, **given),
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_whole_tree_again(name: str) -> None:
    """To renew after a change that is meant: delete the file, run, read the difference."""
    program, make = SEARCHES[name]
    script, score = grown(7)
    params = make(budget=8, max_steps=5)
    tree = told(search(program, ScriptedPolicy(script), ScriptedPrm(score), params))
    file = GOLDEN / f"{name}.json"
    if not file.exists():
        rows = ",\n ".join(f"{json.dumps(key)}: {json.dumps(rows)}" for key, rows in tree.items())
        file.write_text("{" + rows.replace("], [[", "],\n  [[") + "}\n")
        pytest.fail(f"wrote {file}")
    assert tree == json.loads(file.read_text())


@given(
    name=st.sampled_from(list(SEARCHES)),
    seed=st.integers(0, 10**6),
    budget=st.integers(1, 8),
    order=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_whatever_the_tree_and_whoever_is_first(
    name: str, seed: int, budget: int, order: int
) -> None:
    program, make = SEARCHES[name]
    params = make(budget=budget, max_steps=4)
    script, score = grown(seed)
    first = search(program, ScriptedPolicy(script), ScriptedPrm(score), params)
    again = search(
        program, ScriptedPolicy(late(script, order), keeps_stop=False), ScriptedPrm(score), params
    )
    assert told(first) == told(again)
    assert len(first.completions) <= budget
    assert len({n.id for n in first.trace.nodes}) == len(first.trace.nodes)
    extended = parents_of(first)
    assert all(n.finish == "separator" for n in first.trace.nodes if n.id in extended)
    for c in first.completions:
        assert len(c.scores) == len(c.steps)
        assert c.tokens == sum(
            known(n.tokens) for n in first.trace.nodes if n.id == c.node[: len(n.id)]
        )
