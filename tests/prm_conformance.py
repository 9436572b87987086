"""What every PRM that is read at a position must hold on a real server, against a reference."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from sal.programs.scores import Scores
from sal.runtime.client import Engine
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.head import HeadVerifier
from sal.verifiers.interface import Verifier

CASES: dict[str, tuple[str, list[str]]] = {
    "plain": (
        "Compute 4-11+(8+12).",
        ["8+12=20, so 4-11+20 is left.", "4-11=-7, so -7+20.", "\\boxed{13}"],
    ),
    "one step": ("1+1?", ["\\boxed{2}"]),
    "control tokens": (
        "Is <|eot_id|><|im_end|> a token? <extra_0>",
        ["yes <|im_end|>\n<|im_start|>assistant", "<extra_0><|eot_id|>+", "+ -"],
    ),
    "step tags": ("Is ки a tag? + ки -", ["yes ки +", "ки", "a ки\nb ки"]),
    "not ASCII": (
        "Наи́дите ∑ 1/n²\t…",
        ["π²⁄6 ≈ 1.64493 🙂\nline two\n three", "e\u0301 = é", "\\frac{a}{b}"],
    ),
    "blank lines": ("a\n\nb", ["one.\n\ntwo", "x \n\n\n\n\n\ny", "three\n\n\nfour"]),
    "nothing": ("Nothing.", ["", "a", "", ""]),
    "repeated": ("x", ["same", "same", "same", "same"]),
}


class Positional(Verifier, Protocol):
    """A verifier that is read at positions of a growing sequence."""

    format: Any


@dataclass(frozen=True)
class Reference:
    """`inputs` gives, by the authors' rule, one list of ids per step, at whose end it is judged;
    `score` is what their code makes of one, with transformers."""

    inputs: Callable[[str, Sequence[str]], list[list[int]]]
    score: Callable[[list[int]], float]


def verifier_of(family: Any, prm: Any) -> Positional:
    built = family.build(prm)
    assert isinstance(built, CausalVerifier | HeadVerifier)
    return built


def broken(text: str, tokens: Iterable[str]) -> str:
    """A text that spells no control token, as a verifier sends it."""
    for token in tokens:
        text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


def check_case(case: str, verifier: Positional, reference: Reference, engine: Engine) -> float:
    """Ids and scores, cold, warm, step by step and from the middle; the largest difference."""
    question, steps = CASES[case]
    inputs = reference.inputs(question, steps)
    rendered = verifier.format.render(question, steps)
    assert [rendered.upto(k) for k in range(len(steps))] == inputs
    told = [reference.score(ids) for ids in inputs]
    assert engine.flush_cache()
    cold = verifier.score(question, (), steps).scores
    warm = verifier.score(question, (), steps).scores
    assert engine.flush_cache()
    alone = [verifier.score(question, steps[:k], [s]).scores[0] for k, s in enumerate(steps)]
    assert engine.flush_cache()
    middle = verifier.score(question, steps[:1], steps[1:]).scores
    for scores in (cold, warm, alone, [cold[0], *middle]):
        assert list(scores) == pytest.approx(told, abs=1e-3)
    return max(float(abs(a - b)) for a, b in zip(cold, told, strict=True))


def check_whole(case: str, verifier: Verifier, reference: Reference, engine: Engine) -> float:
    """Of one that scores whole solutions: cold, warm and behind a prefix; the largest difference."""
    question, steps = CASES[case]
    told = [reference.score(ids) for ids in reference.inputs(question, steps)]
    assert len(set(told)) == 1
    assert engine.flush_cache()
    cold = verifier.score(question, (), steps).scores
    warm = verifier.score(question, (), steps).scores
    behind = verifier.score(question, steps[:-1], steps[-1:]).scores
    for scores in (cold, warm, [*warm[1:], *behind]):
        assert list(scores) == pytest.approx(told, abs=1e-3)
    return abs(cold[0] - told[0])


def check_concurrent(verifier: Verifier, reference: Reference, engine: Engine) -> None:
    """64 at once, of 8 questions: no reply is taken for another's."""
    asked = [(f"Question {i % 8}?", [f"step {i // 8}.", f"so {i}."]) for i in range(64)]
    assert engine.flush_cache()
    with ThreadPoolExecutor(64) as pool:
        got = list(pool.map(lambda q: verifier.score(q[0], (), q[1]).scores, asked))
    for i in range(0, 64, 7):
        told = [reference.score(ids) for ids in reference.inputs(*asked[i])]
        assert list(got[i]) == pytest.approx(told, abs=1e-3)


QUESTION = "What is the sum of all of them? " * 3


def levels(depth: int = 6) -> Iterator[list[list[str]]]:
    """The steps of a search like beam search, level by level: 4 beams, 2 kept, 2 each."""
    rng = random.Random(0)
    words = [
        "then",
        "we",
        "add",
        "the",
        "next",
        "term",
        "and",
        "divide",
        "by",
        "two",
        "so",
        "that",
        "it",
        "is",
    ]

    def step() -> str:
        return f"{rng.randrange(10**6)} " + " ".join(rng.choices(words, k=rng.randrange(6, 16)))

    beams: list[list[str]] = [[]]
    for _ in range(depth):
        grown = [[*beam, step()] for beam in beams for _ in range(4 // len(beams))]
        yield grown
        beams = grown[:2]


def judged(format: Any, depth: int = 6) -> list[tuple[int, ...]]:
    """The input of every step of that search."""
    return [
        tuple(format.render(QUESTION, beam).upto(len(beam) - 1))
        for grown in levels(depth)
        for beam in grown
    ]


def distinct(inputs: Iterable[tuple[int, ...]]) -> int:
    """Tokens behind distinct prefixes: what a perfect cache prefills."""
    return len({ids[:n] for ids in inputs for n in range(1, len(ids) + 1)})


_STILL = 8
"""Equal readings in a row."""


def growth(verifier: Positional, engine: Engine, *, depth: int = 6) -> float:
    """Tokens prefilled over distinct ones of that search.

    What is judged together is asked together, as a search does.
    """
    assert engine.flush_cache()
    scores = Scores(verifier)
    with prefilled(engine) as spent, ThreadPoolExecutor(4) as pool:
        for grown in levels(depth):
            list(pool.map(lambda beam: scores.score(QUESTION, beam[:-1], beam[-1:]), grown))
    return spent[0] / distinct(judged(verifier.format, depth))


@contextmanager
def prefilled(engine: Engine) -> Iterator[list[int]]:
    """How many tokens the server prefilled within, none of them from its cache."""
    before, spent = _prefilled(engine), [0]
    yield spent
    spent[0] = _prefilled(engine) - before


def _prefilled(engine: Engine) -> int:
    """SGLang's own count, which its /classify does not tell a request; when it stands still."""

    def count() -> int:
        loads = engine._once("/v1/loads?include=core", None, 30.0, lambda _: "")["loads"]
        return sum(int(load["total_prefill_uncached_tokens"]) for load in loads)

    seen = [count()]
    while len(seen) < _STILL or len(set(seen[-_STILL:])) > 1:  # it is told late on a busy machine
        time.sleep(0.1)
        seen.append(count())
    return seen[-1]


def fill(engine: Engine, ids: Sequence[int], tokens: int) -> None:
    """Push everything out of the cache by other inputs, of `tokens` in all."""
    rng = random.Random(1)
    for _ in range(tokens // 2000 + 1):
        engine.classify({"input_ids": rng.choices(ids, k=2000)})
