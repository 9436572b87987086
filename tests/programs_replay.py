"""A policy and a PRM that say again what a trace has: same texts and scores, same decisions."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from typing import Any

from programs_scripted import QUESTION
from sglang.lang.backend.base_backend import BaseBackend

from sal.programs.trace import Node, Trace
from sal.strategies.seeds import derive
from sal.verifiers.interface import Scored, Usage


class Replay(BaseBackend):
    """Both endpoints of a recorded search. A node is known by the seed of its request.

    A node is generated and scored in one thread, so the PRM knows which one it is asked about.
    """

    def __init__(self, trace: Trace, question: str = QUESTION, seed: int = 0) -> None:
        super().__init__()
        self._nodes = {derive(seed, question, node.id): node for node in trace.nodes}
        self._current = threading.local()

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        node: Node = self._nodes[s.variables["sampling_seed"]]
        self._current.node = node
        if node.error.startswith("policy: "):
            raise RuntimeError(node.error)
        reasons: dict[str, dict[str, Any]] = {
            "separator": {"type": "stop", "matched": "\n\n"},
            "eot": {"type": "stop", "matched": 0},
            "error": {"type": "stop", "matched": 0},
            "length": {"type": "length"},
        }
        meta = {
            "prompt_tokens": len(s.text_),
            "cached_tokens": 0,
            "completion_tokens": node.tokens,
            "finish_reason": reasons[node.finish],
            "output_ids": list(node.token_ids),
            "output_top_logprobs": [[[-c, 0, None]] for c in _confidences(node)],
        }
        return node.text + "\n\n" * (node.finish == "separator"), meta

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        node: Node = self._current.node
        if node.error:
            raise RuntimeError(node.error)
        return Scored(node.scores[-len(steps) :])  # those before were said of an equal node


def _confidences(node: Node) -> tuple[float, ...]:
    """What deepconf keeps of a node; other strategies keep something else, or nothing."""
    return node.data if isinstance(node.data, tuple) else ()


class Improvised(BaseBackend):
    """A policy that makes up solutions of up to four steps, the same for the same seed and text."""

    def generate(self, s: Any, sampling_params: Any) -> tuple[str, dict[str, Any]]:
        seed, written = s.variables["sampling_seed"], s.text_
        stepwise = bool(sampling_params.stop)
        text, reason = "", {"type": "stop", "matched": 0}
        while True:
            chance = random.Random(f"{seed} {len(written)}")
            if written.count("\n\n") > 4 or chance.random() < 0.3:
                text += f"\\boxed{{{chance.choice('11123')}}}"
                break
            step = f"{chance.randrange(1000)}\n\n"
            text, written = text + step, written + step
            if stepwise:
                reason = {"type": "stop", "matched": "\n\n"}
                break
        tokens = len(text)
        meta = {
            "prompt_tokens": len(s.text_),
            "cached_tokens": 0,
            "completion_tokens": tokens,
            "finish_reason": reason,
            "output_ids": [ord(c) for c in text],
        }
        if sampling_params.return_logprob:
            meta["output_top_logprobs"] = [[[-chance.uniform(1, 9), 0, None]]] * tokens
        return text, meta


class Improvising:
    """A PRM that scores a step by its text."""

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        scores = tuple(random.Random(repr((prefix, step))).random() for step in steps)
        return Scored(scores, Usage(requests=1))
