"""A run's own requests, without the search: what the engines alone would take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.ours import Searched, flush
from bench.senders import Senders
from sal.programs.problem import Problem
from sal.programs.scores import Scores
from sal.runtime.client import Engine
from sal.runtime.tokenizer import Tokenizer
from sal.verifiers.causal import CausalVerifier
from sal.verifiers.rendering import CausalFormat

Payload = dict[str, Any]
TEMPERATURE = 0.8


class _Kept:
    """Stands in for the PRM's client: keeps what it is asked, and says that all is well."""

    def __init__(self, family: CausalFormat) -> None:
        self.payloads: list[Payload] = []
        self._verdict = [[0.0, family.good, None], [0.0, family.bad, None]]

    def info(self) -> dict[str, Any]:
        return {}

    def generate(self, payload: Payload) -> dict[str, Any]:
        self.payloads.append(payload)
        meta = {
            "prompt_tokens": 0,
            "input_token_ids_logprobs": [self._verdict] * len(payload["input_ids"]),
            "output_token_ids_logprobs": [self._verdict],
        }
        return {"meta_info": meta}


@dataclass(frozen=True, slots=True)
class Asked:
    """The requests to the policy and to the PRM, in tree order: parents before children.

    `written` holds, per request to the policy, its input and what came of it: token ids. `nodes`
    counts the tokens of all nodes of the trees, their roots' too; equal ones each for itself.
    """

    policy: list[Payload]
    prm: list[Payload]
    written: list[tuple[int, ...]]
    nodes: int


def requests(searched: Searched, tokenizer: Tokenizer, family: CausalFormat) -> Asked:
    """What a search asked, rebuilt from its traces."""
    policy: list[Payload] = []
    written: list[tuple[int, ...]] = []
    nodes = 0
    kept = _Kept(family)
    for problem_id, trace in searched.traces.items():
        question = searched.questions[problem_id]
        scores = Scores(CausalVerifier(kept, family))
        prompt = tuple(tokenizer.encode(Problem.of(question).prompt or "", special=True))
        nodes += len(prompt)
        paths: dict[tuple[int, ...], tuple[tuple[int, ...], tuple[str, ...]]] = {(): (prompt, ())}
        for node in sorted(trace["nodes"], key=lambda node: (len(node["id"]), node["id"])):
            path = tuple(node["id"])
            ids, steps = paths[path[:-1]]
            made = tuple(node.get("token_ids", ()))
            policy.append(
                {
                    "input_ids": ids,
                    "sampling_params": {
                        "temperature": TEMPERATURE,
                        "max_new_tokens": len(made),
                        "ignore_eos": True,
                    },
                }
            )
            new = tuple(s for part in node.get("text", "").split("\n\n") if (s := part.strip()))
            if new:
                scores.score(question, steps, new)
            paths[path] = (ids + made, steps + new)
            written.append(ids + made)
            nodes += len(made)
    return Asked(policy, kept.payloads, written, nodes)


def replay(policy: Engine, prm: Engine, asked: Asked) -> float:
    """Seconds to answer everything at once, each endpoint in tree order, nothing waiting."""
    flush(policy, prm)
    with Senders(policy, prm) as senders:
        began = time.monotonic()
        waiting = [
            senders.send(engine, payload)
            for engine, payload in _in_turn(policy, prm, asked.policy, asked.prm)
        ]
        for future in waiting:
            future.result()
        return time.monotonic() - began


def _in_turn(
    policy: Engine, prm: Engine, first: list[Payload], second: list[Payload]
) -> Iterator[tuple[Engine, Payload]]:
    for i in range(max(len(first), len(second))):
        if i < len(first):
            yield policy, first[i]
        if i < len(second):
            yield prm, second[i]


def distinct(sequences: Iterable[Sequence[int]]) -> int:
    """Nodes of their trie: the tokens that are left when no prefix counts twice."""
    seen: set[int] = set()
    for sequence in sequences:
        prefix = 0
        for token in sequence:
            prefix = hash((prefix, token))
            seen.add(prefix)
    return len(seen)
