"""Verifiers that write or weigh, on real servers: their numbers are those of `transformers`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from conftest import known
from test_verifiers_parity import ODD, TURNS

from sal.runtime.client import Engine
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.usage import Usage
from sal.verifiers.contract import Prm
from sal.verifiers.critique import Critic, Writing
from sal.verifiers.gen_prm import GenOptions, GenVerifier
from sal.verifiers.implicit import IMPLICIT, ImplicitOptions, ImplicitVerifier
from sal.verifiers.r_prm import ROptions, RVerifier
from sal.verifiers.think_prm import ThinkOptions, ThinkVerifier

pytestmark = pytest.mark.servers

BETA = 0.01
STEPS = {**ODD, "nothing": ("q", ["a", "", "\n\n", "b\n\n\n\nc"])}


def model_of(engine: Engine) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    folder = engine.info()["model_path"]
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def models(policy_server: str, prm_server: str) -> tuple[Any, Any]:
    """The policy's weights and the PRM's, in transformers."""
    with Engine(policy_server) as policy, Engine(prm_server) as prm:
        return model_of(policy), model_of(prm)


@pytest.fixture(scope="module")
def tokenizer(policy_server: str) -> Tokenizer:
    """The tiny models' own, with a chat template in its control tokens."""
    with Engine(policy_server) as policy:
        path = Path(policy.info()["model_path"]) / "tokenizer.json"
    return Tokenizer(tokenizers.Tokenizer.from_file(str(path)), {}, TURNS)


def logprobs(model: Any, ids: Sequence[int]) -> Any:
    """Row i: the distribution of the token behind `ids[: i + 1]`."""
    import torch

    with torch.no_grad():
        return model(torch.tensor([list(ids)])).logits[0].log_softmax(-1)


@pytest.fixture
def implicit(policy: Engine, prm: Engine, tokenizer: Tokenizer) -> ImplicitVerifier:
    assert policy.flush_cache()
    assert prm.flush_cache()
    return ImplicitVerifier(policy, prm, tokenizer, ImplicitOptions(beta=BETA))


def expected(models: tuple[Any, Any], ids: Sequence[int], ends: Sequence[int]) -> list[float]:
    """The log-ratios of a solution up to the end of each step."""
    model, reference = (logprobs(model, ids) for model in models)
    ratios = [
        float(model[i - 1, ids[i]] - reference[i - 1, ids[i]]) for i in range(ends[0], ends[-1])
    ]
    return [math.fsum(ratios[: end - ends[0]]) for end in ends[1:]]


def log_ratios(scores: Sequence[float]) -> list[float]:
    return [math.log(score / (1 - score)) / BETA for score in scores]


class TestImplicit:
    @pytest.mark.parametrize("case", STEPS)
    def test_scores_are_those_of_transformers(
        self, case: str, implicit: ImplicitVerifier, models: Any, tokenizer: Tokenizer
    ) -> None:
        question, steps = STEPS[case]
        ids, ends = implicit.render(question, steps)
        reference = expected(models, ids, ends)
        close = pytest.approx([1 / (1 + math.exp(-BETA * ratio)) for ratio in reference], abs=1e-3)

        cold = implicit.score(question, (), steps)
        assert cold.scores == close
        assert log_ratios(cold.scores) == pytest.approx(reference, abs=5e-3)
        assert implicit.score(question, (), steps).scores == close  # warm

        again = ImplicitVerifier(*implicit._engines, tokenizer, ImplicitOptions(beta=BETA))
        one_by_one = [
            score
            for k, step in enumerate(steps)
            for score in again.score(question, steps[:k], [step]).scores
        ]
        assert one_by_one == close
        middle = ImplicitVerifier(*implicit._engines, tokenizer, ImplicitOptions(beta=BETA))
        assert middle.score(question, steps[:1], steps[1:]).scores == pytest.approx(
            one_by_one[1:], abs=1e-3
        )

    def test_the_joined_solution_has_the_same_ids(
        self, implicit: ImplicitVerifier, tokenizer: Tokenizer
    ) -> None:
        ids, ends = implicit.render("1+1?", ["8+12=20 so", "é\n\nb.", "\\boxed{13}"])
        text = "Step 1: 8+12=20 so\n\nStep 2: é\n\nb.\n\nStep 3: \\boxed{13}\n\n"
        head = tokenizer.chat("1+1?")
        assert head is not None
        assert ids == tokenizer.encode(head + text)
        assert ends[0] == len(tokenizer.encode(head))

    def test_64_at_once(self, implicit: ImplicitVerifier, models: Any) -> None:
        solutions = [[f"{k}+1={k + 1}", "so", f"\\boxed{{{k + 1}}}"] for k in range(64)]
        with ThreadPoolExecutor(64) as threads:
            told = list(
                threads.map(lambda steps: implicit.score("1+?", (), steps).scores, solutions)
            )
        for steps, scores in list(zip(solutions, told, strict=True))[::9]:
            ids, ends = implicit.render("1+?", steps)
            assert log_ratios(scores) == pytest.approx(expected(models, ids, ends), abs=5e-3)

    def test_what_was_read_is_not_read_again(self, implicit: ImplicitVerifier) -> None:
        """A beam of 8 steps with 4 siblings each, of which one goes on."""
        path: list[str] = []
        usage = Usage()
        distinct = 0
        for depth in range(8):
            before = len(implicit.render("Compute 1+2+3+4", path)[0]) if path else 0
            for sibling in range(4):
                step = f"{depth}{sibling}+12=20 so the next one is 4-11+20 and then {sibling}"
                usage += implicit.score("Compute 1+2+3+4", path, [step]).usage
                distinct += len(implicit.render("Compute 1+2+3+4", [*path, step])[0]) - before
            path.append(step)
        prefilled = known(usage.prompt_tokens) - known(usage.cached_tokens)
        assert usage.requests == 64
        # one token more in every request, of which nobody knows what was before it
        assert prefilled <= 2 * distinct + usage.requests

    def test_a_reference_that_reads_other_tokens_is_refused(
        self, policy: Engine, prm_server: str, tmp_path: Path
    ) -> None:
        core = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0}, []))
        core.save(str(tmp_path / "tokenizer.json"))
        prm = Prm(str(tmp_path), {}, ImplicitOptions(reference=prm_server), policy)
        with pytest.raises(ValueError, match="the reference has another tokenizer"):
            IMPLICIT.build(prm)


class TestCritic:
    @pytest.mark.parametrize("temperature", [0.0, 0.6])
    def test_it_is_as_sure_as_in_transformers(
        self, temperature: float, policy: Engine, models: Any, tokenizer: Tokenizer
    ) -> None:
        """Whatever the temperature of what it wrote, and whatever was left out of its sampling."""
        critic = Critic(policy, tokenizer, "12", "-")  # two of its tokens
        prompt = tokenizer.encode("Compute 4-11+(8+12)\n")
        writing = Writing(temperature=temperature, top_p=0.9, top_k=5, max_tokens=60)
        written = critic.write(prompt, writing, ["\\boxed"], 0)
        assert written.text == tokenizer.decode(written.ids)
        assert written.usage.completion_tokens == len(written.ids)
        verdicts = {m.start(): m[0] == "12" for m in re.finditer("12|-", written.text)}
        assert len(verdicts) > 1
        ends = [len(tokenizer.decode(written.ids[: i + 1])) for i in range(len(written.ids))]
        table = logprobs(models[0], [*prompt, *written.ids])[len(prompt) - 1 :]
        pair = [critic.verdicts.good, critic.verdicts.bad]
        reference = []
        for place, good in verdicts.items():
            at = next(i for i, end in enumerate(ends) if end > place)
            told = float(table[at][pair].softmax(0)[0])
            reference.append(told if written.ids[at] in pair else float(good))
        scores, usage = critic.sure(prompt, written, verdicts)
        assert scores == pytest.approx(reference, abs=1e-3)
        assert usage.requests == 1

    def test_the_same_vote_is_written_twice(self, policy: Engine, tokenizer: Tokenizer) -> None:
        critic = Critic(policy, tokenizer, "1", "2")
        prompt = tokenizer.encode("Compute 4-11+(8+12)\n")
        writing = Writing(temperature=1.5, max_tokens=40)
        first, again, other = (critic.write(prompt, writing, [], vote).ids for vote in (0, 0, 1))
        assert first == again != other

    def test_one_that_was_cut_off_says_so(self, policy: Engine, tokenizer: Tokenizer) -> None:
        critic = Critic(policy, tokenizer, "1", "2")
        prompt = tokenizer.encode("Compute 4-11+(8+12)\n")
        cut = critic.write(prompt, Writing(max_tokens=3), [], 0)
        assert (cut.whole, len(cut.ids)) == (False, 3)
        ended = critic.write(prompt, Writing(max_tokens=500), ["="], 0)
        assert ended.whole
        assert ended.text.endswith("=")


class Forced:
    """Has a real model "write" what `say` makes of the prompt: what it reads is real."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, say: Callable[[str], str]) -> None:
        self.url = engine.url
        self.info = engine.info
        self._engine, self._tokenizer, self._say = engine, tokenizer, say
        self.asked: list[tuple[list[int], list[int]]] = []
        self.read: list[list[int]] = []

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        prompt = payload["input_ids"]
        if payload["sampling_params"]["max_new_tokens"] == 0:
            self.read.append(prompt)
            return self._engine.generate(payload)
        said = self._tokenizer.encode(self._say(self._tokenizer.decode(prompt)))
        self.asked.append((prompt, said))
        nothing = {"max_new_tokens": 0, "temperature": 0}
        ids = [*prompt, *said]
        reply = self._engine.generate({"input_ids": ids, "sampling_params": nothing})
        reply["meta_info"]["finish_reason"] = {"type": "stop"}
        return {**reply, "output_ids": said}


def sure(model: Any, critic: Critic, ids: Sequence[int]) -> float:
    """p(good) / (p(good) + p(bad)) of the token behind `ids`."""
    row = logprobs(model, ids)[-1]
    return float(row[[critic.verdicts.good, critic.verdicts.bad]].softmax(0)[0])


def behind(tokenizer: Tokenizer, asked: tuple[list[int], list[int]], text: str) -> list[int]:
    """The ids of a prompt and of the `text` that its critique begins with."""
    prompt, said = asked
    start = tokenizer.encode(text)
    assert said[: len(start)] == start
    return [*prompt, *start]


class TestFamilies:
    @pytest.fixture(autouse=True)
    def _cold(self, policy: Engine) -> None:
        assert policy.flush_cache()

    @pytest.mark.parametrize("case", ODD)
    def test_think(self, case: str, policy: Engine, models: Any, tokenizer: Tokenizer) -> None:
        question, steps = ODD[case]
        befores, text = [], ""
        for k, _ in enumerate(steps):
            text += f"Now {k}, é: \\boxed{{"
            befores.append(text)
            text += f"{'correct' if k % 2 else 'incorrect'}}}. "
        engine = Forced(policy, tokenizer, lambda _: text)
        critic = Critic(engine, tokenizer, "correct", "incorrect")
        scored = ThinkVerifier(critic, ThinkOptions()).score(question, (), steps)
        (asked,) = engine.asked
        reference = [
            sure(models[0], critic, behind(tokenizer, asked, before)) for before in befores
        ]
        assert scored.scores == pytest.approx(reference, abs=1e-3)

    @pytest.mark.parametrize("case", ODD)
    def test_gen_and_its_prefill(
        self, case: str, policy: Engine, models: Any, tokenizer: Tokenizer
    ) -> None:
        question, steps = ODD[case]

        def say(prompt: str) -> str:
            return "{No}$\n</output>\n" if prompt.endswith("$\\boxed") else "é.</analyze>\n"

        engine = Forced(policy, tokenizer, say)
        critic = Critic(engine, tokenizer, "Yes", "No")
        verifier = GenVerifier(critic, GenOptions())
        scores: list[float] = []
        usage = Usage()
        for k, step in enumerate(steps):
            scored = verifier.score(question, steps[:k], [step])
            scores += scored.scores
            usage += scored.usage
        judgements = engine.asked[1::2]
        reference = [sure(models[0], critic, behind(tokenizer, asked, "{")) for asked in judgements]
        assert scores == pytest.approx(reference, abs=1e-3)
        distinct = sum(map(len, engine.asked[-1]))
        prefilled = known(usage.prompt_tokens) - known(usage.cached_tokens)
        assert prefilled <= distinct + usage.requests  # the token before each place that is read

    def test_r(self, policy: Engine, models: Any, tokenizer: Tokenizer) -> None:
        said = "Analysis: é.\nVerification: Is the step correct (Yes/No)?"
        engine = Forced(policy, tokenizer, lambda _: said)
        critic = Critic(engine, tokenizer, "Yes", "No")  # " Yes" is no token of the tiny models
        scored = RVerifier(critic, ROptions()).score("1+1?", ["a"], ["b\n\nc", "д"])
        reference = [sure(models[0], critic, ids) for ids in engine.read]
        assert scored.scores == pytest.approx(reference, abs=1e-3)
        assert [tokenizer.decode(ids).endswith(said) for ids in engine.read] == [True, True]
