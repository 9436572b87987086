"""Seeds on a real server: a seed's text is the same whatever runs beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny_plan

from sal.runtime.client import Engine
from sal.runtime.launch import Server, start_all
from sal.runtime.tokenizer import Tokenizer
from sal.tiny.paths import POLICY

pytestmark = pytest.mark.servers

TOKENIZER = Tokenizer.load(str(POLICY))
assert TOKENIZER is not None
TOKENS = TOKENIZER.encode("What is 17 + 4?\n\n", special=True)
LONG = 40


def ask(policy: Engine, seed: int | None, ids: Sequence[int] = (), **sampling: Any) -> Any:
    """A reply to the prompt and `ids`, with the log-probabilities of its tokens."""
    given = {} if seed is None else {"sampling_seed": seed}
    sampling = {"temperature": 1.0, "max_new_tokens": LONG, "ignore_eos": True} | given | sampling
    prompt = {"input_ids": [*TOKENS, *ids], "sampling_params": sampling, "return_logprob": True}
    return policy.generate(prompt)


def tokens(reply: dict[str, Any]) -> list[Any]:
    """What was written."""
    return list(reply["output_ids"])


def bits(reply: dict[str, Any]) -> list[Any]:
    """Each token with its log-probability, to the last bit."""
    return [(logprob, token) for logprob, token, _ in reply["meta_info"]["output_token_logprobs"]]


def alone_and_in_company(policy: Engine, read: Callable[[dict[str, Any]], list[Any]]) -> None:
    """Six seeds give the same whatever runs beside them, and each something else."""
    alone = [read(ask(policy, seed)) for seed in range(6)]
    assert len({tuple(reply) for reply in alone}) == 6
    with ThreadPoolExecutor(40) as pool:
        beside = [
            pool.submit(ask, policy, None, TOKENS * (i % 4), max_new_tokens=3 * i + 1)
            for i in range(30)
        ]
        together = list(pool.map(lambda seed: read(ask(policy, seed)), range(6)))
        for other in beside:
            other.result()
    assert together == alone


def test_a_seeds_tokens_are_the_same_in_any_company(policy: Engine) -> None:
    alone_and_in_company(policy, tokens)


def test_a_deterministic_servers_probabilities_are_too_to_the_last_bit(tmp_path: Path) -> None:
    spec = tiny_plan("--enable-deterministic-inference").servers["policy"]
    server = Server(spec, tmp_path)
    start_all([server])
    try:
        with Engine(server.url) as policy:
            alone_and_in_company(policy, bits)
    finally:
        server.stop()


def test_one_completion_in_two_requests_is_the_same(policy: Engine) -> None:
    whole = ask(policy, 11)["output_ids"]
    for cut in (1, 2, 17):
        first = ask(policy, 11, max_new_tokens=cut)
        rest = ask(policy, 11, first["output_ids"], max_new_tokens=LONG - cut)
        assert first["output_ids"] + rest["output_ids"] == whole


def test_requests_without_a_seed_do_not_share_one(policy: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: ask(policy, None), range(8)))
    assert len({tuple(reply["output_ids"]) for reply in replies}) == 8


def test_greedy_and_filtered_requests_keep_their_tokens_beside_others(policy: Engine) -> None:
    kinds: list[dict[str, Any]] = [
        {"temperature": 0},
        {"top_p": 0.7},
        {"top_k": 3},
        {"min_p": 0.2},
        {},
    ]
    alone = [tokens(ask(policy, 5, **kind)) for kind in kinds]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda kind: tokens(ask(policy, 5, **kind)), kinds)) == alone
    assert alone[0] == tokens(ask(policy, 5, top_k=1))
