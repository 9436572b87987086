"""Implicit PRMs: which log-probabilities make a score, and what is asked for again."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from verifiers_written import chatml

from sal.runtime.endpoint_errors import Misread, Rejected
from sal.verifiers.contract import Prm
from sal.verifiers.family import choose
from sal.verifiers.implicit import IMPLICIT, ImplicitOptions, ImplicitVerifier

TOKENIZER = chatml()


class Knows:
    """An endpoint that gives token t, at place i of its input, the log-probability -t * i * `one`."""

    url = "http://model"

    def __init__(self, one: float) -> None:
        self.one = one
        self.payloads: list[dict[str, Any]] = []
        self.damaged = 0
        self.closed = False

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.payloads.append(payload)
        ids, start = payload["input_ids"], payload["logprob_start_len"]
        told: list[list[Any]] = [
            [self.logprob(ids, i) if i > start else None, ids[i], None]
            for i in range(start, len(ids))
        ]
        if self.damaged:
            self.damaged -= 1
            told[-1][0] = None
        return {
            "meta_info": {
                "input_token_logprobs": told,
                "prompt_tokens": len(ids),
                "cached_tokens": start,
                "completion_tokens": 0,
            }
        }

    def logprob(self, ids: list[int], place: int) -> float:
        return -ids[place] * place * self.one

    def close(self) -> None:
        self.closed = True


def verifier(**options: Any) -> tuple[ImplicitVerifier, Knows, Knows]:
    model, reference = Knows(1e-3), Knows(2e-3)
    return (
        ImplicitVerifier(model, reference, TOKENIZER, ImplicitOptions(**options)),
        model,
        reference,
    )


def log_ratios(ids: list[int], ends: list[int]) -> list[float]:
    """Of every step alone, by the two models above."""
    model, reference = Knows(1e-3), Knows(2e-3)
    return [
        sum(model.logprob(ids, i) - reference.logprob(ids, i) for i in range(begin, end))
        for begin, end in pairwise(ends)
    ]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


STEPS = ["Step 9: é\n\nb", "<|im_end|>", "", "c"]


class TestRender:
    def test_the_conversation_with_numbered_steps(self) -> None:
        ids, ends = verifier()[0].render("1+1?", STEPS)
        text = (
            "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
            "Step 1: é\n\nb\n\nStep 2: < |im_end|>\n\nStep 3: \n\nStep 4: c\n\n"
        )
        assert ids == TOKENIZER.encode(text)
        assert ends[0] == len(TOKENIZER.encode(text[: text.index("Step 1")]))
        assert ends[1] == len(TOKENIZER.encode(text[: text.index("Step 2")]))
        assert ends[-1] == len(ids)

    def test_more_steps_only_append(self) -> None:
        whole, _ = verifier()[0].render("q", STEPS)
        for count in range(1, len(STEPS)):
            part, _ = verifier()[0].render("q", STEPS[:count])
            assert whole[: len(part)] == part


class TestScores:
    def test_rewards_add_up_and_are_squashed(self) -> None:
        implicit, _, _ = verifier(beta=0.05)
        ratios = log_ratios(*implicit.render("q", STEPS))
        expected = [sigmoid(0.05 * sum(ratios[: k + 1])) for k in range(4)]
        assert implicit.score("q", (), STEPS).scores == pytest.approx(expected)

    def test_rewards_of_single_steps(self) -> None:
        implicit, _, _ = verifier(beta=0.05, reward="step")
        ratios = log_ratios(*implicit.render("q", STEPS))
        assert implicit.score("q", STEPS[:2], STEPS[2:]).scores == pytest.approx(
            [sigmoid(0.05 * ratio) for ratio in ratios[2:]]
        )

    @pytest.mark.parametrize("reward", ["cumulative", "step"])
    def test_step_by_step_is_as_all_at_once(self, reward: str) -> None:
        whole = verifier(beta=0.05, reward=reward)[0].score("q", (), STEPS).scores
        implicit, model, reference = verifier(beta=0.05, reward=reward)
        parts: list[float] = []
        for k, step in enumerate(STEPS):
            scored = implicit.score("q", STEPS[:k], [step])
            assert scored.usage.requests == 2
            parts += scored.scores
        assert parts == pytest.approx(whole)
        _, ends = implicit.render("q", STEPS)
        for engine in (model, reference):  # each is asked about the new tokens alone
            starts = [payload["logprob_start_len"] for payload in engine.payloads]
            assert starts == [end - 1 for end in ends[:-1]]

    def test_a_path_that_is_not_known_is_summed_from_its_start(self) -> None:
        whole = verifier(beta=0.05)[0].score("q", (), STEPS).scores
        implicit, model, _ = verifier(beta=0.05)  # of a search that was killed
        assert implicit.score("q", STEPS[:2], STEPS[2:]).scores == pytest.approx(whole[2:])
        _, ends = implicit.render("q", STEPS)
        assert model.payloads[0]["logprob_start_len"] == ends[0] - 1

    def test_siblings_share_what_was_summed(self) -> None:
        implicit, model, _ = verifier(beta=0.05)
        implicit.score("q", (), ["a"])
        for sibling in ("b", "c"):
            implicit.score("q", ["a"], [sibling])
        starts = [payload["logprob_start_len"] for payload in model.payloads]
        assert starts[1] == starts[2] > starts[0]
        assert implicit.score("other", ["a"], ["b"]).scores  # another question, another path
        assert model.payloads[3]["logprob_start_len"] < starts[1]

    def test_a_damaged_reply_is_asked_for_again(self) -> None:
        implicit, model, reference = verifier()
        reference.damaged = 2
        assert len(implicit.score("q", (), ["a"]).scores) == 1
        assert len(reference.payloads) == 3
        model.damaged = 3
        with pytest.raises(Misread, match="log-probabilities of the solution") as raised:
            implicit.score("q", (), ["b"])
        assert raised.value.at_fault

    def test_other_tokens_are_no_answer(self) -> None:
        implicit, model, _ = verifier()
        asked = model.generate

        def other(payload: dict[str, Any]) -> dict[str, Any]:
            reply = asked(payload)
            reply["meta_info"]["input_token_logprobs"][1][1] += 1
            return reply

        model.generate = other  # type: ignore[method-assign]
        with pytest.raises(Misread, match="not those of the tokens"):
            implicit.score("q", (), ["a"])

    def test_what_the_model_cannot_read_is_refused(self) -> None:
        model, options = Knows(1e-3), ImplicitOptions()
        implicit = ImplicitVerifier(model, model, TOKENIZER, options, window=60)
        assert len(implicit.score("q", (), ["a"]).scores) == 1
        with pytest.raises(Rejected, match="the PRM reads at most 60 tokens"):
            implicit.score("q", ["a"], ["b" * 60])
        assert len(model.payloads) == 2

    def test_nothing_new_asks_nothing(self) -> None:
        implicit, model, _ = verifier()
        assert implicit.score("q", ["a"], ()).scores == ()
        assert model.payloads == []

    def test_closing_breaks_off_the_reference_alone(self) -> None:
        implicit, model, reference = verifier()
        implicit.close()
        assert (model.closed, reference.closed) == (False, True)


class TestFamily:
    def test_eurus_is_known_by_its_name(self) -> None:
        spec = choose("PRIME-RL/EurusPRM-Stage2", {"architectures": ["Qwen2ForCausalLM"]})
        assert spec.family is IMPLICIT
        assert spec.own_aggregate == ("last", "EurusPRM-Stage2")

    def test_without_a_reference_it_is_refused_before_anything_starts(self) -> None:
        spec = choose("PRIME-RL/EurusPRM-Stage2", {})
        with pytest.raises(ValueError, match="--prm-family implicit:reference=URL"):
            IMPLICIT.serve(Prm("PRIME-RL/EurusPRM-Stage2", {}, spec.options))

    def test_settings(self) -> None:
        said = "implicit:reference=http://127.0.0.1:30001,beta=0.05,reward=step,aggregate=min"
        spec = choose("PRIME-RL/EurusPRM-Stage1", {}, said)
        assert spec.options == ImplicitOptions(
            reference="http://127.0.0.1:30001", beta=0.05, reward="step"
        )
        assert spec.own_aggregate[0] == "min"

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            ("beta=0", "beta must be a number above 0"),
            ("beta=much", "beta must be a number above 0"),
            ("reward=sum", "reward must be one of cumulative, step"),
            ("reference=3", "reference must be a URL"),
            ("alpha=1", "no setting of the PRM family implicit"),
        ],
    )
    def test_settings_that_are_none(self, said: str, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            choose("x", {}, f"implicit:{said}")
