"""A request as the gateway understands it: which search with what, or the policy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sal.programs.caps import Caps
from sal.runs.turns import Turn
from sal.serve.errors import wrong

MOST_STOPS = 4
"""As many as OpenAI takes."""

_SEEDS = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A search that can begin. `turns` is the conversation, or `prompt` the text to go on behind.

    `caps` end it, `tokens` is the most that it may generate; no `seed` is one of chance.
    """

    strategy: str
    params: Any
    caps: Caps
    tokens: int
    seed: int | None = None
    turns: tuple[Turn, ...] = ()
    prompt: str | None = None

    @property
    def budget(self) -> int:
        """N; 1 for a strategy without search."""
        return int(getattr(self.params, "budget", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Without a `search` the policy answers `body`; `because` names the fields that want it so.

    `votes` where its answers are to be voted over.
    """

    model: str
    body: Mapping[str, Any]
    stream: bool = False
    include_usage: bool = False
    search: Wanted | None = None
    because: tuple[str, ...] = ()
    votes: bool = False


def read_json(raw: bytes) -> dict[str, Any]:
    """The request's object; raises `ApiError`."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise wrong("body", f"no JSON: {error}") from None
    if not isinstance(body, dict):
        raise wrong("body", "a JSON object is wanted")
    return {name: value for name, value in body.items() if value is not None}


def boolean(body: Mapping[str, Any], name: str) -> bool:
    """A switch, off where nothing is said."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise wrong(name, "must be true or false")
    return value


def whole(body: Mapping[str, Any], name: str, least: int = 1) -> int | None:
    """A whole number, None where nothing is said."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise wrong(name, f"must be a whole number of at least {least}")
    return value


def seed_of(body: Mapping[str, Any]) -> int | None:
    """The seed, where one is said."""
    seed = whole(body, "seed", -_SEEDS)
    if seed is not None and seed >= _SEEDS:
        raise wrong("seed", "must be a whole number of 64 bits")
    return seed


def stops_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The stop strings, one or a list of them."""
    said = body.get("stop", [])
    stops = [said] if isinstance(said, str) else said
    if not isinstance(stops, list) or not all(isinstance(s, str) and s for s in stops):
        raise wrong("stop", "must be a text or a list of texts that are not empty")
    if len(stops) > MOST_STOPS:
        raise wrong("stop", f"at most {MOST_STOPS} of them")
    return tuple(stops)


def samples_of(body: Mapping[str, Any]) -> int:
    """How many texts the policy generates for a request that it answers alone."""
    each = whole(body, "n") or 1
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and not all(isinstance(token, int) for token in prompt)
    return each * (len(prompt) if several and isinstance(prompt, list) else 1)


def usage_wanted(body: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether to stream, and whether to end the stream with the usage."""
    stream, options = boolean(body, "stream"), body.get("stream_options", {})
    if not isinstance(options, dict):
        raise wrong("stream_options", "must be an object")
    if options and not stream:
        raise wrong("stream_options", "goes with stream only")
    return stream, boolean(options, "include_usage")
