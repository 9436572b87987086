"""A thousand malformed and hostile requests: each gets a reply or a typed error, none a 500."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from serve_scripted import gateway, page
from starlette.testclient import TestClient

from sal.serve.app import make_app

BODY: dict[str, Any] = {
    "model": "dvts@4",
    "messages": [{"role": "user", "content": "Hello?"}],
    "prompt": "Hello?\n\n",
    "max_tokens": 50,
    "temperature": 0.8,
    "top_p": 0.9,
    "top_k": 10,
    "min_p": 0.1,
    "stop": ["###"],
    "seed": 1,
    "stream": True,
    "stream_options": {"include_usage": True},
    "reasoning_effort": "low",
    "budget": 4,
    "search": {"width": 2, "aggregate": "last", "max_steps": 5, "lookahead": 0},
    "n": 1,
    "logprobs": False,
    "tools": [],
    "response_format": {"type": "text"},
    "user": "u",
}
ODD: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**63,
        2**64 - 1,
        1e308,
        -1e308,
        0.5,
        "",
        "x",
        "\x00",
        "🦊" * 50,
    ),
    *([], {}, [[]], [None], [1, "a"], {"a": {}}, {"type": []}, "a" * 20_000, [{}] * 500),
    *({"role": "user", "content": None}, [{"role": 5}], [{"role": "user", "content": [5]}]),
    *([{"role": "user", "content": [{"type": "text", "text": []}]}], "dvts@999999999", "dvts@0"),
    *(["a"] * 4, "../../etc/passwd", "os:system", "{question}", "{{7*7}}", "\\boxed{" * 500),
]
RAW = [
    *(b"", b"null", b"5", b"[]", b"{", b'{"model"', b"\xff\xfe", b"{}" * 2, b"[" * 5000),
    *(b'{"model": NaN}', b'{"a":' * 2000, b'{"model": "\\ud800"}', b'"x"', b"\x00" * 100),
]


@pytest.mark.parametrize("seed", range(4))
def test_no_request_breaks_the_gateway(seed: int) -> None:
    dice = random.Random(seed)
    made_gateway = gateway(longest=100)
    statuses: set[int] = set()
    with TestClient(
        make_app(made_gateway, page), base_url="http://127.0.0.1", raise_server_exceptions=False
    ) as client:
        for _ in range(250):
            path, body, headers = _request(dice)
            reply = client.post(path, content=body, headers=headers)
            statuses.add(reply.status_code)
            shown = (path, body[:500], headers, reply.text[:500])
            assert reply.status_code in (200, 400, 403, 404, 502, 504), shown
            if reply.status_code != 200:
                assert set(reply.json()["error"]) == {"message", "type", "param", "code"}, shown
            assert len(reply.content) < 1_000_000
        plain = {"model": "dvts@4", "messages": BODY["messages"]}
        assert client.post("/v1/chat/completions", json=plain).status_code == 200
    assert {200, 400} <= statuses
    assert made_gateway.queue.held == 0
    assert made_gateway.ledger.account("").reserved == 0


def _request(dice: random.Random) -> tuple[str, bytes, dict[str, str]]:
    path = dice.choice(["/v1/chat/completions", "/v1/completions"])
    headers = {}
    if dice.random() < 0.1:
        budget = dice.choice(["", "0", "-4", "4.0", "9" * 30, "4, 8", "0x4", "8"])
        headers["X-Search-Budget"] = budget
    if dice.random() < 0.1:
        return path, dice.choice(RAW), headers
    keys = dice.sample(sorted(BODY), dice.randrange(1, len(BODY)))
    body = {k: BODY[k] for k in {*keys, "model", dice.choice(["messages", "prompt"])}}
    for _ in range(dice.choice([0, 1, 1, 2])):
        if dice.random() < 0.2 and isinstance(body.get("search"), dict):
            inner = dice.choice([*BODY["search"], "rule", "embedder", "colour", "budget"])
            body["search"] = {**body["search"], inner: dice.choice(ODD)}
        else:
            body[dice.choice([*BODY, "colour", "logit_bias", "audio"])] = dice.choice(ODD)
    return path, orjson.dumps(body), headers
