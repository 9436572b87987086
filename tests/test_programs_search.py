"""What the searches decide, on a scripted policy and PRM."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
from conftest import known
from hypothesis import given, settings
from hypothesis import strategies as st
from programs_scripted import QUESTION, Say, ScriptedPolicy, ScriptedPrm, end, random_tree, search

from sal.programs.ab_mcts import AbMctsParams, ab_mcts
from sal.programs.adaptive_best_of_n import AdaptiveBestOfNParams, adaptive_best_of_n
from sal.programs.adaptive_dvts import AdaptiveDvtsParams, adaptive_dvts
from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.deepconf import DeepConfParams, deepconf
from sal.programs.dvts import DvtsParams, dvts
from sal.programs.ets import EtsParams, ets
from sal.programs.greedy import GreedyParams, greedy
from sal.programs.lookahead import LookaheadParams, lookahead
from sal.programs.mcts import MctsParams, mcts
from sal.programs.particle import ParticleParams, particle
from sal.programs.problem import Problem
from sal.programs.rebase import RebaseParams, rebase
from sal.programs.revise import ReviseParams, revise
from sal.programs.scores import Scores
from sal.programs.trace import ROLLOUT, Trace
from sal.runtime.endpoint_errors import Unreachable
from sal.runtime.frontend.states import fork

WHOLE = (best_of_n, adaptive_best_of_n, deepconf, revise)
"""These write a solution in one node."""

BOTH_STOPS = pytest.mark.parametrize("keeps_stop", [True, False], ids=["pooled", "stock"])


def nodes(result: Any, depth: int) -> list[Any]:
    """The nodes of a level, without the rollouts."""
    kept = (n for n in result.trace.nodes if len(n.id) == depth and n.id[-1] != ROLLOUT)
    return sorted(kept, key=lambda n: n.id)


class TestGreedy:
    def test_one_completion_without_a_verifier(self) -> None:
        policy = ScriptedPolicy({(0,): end("a\n\n\\boxed{6}\n\n")})
        result = search(greedy, policy, None, GreedyParams())
        (only,) = result.completions
        assert (only.text, only.key, only.scores) == ("a\n\n\\boxed{6}", "6", ())
        assert only.steps == ("a", "\\boxed{6}")
        assert set(result.chosen.values()) == {0}

    def test_it_is_scored_if_there_is_a_verifier(self) -> None:
        policy = ScriptedPolicy({(0,): end("a\n\nb")})
        result = search(greedy, policy, ScriptedPrm({"a": 0.1, "b": 0.9}), GreedyParams())
        assert result.completions[0].scores == (0.1, 0.9)


class TestBestOfN:
    def test_votes_and_costs(self) -> None:
        policy = ScriptedPolicy(
            {(0,): end("x \\boxed{1}"), (1,): end("y \\boxed{1}"), (2,): end("z\n\nw \\boxed{2}")}
        )
        prm = ScriptedPrm({"x \\boxed{1}": 0.4, "y \\boxed{1}": 0.5, "w \\boxed{2}": 0.8})
        result = search(best_of_n, policy, prm, BestOfNParams(budget=3))
        assert result.chosen == {"naive": 2, "weighted": 1, "majority": 0}
        assert [c.node for c in result.completions] == [(0,), (1,), (2,)]
        assert result.trace.policy.requests == 1 + 3  # the prompt is read first, once
        assert result.trace.prm.requests == 3
        assert result.trace.policy.completion_tokens == sum(
            known(c.tokens) for c in result.completions
        )

    def test_all_steps_of_a_sample_in_one_request(self) -> None:
        prm = ScriptedPrm()
        search(best_of_n, ScriptedPolicy({(0,): end("a\n\nb\n\nc")}), prm, BestOfNParams(budget=1))
        assert prm.calls == [(QUESTION, (), ("a", "b", "c"))]

    def test_a_sample_is_scored_while_its_sibling_still_writes(self) -> None:
        scored = threading.Event()
        policy = ScriptedPolicy({(0,): end("slow", after=scored), (1,): end("quick")})
        result = search(
            best_of_n, policy, ScriptedPrm(announce={"quick": scored}), BestOfNParams(budget=2)
        )
        assert len(result.completions) == 2

    def test_no_stop_is_asked_for(self) -> None:
        policy = ScriptedPolicy({(0,): end("a")})
        search(best_of_n, policy, ScriptedPrm(), BestOfNParams(budget=1, max_tokens=99))
        assert (policy.stops, policy.rooms) == ([[]], [99])

    def test_equal_beams_are_one_where_asked(self) -> None:
        """(0,) and (1,) say the same: with the filter (2,) is kept in the place of (1,)."""
        said = {0: "a", 1: "a", 2: "b", 3: "c"}

        def script(path: tuple[int, ...]) -> Say:
            return Say(said[path[0]]) if len(path) == 1 else end("\\boxed{1}")

        def goes_on(keep_one: bool) -> set[int]:
            params = BeamParams(budget=4, width=2, filter_duplicates=keep_one)
            prm = ScriptedPrm({"a": 0.9, "b": 0.7, "c": 0.1})
            result = search(beam, ScriptedPolicy(script), prm, params)
            return {c.node[0] for c in result.completions}

        assert goes_on(False) == {0, 1}
        assert goes_on(True) == {0, 2}


class TestBeam:
    @BOTH_STOPS
    def test_finished_beams_never_reduce_n_defect(self, keeps_stop: bool) -> None:
        """Defect: n stayed n after beams had finished, so more than n solutions were paid for."""
        tree: dict[Any, Any] = {
            (0,): end("\\boxed{0}"),
            (1,): Say("b"),
            (2,): Say("c"),
            (3,): Say("d"),
            # 3 are left: keep ceil(3/2) = 2, the better one gets the odd child
            (3, 0): end("\\boxed{1}"),
            (3, 1): end("\\boxed{2}"),
            (1, 0): end("\\boxed{3}"),
        }
        policy = ScriptedPolicy(tree, keeps_stop=keeps_stop)
        prm = ScriptedPrm({"b": 0.6, "c": 0.1, "d": 0.9})
        result = search(beam, policy, prm, BeamParams(budget=4, width=2))
        assert [n.id for n in nodes(result, 2)] == [(1, 0), (3, 0), (3, 1)]
        assert len(result.completions) == 4
        assert policy.prefixes[(3, 1)] == "q\n\nd\n\n"

    def test_earliest_finished_are_returned_defect(self) -> None:
        """Defect: the n that finished first were returned, whatever they scored."""
        tree: dict[Any, Any] = {
            (0,): end("early \\boxed{1}"),
            (1,): Say("b"),
            (1, 0): end("late \\boxed{2}"),
        }
        prm = ScriptedPrm({"early \\boxed{1}": 0.2, "late \\boxed{2}": 0.9})
        result = search(beam, ScriptedPolicy(tree), prm, BeamParams(budget=2, width=2))
        naive = result.chosen["naive"]
        assert naive is not None
        assert result.completions[naive].key == "2"

    def test_completion_tokens_are_zero_defect(self) -> None:
        """Defect: completion_tokens was always 0."""
        tree: dict[Any, Any] = {(0,): Say("abc"), (0, 0): end("de")}
        result = search(beam, ScriptedPolicy(tree), ScriptedPrm(), BeamParams(budget=1))
        assert result.completions[0].tokens == 4 + 3
        assert result.trace.policy.completion_tokens == 7
        assert [n.token_ids for n in result.trace.nodes] == [(7,) * 4, (7,) * 3]

    def test_a_scored_step_is_scored_again_defect(self) -> None:
        """Defect: every round scored every path from its start."""
        tree: dict[Any, Any] = {
            (0,): Say("a"),
            (1,): Say("b"),
            (0, 0): Say("c"),
            (0, 1): Say("d"),
            (0, 1, 0): end("e"),
            (0, 1, 1): end("f"),
        }
        prm = ScriptedPrm({"a": 0.9, "d": 0.9})
        search(beam, ScriptedPolicy(tree), prm, BeamParams(budget=2, width=2))
        assert sorted(prm.calls) == [
            (QUESTION, (), ("a",)),
            (QUESTION, (), ("b",)),
            (QUESTION, ("a",), ("c",)),
            (QUESTION, ("a",), ("d",)),
            (QUESTION, ("a", "d"), ("e",)),
            (QUESTION, ("a", "d"), ("f",)),
        ]

    def test_the_last_round_runs_to_the_end_and_is_scored(self) -> None:
        tree: dict[Any, Any] = {(0,): Say("a"), (0, 0): end("b\n\nc\n\n\\boxed{4}")}
        policy, prm = ScriptedPolicy(tree), ScriptedPrm({"a": 0.1, "b": 0.2, "c": 0.3})
        result = search(beam, policy, prm, BeamParams(budget=1, max_steps=2))
        assert policy.stops == [["\n\n"], []]
        assert result.completions[0].scores == (0.1, 0.2, 0.3, 0.5)
        assert result.completions[0].text == "a\n\nb\n\nc\n\n\\boxed{4}"

    def test_a_candidate_is_scored_while_its_sibling_still_writes(self) -> None:
        scored = threading.Event()
        policy = ScriptedPolicy({(0,): end("slow", after=scored), (1,): end("quick")})
        prm = ScriptedPrm(announce={"quick": scored})
        assert len(search(beam, policy, prm, BeamParams(budget=2)).completions) == 2

    @pytest.mark.parametrize(("how", "kept"), [("last", 1), ("min", 1), ("mean", 0), ("prod", 0)])
    def test_the_aggregate_ranks_paths(self, how: Any, kept: int) -> None:
        scores = {"00": 0.9, "01": 0.5, "02": 0.1, "03": 0.1, "000": 0.3, "001": 0.3}
        scores |= {"010": 0.4, "011": 0.4}

        def script(path: tuple[int, ...]) -> Say:
            return Say("0" + "".join(map(str, path))) if len(path) < 3 else end("done")

        params = BeamParams(budget=4, width=2, aggregate=how)
        result = search(beam, ScriptedPolicy(script), ScriptedPrm(scores), params)
        assert {c.node[0] for c in result.completions} == {kept}


class TestDvts:
    def test_subtrees_keep_their_best_step(self) -> None:
        tree: dict[Any, Any] = {
            (0,): Say("a"),
            (1,): Say("b"),
            (2,): Say("c"),
            (3,): Say("d"),
            (1, 0): end("\\boxed{1}"),
            (1, 1): end("\\boxed{2}"),
            (2, 0): Say("e"),
            (2, 1): end("\\boxed{3}"),
        }
        prm = ScriptedPrm({"a": 0.1, "b": 0.9, "c": 0.8, "d": 0.2, "e": 0.4, "\\boxed{2}": 0.7})
        result = search(dvts, ScriptedPolicy(tree), prm, DvtsParams(budget=4, width=2))
        assert [c.node for c in result.completions] == [(1, 0), (1, 1), (2, 1)]
        assert result.chosen["naive"] == 1

    def test_incomplete_siblings_are_returned_defect(self) -> None:
        """Defect: all siblings of the last step were returned, also those that were cut off."""
        tree: dict[Any, Any] = {(0,): end("\\boxed{1}"), (1,): Say("unfinished \\boxed{9}")}
        prm = ScriptedPrm({"\\boxed{1}": 0.9, "unfinished \\boxed{9}": 0.8})
        result = search(dvts, ScriptedPolicy(tree), prm, DvtsParams(budget=2, width=2))
        assert [c.key for c in result.completions] == ["1"]

    def test_boxed_inside_a_step_kills_the_beam_defect(self) -> None:
        r"""Defect: any `boxed{` inside a step ended its beam."""
        tree: dict[Any, Any] = {
            (0,): Say("first \\boxed{1} and"),
            (1,): Say("x"),
            (0, 0): end("then \\boxed{2}"),
            (0, 1): Say("y"),
        }
        prm = ScriptedPrm({"first \\boxed{1} and": 0.9, "then \\boxed{2}": 0.9})
        result = search(dvts, ScriptedPolicy(tree), prm, DvtsParams(budget=2, width=2))
        assert [(c.key, len(c.steps)) for c in result.completions] == [("2", 2)]

    def test_completion_tokens_are_minus_one_defect(self) -> None:
        """Defect: completion_tokens was -1."""
        tree: dict[Any, Any] = {(0,): Say("ab"), (0, 0): end("cde")}
        result = search(dvts, ScriptedPolicy(tree), ScriptedPrm(), DvtsParams(budget=1, width=1))
        assert result.completions[0].tokens == 3 + 4

    def test_max_tokens_is_hard_coded_defect(self) -> None:
        """Defect: 2048 tokens for every step; here they bound the whole completion."""
        tree: dict[Any, Any] = {(0,): Say("abc"), (0, 0): end("de")}
        policy = ScriptedPolicy(tree)
        search(dvts, policy, ScriptedPrm(), DvtsParams(budget=1, width=1, max_tokens=10))
        assert policy.rooms == [10, 6]

    def test_a_slow_subtree_delays_no_other(self) -> None:
        finished = threading.Event()
        tree: dict[Any, Any] = {
            (0,): Say("slow", after=finished),
            (1,): Say("quick"),
            (1, 0): Say("quick"),
            (1, 0, 0): end("quick", announce=finished),
            (0, 0): end("slow"),
        }
        result = search(dvts, ScriptedPolicy(tree), ScriptedPrm(), DvtsParams(budget=2, width=1))
        assert [c.node for c in result.completions] == [(0, 0), (1, 0, 0)]

    def test_a_truncated_step_is_kept_only_when_all_are(self) -> None:
        tree: dict[Any, Any] = {
            (0,): Say("cut", "length"),
            (1,): Say("b"),
            (1, 0): Say("cut", "length"),
            (1, 1): Say("cut", "length"),
        }
        prm = ScriptedPrm({"cut": 0.9, "b": 0.1})
        result = search(dvts, ScriptedPolicy(tree), prm, DvtsParams(budget=2, width=2))
        assert [(c.node, c.finish) for c in result.completions] == [
            ((1, 0), "length"),
            ((1, 1), "length"),
        ]

    def test_a_subtree_that_breaks_is_data(self) -> None:
        tree: dict[Any, Any] = {
            (i,): Say("ab"[i]) if i < 2 else end("\\boxed{1}") for i in range(4)
        }

        class Broken(ScriptedPrm):
            def score(self, question: Any, prefix: Any, steps: Any) -> Any:
                scored = super().score(question, prefix, steps)
                if steps == ("a",):
                    object.__setattr__(scored, "scores", ("not a number",))
                return scored

        result = search(dvts, ScriptedPolicy(tree), Broken(), DvtsParams(budget=4, width=2))
        assert [c.key for c in result.completions] == ["1", "1"]
        assert [error[:21] for error in result.errors] == ["subtree 0: TypeError:"]


@pytest.mark.parametrize(
    ("program", "params"),
    [
        (best_of_n, BestOfNParams(budget=2)),
        (beam, BeamParams(budget=2)),
        (dvts, DvtsParams(budget=2, width=2)),
        (adaptive_best_of_n, AdaptiveBestOfNParams(budget=2)),
        (adaptive_dvts, AdaptiveDvtsParams(budget=2, width=2, batch=2)),
        (deepconf, DeepConfParams(budget=2)),
        (lookahead, LookaheadParams(budget=2)),
        (rebase, RebaseParams(budget=2)),
        (ets, EtsParams(budget=2)),
        (particle, ParticleParams(budget=2)),
        (mcts, MctsParams(budget=2)),
        (ab_mcts, AbMctsParams(budget=2, in_flight=2)),
        (revise, ReviseParams(budget=2, ratio=0.5)),
    ],
    ids=[
        "best_of_n",
        "beam",
        "dvts",
        "adaptive_best_of_n",
        "adaptive_dvts",
        "deepconf",
        "lookahead",
        "rebase",
        "ets",
        "particle",
        "mcts",
        "ab_mcts",
        "revise",
    ],
)
class TestEverySearch:
    @BOTH_STOPS
    def test_truncation_is_counted_as_eos_defect(
        self, program: Any, params: Any, keeps_stop: bool
    ) -> None:
        """Defect: running into the token limit counted as the end of the solution."""
        policy = ScriptedPolicy(
            {(0,): Say("cut \\boxed{9", "length"), (1,): end("\\boxed{1}")}, keeps_stop=keeps_stop
        )
        prm = ScriptedPrm({"cut \\boxed{9": 0.99, "\\boxed{1}": 0.1})
        result = search(
            program, policy, prm, params, answer_keys=lambda texts: [t[-2:] for t in texts]
        )
        assert sorted(c.finish for c in result.completions) == ["eot", "length"]
        chosen = {result.completions[i].finish for i in result.chosen.values() if i is not None}
        assert chosen == {"eot"}

    def test_an_endpoint_error_is_that_candidates_error(self, program: Any, params: Any) -> None:
        policy = ScriptedPolicy(
            {(0,): Say("", error=Unreachable("no route")), (1,): end("\\boxed{1}")}
        )
        result = search(program, policy, ScriptedPrm(), params)
        assert [c.key for c in result.completions] == ["1"]
        assert result.errors == ("policy: Unreachable: no route",)
        (failed,) = (n for n in result.trace.nodes if n.finish == "error")
        assert (failed.id, failed.error) == ((0,), "policy: Unreachable: no route")

    def test_a_prm_error_is_never_a_score(self, program: Any, params: Any) -> None:
        policy = ScriptedPolicy({(0,): end("lost \\boxed{2}"), (1,): end("\\boxed{1}")})
        prm = ScriptedPrm({"lost \\boxed{2}": Unreachable("PRM is down")})
        result = search(program, policy, prm, params)
        assert [c.key for c in result.completions] == ["1"]
        assert result.errors == ("PRM: Unreachable: PRM is down",)
        (failed,) = (n for n in result.trace.nodes if n.finish == "error")
        assert (failed.text, failed.scores) == ("lost \\boxed{2}", ())
        assert result.trace.policy.requests == (program is not ab_mcts) + 2

    def test_all_candidates_fail(self, program: Any, params: Any) -> None:
        policy = ScriptedPolicy(lambda _: Say("", "abort"))
        result = search(program, policy, ScriptedPrm(), params)
        assert result.completions == ()
        assert set(result.chosen.values()) == {None}
        assert len(result.errors) == 2

    def test_duplicate_problems_merge_defect(self, program: Any, params: Any) -> None:
        """Defect: results were grouped by prompt text, so equal problems shared them."""
        policy = ScriptedPolicy(lambda _: end("\\boxed{1}"))
        one, other = Trace(), Trace()
        states = program.run_batch(
            [
                {"problem": QUESTION, "params": params, "verifier": ScriptedPrm(), "trace": trace}
                for trace in (one, other)
            ],
            backend=policy,
            num_threads=2,
        )
        assert [len(state["result"].completions) for state in states] == [2, 2]
        assert len(one.nodes) == len(other.nodes) == 2

    def test_no_thread_is_left_when_the_program_raises(self, program: Any, params: Any) -> None:
        def broken(texts: Any) -> Any:
            raise LookupError("a grader's bug")

        before = set(threading.enumerate())
        with pytest.raises(LookupError):
            program.run(
                QUESTION,
                params=params,
                verifier=ScriptedPrm(),
                answer_keys=broken,
                backend=ScriptedPolicy(lambda _: end("\\boxed{1}")),
            )
        left = set(threading.enumerate()) - before
        for thread in left:
            thread.join(30)
        assert not any(thread.is_alive() for thread in left)

    def test_the_state_holds_the_result(self, program: Any, params: Any) -> None:
        trace = Trace()
        problem = Problem(QUESTION, prompt="Q: q\nA:")
        policy = ScriptedPolicy(lambda _: end("\\boxed{1}"))
        state = program.run(
            problem, params=params, verifier=ScriptedPrm(), trace=trace, backend=policy
        )
        result = state["result"]
        assert state.ret_value is result
        assert (state["completions"], state["chosen"]) == (result.completions, result.chosen)
        assert state["trace"] is result.trace is trace
        assert trace.phase == "done"
        assert set(policy.prefixes.values()) == {"Q: q\nA:"}

    def test_a_cap_on_tokens_ends_it_within_a_step(self, program: Any, params: Any) -> None:
        """Written whole or step by step: no step begins after the cap is reached."""

        def script(path: tuple[int, ...]) -> Say | list[Say]:
            return [Say("one")] * 9 if program in WHOLE else Say("one")

        result = search(program, ScriptedPolicy(script), ScriptedPrm(), params, caps=Caps(tokens=8))
        spent = known(result.trace.policy.completion_tokens)
        assert 8 <= spent < 8 + 2 * len("one ")
        assert [c.finish for c in result.completions] in ([], ["length", "length"])
        assert result.unspent == (0 if program in WHOLE else 2)
        assert result.capped

    def test_a_cap_on_seconds_returns_what_was_found(self, program: Any, params: Any) -> None:
        tree: dict[Any, Any] = {(0,): end("\\boxed{1}"), (1,): Say("b")}
        if program in WHOLE:
            tree[1,] = [Say("b")] * 9
        prm = ScriptedPrm({"b": 0.9})
        clock = iter(range(1000))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sal.programs.caps.monotonic", lambda: float(next(clock)))
            result = search(program, ScriptedPolicy(tree), prm, params, caps=Caps(seconds=1.5))
        assert [c.key for c in result.completions if c.finish == "eot"] == ["1"]
        assert result.capped

    def test_a_search_that_ends_by_itself_leaves_nothing_unspent(
        self, program: Any, params: Any
    ) -> None:
        policy = ScriptedPolicy(lambda _: end("\\boxed{1}"))
        result = search(program, policy, ScriptedPrm(), params, caps=Caps(tokens=100))
        assert (result.unspent, result.capped) == (0, False)


class TestScores:
    def test_equal_steps_behind_equal_steps_are_scored_once(self) -> None:
        """Both candidates of each round say the same; the second costs the PRM nothing."""
        tree: dict[Any, Any] = {
            (0,): Say("a"),
            (1,): Say("a"),
            (0, 0): end("b"),
            (0, 1): end("b"),
        }
        prm = ScriptedPrm({"a": 0.2, "b": 0.7})
        result = search(beam, ScriptedPolicy(tree), prm, BeamParams(budget=2, width=2))
        assert prm.calls == [(QUESTION, (), ("a",)), (QUESTION, ("a",), ("b",))]
        assert [c.scores for c in result.completions] == [(0.2, 0.7)] * 2
        assert result.trace.prm.requests == 2

    def test_a_sample_asks_only_for_what_its_sibling_has_not_said(self) -> None:
        said = threading.Event()
        policy = ScriptedPolicy({(0,): end("a\n\nb"), (1,): end("a\n\nc", after=said)})
        prm = ScriptedPrm({"a": 0.1, "b": 0.2, "c": 0.3}, announce={"b": said})
        result = search(best_of_n, policy, prm, BestOfNParams(budget=2))
        assert prm.calls == [(QUESTION, (), ("a", "b")), (QUESTION, ("a",), ("c",))]
        assert [c.scores for c in result.completions] == [(0.1, 0.2), (0.1, 0.3)]

    def test_an_error_is_not_remembered(self) -> None:
        class Once(ScriptedPrm):
            def score(self, question: Any, prefix: Any, steps: Any) -> Any:
                scored = super().score(question, prefix, steps)
                if len(self.calls) == 1:
                    raise Unreachable("once")
                return scored

        scores = Scores(Once({"a": 0.4}))
        with pytest.raises(Unreachable):
            scores.score(QUESTION, (), ("a",))
        assert scores.score(QUESTION, (), ("a",)).scores == (0.4,)


class TestSteps:
    @BOTH_STOPS
    def test_trailing_separators_make_an_empty_step_defect(self, keeps_stop: bool) -> None:
        """Defect: a separator too many was a step of its own, scored and ranked on."""
        tree: dict[Any, Any] = {
            (0,): [Say(""), Say(" "), Say("a")],
            (0, 0): end("\n\n"),
        }
        policy, prm = ScriptedPolicy(tree, keeps_stop=keeps_stop), ScriptedPrm({"a": 0.7})
        result = search(beam, policy, prm, BeamParams(budget=1))
        assert prm.calls == [(QUESTION, (), ("a",))]
        (only,) = result.completions
        assert (only.steps, only.scores, only.finish) == (("a",), (0.7,), "eot")
        assert [n.text for n in result.trace.nodes] == ["a", ""]
        assert policy.prefixes[(0, 0)] == "q\n\n\n\n \n\na\n\n"
        assert only.tokens == result.trace.policy.completion_tokens
        assert result.trace.policy.requests == 4

    def test_separators_alone_run_into_the_limit(self) -> None:
        policy = ScriptedPolicy(lambda _: Say(""))
        result = search(beam, policy, ScriptedPrm(), BeamParams(budget=1, max_tokens=3))
        assert [(c.finish, c.steps) for c in result.completions] == [("length", ())]

    def test_an_end_without_a_word_is_no_completion(self) -> None:
        result = search(
            dvts, ScriptedPolicy(lambda _: end("")), ScriptedPrm(), DvtsParams(budget=2, width=2)
        )
        assert result.completions == ()
        assert set(result.errors) == {"policy: it ended without a word"}

    def test_a_step_that_spends_the_last_token_is_truncated(self) -> None:
        policy = ScriptedPolicy({(0,): Say("abc")})
        result = search(beam, policy, ScriptedPrm(), BeamParams(budget=1, max_tokens=4))
        assert [c.finish for c in result.completions] == ["length"]

    def test_the_stop_list_is_fresh_for_every_request(self) -> None:
        policy = ScriptedPolicy(lambda path: Say("a") if len(path) < 4 else end("b"))
        search(beam, policy, ScriptedPrm(), BeamParams(budget=1))
        assert policy.stops == [["\n\n"]] * 4

    def test_a_verifier_with_the_wrong_number_of_scores_is_an_error(self) -> None:
        prm = ScriptedPrm()
        prm.score = lambda *_: type("S", (), {"scores": ()})()  # type: ignore[method-assign]
        result = search(beam, ScriptedPolicy({(0,): end("a")}), prm, BeamParams(budget=1))
        assert result.errors == ("PRM: ValueError: 0 scores for 1 steps",)

    def test_warnings_as_errors_hang_nothing(self) -> None:
        """The interpreter warns about failed states; a search does not let it come to that."""
        import warnings

        gc.collect()  # what others left is not this test's
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ResourceWarning)
            policy = ScriptedPolicy(lambda _: Say("", error=Unreachable("gone")))
            assert search(beam, policy, ScriptedPrm(), BeamParams(budget=3)).errors


class TestStates:
    """What a search leaves to Python's garbage collector."""

    @pytest.mark.parametrize(
        ("program", "params"),
        [
            (beam, BeamParams(budget=4, width=2)),
            (dvts, DvtsParams(budget=4, width=2)),
            (particle, ParticleParams(budget=4)),
            (mcts, MctsParams(budget=4, width=4)),
            (ab_mcts, AbMctsParams(budget=4, in_flight=4)),
        ],
        ids=["beam", "dvts", "particle", "mcts", "ab_mcts"],
    )
    def test_states_are_freed_without_the_collector(self, program: Any, params: Any) -> None:
        """A state freed by the collector while a thread starts deadlocks Python 3.11."""
        states: list[weakref.ref[Any]] = []

        class Watching(ScriptedPolicy):
            def generate(self, s: Any, sampling_params: Any) -> Any:
                states.append(weakref.ref(s))
                return super().generate(s, sampling_params)

        gc.collect()
        gc.disable()
        try:
            policy = Watching(lambda path: Say("a") if len(path) < 3 else end("b"))
            search(program, policy, ScriptedPrm(), params)
            assert (
                len(states) == (program is not ab_mcts) + 12
            )  # it reads the prompt by its first step
            assert [ref() for ref in states] == [None] * len(states)
        finally:
            gc.enable()

    def test_a_fork_is_what_the_interpreter_would_have_made(self) -> None:
        """All but its thread; a new version of SGLang that forks otherwise shows here."""
        from sglang.lang.api import function

        made: list[tuple[Any, Any]] = []

        @function
        def program(s: Any) -> None:
            s += "a text"
            s["name"] = "value"
            (theirs,) = s.fork(1).states
            (ours,) = fork(s, 1)
            theirs.stream_executor.end()
            made.append((theirs.stream_executor, ours.stream_executor))

        program.run(backend=ScriptedPolicy({}))
        theirs, ours = (dict(vars(executor)) for executor in made[0])
        assert vars(ours.pop("default_sampling_para")) == vars(theirs.pop("default_sampling_para"))
        own = {"sid", "use_thread", "queue", "worker", "is_finished"}
        assert ours.keys() - own == theirs.keys() - own
        assert {k: v for k, v in ours.items() if k not in own} == {
            k: v for k, v in theirs.items() if k not in own
        }
        assert ours["variables"] is not theirs["variables"]


class TestParams:
    @pytest.mark.parametrize(
        ("make", "wrong", "field"),
        [
            (BestOfNParams, {"budget": 0}, "budget"),
            (BestOfNParams, {"budget": 2.0}, "budget"),
            (BestOfNParams, {"temperature": -1}, "temperature"),
            (BestOfNParams, {"temperature": float("nan")}, "temperature"),
            (BeamParams, {"width": 0}, "width"),
            (BeamParams, {"max_steps": 0}, "max_steps"),
            (BeamParams, {"aggregate": "max"}, "aggregate"),
            (DvtsParams, {"budget": 6, "width": 4}, "budget"),
            (DvtsParams, {"max_tokens": 0}, "max_tokens"),
            (RebaseParams, {"balance_temperature": 0.0}, "balance_temperature"),
            (EtsParams, {"lambda_c": -1.0}, "lambda_c"),
            (EtsParams, {"cluster_distance": float("inf")}, "cluster_distance"),
            (GreedyParams, {"separator": ""}, "separator"),
            (GreedyParams, {"max_tokens": True}, "max_tokens"),
            (Caps, {"tokens": 0}, "a cap on tokens"),
            (Caps, {"seconds": float("nan")}, "a cap on seconds"),
        ],
    )
    def test_the_wrong_field_is_named(self, make: Any, wrong: Any, field: str) -> None:
        with pytest.raises(ValueError, match=f"^{field} "):
            make(**wrong)


ANY_TREE = [
    (best_of_n, BestOfNParams(budget=5)),
    (beam, BeamParams(budget=5, width=2, max_steps=4)),
    (dvts, DvtsParams(budget=5, width=1, max_steps=4)),
    (lookahead, LookaheadParams(budget=5, width=2, max_steps=4, lookahead=2)),
    (rebase, RebaseParams(budget=5, max_steps=4)),
    (ets, EtsParams(budget=5, max_steps=4)),
]


class TestAnyTree:
    """Whatever the policy writes and the PRM says."""

    @given(
        seed=st.integers(0, 10**6),
        budget=st.integers(1, 8),
        width=st.integers(1, 4),
        program=st.sampled_from([best_of_n, beam, dvts, lookahead, rebase, ets]),
    )
    @settings(max_examples=40, deadline=None)
    def test_the_budget_holds_and_a_search_repeats(
        self, seed: int, budget: int, width: int, program: Any
    ) -> None:
        params: Any
        if program is best_of_n:
            params = BestOfNParams(budget=budget)
        elif program is beam:
            params = BeamParams(budget=budget, width=width, max_steps=4)
        elif program is lookahead:
            params = LookaheadParams(budget=budget, width=width, max_steps=4, lookahead=2)
        elif program is rebase:
            params = RebaseParams(budget=budget, max_steps=4)
        elif program is ets:
            params = EtsParams(budget=budget, max_steps=4)
        else:
            params = DvtsParams(budget=budget * width, width=width, max_steps=4)
        script, score = random_tree(seed)
        first, again = (
            search(program, ScriptedPolicy(script, keeps_stop=keeps), ScriptedPrm(score), params)
            for keeps in (True, False)
        )
        assert len(first.completions) <= params.budget
        for depth in range(1, 5):
            assert len(nodes(first, depth)) <= params.budget
        assert first.completions == again.completions
        assert first.chosen == again.chosen
        assert nodes(first, 1) == nodes(again, 1)
        assert len({n.id for n in first.trace.nodes}) == len(first.trace.nodes)
        for c in first.completions:
            assert len(c.scores) == len(c.steps)
            assert c.tokens == sum(
                known(n.tokens) for n in first.trace.nodes if n.id == c.node[: len(n.id)]
            )

    @given(
        seed=st.integers(0, 10**6),
        order=st.permutations(range(5)),
        case=st.sampled_from(ANY_TREE),
    )
    @settings(max_examples=30, deadline=None)
    def test_the_order_of_arrival_changes_no_decision(
        self, seed: int, order: list[int], case: tuple[Any, Any]
    ) -> None:
        program, params = case
        script, score = random_tree(seed)
        arrived = [threading.Event() for _ in order]

        def queued(path: tuple[int, ...]) -> Say:
            said = script(path)
            if len(path) > 1:
                return said
            turn = order.index(path[0])
            before = arrived[turn - 1] if turn else None
            return Say(said.text, said.finish, after=before, announce=arrived[turn])

        first = search(program, ScriptedPolicy(script), ScriptedPrm(score), params)
        again = search(program, ScriptedPolicy(queued), ScriptedPrm(score), params)
        assert first.completions == again.completions
        assert first.chosen == again.chosen
        assert sorted(first.errors) == sorted(again.errors)
        by_id = [sorted(r.trace.nodes, key=lambda n: n.id) for r in (first, again)]
        assert by_id[0] == by_id[1]
