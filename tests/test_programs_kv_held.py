"""The most KV cache that a search needs at a time, on trees worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
from programs_scripted import Say, ScriptedPolicy, ScriptedPrm, end, search

from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.kv_held import kv_peak
from sal.programs.rebase import RebaseParams, rebase
from sal.programs.trace import ROLLOUT, Node

Path = tuple[int, ...]


def tree(*nodes: tuple[Path, int, int]) -> list[Node]:
    """Nodes (id, tokens, begun) in the order in which they ended."""
    return [Node(id, "x", tokens, "separator", begun=begun) for id, tokens, begun in nodes]


def test_nothing_was_written() -> None:
    assert kv_peak([]) == 0


def test_what_is_written_at_once_is_held_at_once() -> None:
    assert kv_peak(tree(((0,), 5, 0), ((1,), 7, 0))) == 12


def test_what_ended_before_makes_room() -> None:
    """One attempt behind the other."""
    assert kv_peak(tree(((0,), 5, 0), ((1,), 7, 1))) == 7


def test_a_prefix_that_is_shared_counts_once_and_while_something_is_below() -> None:
    """Depth 1: 10 + 20. Depth 2, below the first alone: 10 + 3 + 4; the 20 were dropped."""
    nodes = tree(((1,), 20, 0), ((0,), 10, 0), ((0, 0), 3, 2), ((0, 1), 4, 2))
    assert kv_peak(nodes) == 30
    longer = tree(((1,), 2, 0), ((0,), 10, 0), ((0, 0), 3, 2), ((0, 1), 4, 2))
    assert kv_peak(longer) == 17


def test_a_node_is_held_for_what_is_begun_below_it_later() -> None:
    """(0,) waits, through the time of (1, 0), for its child: 10 + 5 + 8."""
    nodes = tree(((0,), 10, 0), ((1,), 5, 0), ((1, 0), 8, 2), ((0, 0), 1, 3))
    assert kv_peak(nodes) == 23


def test_a_dead_branch_is_not_held() -> None:
    """As before, but nothing comes of (0,)."""
    assert kv_peak(tree(((0,), 10, 0), ((1,), 5, 0), ((1, 0), 8, 2))) == 15


def test_a_rollout_is_held_while_it_is_written() -> None:
    nodes = tree(((0,), 10, 0), ((0, ROLLOUT), 30, 1), ((0, 0), 5, 2))
    assert kv_peak(nodes) == 40


@pytest.mark.parametrize("node", [Node((0,), "x", None, "eot", begun=0), Node((0,), "x", 3, "eot")])
def test_what_is_not_told_is_not_known(node: Node) -> None:
    assert kv_peak([*tree(((1,), 1, 0)), node]) is None


def test_where_all_of_a_depth_are_written_at_once_it_is_the_largest_tree_of_a_depth() -> None:
    """4 first steps of 3 tokens and their separator; 4 second steps below 2 that are kept.

    Characters are the tokens of the scripted policy: depth 1 holds 4 x (1 + 2), depth 2 the kept
    2 x (1 + 2) and 4 x 9.
    """
    script: dict[Any, Any] = {(i,): Say(text) for i, text in enumerate("abcd")}
    script |= {(i, k): end("\\boxed{1}") for i in range(4) for k in range(4)}
    prm = ScriptedPrm({"a": 0.9, "b": 0.8, "c": 0.2, "d": 0.1})
    result = search(beam, ScriptedPolicy(script), prm, BeamParams(budget=4, width=2))
    tokens = {n.id: n.tokens for n in result.trace.nodes}
    kept = {id[:1] for id in tokens if len(id) == 2}
    assert len(kept) == 2
    second = sum(known(tokens[id]) for id in tokens if len(id) == 2 or id in kept)
    first = sum(known(tokens[id]) for id in tokens if len(id) == 1)
    assert kv_peak(result.trace.nodes) == max(first, second) == second


def known(tokens: int | None) -> int:
    assert tokens is not None
    return tokens


def test_best_of_n_holds_all_of_its_samples() -> None:
    policy = ScriptedPolicy(lambda _: end("\\boxed{1}"))
    result = search(best_of_n, policy, ScriptedPrm(), BestOfNParams(budget=5))
    assert kv_peak(result.trace.nodes) == sum(known(n.tokens) for n in result.trace.nodes)


def test_it_is_the_same_whatever_the_order_of_arrival() -> None:
    """All of a depth are asked for before the first can end, as far as the count goes."""
    policy = ScriptedPolicy(lambda path: Say("ab") if len(path) < 3 else end("\\boxed{1}"))
    peaks = {
        kv_peak(search(rebase, policy, ScriptedPrm(), RebaseParams(budget=6)).trace.nodes)
        for _ in range(5)
    }
    assert len(peaks) == 1
