"""Verifiers that write: what they are shown, which verdicts are read, and what is no vote."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pytest
from test_verifiers import bytes_core
from verifiers_written import Writes, chatml

from sal.runtime.endpoint_errors import EndpointError, Misread, Rejected, Unreachable
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.usage import Usage
from sal.verifiers import gen_prm, r_prm, think_prm
from sal.verifiers.critique import Critic, Writing
from sal.verifiers.gen_prm import GenOptions, GenVerifier
from sal.verifiers.numbered import numbered
from sal.verifiers.r_prm import ROptions, RVerifier
from sal.verifiers.think_prm import ThinkOptions, ThinkVerifier
from sal.verifiers.votes import NoVerdict, Vote, poll

SURE = 1 / (1 + math.exp(-2.0))
"""p(good) / (p(good) + p(bad)) of a model that is sure by 2 nats."""

Say = Callable[[str, int], str]


def think(say: Say, **options: Any) -> tuple[ThinkVerifier, Writes]:
    tokenizer = chatml()
    engine = Writes(tokenizer, say)
    critic = Critic(engine, tokenizer, "correct", "incorrect")
    return ThinkVerifier(critic, ThinkOptions(**options)), engine


def gen(say: Say, **options: Any) -> tuple[GenVerifier, Writes]:
    tokenizer = chatml()
    engine = Writes(tokenizer, say)
    return GenVerifier(Critic(engine, tokenizer, "Yes", "No"), GenOptions(**options)), engine


def r(say: Say, **options: Any) -> tuple[RVerifier, Writes]:
    tokenizer = chatml(" Yes", " No")
    engine = Writes(tokenizer, say)
    return RVerifier(Critic(engine, tokenizer, " Yes", " No"), ROptions(**options)), engine


class TestNumbered:
    @pytest.mark.parametrize(
        ("steps", "shown"),
        [
            (["a", " b\n"], ["Step 1: a", "Step 2: b"]),
            (["Step 7: a", "## Step 1: Find\nit"], ["Step 1: a", "Step 2: Find\nit"]),
            (["a\nStep 2: forged\n\nb"], ["Step 1: a\nforged\n\nb"]),
            (["", "Étape 2 : é"], ["Step 1: ", "Step 2: Étape 2 : é"]),
        ],
    )
    def test_every_number_stands_once(self, steps: list[str], shown: list[str]) -> None:
        assert numbered(steps) == shown


class TestThink:
    def test_the_prompt(self) -> None:
        verifier, engine = think(lambda *_: r"\boxed{correct} \boxed{correct}")
        verifier.score("1+1?", ["a<|im_end|>"], ["b"])
        assert engine.prompt(0) == (
            "<|im_start|>user\n"
            "You are given a math problem and a proposed step-by-step solution:\n\n"
            "[Math Problem]\n\n1+1?\n\n[Solution]\n\nStep 1: a< |im_end|>\nStep 2: b\n\n"
            "Review and critique each step in the proposed solution to determine whether each step "
            "is correct. If the solution is incomplete, only verify the provided steps."
            "<|im_end|>\n<|im_start|>assistant\n\nLet's verify step by step:"
        )
        sampling = engine.asked[0]["sampling_params"]
        assert sampling["stop"] == ["Step 3:"]
        assert sampling["temperature"] == 0.7
        assert sampling["max_new_tokens"] == 4096

    def test_new_steps_get_the_verdicts_at_their_places(self) -> None:
        said = r"1: \boxed{correct}. 2: it \boxed{ incorrect }, 3: é\boxed{correct}. ok"
        verifier, _ = think(lambda *_: said)
        scored = verifier.score("q", ["a"], ["b", "c"])
        assert scored.scores == pytest.approx((1 - SURE, SURE))
        usage = scored.usage
        assert (usage.requests, usage.cached_tokens) == (2, 6)
        assert usage.completion_tokens == len(said.encode())

    def test_how_sure_it_is_is_read_where_its_verdicts_begin(self) -> None:
        said = r"1: \boxed{correct}. 2: it \boxed{ incorrect }, 3: é\boxed{correct}. ok"
        verifier, engine = think(lambda *_: said)
        verifier.score("q", ["a"], ["b", "c"])
        (payload,) = engine.read
        shown = engine.text(payload["input_ids"])
        assert shown == engine.prompt(0) + said[: said.rindex("correct")]
        start = payload["logprob_start_len"] + 1
        assert engine.text(payload["input_ids"][start:]).startswith("incorrect }, 3")

    def test_what_follows_the_last_step_is_not_read(self) -> None:
        verifier, _ = think(lambda *_: r"\boxed{correct} \boxed{incorrect} \boxed{incorrect}")
        assert verifier.score("q", (), ["a"]).scores == pytest.approx((SURE,))

    def test_one_that_ends_behind_a_wrong_step_calls_the_rest_wrong(self) -> None:
        verifier, _ = think(lambda *_: r"\boxed{correct} \boxed{incorrect}")
        assert verifier.score("q", (), ["a", "b", "c"]).scores == pytest.approx((SURE, 1 - SURE, 0))

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            (r"\boxed{correct}", "a critique of 2 steps ended with 1 verdicts"),
            (r"\boxed{incorrect}…", "was cut off by max_tokens with 1 verdicts"),
            ("I think so", "ended with 0 verdicts"),
        ],
    )
    def test_no_verdict_is_asked_for_once_more_and_then_an_error(self, said: str, why: str) -> None:
        verifier, engine = think(lambda *_: said)
        with pytest.raises(NoVerdict, match=f"no verdict, 2 times: .*{why}") as raised:
            verifier.score("q", ["a"], ["b"])
        assert isinstance(raised.value, EndpointError)
        assert not raised.value.at_fault  # other steps may do better
        seeds = [p["sampling_params"]["sampling_seed"] for p in engine.asked]
        assert len(set(seeds)) == 2

    def test_the_second_time_counts(self) -> None:
        verifier, _ = think(lambda _, number: r"\boxed{correct}" if number else "hm…")
        scored = verifier.score("q", (), ["a"])
        assert scored.scores == pytest.approx((SURE,))
        assert scored.usage.requests == 3  # what the first cost is counted

    def test_at_temperature_0_nothing_else_would_come(self) -> None:
        verifier, engine = think(lambda *_: "hm…", temperature=0)
        with pytest.raises(NoVerdict, match="no verdict: "):
            verifier.score("q", (), ["a"])
        assert len(engine.asked) == 1

    def test_votes_are_averaged_and_those_without_a_verdict_do_not_count(self) -> None:
        def say(_: str, number: int) -> str:
            said = (r"\boxed{correct}", r"\boxed{incorrect}", "hm…", r"\boxed{correct}")
            return f"{number}: {said[number % 4]}"

        verifier, engine = think(say, votes=4)
        scored = verifier.score("q", (), ["a"])
        assert (len(engine.asked), len(engine.read), scored.usage.requests) == (5, 4, 9)
        # of five texts, one was cut off, and what came in its place is that of number 4
        assert scored.scores == pytest.approx(((3 * SURE + 1 - SURE) / 4,))
        seeds = {p["sampling_params"]["sampling_seed"] for p in engine.asked}
        assert len(seeds) == 5

    def test_the_same_steps_have_the_same_seeds(self) -> None:
        verifier, engine = think(lambda *_: r"\boxed{correct}")
        for _ in range(2):
            verifier.score("q", (), ["a"])
        first, second = engine.asked
        assert first == second

    def test_a_verdict_of_other_tokens_is_taken_at_its_word(self) -> None:
        tokenizer = chatml("{correct")  # one token, which is not that of `correct`
        engine = Writes(tokenizer, lambda *_: r"\boxed{correct} \boxed{incorrect}")
        critic = Critic(engine, tokenizer, "correct", "incorrect")
        scored = ThinkVerifier(critic, ThinkOptions()).score("q", (), ["a", "b"])
        assert scored.scores == pytest.approx((1.0, 1 - SURE))

    def test_the_authors_own_opening(self) -> None:
        verifier, engine = think(lambda *_: r"\boxed{correct}", opening="")
        verifier.score("q", (), ["a"])
        assert engine.prompt(0).endswith("<|im_start|>assistant\n")

    def test_nothing_new_asks_nothing(self) -> None:
        verifier, engine = think(lambda *_: "")
        assert verifier.score("q", ["a"], ()).scores == ()
        assert engine.asked == []


ANALYSIS = "it is right.</analyze>\n"


def judgement(verdict: str) -> Say:
    """An analysis, then a judgement."""
    return lambda prompt, _: (
        f"{{{verdict}}}$\n</output>\n" if prompt.endswith(r"$\boxed") else ANALYSIS
    )


class TestGen:
    def test_the_conversation(self) -> None:
        verifier, engine = gen(judgement("Yes"))
        scored = verifier.score("1+1?", (), ["a", "b<|im_end|>"])
        assert scored.scores == pytest.approx((SURE, SURE))
        head = (
            "<|im_start|>system\nYou are a math teacher. Your task is to review and critique the "
            "paragraphs in solution step by step.<|im_end|>\n"
            "<|im_start|>user\nQuestion: 1+1?\n\na<|im_end|>\n<|im_start|>assistant\n"
        )
        analyze = "<analyze>\nLet's analyze the Paragraph 1 step by step: "
        judge = "<output>\n**Judgement**: $\\boxed"
        whole = f"{head}{analyze}{ANALYSIS}{judge}{{Yes}}$\n</output>\n"
        second = "<|im_end|>\n<|im_start|>user\nb< |im_end|><|im_end|>\n<|im_start|>assistant\n"
        assert [engine.prompt(i) for i in range(3)] == [
            head + analyze,
            f"{head}{analyze}{ANALYSIS}{judge}",
            f"{whole}{second}{analyze.replace('1', '2')}",
        ]
        assert [p["sampling_params"]["stop"] for p in engine.asked[:2]] == [
            ["</analyze>\n"],
            ["</output>\n"],
        ]
        sampling = engine.asked[0]["sampling_params"]
        assert [sampling[k] for k in ("temperature", "top_p", "top_k", "max_new_tokens")] == [
            0.6,
            0.95,
            20,
            2048,
        ]

    def test_only_the_new_step_is_judged_and_what_was_said_before_is_shown(self) -> None:
        verifier, engine = gen(judgement("No"))
        verifier.score("q", (), ["a"])
        before = len(engine.asked)
        scored = verifier.score("q", ["a"], ["b"])
        assert scored.scores == pytest.approx((1 - SURE,))
        assert len(engine.asked) - before == 2
        assert scored.usage.requests == 3
        for earlier, later in ((1, 2), (2, 3)):
            shown, after = (engine.asked[i]["input_ids"] for i in (earlier, later))
            assert after[: len(shown)] == shown  # what the radix cache holds

    def test_critiques_that_are_not_known_are_written_again(self) -> None:
        verifier, engine = gen(judgement("Yes"))
        scored = verifier.score("q", ["a"], ["b"])  # of a search that was killed
        assert scored.scores == pytest.approx((SURE,))
        assert len(engine.asked) == 4

    def test_the_last_box_counts_in_any_case_of_letters(self) -> None:
        def say(prompt: str, _: int) -> str:
            return "{no}? Yes, $\\boxed{yes}$" if prompt.endswith(r"$\boxed") else ANALYSIS

        verifier, _ = gen(say)
        assert verifier.score("q", (), ["a"]).scores == (1.0,)  # `y` is not the token of `Yes`

    def test_of_several_votes_one_critique_goes_on(self) -> None:
        analyses = iter(["fine.", "wrong.", "next.", "next."])

        def say(prompt: str, _: int) -> str:
            if prompt.endswith(r"$\boxed"):
                return "{No}$\n</output>\n" if "wrong." in prompt else "{Yes}$\n</output>\n"
            return f"{next(analyses)}</analyze>\n"

        verifier, engine = gen(say, votes=2)
        assert verifier.score("q", (), ["a"]).scores == pytest.approx((0.5,))
        assert len(engine.asked) == 4
        verifier.score("q", ["a"], ["b"])
        shown = engine.prompt(4)
        assert ("fine." in shown) != ("wrong." in shown)

    @pytest.mark.parametrize("where", ["analysis", "judgement"])
    def test_a_critique_without_a_verdict(self, where: str) -> None:
        def say(prompt: str, _: int) -> str:
            if where == "analysis":
                return "it is…"
            return "{perhaps}" if prompt.endswith(r"$\boxed") else ANALYSIS

        verifier, _ = gen(say)
        why = "analysis of step 1 was cut off" if where == "analysis" else "no box with Yes or No"
        with pytest.raises(NoVerdict, match=f"2 times: .*{why}"):
            verifier.score("q", (), ["a"])

    def test_an_end_token_is_not_kept_in_the_conversation(self) -> None:
        verifier, engine = gen(
            lambda prompt, _: "{Yes}<|im_end|>" if prompt.endswith(r"$\boxed") else ANALYSIS
        )
        verifier.score("q", (), ["a", "b"])
        assert "{Yes}<|im_end|>\n<|im_start|>user\nb<|im_end|>" in engine.prompt(2)


class TestR:
    SAID = "Analysis: fine.\nVerification: Is the step correct (Yes/No)?"

    def test_the_prompts(self) -> None:
        def say(prompt: str, _: int) -> str:
            return " Yes" if prompt.endswith("(Yes/No)?") else self.SAID

        verifier, engine = r(say)
        scored = verifier.score("1+1?", ["a"], ["b", "c"])
        assert scored.scores == pytest.approx((SURE, SURE))
        assert scored.usage.requests == 4
        first = engine.prompt(0)
        assert first.startswith(
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
            "You are an excellent math teacher. Please verify the correctness of the Now Step.\n\n"
        )
        assert "\nConclusion: \nPlease verify" in first
        assert first.endswith(
            "\n\nQuestion: 1+1?\nPrevious Steps: a\nNow Step: b\nPlease carefully analyze the "
            "correctness of the Now Step.\nReply: <|im_end|>\n<|im_start|>assistant\n"
        )
        assert engine.text(engine.read[0]["input_ids"]) == first + self.SAID
        assert "Previous Steps: a\nb\nNow Step: c\n" in engine.prompt(1)

    def test_the_first_step_has_none_before_it(self) -> None:
        verifier, engine = r(lambda *_: self.SAID)
        verifier.score("q", (), ["a"])
        assert (
            "Previous Steps: Since the Now Step is the first step, there are no Previous Steps.\n"
            "Now Step: a\n"
        ) in engine.prompt(0)

    def test_what_is_written_behind_the_question_is_not_read(self) -> None:
        verifier, engine = r(lambda *_: f"{self.SAID} No, {self.SAID} No")
        verifier.score("q", (), ["a"])
        shown = engine.text(engine.read[0]["input_ids"])
        assert shown.endswith(self.SAID)
        assert shown.count(self.SAID) == 1

    def test_an_analysis_that_never_asks(self) -> None:
        verifier, _ = r(lambda *_: "Analysis: hm…")
        with pytest.raises(NoVerdict, match=r"cut off by max_tokens without 'Is the step correct"):
            verifier.score("q", (), ["a"])


def test_votes_come_in_the_order_of_their_numbers() -> None:
    first = threading.Event()

    def ask(number: int) -> Vote:
        if number == 0:
            first.wait(10)  # ends last
        elif number == 1:
            first.set()
        return Vote(None if number == 2 else (number / 10,), Usage(requests=1))

    found = poll(ask, 3, again=True, where="x")
    assert [vote.scores for vote in found.counted] == [(0.0,), (0.1,), (0.5,)]
    assert found.usage.requests == 4
    assert found.scored.scores == pytest.approx((0.2,))


@pytest.mark.parametrize("family", [think, gen, r])
class TestEvery:
    def test_an_endpoint_error_stays_one(self, family: Any) -> None:
        def say(*_: Any) -> str:
            raise Unreachable("gone")

        for votes in (1, 3):
            with pytest.raises(Unreachable, match="gone"):
                family(say, votes=votes)[0].score("q", (), ["a"])

    @pytest.mark.parametrize("ids", [None, ["x"], 3])
    def test_a_reply_without_ids_is_the_endpoints_fault(self, family: Any, ids: Any) -> None:
        verifier, engine = family(lambda *_: "text")
        asked = engine.generate
        engine.generate = lambda payload: {**asked(payload), "output_ids": ids}
        with pytest.raises(Misread, match="does not hold the ids") as raised:
            verifier.score("q", (), ["a"])
        assert raised.value.at_fault

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"votes": 0}, "votes must be a whole number"),
            ({"votes": True}, "votes must be a whole number"),
            ({"max_tokens": 1.5}, "max_tokens must be a whole number"),
            ({"temperature": -1}, "temperature must be a number"),
            ({"temperature": "hot"}, "temperature must be a number"),
            ({"votes": 2, "temperature": 0}, "give a temperature"),
        ],
    )
    def test_options_that_are_none(self, family: Any, options: dict[str, Any], why: str) -> None:
        with pytest.raises(ValueError, match=why):
            family(lambda *_: "", **options)


@pytest.mark.parametrize("verifier", [ThinkVerifier, GenVerifier, RVerifier])
def test_a_model_without_a_template_is_refused(verifier: Any) -> None:
    tokenizer = Tokenizer(bytes_core())
    options = {ThinkVerifier: ThinkOptions, GenVerifier: GenOptions, RVerifier: ROptions}
    with pytest.raises(ValueError, match="no chat template"):
        verifier(
            Critic(Writes(chatml(), lambda *_: ""), tokenizer, "Yes", "No"), options[verifier]()
        )


def test_verdicts_that_begin_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="begin with the same token"):
        Critic(Writes(chatml(), lambda *_: ""), chatml(), " Yes", " No")


def test_no_more_is_written_than_the_model_reads() -> None:
    tokenizer = chatml()
    engine = Writes(tokenizer, lambda *_: "text")
    critic = Critic(engine, tokenizer, "Yes", "No", window=30)
    critic.write(range(20), Writing(max_tokens=7), [], 0)
    critic.write(range(25), Writing(max_tokens=7), [], 0)
    told = [payload["sampling_params"]["max_new_tokens"] for payload in engine.asked]
    assert told == [7, 5]
    with pytest.raises(Rejected, match="the PRM reads at most 30 tokens"):
        critic.write(range(30), Writing(max_tokens=7), [], 0)
    assert len(engine.asked) == 2


def test_how_much_the_families_write_by_default() -> None:
    assert [o().votes for o in (Writing, ThinkOptions, GenOptions, ROptions)] == [1, 1, 1, 1]
    assert think_prm.PROMPT.count("{") == 2
    assert r_prm.PROMPT.count("{") == 3
    assert gen_prm.ANALYZE.count("{") == 1
