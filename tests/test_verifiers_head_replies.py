"""What a verifier of a PRM with a head asks, and how it reads and refuses replies, without a server."""

from __future__ import annotations

import math
from typing import Any

import pytest
from test_verifiers import Reply, bytes_core

from sal.runs.endpoints import RunEndpoints
from sal.runs.problems import Question
from sal.runtime.endpoint_errors import Misread, Rejected
from sal.runtime.replies import classified
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.head import HeadVerifier, softmax
from sal.verifiers.pieces import Pieces
from sal.verifiers.rendering import Rendered
from sal.verifiers.step_token import StepToken
from sal.verifiers.verdicts import sigmoid

TOKENIZER = Tokenizer(bytes_core("#"))


class Head:
    """An endpoint whose head says what it is told."""

    url = "http://prm"

    def __init__(self, *numbers: float) -> None:
        self.numbers = list(numbers)
        self.asked: list[list[int]] = []

    def classify(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(payload["input_ids"])
        meta = {"prompt_tokens": len(self.asked[-1]), "finish_reason": {"type": "length"}}
        return {"embedding": self.numbers, "meta_info": meta}


def verifier(
    engine: Head, *, window: int | None = None, tail: tuple[int, ...] = ()
) -> HeadVerifier:
    format = Pieces(TOKENIZER, TOKENIZER.encode, mark=TOKENIZER.encode("#"), tail=tail)
    read = lambda numbers: sigmoid(numbers[0])  # noqa: E731
    return HeadVerifier(engine, format, read, labels=1, aggregate="last", window=window)


def test_every_new_step_is_asked_for_at_its_mark() -> None:
    engine = Head(0.0)
    scored = verifier(engine).score("q", ["a"], ["b", "c"])
    assert scored.scores == (0.5, 0.5)
    assert engine.asked == [TOKENIZER.encode("qa#b#"), TOKENIZER.encode("qa#b#c#")]
    assert (scored.usage.prompt_tokens, scored.usage.requests) == (12, 2)
    assert scored.usage.cached_tokens is None  # the server does not tell
    assert verifier(engine).score("q", ["a"], []).scores == ()


def test_what_is_read_behind_a_step_is_not_kept() -> None:
    engine = Head(0.0)
    verifier(engine, tail=(7,)).score("q", (), ["a", "b"])
    assert engine.asked == [[*TOKENIZER.encode("qa#"), 7], [*TOKENIZER.encode("qa#b#"), 7]]


@pytest.mark.parametrize("numbers", [(), (0.0, 1.0), tuple(range(320))])
def test_a_head_of_another_shape_is_the_endpoints_fault(numbers: tuple[float, ...]) -> None:
    said = f"gives {len(numbers)} numbers, where this family reads 1"
    with pytest.raises(Rejected, match=said) as error:
        verifier(Head(*numbers)).score("q", (), ["a"])
    assert error.value.at_fault


def test_there_is_no_default_score() -> None:
    with pytest.raises(Misread, match="the PRM's head says"):
        verifier(Head(math.nan)).score("q", (), ["a"])


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"embedding": [1.0]},
        {"embedding": [1.0], "meta_info": {}},
        {"embedding": "1.0", "meta_info": {"finish_reason": {}}},
        {"embedding": [[1.0]], "meta_info": {"finish_reason": {}}},
    ],
)
def test_what_is_no_reply_of_classify(reply: dict[str, Any]) -> None:
    assert classified(reply)


def test_what_is_one() -> None:
    assert classified({"embedding": [1, 2.5], "meta_info": {"finish_reason": {}}}) == ""


def test_numbers_to_scores() -> None:
    assert (sigmoid(-1e4), sigmoid(0.0), sigmoid(1e4)) == (0.0, 0.5, 1.0)
    assert softmax([1e4, 1e4 - math.log(3)]) == pytest.approx([0.75, 0.25])


class TestWindow:
    def test_nothing_is_sent_of_what_does_not_fit(self) -> None:
        engine = Head(0.0)
        whole = len(TOKENIZER.encode("qa#b#"))
        assert verifier(engine, window=whole).score("q", ["a"], ["b"]).scores == (0.5,)
        for narrow in (
            verifier(engine, window=whole - 1),
            verifier(engine, window=whole, tail=(7,)),
        ):
            with pytest.raises(
                Rejected, match=r"reads at most .* tokens, and this solution"
            ) as error:
                narrow.score("q", ["a"], ["b"])
            assert not error.value.at_fault
        assert len(engine.asked) == 1

    def test_a_causal_prm_has_one_too(self) -> None:
        engine = Reply()
        causal = CausalVerifier(engine, StepToken(Tokenizer(bytes_core("ки"))), window=10)
        with pytest.raises(Rejected, match="reads at most 10 tokens, and this solution"):
            causal.score("question", (), ["a long step"])
        assert engine.payloads == []

    def test_a_question_that_leaves_no_room_is_refused_before_the_policy_writes(self) -> None:
        question = "q" * 40
        with pytest.raises(
            Rejected, match="at most 10 tokens, and this question with an empty step has"
        ):
            verifier(Head(0.0), window=10).check_question(question)
        verifier(Head(0.0), window=50).check_question(question)


def test_a_rendered_input_ends_at_its_step() -> None:
    rendered = Rendered((1, 2, 3, 4), (1, 3), (9,))
    assert [rendered.upto(k) for k in (0, 1)] == [[1, 2, 9], [1, 2, 3, 4, 9]]


def test_a_run_asks_nothing_of_a_question_that_the_prm_cannot_read() -> None:
    endpoints = object.__new__(RunEndpoints)
    endpoints.verifier = verifier(Head(0.0), window=10)
    with pytest.raises(Rejected, match="at most 10 tokens"):
        endpoints.problem(Question("a", "q" * 40, "1"))


def test_a_run_is_told_of_a_window_that_its_solutions_may_pass() -> None:
    endpoints = object.__new__(RunEndpoints)
    endpoints.notes = []
    endpoints.verifier = verifier(Head(0.0), window=4096)
    endpoints._note_window(2048)
    assert endpoints.notes == []
    endpoints._note_window(32768)
    assert "it reads 4,096 tokens, and a solution may have 32,768" in endpoints.notes[0]
