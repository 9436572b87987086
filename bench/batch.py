"""A list request to `/generate`: many inputs in one HTTP exchange, answered when all are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from sal.runtime.client import Engine
from sal.runtime.connection import Connection

MOST = 4096
"""Inputs that SGLang's server in Rust takes in one list."""

LIMIT_S = 600.0


class Batches:
    """One endpoint, asked for one list at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._connection = Connection(engine.url)

    def generate(
        self, inputs: Sequence[Sequence[int]], asked: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """The reply to each of `inputs` (token ids), all of which are `asked` for the same.

        One request, or one after the other where there are more than `MOST`. Raises RuntimeError.
        """
        url = f"{self.engine.url}/generate"
        replies: list[dict[str, Any]] = []
        for i in range(0, len(inputs), MOST):
            body = orjson.dumps({**asked, "input_ids": inputs[i : i + MOST]})
            reply = self._connection.exchange(url, body, LIMIT_S)
            if reply.status != 200:
                raise RuntimeError(f"{url}: HTTP {reply.status}: {reply.body[:500].decode()}")
            replies += orjson.loads(reply.body)
        return replies
