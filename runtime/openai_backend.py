"""A policy behind an OpenAI-compatible `/v1/completions`: SGLang's, vLLM's, and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sal.runtime.client import Engine
from sal.runtime.frontend.backend import Policy
from sal.runtime.policy import UNKNOWN, Ending, IncompleteReply, Reply, Request
from sal.runtime.usage import openai_usage

_OPTIONS = ("frequency_penalty", "presence_penalty")
"""What a `gen` may ask for beside the fields of `Request`, and OpenAI's API knows too."""


class OpenAIBackend(Policy):
    """Runs programs on `engine`, whose URL may end in `/v1` or not. Text goes out, not token ids.

    `model` is the name of what is served; the first that the server lists by default. A server
    must tell which stop string ended a text (SGLang's `matched_stop`, vLLM's `stop_reason`): else
    a step's end is not to be told from the solution's, and the search is refused.
    """

    def __init__(self, engine: Engine, model: str | None = None) -> None:
        super().__init__()
        self.engine = engine
        self.model = engine.models()[0] if model is None else model

    def get_model_name(self) -> str:
        return self.model

    def write(self, request: Request) -> Reply:
        """See `Policy`; raises `EndpointError`."""
        payload: dict[str, Any] = {
            "model": self.model,
            "prompt": request.text,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        payload |= request.limits()  # SGLang and vLLM know top_k and min_p here too
        payload |= {name: request.options[name] for name in _OPTIONS if name in request.options}
        if request.stop:
            payload["stop"] = list(request.stop)
        if request.seed is not None:
            payload["seed"] = request.seed
        if request.top_logprobs:
            payload["logprobs"] = request.top_logprobs
        reply = self.engine.complete(payload)
        choice = reply["choices"][0]
        ended, matched = self._ending(choice, request)
        logprobs = choice.get("logprobs") or {}
        top = logprobs.get("top_logprobs") or ()
        if request.top_logprobs and choice["text"] and not top:
            raise IncompleteReply(self._name, "logprobs", "the search weighs tokens by them")
        usage = reply.get("usage")
        return Reply(
            choice["text"],
            ended,
            matched,
            UNKNOWN if usage is None else openai_usage(usage),
            top_logprobs=tuple(tuple(place.values()) for place in top),
            told=choice,
        )

    @property
    def _name(self) -> str:
        return f"{type(self).__name__} at {self.engine.url}"

    def _ending(self, choice: Mapping[str, Any], request: Request) -> tuple[Ending, str]:
        reason = choice.get("finish_reason")
        if reason == "length":
            return "length", ""
        if reason != "stop":
            raise RuntimeError(f"generation ended with {reason}")
        if not request.stop:
            return "end", ""
        told = [choice[name] for name in ("matched_stop", "stop_reason") if name in choice]
        if not told:
            raise IncompleteReply(self._name, "matched_stop", "a step or the whole ended?")
        return ("stop", told[0]) if told[0] in request.stop else ("end", "")
