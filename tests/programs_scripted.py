"""A policy and a PRM that follow a script, for tests of what a search decides."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sglang.lang.backend.base_backend import BaseBackend

from sal.programs.trace import ROLLOUT, SearchResult
from sal.strategies.seeds import derive
from sal.verifiers.interface import Scored, Usage

QUESTION = "q"
MOST_CHILDREN = 32
PATIENCE = 30
"""Seconds after which a wait that should never have been needed fails a test."""


@dataclass(frozen=True)
class Say:
    """What the policy writes at one node; `tokens` are one per character unless told."""

    text: str
    finish: str = "separator"
    error: Exception | None = None
    after: threading.Event | None = None  # not before this
    announce: threading.Event | None = None  # set when written
    confidence: float = 1.0  # of every token

    @property
    def tokens(self) -> int:
        return len(self.text) + 1


def end(text: str, **more: Any) -> Say:
    return Say(text, "eot", **more)


Script = Callable[[tuple[int, ...]], Say | Sequence[Say]]
Tree = dict[tuple[int, ...], Say]
Grown = tuple[Callable[[tuple[int, ...]], Say], Callable[[str], float]]
"""What is said at any node, and how good each step is."""


class ScriptedPolicy(BaseBackend):
    """Says what `script` has for a node, which it knows by the seed that the request carries.

    A list is said one piece per request. `keeps_stop` tells whether the stop string stays in the
    text, as in the pooled backend, or is trimmed, as in the stock one.
    """

    def __init__(
        self,
        script: Script | Mapping[tuple[int, ...], Say | Sequence[Say]],
        *,
        keeps_stop: bool = True,
    ) -> None:
        super().__init__()
        self.script: Script = script if callable(script) else lambda path: script[path]
        self.keeps_stop = keeps_stop
        self.prefixes: dict[tuple[int, ...], str] = {}
        self.stops: list[list[str]] = []
        self.rooms: list[int] = []
        self._said: dict[tuple[int, ...], int] = {}
        self._paths: dict[int, tuple[int, ...]] = {}
        self._expect(())

    def _expect(self, parent: tuple[int, ...]) -> None:
        """Know the seeds of a node's children."""
        children = [(*parent, i) for i in range(ROLLOUT, MOST_CHILDREN)]
        self._paths |= {derive(0, QUESTION, child): child for child in children}

    def cache_prefix(self, prefix_str: str) -> None:
        """It keeps what it has read, so a search may have it read the prompt first."""

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        if sampling_params.max_new_tokens == 0:  # the prompt is read
            return "glued?", {
                "prompt_tokens": 0,
                "cached_tokens": 0,
                "completion_tokens": 0,
                "finish_reason": {"type": "length"},
            }
        path = self._paths[s.variables["sampling_seed"]]
        self._expect(path)
        said = self.script(path)
        turn = self._said[path] = self._said.get(path, -1) + 1
        if not isinstance(said, Say):
            said = said[turn]
        if turn == 0:
            self.prefixes[path] = s.text_
        self.stops.append(list(sampling_params.stop))
        self.rooms.append(sampling_params.max_new_tokens)
        sampling_params.stop.append("mutated")  # as the interpreter may do
        if said.after is not None and not said.after.wait(PATIENCE):
            raise TimeoutError("waited for something that a search must not wait for")
        if said.announce is not None:
            said.announce.set()
        if said.error is not None:
            raise said.error
        text, reason = said.text, {"type": "stop", "matched": 0}
        if said.finish == "separator":
            reason = {"type": "stop", "matched": "\n\n"}
            text += "\n\n" if self.keeps_stop else ""
        elif said.finish != "eot":
            reason = {"type": said.finish, "message": "scripted"}
        meta: dict[str, Any] = {
            "prompt_tokens": len(s.text_),
            "cached_tokens": len(s.text_) - 1,
            "completion_tokens": said.tokens,
            "finish_reason": reason,
            "output_ids": [7] * said.tokens,
        }
        if sampling_params.return_logprob:
            # Around the confidence, so that it is their mean that counts.
            spread = range(
                1 - sampling_params.top_logprobs_num, sampling_params.top_logprobs_num, 2
            )
            top = [[said.confidence * (step / len(spread) - 1), 7, None] for step in spread]
            meta["output_top_logprobs"] = [top] * said.tokens
        return text, meta


class ScriptedPrm:
    """Scores a step by its text: `scores[step]`, 0.5 when it has none. Remembers every call."""

    def __init__(
        self,
        scores: Mapping[str, float | Exception] | Callable[[str], float] | None = None,
        announce: Mapping[str, threading.Event] | None = None,
    ) -> None:
        table = {} if scores is None else scores
        self.score_of = table if callable(table) else lambda step: table.get(step, 0.5)
        self.announce = announce or {}
        self.calls: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        self.calls.append((question, tuple(prefix), tuple(steps)))
        scores = []
        for step in steps:
            score = self.score_of(step)
            if isinstance(score, Exception):
                raise score
            scores.append(score)
            if step in self.announce:
                self.announce[step].set()
        return Scored(tuple(scores), Usage(prompt_tokens=10, cached_tokens=4, requests=1))


def random_tree(seed: int) -> Grown:
    """A script for any tree, and the scores of what it says."""

    def script(path: tuple[int, ...]) -> Say:
        dice = random.Random(f"{seed}{path}")
        finish = dice.choices(
            ["separator", "eot", "length", "abort"], [6, 3, 1, 0.5 if len(path) < 5 else 0]
        )[0]
        return Say(f"{dice.choice('abc')}{path} \\boxed{{{dice.randrange(3)}}}", finish)

    return script, lambda step: random.Random(f"{seed}{step}").random()


def search(
    program: Any, policy: BaseBackend, verifier: Any, params: Any, **more: Any
) -> SearchResult:
    """Run a program to its end and see that it left no thread behind."""
    before = set(threading.enumerate())
    state = program.run(QUESTION, params=params, verifier=verifier, backend=policy, **more)
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in left)
    result: SearchResult = state["result"]
    return result
