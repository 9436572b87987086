"""What one run has asked, no other asks again: an engine that remembers for all runs of a sweep.

A sample's seed is that of its place in the problem's tree, whatever the strategy and its N. Two
runs that take the same path therefore ask for the very same continuation: they search one tree, of
which each sees the part that it chooses (common random numbers; what differs between two strategies
is then the strategies). The first 4 of 64 samples are those of N = 4. So the reply to a request
that was made before, of the same model, with the same token ids, seed and limits, is taken from
memory. It is a sample as good as a new one, and half the time.

What a run costs must not depend on who ran before it. Prompt tokens and generated ones are the
reply's own; cached ones are counted here, as a cache that was empty when the run began holds them.
So a token is read once, where a real server, sent equal texts at once, reads some twice (over 40
problems: 0 to 2% of what the policy prefills, 2 to 12% of the PRM's, 15 to 34% with `revise`).
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson

from sal.runtime.access import OPEN, Access
from sal.runtime.client import Engine
from sal.runtime.wire import Payload, Reply

_OVERHEAD = 200
"""Bytes that an entry takes beside its reply: the key, two objects, and its place in the table."""


class Replies:
    """Replies by what was asked of which model, for any number of threads.

    At most `most` bytes of them: then those that were not wanted for the longest time are dropped.
    `found` counts the requests that were answered from here, `kept` the bytes that are held.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.kept = 0
        self.found = 0
        self._replies: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._replies)

    def find(self, key: bytes) -> Reply | None:
        with self._lock:
            known = self._replies.get(key)
            if known is None:
                return None
            self._replies.move_to_end(key)
            self.found += 1
        reply: Reply = orjson.loads(known)
        return reply

    def keep(self, key: bytes, reply: Reply) -> None:
        packed = bytes(memoryview(orjson.dumps(reply)))  # of its size: orjson leaves room behind
        with self._lock:
            if key in self._replies:
                return
            self._replies[key] = packed
            self.kept += len(packed) + _OVERHEAD
            while self.kept > self.most:
                _, oldest = self._replies.popitem(last=False)
                self.kept -= len(oldest) + _OVERHEAD


class SharedEngine(Engine):
    """A client for one run that asks its server only what is not in `replies`.

    `usage` stays what the server did; the replies' `cached_tokens` are those of a run alone. What
    is sent as text, for want of a tokenizer, is not shared: nobody knows what a cache holds of it.
    """

    def __init__(self, url: str, access: Access = OPEN, *, replies: Replies) -> None:
        super().__init__(url, access)
        self._replies = replies
        self._cache = ColdCache()
        self._model = ""

    def info(self) -> dict[str, Any]:
        """See `Engine`; what it names is whose replies these are, wherever it is served."""
        said = super().info()
        self._model = str(said.get("model_path") or "")
        return said

    def generate(self, payload: Payload) -> Reply:
        """See `Engine`. What fails is not remembered."""
        return self._shared("generate", payload, super().generate)

    def classify(self, payload: Payload) -> Reply:
        """See `Engine`. What fails is not remembered."""
        return self._shared("classify", payload, super().classify)

    def _shared(self, path: str, payload: Payload, ask: Callable[[Payload], Reply]) -> Reply:
        if "input_ids" not in payload:
            return ask(payload)
        key = self._key(path, payload)
        reply = self._replies.find(key)
        if reply is None:
            reply = ask(payload)
            if "top_logprobs_num" not in payload:  # too large: 20 alternatives to each token
                self._replies.keep(key, reply)
        held = self._cache.read(payload["input_ids"], reply.get("output_ids") or ())
        # SGLang never takes a prompt's last token from the cache, nor what must tell logprobs.
        most = payload.get("logprob_start_len", len(payload["input_ids"]) - 1)
        reply["meta_info"]["cached_tokens"] = min(held, most)
        return reply

    def _key(self, path: str, payload: Payload) -> bytes:
        whose = self._model or self.url
        request = orjson.dumps([whose, self.adapter, path, payload], option=orjson.OPT_SORT_KEYS)
        return blake2b(request, digest_size=16).digest()


class ColdCache:
    """The token sequences that a radix cache has seen since it was empty."""

    def __init__(self) -> None:
        self._sequences: list[bytes] = []
        self._lock = threading.Lock()

    def read(self, prompt: Sequence[int], output: Sequence[int]) -> int:
        """How many tokens at the start of `prompt` it held; it now holds prompt and output.

        The output's last token it does not: nothing was computed behind it.
        """
        wanted = _packed(prompt)
        grown = wanted + _packed(output[:-1])
        with self._lock:
            at = bisect_left(self._sequences, wanted)
            # In sorted order nothing has more in common with it than its neighbours.
            held = max(
                (_common(wanted, s) for s in self._sequences[max(at - 1, 0) : at + 1]), default=0
            )
            at = bisect_left(self._sequences, grown, lo=at)
            if self._sequences[at : at + 1] != [grown]:
                self._sequences.insert(at, grown)
        return held


def _packed(ids: Sequence[int]) -> bytes:
    return array("I", ids).tobytes()


def _common(one: bytes, other: bytes) -> int:
    """The length of their common start, in tokens."""
    n = min(len(one), len(other)) // 4
    differ = np.frombuffer(one, np.uint32, n) != np.frombuffer(other, np.uint32, n)
    return int(differ.argmax()) if differ.any() else n
