"""Requests that are malformed, hostile or odd, drawn by dice."""

from __future__ import annotations

import random
from typing import Any

import orjson

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
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
RESPONSE: dict[str, Any] = {
    **{
        name: BODY[name] for name in ("model", "temperature", "top_p", "stream", "budget", "search")
    },
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}],
    "instructions": "Be right.",
    "max_output_tokens": 50,
    "reasoning": {"effort": "low"},
    "text": {"format": {"type": "text"}},
    "store": False,
    "tools": [],
    "include": [],
}
MODELS = ("dvts@4", "dvts@4", "majority@2", "policy", "best-of-n@2", "sal")
ITEMS: list[Any] = [
    {"type": "function_call", "call_id": 5, "name": None, "arguments": {}},
    {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text"}]},
    {"type": "item_reference", "id": "x"},
    {"type": "reasoning", "summary": 5},
    {"type": ["message"], "role": "user", "content": "x"},
    {"role": {"user": 1}, "content": "x"},
    {"role": "assistant", "content": [{"type": "output_text", "text": 5}]},
    {"role": "user", "content": [{"type": "input_image", "image_url": "http://10.0.0.1/x.png"}]},
]
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


def hostile(dice: random.Random) -> tuple[str, bytes, dict[str, str]]:
    """A path, a body and headers."""
    path = dice.choice(PATHS)
    headers = {}
    if dice.random() < 0.1:
        budget = dice.choice(["", "0", "-4", "4.0", "9" * 30, "4, 8", "0x4", "8"])
        headers["X-Search-Budget"] = budget
    if dice.random() < 0.1:
        return path, dice.choice(RAW), headers
    known = RESPONSE if path.endswith("responses") else BODY
    needed = "input" if known is RESPONSE else dice.choice(["messages", "prompt"])
    short = "max_output_tokens" if known is RESPONSE else "max_tokens"  # the engines are real ones
    keys = dice.sample(sorted(known), dice.randrange(1, len(known)))
    body = {k: known[k] for k in {*keys, needed, short}} | {"model": dice.choice(MODELS)}
    if dice.random() < 0.2:
        body[needed] = [*dice.sample(ITEMS, 2), {"role": "user", "content": "Hello?"}]
    for _ in range(dice.choice([0, 1, 1, 2])):
        if dice.random() < 0.2 and isinstance(body.get("search"), dict):
            inner = dice.choice([*BODY["search"], "rule", "embedder", "colour", "budget"])
            body["search"] = {**body["search"], inner: dice.choice(ODD)}
        else:
            body[dice.choice([*known, "colour", "logit_bias", "audio"])] = dice.choice(ODD)
    return path, orjson.dumps(body), headers
