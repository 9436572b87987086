"""`auto`: a probe, then what its rule says; on scripted policies and PRMs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from programs_replay import Improvised, Improvising
from programs_scripted import ScriptedPolicy, ScriptedPrm, end, search
from rules import decision, rule_of, write_rule

from sal.programs.auto import AutoParams, auto, program_of
from sal.programs.beam import BeamParams
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.runs.registry import STRATEGIES
from sal.strategies.rule import Rule

EASY, HARD = 0.9, 0.1


def params(tmp_path: Path, rule: Rule, budget: int = 8, **more: Any) -> AutoParams:
    return AutoParams(budget=budget, rule=write_rule(tmp_path / "rule.json", rule), **more)


def samples(answers: str) -> ScriptedPolicy:
    """Sample i is a step that names its answer, the i-th character."""
    return ScriptedPolicy({(i,): end(f"\\boxed{{{c}}}") for i, c in enumerate(answers)})


TWO_BINS = rule_of(
    {8: decision(2, [("best-of-n", 6)], [("best-of-n", 0)], edges=[0.5])},
)


class TestTheProbe:
    def test_an_easy_problem_is_answered_from_it(self, tmp_path: Path) -> None:
        result = search(
            auto, samples("11" + "2" * 6), ScriptedPrm(lambda _: EASY), params(tmp_path, TWO_BINS)
        )
        assert [c.key for c in result.completions] == ["1", "1"]
        assert (result.rule, result.chosen["weighted"], result.unspent) == ("weighted", 0, 0)

    def test_a_hard_one_is_searched_on_and_the_probe_votes(self, tmp_path: Path) -> None:
        result = search(
            auto, samples("112" + "0" * 5), ScriptedPrm(lambda _: HARD), params(tmp_path, TWO_BINS)
        )
        assert [c.key for c in result.completions] == list("11200000")
        assert result.best is not None
        assert result.best.key == "0"

    def test_its_votes_decide(self, tmp_path: Path) -> None:
        scores = {"\\boxed{1}": 0.4, "\\boxed{2}": 0.2, "\\boxed{3}": 0.3}
        result = search(auto, samples("11222333"), ScriptedPrm(scores), params(tmp_path, TWO_BINS))
        assert result.best is not None
        assert result.best.key == "3"  # 0.9 against 0.8, of which all is the probe's, and 0.6

    @pytest.mark.parametrize("seed", range(3))
    def test_what_follows_best_of_n_is_best_of_n(self, tmp_path: Path, seed: int) -> None:
        """The probe's samples are the first of Best-of-N: same places, seeds and texts."""
        rule = rule_of({8: decision(3, [("best-of-n", 5)])})
        ours = search(auto, Improvised(), Improvising(), params(tmp_path, rule), seed=seed)
        plain = BestOfNParams(budget=8, aggregate="last")
        theirs = search(best_of_n, Improvised(), Improvising(), plain, seed=seed)
        assert ours.completions == theirs.completions
        assert ours.chosen == theirs.chosen
        answered = rule_of({8: decision(3, [("best-of-n", 0)])})
        probe = search(auto, Improvised(), Improvising(), params(tmp_path, answered), seed=seed)
        assert probe.completions == theirs.completions[:3]

    def test_without_one_it_is_the_strategy_itself(self, tmp_path: Path) -> None:
        rule = rule_of({8: decision(0, [("beam", 8)])})
        ours = search(auto, Improvised(), Improvising(), params(tmp_path, rule))
        theirs = search(program_of("beam"), Improvised(), Improvising(), BeamParams(budget=8))
        assert ours.completions == theirs.completions
        assert sorted(n.id for n in ours.trace.nodes) == sorted(n.id for n in theirs.trace.nodes)

    def test_what_failed_counts_as_nothing_seen(self, tmp_path: Path) -> None:
        tree: dict[Any, Any] = {(i,): end("\\boxed{1}") for i in range(8)}
        tree[0,] = end("", error=RuntimeError("lost"))
        rule = rule_of({8: decision(2, [("best-of-n", 6)], [("best-of-n", 0)], edges=[0.5])})
        result = search(
            auto, ScriptedPolicy(tree), ScriptedPrm(lambda _: EASY), params(tmp_path, rule)
        )
        assert (len(result.completions), len(result.errors)) == (7, 1)  # mean 0.45: hard

    def test_a_cap_ends_it(self, tmp_path: Path) -> None:
        more = {"caps": Caps(tokens=1)}
        result = search(auto, Improvised(), Improvising(), params(tmp_path, TWO_BINS), **more)
        assert result.capped
        assert result.unspent == 6


FOLLOWERS = [n for n, s in STRATEGIES.items() if s.program.needs_prm and n != "auto"]


class TestEveryStrategyFollows:
    @pytest.mark.parametrize("name", FOLLOWERS)
    @pytest.mark.parametrize("seed", range(3))
    def test_within_its_own_budget_beside_the_probe(
        self, tmp_path: Path, name: str, seed: int
    ) -> None:
        own = asdict(STRATEGIES[name].params({"budget": 8, "aggregate": "last"}))
        del own["budget"]
        rule = rule_of({12: decision(4, [(name, 8)])}, {name: own})
        result = search(auto, Improvised(), Improvising(), params(tmp_path, rule, 12), seed=seed)
        assert result.errors == ()
        assert 4 < len(result.completions) <= 12
        assert [c.node for c in result.completions[:4]] == [(i,) for i in range(4)]
        ids = [node.id for node in result.trace.nodes]
        assert len(set(ids)) == len(ids)
        assert {i[0] for i in ids if len(i) > 1} & set(range(4)) == set()
        assert result.rule == "weighted"

    def test_at_its_own_temperature(self, tmp_path: Path) -> None:
        asked: list[float] = []

        class Listening(Improvised):
            def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
                asked.append(sampling_params.temperature)
                return super().generate(s, sampling_params)

        rule = rule_of({8: decision(2, [("rebase", 4)])}, {"rebase": {"temperature": 1.0}})
        search(auto, Listening(), Improvising(), params(tmp_path, rule))
        assert set(asked) == {0.8, 1.0}
        assert asked.count(1.0) >= 4

    def test_the_vote_is_the_rules(self, tmp_path: Path) -> None:
        rule = rule_of({8: decision(2, [("best-of-n", 6, "majority")])})
        result = search(auto, samples("1222" + "3456"), ScriptedPrm(), params(tmp_path, rule))
        assert result.rule == "majority"

    def test_of_two_choices_the_seed_decides_and_the_shares_are_kept(self, tmp_path: Path) -> None:
        two = [("best-of-n", 0, "weighted", 0.75), ("best-of-n", 6, "weighted", 0.25)]
        chosen = params(tmp_path, rule_of({8: decision(2, two)}))
        found = [
            len(search(auto, Improvised(), Improvising(), chosen, seed=seed).completions)
            for seed in range(200)
        ]
        assert set(found) == {2, 8}
        assert 0.15 < found.count(8) / 200 < 0.35
        again = search(auto, Improvised(), Improvising(), chosen, seed=7).completions
        assert len(again) == found[7]


class TestParameters:
    def test_they_hold_the_rules_digest(self, tmp_path: Path) -> None:
        made = params(tmp_path, TWO_BINS)
        assert made.rule_digest == TWO_BINS.digest
        assert AutoParams(**asdict(made)) == made
        assert (made.temperature, made.max_tokens, made.separator) == (0.8, 2048, "\n\n")

    def test_another_rule_in_the_file_is_refused(self, tmp_path: Path) -> None:
        made = params(tmp_path, TWO_BINS)
        write_rule(tmp_path / "rule.json", rule_of({8: decision(2, [("beam", 6)])}))
        with pytest.raises(ValueError, match=f"holds .*, not {made.rule_digest}: it is another"):
            AutoParams(**asdict(made))

    def test_a_budget_that_it_was_not_fitted_for(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="was fitted for N = 8, not 9"):
            params(tmp_path, TWO_BINS, budget=9)

    @pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', "\xff"])
    def test_what_is_no_rule(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "rule.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=r"rule .*rule.json: not a fitted rule"):
            AutoParams(rule=str(tmp_path / "rule.json"))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"rule .*none\.json: No such file"):
            AutoParams(rule=str(tmp_path / "none.json"))

    def test_the_shipped_rule(self) -> None:
        made = AutoParams()
        assert (made.budget, made.rule) == (16, "tiny")
        for name, own in made.fitted.strategies.values():
            assert program_of(name).params_class(**own, budget=8).budget == 8

    @pytest.mark.parametrize(
        ("name", "n", "own", "message"),
        [
            ("problem", 8, {}, "problem: 'problem' is no strategy that a rule can follow"),
            ("dvts", 6, {}, "dvts: budget must be a multiple of width"),
            ("dvts", 8, {"breadth": 2}, "dvts: .*unexpected keyword argument 'breadth'"),
        ],
    )
    def test_what_could_not_be_followed_is_refused_at_once(
        self, tmp_path: Path, name: str, n: int, own: dict[str, Any], message: str
    ) -> None:
        rule = rule_of({8: decision(2, [("best-of-n", 6)], [(name, n)], edges=[0.5])}, {name: own})
        with pytest.raises(ValueError, match=message):
            params(tmp_path, rule)
