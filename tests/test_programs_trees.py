"""Particle filtering and the tree searches, on a scripted policy and PRM."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, end, search

from sal.programs.particle import ParticleParams, particle

GOLDEN = Path(__file__).parent / "golden"


def grown(seed: int, errors: bool = True) -> tuple[Any, Any]:
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
        script = {(i, *[0] * d): Say(str(i)) for i in range(2) for d in range(3)}
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


SEARCHES: dict[str, tuple[Any, Any]] = {
    "particle": (particle, ParticleParams),
    "particle-multinomial": (
        particle,
        lambda **given: ParticleParams(resampling="multinomial", **given),
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
@settings(max_examples=60, deadline=None)
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
        assert c.tokens == sum(n.tokens for n in first.trace.nodes if n.id == c.node[: len(n.id)])
