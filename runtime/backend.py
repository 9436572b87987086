"""A policy on the pooled client: programs without a connection or a thread for every request.

Token ids go both ways, so that generated text is never tokenised again.
"""

from __future__ import annotations

from typing import Any

from sal.runtime.client import Engine
from sal.runtime.frontend.backend import OF_THE_REQUEST, Policy
from sal.runtime.policy import KnownIds, Reply, Request, read_reply
from sal.runtime.tokenizer import Tokenizer


class PooledBackend(Policy):
    """Runs programs on `engine`, an SGLang server's `/generate`. Text keeps its stop string.

    Without `tokenizer`, the endpoint's own is looked for; where none can be had, text is sent in
    place of ids. What would run past `context`, the longest text that the server takes in tokens,
    ends there: the server would refuse it. Raises `EndpointError` when the endpoint cannot be asked
    for its model.
    """

    reads_ahead = True

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer | None = None, context: int | None = None
    ) -> None:
        super().__init__()
        self.engine = engine
        self.context = context
        self.model_info = engine.info()
        self.tokenizer = tokenizer or find_tokenizer(self.model_info)

    def get_model_name(self) -> str:
        return str(self.model_info.get("model_path", ""))

    def write(self, request: Request) -> Reply:
        """See `Policy`; raises `EndpointError`."""
        sampling = _sampling(request)
        payload: dict[str, Any] = {"sampling_params": sampling}
        for name in OF_THE_REQUEST:
            if name in sampling:
                payload[name] = sampling.pop(name)
        if request.top_logprobs:
            payload["top_logprobs_num"] = request.top_logprobs
        ids: tuple[int, ...] = ()
        if self.tokenizer is None:
            payload["text"] = request.text
        else:
            ids = _input_ids(request.text, request.known, self.tokenizer)
            payload["input_ids"] = ids
            if self.context is not None and len(ids) < self.context:
                sampling["max_new_tokens"] = min(request.max_tokens, self.context - len(ids))
        reply = self.engine.generate(payload)

        text: str = reply.get("text", "")  # absent where no token was to be written, at most
        told: dict[str, Any] = reply["meta_info"]
        output: list[int] = reply.get("output_ids") or []
        told["output_ids"] = output
        known = None
        if self.tokenizer is not None:
            # The text that runs past a stop string inside its last token is trimmed by the server;
            # the ids stay as the model made them, for that is what its cache holds.
            kept = _visible(output, told, self.tokenizer)
            known = KnownIds((*ids, *kept), len(request.text) + len(text))
        return read_reply(type(self).__name__, text, told, request, known)


def find_tokenizer(model_info: dict[str, Any]) -> Tokenizer | None:
    """The tokenizer of a served model, if its files are here or on the Hub."""
    path = model_info.get("tokenizer_path") or model_info.get("model_path")
    return Tokenizer.load(str(path)) if path else None


def _input_ids(text: str, known: KnownIds | None, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The known ids, and those of the text that was appended since."""
    if known is None or known.chars > len(text):
        return tuple(tokenizer.encode(text, special=True))
    if known.chars == len(text):
        return known.ids
    return (*known.ids, *tokenizer.encode(text[known.chars :]))


def _visible(output: list[int], told: dict[str, Any], tokenizer: Tokenizer) -> list[int]:
    """The ids without an end token that the text does not show: what goes on must not hold it."""
    finish = told.get("finish_reason") or {}
    ended = finish.get("type") == "stop" and output and output[-1] == finish.get("matched")
    return output[:-1] if ended and not tokenizer.decode(output[-1:]) else output


def _sampling(request: Request) -> dict[str, Any]:
    """SGLang's sampling parameters, with the stop kept in the text."""
    options = dict(request.options)
    options["max_new_tokens"] = request.max_tokens
    options["temperature"] = request.temperature
    options |= request.limits()
    options["stop"] = list(request.stop)
    options["no_stop_trim"] = True
    if request.seed is not None:
        options["sampling_seed"] = request.seed
    return options
