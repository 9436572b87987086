"""What is sent, stopped and continued is never tokenised otherwise than it was written.

The server is played by as much of SGLang as matters for it, its stop strings and its detokenizer,
on tokenizers that were trained to have tokens across the borders of steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some
from programs_scripted import ScriptedPrm
from trained_tokenizers import BYTE_LEVEL, LED_BY_A_SPACE, PIECES, bytewise, trained

from sal.programs.beam import BeamParams, beam
from sal.programs.best_of_n import BestOfNParams, best_of_n
from sal.programs.caps import Caps
from sal.programs.revise import ReviseParams, revise
from sal.programs.trace import SearchResult
from sal.runtime.backend import PooledBackend
from sal.runtime.client import Engine

QUESTION = "Q?"
PROMPT = f"{QUESTION}\n\n"
END = 1
KINDS = (*BYTE_LEVEL, *LED_BY_A_SPACE)
TEXTS = some.lists(some.sampled_from(PIECES), min_size=1, max_size=24).map("".join)
SEEDS = some.integers(0, 2**32)
STEP_TOKENS = some.sampled_from([None, 5, 9])


class Server(Engine):
    """Goes on with `rest(solution)` in tokens that `seed` chooses, as no tokenizer would.

    It must be sent the very ids that it wrote, as far as it told all of their text.
    """

    def __init__(self, kind: str, rest: Callable[[str], str], seed: int) -> None:
        super().__init__("http://127.0.0.1:9")
        self.tokens, self._single = trained(kind), bytewise(kind)
        self._rest = rest
        self._dice = random.Random(seed)
        self._told: list[tuple[int, ...]] = []
        self.sent: list[tuple[int, ...]] = []

    def info(self) -> dict[str, Any]:
        return {}

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        sent = tuple(payload["input_ids"])
        self.sent.append(sent)
        sampling = payload["sampling_params"]
        if not sampling["max_new_tokens"]:
            return {"meta_info": meta(sent, [], {"type": "length"})}
        if self._told:
            before = max(self._told, key=lambda ids: len(ids) if sent[: len(ids)] == ids else 0)
            assert sent[: len(before)] == before
            self._told.remove(before)
        output: list[int] = []
        finish: dict[str, Any] = {"type": "length"}
        text = ""
        for token in [*self._plan(self._rest(self.solution(sent))), END]:
            output.append(token)
            if token == END:
                finish = {"type": "stop", "matched": END}
                break
            text = self._spelled(sent, output)
            stop = next((s for s in sampling["stop"] if s in text), None)
            if stop is not None:
                finish = {"type": "stop", "matched": stop}
                text = text[: text.find(stop) + len(stop)]
                break
            if len(output) == sampling["max_new_tokens"]:
                break
        self._remember(sent, output, text)
        return {"text": text, "output_ids": output, "meta_info": meta(sent, output, finish)}

    def solution(self, ids: Sequence[int]) -> str:
        """What stands behind the last prompt: all that the model sees of its own text."""
        _, prompt, solution = self.tokens.decode(ids).rpartition(PROMPT)
        assert prompt
        return solution

    def _plan(self, text: str) -> list[int]:
        """Ids of `text`, cut anywhere into pieces that are tokenised alone, or byte by byte."""
        plan: list[int] = []
        while text:
            length = self._dice.randint(1, 12)
            piece, text = text[:length], text[length:]
            plan += self._dice.choice([self.tokens, self.tokens, self._single]).encode_behind(piece)
        return plan

    def _spelled(self, sent: tuple[int, ...], output: list[int]) -> str:
        """As SGLang's detokenizer does it: behind five ids of the prompt."""
        return self.tokens.decode([*sent[-5:], *output])[len(self.tokens.decode(sent[-5:])) :]

    def _remember(self, sent: tuple[int, ...], output: list[int], text: str) -> None:
        """The ids that a continuation must begin with: those whose text was told."""
        ids = [token for token in output if token != END]
        over = self._spelled(sent, ids)[len(text) :]
        if over and not over.isspace():
            ids = ids[:-1]
        if text.endswith("</think>"):  # it may be taken back
            while len(self._spelled(sent, ids)) > len(text) - len("</think>"):
                ids = ids[:-1]
        while ids and self._spelled(sent, ids).endswith("\ufffd"):
            ids = ids[:-1]
        self._told.append((*sent, *ids))


def meta(sent: Sequence[int], output: Sequence[int], finish: dict[str, Any]) -> dict[str, Any]:
    return {
        "prompt_tokens": len(sent),
        "cached_tokens": 0,
        "completion_tokens": len(output),
        "finish_reason": finish,
    }


def searched(program: Any, server: Server, params: Any, **more: Any) -> SearchResult:
    return search_on(program, PooledBackend(server, server.tokens), params, **more)


def search_on(program: Any, backend: PooledBackend, params: Any, **more: Any) -> SearchResult:
    state = program.run(QUESTION, params=params, verifier=ScriptedPrm(), backend=backend, **more)
    result: SearchResult = state["result"]
    assert result.errors == ()
    return result


@pytest.mark.parametrize("kind", KINDS)
class TestWhatIsSent:
    @given(text=TEXTS, seed=SEEDS, step_tokens=STEP_TOKENS)
    def test_step_by_step(self, kind: str, text: str, seed: int, step_tokens: int | None) -> None:
        assume(text.strip())
        server = Server(kind, lambda solution: rest_of(text, solution), seed)
        params = BeamParams(budget=1, width=1, max_steps=99, max_step_tokens=step_tokens)
        result = searched(beam, server, params)
        assert [c.text for c in result.completions] == [text.rstrip()]

    @given(text=TEXTS, seed=SEEDS)
    def test_whole(self, kind: str, text: str, seed: int) -> None:
        """In one request, and step by step because of a cap."""
        assume(text.strip())
        for caps in (Caps(), Caps(tokens=10**6)):
            server = Server(kind, lambda solution: rest_of(text, solution), seed)
            result = searched(best_of_n, server, BestOfNParams(budget=1), caps=caps)
            assert [c.text for c in result.completions] == [text.rstrip()]

    @given(text=TEXTS, seed=SEEDS)
    def test_behind_an_earlier_attempt(self, kind: str, text: str, seed: int) -> None:
        assume(text.strip())
        server = Server(kind, lambda solution: rest_of(text, solution), seed)
        result = searched(revise, server, ReviseParams(budget=4, ratio=4, context=4))
        assert [c.text for c in result.completions] == [text.rstrip()] * 4


def rest_of(text: str, solution: str) -> str:
    assert text.startswith(solution)
    return text[len(solution) :]


@pytest.mark.parametrize("kind", ["split", "whole", "metaspace"])
class TestForcedReasoning:
    ANSWER = "So.\n\n\\boxed{1}"

    def rest(self, thought: str, solution: str) -> str:
        """`thought` is ended by itself, once more after "Wait", or by us: the answer follows."""
        end = f"\n</think>\n\n{self.ANSWER}"
        first = f"<think>\n{thought}{end}"
        reasoning, closed, said = solution.partition("</think>")
        if closed:
            return rest_of("\n\n" + self.ANSWER, said)
        if first.startswith(solution):
            return rest_of(first, solution)
        _, _, again = reasoning.rpartition("\nWait")
        return rest_of(f", {thought}{end}", again)

    @given(
        thought=TEXTS,
        seed=SEEDS,
        budget=some.one_of(some.none(), some.integers(1, 60)),
        extensions=some.integers(0, 1),
        whole=some.booleans(),
    )
    def test_goes_on_behind_the_ids(
        self, kind: str, thought: str, seed: int, budget: int | None, extensions: int, whole: bool
    ) -> None:
        assume("</" not in thought and "Wait" not in thought)
        server = Server(kind, lambda solution: self.rest(thought, solution), seed)
        limits: dict[str, Any] = {"think_budget": budget, "think_extensions": extensions}
        result = (
            searched(best_of_n, server, BestOfNParams(budget=1, **limits))
            if whole
            else searched(beam, server, BeamParams(budget=1, width=1, max_steps=99, **limits))
        )
        (only,) = result.completions
        forced = [text for node in result.trace.nodes for text in node.forced]
        assert only.finish == "eot"
        assert only.text.endswith(f"</think>\n\n{self.ANSWER}")
        if not forced:
            assert only.text == f"<think>\n{thought}\n</think>\n\n{self.ANSWER}"
        # All that the model saw, in the ids that it was sent, is the text.
        seen = server.solution(server.sent[-1])
        assert only.text.startswith(seen)
        assert all(text.strip() in seen for text in forced)


@pytest.mark.parametrize("kind", KINDS)
class TestPieces:
    @given(before=TEXTS, text=TEXTS)
    def test_a_text_behind_another_is_spelled_as_it_is(
        self, kind: str, before: str, text: str
    ) -> None:
        tokens, before = trained(kind), PROMPT + before
        ids = tokens.encode(before, special=True)
        both = [*ids, *tokens.encode_behind(text)]
        assert tokens.decode(both) == before + text
        assert tokens.decode_behind(ids, both[len(ids) :]) == text

    @given(text=TEXTS, extra=some.integers(0, 40))
    def test_ids_without_the_end_of_their_text(self, kind: str, text: str, extra: int) -> None:
        tokens, text = trained(kind), PROMPT + text
        assume(extra <= len(text))
        ids = tokens.encode(text, special=True)
        kept, more = tokens.without_end(ids, extra)
        assert kept == tuple(ids[: len(kept)])
        assert tokens.decode(kept) == text[: len(text) - extra - more]
        # No more than the one id, or character, across the place goes with it.
        assert more < max(len(piece) for piece in tokens._core.get_vocab())
