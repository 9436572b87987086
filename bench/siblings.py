"""Ways to ask a PRM about the siblings of a node: a request each, as `sal` does, or one for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.ours import flush
from sal.programs.scores import Scores
from sal.runtime.client import Engine
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.head import HeadVerifier
from sal.verifiers.interface import Verifier

WIDTH = 4
DEPTH = 6
PROBLEMS = 8
LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Node:
    """The solutions so far of a node's children."""

    question: str
    children: tuple[tuple[str, ...], ...]


Ask = Callable[[Node], list[float]]
"""The scores of a node's children."""

Way = Callable[[], Ask]
"""How one problem's nodes are asked about."""


def chain(problem: int) -> Iterator[Node]:
    """A subtree of DVTS: `WIDTH` children of each node, of which the first goes on."""
    question = f"Here is number {problem}. " + "What is the sum of all of them? " * 3
    path: tuple[str, ...] = ()
    for depth in range(DEPTH):
        steps = [f"{k}{depth} and then {problem} make {k + problem}, so" for k in range(WIDTH)]
        yield Node(question, tuple((*path, step) for step in steps))
        path = (*path, steps[0])


def apart(verifier: Verifier, threads: ThreadPoolExecutor) -> Ask:
    """A request for each child, all at once."""

    def ask(node: Node) -> list[float]:
        asked = [
            threads.submit(verifier.score, node.question, steps[:-1], steps[-1:])
            for steps in node.children
        ]
        return [future.result().scores[0] for future in asked]

    return ask


def as_sal(verifier: Verifier, threads: ThreadPoolExecutor) -> Way:
    """As in a search: what several begin with is read once."""
    return lambda: apart(Scores(verifier), threads)


def together(verifier: Any, engine: Engine) -> Ask:
    """One request to `/v1/score` for all children: what they begin with, and the rest of each."""
    causal = isinstance(verifier, CausalVerifier)
    if not causal and not isinstance(verifier, HeadVerifier):
        raise TypeError("neither a causal PRM nor one with a head")

    def ask(node: Node) -> list[float]:
        inputs = [
            verifier.format.render(node.question, steps).upto(len(steps) - 1)
            for steps in node.children
        ]
        begin = common(inputs)
        asked = {"query": inputs[0][:begin], "items": [ids[begin:] for ids in inputs]}
        if causal:
            asked |= {"label_token_ids": [verifier.good, verifier.bad], "apply_softmax": True}
        rows = engine._once("/v1/score", asked, LIMIT_S, lambda _: "")["scores"]
        return [float(row[0]) if causal else verifier.verdict(row) for row in rows]

    return ask


def common(inputs: Sequence[Sequence[int]]) -> int:
    """How many ids all begin with; at least one of each is left."""
    shortest = min(map(len, inputs)) - 1
    differ = (i for i in range(shortest) if len({ids[i] for ids in inputs}) > 1)
    return next(differ, shortest)


def search(way: Way, engine: Engine, problems: int = PROBLEMS) -> tuple[list[float], float]:
    """Problems side by side from a cold cache: all scores, and the seconds."""
    flush(engine)
    began = time.monotonic()

    def one(problem: int) -> list[float]:
        ask = way()
        return [score for node in chain(problem) for score in ask(node)]

    with ThreadPoolExecutor(problems) as threads:
        told = list(threads.map(one, range(problems)))
    return [score for scores in told for score in scores], time.monotonic() - began
