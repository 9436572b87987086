"""Outcome reward models: one score a solution, and no strategy that wants more."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CPU_ONLY
from programs_scripted import QUESTION, ScriptedPolicy, Tree, end
from safetensors.numpy import save_file
from test_verifiers import CONTROLS, LLAMA_3, Reply, bytes_core, pair, reply

from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.scores import Scores
from sal.runs.endpoints import check_fit
from sal.runs.errors import RunError
from sal.runs.registry import STRATEGIES, find_strategy
from sal.runs.server_plan import plan_servers
from sal.runs.settings import Settings, prepare
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.chat_turn import ChatTurn
from sal.verifiers.contract import Prm
from sal.verifiers.family import choose
from sal.verifiers.interface import Scored, Usage
from sal.verifiers.outcome import RLHFLOW, OutcomeVerifier
from sal.verifiers.outcome_head import OUTCOME_HEAD
from sal.verifiers.overlay import Checkpoint

ORM = "RLHFlow/Llama3.1-8B-ORM-Mistral-Data"


class Whole:
    """Scores a solution, as one step, by its length in hundredths; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        assert prefix == ()
        (solution,) = steps
        self.asked.append(solution)
        return Scored((len(solution) / 100,), Usage(10, 0, 0, 1))


def test_a_solution_is_one_turn() -> None:
    turns = ChatTurn(Tokenizer(bytes_core(*CONTROLS), {}, LLAMA_3))
    engine = Reply(reply(turns, pair(turns, math.log(0.3), math.log(0.1))))
    scored = OutcomeVerifier(CausalVerifier(engine, turns)).score("q?", ["one\n\ntwo"], ["3", "4"])
    assert scored.scores == pytest.approx((0.75, 0.75))
    (payload,) = engine.payloads
    assert payload["input_ids"] == list(turns.render("q?", ["one\n\ntwo\n\n3\n\n4"]).ids)


def test_nothing_new_asks_nothing() -> None:
    whole = Whole()
    assert OutcomeVerifier(whole).score("q", ["a"], ()).scores == ()
    assert whole.asked == []


def test_equal_solutions_are_asked_for_once_and_a_shorter_one_is_another() -> None:
    whole = Whole()
    scores = Scores(OutcomeVerifier(whole))
    first = scores.score("q", (), ["a", "b"])
    assert (first.scores, first.usage.requests) == ((0.04, 0.04), 1)
    again = scores.score("q", (), ["a", "b"])
    assert (again.scores, again.usage.requests) == ((0.04, 0.04), 0)
    assert scores.score("q", (), ["a"]).scores == (0.01,)
    assert scores.score("q", (), ["a", "b", "c"]).scores == (0.07, 0.07, 0.07)
    assert whole.asked == ["a\n\nb", "a", "a\n\nb\n\nc"]


def test_what_was_said_before_is_known_of_the_solution_alone() -> None:
    whole = Whole()
    scores = Scores(OutcomeVerifier(whole))
    scores.know((), ["a", "b"], (0.5, 0.5))
    assert scores.score("q", (), ["a", "b"]).scores == (0.5, 0.5)
    assert scores.score("q", (), ["a"]).scores == (0.01,)
    assert whole.asked == ["a"]


def test_best_of_n_chooses_by_it() -> None:
    said: Tree = {(0,): end("a\n\nb \\boxed{1}"), (1,): end("a\n\nmuch longer \\boxed{2}")}
    whole = Whole()
    state = best_of_n.run(
        QUESTION,
        params=BestOfNParams(budget=2),
        verifier=OutcomeVerifier(whole),
        backend=ScriptedPolicy(said),
    )
    result = state["result"]
    assert result.best.text == "a\n\nmuch longer \\boxed{2}"
    assert len(whole.asked) == 2
    for completion in result.completions:
        assert completion.scores == pytest.approx((len(completion.text) / 100,) * 2)


def test_a_search_by_steps_is_refused_before_it_asks_anyone() -> None:
    whole = Whole()
    with pytest.raises(TypeError, match="beam goes by the scores of steps"):
        beam.run(
            QUESTION,
            params=BeamParams(budget=4),
            verifier=OutcomeVerifier(whole),
            backend=ScriptedPolicy({}),
        )["result"]
    assert whole.asked == []


class TestHead:
    def test_a_solution_is_a_reply_read_at_its_end(self) -> None:
        tokenizer = Tokenizer(bytes_core(*CONTROLS), {}, LLAMA_3)
        heads: list[dict[str, Any]] = []

        class Classifies:
            def classify(self, payload: dict[str, Any]) -> dict[str, Any]:
                heads.append(payload)
                return {"embedding": [math.log(3)], "meta_info": {"prompt_tokens": 7}}

        prm = Prm("x", {}, None, Classifies())
        vars(prm)["tokenizer"] = tokenizer  # in place of the one that the model's files hold
        verifier = OUTCOME_HEAD.build(prm)
        scored = verifier.score("q?", ["a"], ["<|eot_id|>b", "c"])
        assert scored.scores == pytest.approx((0.75, 0.75))
        (payload,) = heads
        text = tokenizer.render(
            [
                {"role": "user", "content": "q?"},
                {"role": "assistant", "content": "a\n\n< |eot_id|>b\n\nc"},
            ],
            reply=False,
        )
        assert text is not None
        assert payload["input_ids"] == tokenizer.encode(text)
        assert verifier.outcome

    @pytest.mark.parametrize(
        ("model", "config", "served"),
        [
            ("Skywork/Skywork-Reward-Llama-3.1-8B", {"model_type": "llama"}, "Llama"),
            ("weqweasdas/RM-Mistral-7B", {"model_type": "mistral"}, "Llama"),
            ("sfairXC/FsfairX-LLaMA3-RM-v0.1", {"model_type": "llama"}, "Llama"),
            ("Qwen/Qwen2.5-Math-RM-72B", {"architectures": ["Qwen2ForRewardModel"]}, "Reward"),
        ],
    )
    def test_which_models_they_are(self, model: str, config: Any, served: str) -> None:
        spec = choose(model, config)
        assert spec.family is OUTCOME_HEAD
        assert served in OUTCOME_HEAD.served_as(config)

    def test_a_model_type_that_sglang_gives_no_head(self) -> None:
        with pytest.raises(ValueError, match="no scalar head on a gpt2 model"):
            OUTCOME_HEAD.served_as({"model_type": "gpt2"})

    @pytest.mark.parametrize(
        ("kind", "rows", "why"),
        [("llama", 1, ""), ("qwen2", 1, ""), ("llama", 2, "not one output")],
    )
    def test_its_head_is_looked_at(self, kind: str, rows: int, why: str, tmp_path: Path) -> None:
        weight = np.ones((rows, 8), np.float32)
        save_file({"score.weight": weight}, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        checkpoint = Checkpoint.of(str(tmp_path))
        assert checkpoint is not None
        prm = Prm(str(tmp_path), {"model_type": kind})
        if why:
            with pytest.raises(ValueError, match=why):
                OUTCOME_HEAD.head(checkpoint, prm)
            return
        added = OUTCOME_HEAD.head(checkpoint, prm).tensors
        assert set(added) == ({"score.bias"} if kind == "qwen2" else set())


class TestRuns:
    def test_it_is_known_by_its_name(self) -> None:
        spec = choose(ORM, {"architectures": ["LlamaForCausalLM"]})
        assert spec.family is RLHFLOW
        assert spec.family.outcome

    def test_which_strategies_it_serves(self) -> None:
        fit = {name for name in STRATEGIES if find_strategy(name).program.fits(RLHFLOW)}
        assert fit == {
            "best-of-n",
            "adaptive-best-of-n",
            "revise",
            "greedy",
            "majority",
            "deepconf",
        }

    @pytest.mark.parametrize("prm", [ORM, "http://127.0.0.1:9"])
    def test_others_are_refused_before_anything_starts(self, prm: str) -> None:
        settings = Settings(
            strategy="dvts",
            params={},
            policy="http://127.0.0.1:9",
            prm=prm,
            prm_family="outcome-chat",
            limit=1,
        )
        recipe = prepare(settings, gpu=False).recipe
        with pytest.raises(RunError, match="dvts goes by the scores of steps"):
            plan_servers([recipe], CPU_ONLY)

    def test_a_product_of_one_score_is_refused(self) -> None:
        settings = Settings(strategy="best-of-n", params={"aggregate": "prod"}, prm=ORM, limit=1)
        recipe = prepare(settings, gpu=False).recipe
        with pytest.raises(RunError, match="has one score, and no product"):
            check_fit(recipe, RLHFLOW)
