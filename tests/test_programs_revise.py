"""Sequential revisions on a scripted policy and PRM."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_replay import Replay
from programs_scripted import QUESTION, Grown, Say, ScriptedPolicy, ScriptedPrm, end, search

from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.problem import Problem
from sal.programs.revise import ReviseParams, revise
from sal.runtime.endpoint_errors import Unreachable
from sal.runtime.frontend.states import Place, without
from sal.strategies.revisions import chain_lengths

GOLDEN = Path(__file__).parent / "golden" / "revise.json"
SEQUENTIAL = 1e9

BOTH_STOPS = pytest.mark.parametrize("keeps_stop", [True, False], ids=["pooled", "stock"])


def line(*said: Any) -> dict[tuple[int, ...], Any]:
    """One chain's script."""
    return {(0,) * k: text for k, text in enumerate(said, 1)}


def numbered(path: tuple[int, ...]) -> Say:
    return end(f"s{path}\n\n\\boxed{{{len(path)}}}")


def grown(seed: int) -> Grown:
    """A script of attempts for any path, some cut off or failed, and their scores."""

    def script(path: tuple[int, ...]) -> Say:
        dice = random.Random(f"{seed}{path}")
        finish = dice.choices(["eot", "length", "abort"], [8, 2, 1])[0]
        return Say(f"{dice.choice('abc')}\n\n{path} \\boxed{{{dice.randrange(3)}}}", finish)

    return script, lambda step: random.Random(f"{seed}{step}").random()


def told(result: Any) -> dict[str, Any]:
    return {
        "nodes": [
            [list(n.id), n.text, n.finish, list(n.scores)]
            for n in sorted(result.trace.nodes, key=lambda n: n.id)
        ],
        "completions": [[list(c.node), c.node[0], c.key, c.finish] for c in result.completions],
        "chosen": result.chosen,
        "unspent": result.unspent,
        "errors": list(result.errors),
    }


class TestRevise:
    def test_each_attempt_sees_those_before_it(self) -> None:
        policy = ScriptedPolicy(numbered)
        params = ReviseParams(budget=6, ratio=1.5)
        result = search(revise, policy, ScriptedPrm(), params)
        assert [c.node for c in result.completions] == [
            (0,), (0, 0), (0, 0, 0), (1,), (1, 0), (1, 0, 0),
        ]  # fmt: skip
        first, second = "s(1,)\n\n\\boxed{1}", "s(1, 0)\n\n\\boxed{2}"
        assert policy.prefixes[1,] == "q\n\n"
        assert policy.prefixes[1, 0] == f"q\n\n{first}\n\nq\n\n"
        assert policy.prefixes[1, 0, 0] == f"q\n\n{first}\n\nq\n\n{second}\n\nq\n\n"

    def test_the_window_slides(self) -> None:
        policy = ScriptedPolicy(numbered)
        params = ReviseParams(budget=7, ratio=SEQUENTIAL)
        search(revise, policy, ScriptedPrm(), params)
        texts = [numbered((0,) * k).text for k in range(1, 7)]
        for k in range(1, 8):
            seen = texts[max(0, k - 5) : k - 1]
            assert policy.prefixes[(0,) * k] == "".join(f"q\n\n{text}\n\n" for text in seen) + (
                "q\n\n"
            )

    def test_only_the_last_attempt_in_view(self) -> None:
        policy = ScriptedPolicy(numbered)
        params = ReviseParams(budget=3, ratio=SEQUENTIAL, context=1)
        search(revise, policy, ScriptedPrm(), params)
        assert policy.prefixes[0, 0, 0] == "q\n\ns(0, 0)\n\n\\boxed{2}\n\nq\n\n"

    def test_an_attempt_is_a_solution_of_its_own(self) -> None:
        policy = ScriptedPolicy(line(end("a\n\n\\boxed{1}"), end("b\n\n\\boxed{2}")))
        prm = ScriptedPrm({"a": 0.1, "\\boxed{1}": 0.2, "b": 0.3, "\\boxed{2}": 0.4})
        result = search(revise, policy, prm, ReviseParams(budget=2, ratio=2.0, max_tokens=50))
        _, second = result.completions
        assert (second.text, second.steps) == ("b\n\n\\boxed{2}", ("b", "\\boxed{2}"))
        assert (second.scores, second.tokens) == ((0.3, 0.4), len(second.text) + 1)
        # The PRM sees no history; the second attempt has all of max_tokens to itself.
        assert prm.calls[1] == (QUESTION, (), ("b", "\\boxed{2}"))
        assert policy.rooms == [50, 50]

    def test_the_choice_is_hierarchical(self) -> None:
        # The scores and chains of TestHierarchical.test_by_hand, by another road.
        tree = {
            (0,): end("a \\boxed{7}"), (0, 0): end("b \\boxed{7}"), (0, 0, 0): end("c \\boxed{6}"),
            (1,): end("d \\boxed{6}"), (1, 0): end("e \\boxed{5}"),
        }  # fmt: skip
        scores = {"a": 0.5, "b": 0.4, "c": 0.8, "d": 0.3, "e": 0.2}
        result = search(
            revise,
            ScriptedPolicy(tree),
            ScriptedPrm(lambda step: scores[step[0]]),
            ReviseParams(budget=5, ratio=1.0),
        )
        assert result.chosen == {"naive": 2, "weighted": 0, "majority": 0}

    def test_what_was_cut_off_is_not_shown(self) -> None:
        said = line(Say("cut", "length"), end("x"), Say("cut too", "length"), end("y"), end("z"))
        policy = ScriptedPolicy(said)
        result = search(revise, policy, ScriptedPrm(), ReviseParams(budget=5, ratio=SEQUENTIAL))
        assert [c.finish for c in result.completions] == ["length", "eot", "length", "eot", "eot"]
        assert result.unspent == 0
        assert [policy.prefixes[(0,) * k] for k in range(1, 6)] == [
            "q\n\n",
            "q\n\n",
            "q\n\nx\n\nq\n\n",
            "q\n\nx\n\nq\n\n",
            "q\n\nx\n\nq\n\ny\n\nq\n\n",
        ]

    @pytest.mark.parametrize("side", ["policy", "PRM"])
    def test_a_failed_attempt_ends_its_chain_alone(self, side: str) -> None:
        gone = Unreachable("gone")
        tree = {(c, *[0] * k): end(f"{c}{k} \\boxed{{1}}") for c in range(2) for k in range(3)}
        prm = ScriptedPrm({"00 \\boxed{1}": gone} if side == "PRM" else {})
        if side == "policy":
            tree[0,] = Say("", error=gone)
        result = search(revise, ScriptedPolicy(tree), prm, ReviseParams(budget=6, ratio=1.5))
        assert [c.node for c in result.completions] == [(1,), (1, 0), (1, 0, 0)]
        assert result.errors == (f"{side}: Unreachable: gone",)
        assert result.unspent == 2

    def test_chains_do_not_wait_for_each_other(self) -> None:
        finished = threading.Event()
        tree: dict[Any, Any] = {(c, *[0] * k): end("a") for c in range(2) for k in range(2)}
        tree[0,] = end("a", after=finished)
        tree[1, 0] = end("a", announce=finished)
        params = ReviseParams(budget=4)
        assert len(search(revise, ScriptedPolicy(tree), ScriptedPrm(), params).completions) == 4

    @BOTH_STOPS
    def test_a_cap_begins_no_further_attempt(self, keeps_stop: bool) -> None:
        """Under caps an attempt is written step by step, and is the same text."""
        said = line([Say("a"), end("\\boxed{1}")], [Say("b"), Say("c")], end("never"))
        policy = ScriptedPolicy(said, keeps_stop=keeps_stop)
        params = ReviseParams(budget=5, ratio=SEQUENTIAL)
        result = search(revise, policy, ScriptedPrm(), params, caps=Caps(tokens=14))
        assert [(c.text, c.finish) for c in result.completions] == [
            ("a\n\n\\boxed{1}", "eot"),
            ("b", "length"),
        ]
        assert policy.prefixes[0, 0] == "q\n\na\n\n\\boxed{1}\n\nq\n\n"
        assert result.unspent == 3

    def test_the_texts_of_a_chat_model(self) -> None:
        policy = ScriptedPolicy(line(end("x"), end("y")))
        problem = Problem(QUESTION, prompt="<u>q<a>", revision="</a><u>again<a>")
        params = ReviseParams(budget=2, ratio=2.0)
        revise.run(problem, params=params, verifier=ScriptedPrm(), backend=policy)
        assert policy.prefixes[0, 0] == "<u>q<a>x</a><u>again<a>"

    def test_all_parallel_is_best_of_n(self) -> None:
        script, score = grown(3)
        params = ReviseParams(budget=5, ratio=1 / 5)
        ours = search(revise, ScriptedPolicy(script), ScriptedPrm(score), params)
        theirs = search(
            best_of_n, ScriptedPolicy(script), ScriptedPrm(score), BestOfNParams(budget=5)
        )
        nodes = sorted((replace(n, data=None) for n in ours.trace.nodes), key=lambda n: n.id)
        assert nodes == sorted(theirs.trace.nodes, key=lambda n: n.id)
        assert ours.chosen == theirs.chosen

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"budget": 0}, "budget"),
            ({"ratio": 0}, "ratio"),
            ({"ratio": float("inf")}, "ratio"),
            ({"context": 0}, "context"),
        ],
    )
    def test_the_wrong_field_is_named(self, wrong: Any, field: str) -> None:
        with pytest.raises(ValueError, match=f"^{field} "):
            ReviseParams(**wrong)


def test_a_whole_tree_again() -> None:
    """To renew after a change that is meant: delete the file, run, read the difference."""
    script, score = grown(4)
    params = ReviseParams(budget=14, ratio=2.0, context=2)
    tree = told(search(revise, ScriptedPolicy(script), ScriptedPrm(score), params))
    if not GOLDEN.exists():
        rows = ",\n ".join(f"{json.dumps(key)}: {json.dumps(rows)}" for key, rows in tree.items())
        GOLDEN.write_text("{" + rows.replace("], [[", "],\n  [[") + "}\n")
        pytest.fail(f"wrote {GOLDEN}")
    assert tree == json.loads(GOLDEN.read_text())


@given(
    seed=st.integers(0, 10**6),
    budget=st.integers(1, 9),
    ratio=st.floats(0.05, 20),
    context=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_said_and_whoever_is_first(
    seed: int, budget: int, ratio: float, context: int
) -> None:
    params = ReviseParams(budget=budget, ratio=ratio, context=context)
    script, score = grown(seed)
    first = search(revise, ScriptedPolicy(script), ScriptedPrm(score), params)

    # The same again, with the chains' first attempts ended in reverse.
    lengths = chain_lengths(budget, ratio)
    ended = [threading.Event() for _ in lengths]

    def late(path: tuple[int, ...]) -> Say:
        said = script(path)
        if len(path) > 1:
            return said
        after = ended[path[0] + 1] if path[0] + 1 < len(lengths) else None
        return Say(said.text, said.finish, after=after, announce=ended[path[0]])

    again = search(revise, ScriptedPolicy(late, keeps_stop=False), ScriptedPrm(score), params)
    assert told(first) == told(again)
    replay = Replay(first.trace)
    assert told(search(revise, replay, replay, params))["completions"] == told(first)["completions"]

    nodes = {n.id: n for n in first.trace.nodes}
    assert len(nodes) == len(first.trace.nodes) == budget - first.unspent
    for c in first.completions:
        # A completion of its own, whatever is above it: nothing of that was written on.
        assert c.text == nodes[c.node].text
        assert c.tokens == nodes[c.node].tokens
        assert len(c.scores) == len(c.steps)
    for id, node in nodes.items():
        chain, place = id[0], len(id) - 1
        assert set(id[1:]) <= {0}
        assert place < lengths[chain]
        assert place == 0 or nodes[node.parent].finish != "error"


class Kept:
    """A state whose backend knows ids: one per character, so that a wrong cut shows."""

    def __init__(self, text: str, covered: int | None) -> None:
        from sglang.lang.interpreter import ProgramState, StreamExecutor
        from sglang.lang.ir import SglSamplingParams

        policy, params = ScriptedPolicy({}), SglSamplingParams()
        executor = StreamExecutor(policy, {}, params, None, False, use_thread=False)
        executor.text_ = text
        if covered is not None:
            executor.variables["token_ids"] = (tuple(map(ord, text[:covered])), covered)
        self.state = ProgramState(executor)


@given(text=st.text(min_size=2, max_size=20), data=st.data())
def test_text_and_ids_lose_the_same(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    to = data.draw(st.integers(start, len(text)))
    covered = data.draw(st.none() | st.integers(to, len(text)))
    state = Kept(text, covered).state
    executor = without(state, Place(start, start), Place(to, to)).stream_executor
    assert executor.text_ == text[:start] + text[to:]
    if covered is None:
        assert "token_ids" not in executor.variables
    else:
        ids, chars = executor.variables["token_ids"]
        assert "".join(map(chr, ids)) == executor.text_[:chars]
        assert len(executor.text_) - chars == len(text) - covered
    assert state.stream_executor.text_ == text
