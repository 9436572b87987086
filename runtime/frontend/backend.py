"""An SGLang backend of whatever can answer a `Request`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sglang.lang.backend.base_backend import BaseBackend
from sglang.lang.global_config import global_config
from sglang.lang.interpreter import StreamExecutor
from sglang.lang.ir import SglSamplingParams

from sal.runtime.policy import KNOWN, KnownIds, Reply, Request

SEED = "sampling_seed"
"""The state's variable with the seed of its next request."""

LIMITS = "sal_limits"
"""The state's variable with what was said of `top_p`, `top_k` and `min_p` for its next request.

By a `gen` alone it cannot be known: to SGLang `top_p=1.0` is the same as nothing said.
"""

REPLY = "sal_reply"
"""Under this name a state's meta info holds the typed reply."""

_FIELDS = ("max_new_tokens", "temperature", "stop", "n")
_LIMITS = ("top_p", "top_k", "min_p")
_UNSAID = SglSamplingParams().to_srt_kwargs()
OF_THE_REQUEST = ("return_logprob", "logprob_start_len", "return_text_in_logprobs")
"""Options that SGLang takes beside the sampling parameters."""


class Policy(BaseBackend, ABC):  # type: ignore[misc]  # sglang is untyped
    """Base class of a backend: `write` is all that it needs. Safe to use from many threads.

    Where the engine keeps a prefix that it has read, `reads_ahead` is true: a program may then
    send a text with `max_tokens` 0, so that its first candidates find it read.
    """

    reads_ahead: bool = False

    @abstractmethod
    def write(self, request: Request) -> Reply:
        """One continuation. Blocks; called from many threads at once.

        An exception is that candidate's error, and the search goes on, unless it is a
        `PolicyFault` or a bug's (`NameError`, `TypeError` and the like).
        """

    def known_before(self, known: KnownIds, text: str, chars: int) -> KnownIds | None:  # noqa: ARG002
        """Of the `known` ids of `text`, those within its first `chars` characters.

        None where it cannot tell: then the whole reply that is cut is tokenised again.
        """
        return None

    def generate(
        self, s: StreamExecutor, sampling_params: SglSamplingParams
    ) -> tuple[str, dict[str, Any]]:
        """What SGLang's interpreter calls for a `gen`: the text, and the meta info."""
        reply = self.write(_request(s, sampling_params))
        if reply.known is not None:
            s.variables[KNOWN] = reply.known
        return reply.text, {**reply.told, REPLY: reply}

    def get_model_name(self) -> str:
        """What is served, as messages name it."""
        return type(self).__name__


def _request(s: StreamExecutor, params: SglSamplingParams) -> Request:
    if params.n != 1:
        raise ValueError("n samples are n forks of the state; gen takes n=1")
    if params.dtype is not None:
        raise ValueError("gen(dtype=...) is not supported here; pass regex=...")
    options: dict[str, Any] = {
        name: value
        for name, value in params.to_srt_kwargs().items()
        if name not in _FIELDS and value != _UNSAID[name] and value != []
    }
    limits = {name: options.pop(name) for name in _LIMITS if name in options}
    limits |= s.variables.get(LIMITS) or {}
    options["skip_special_tokens"] = global_config.skip_special_tokens_in_output
    options["spaces_between_special_tokens"] = global_config.spaces_between_special_tokens_in_out
    for name in OF_THE_REQUEST:
        if (value := getattr(params, name)) is not None:
            options[name] = value
    known = s.variables.get(KNOWN)
    return Request(
        s.text_,
        params.max_new_tokens,
        params.temperature,
        (params.stop,) if isinstance(params.stop, str) else tuple(params.stop or ()),
        s.variables.get(SEED),
        params.top_logprobs_num or 0,
        None if known is None else KnownIds(*known),
        options,
        limits.get("top_p"),
        limits.get("top_k"),
        limits.get("min_p"),
    )
