"""A policy on the pooled client: programs without a connection or a thread for every request.

Token ids go both ways, so that generated text is never tokenised again.
"""

from __future__ import annotations

from typing import Any

from sal.runtime.client import Engine
from sal.runtime.frontend.backend import OF_THE_REQUEST, Policy
from sal.runtime.known_ids import settled
from sal.runtime.policy import KnownIds, Reply, Request, read_reply
from sal.runtime.tokenizer import Tokenizer


class PooledBackend(Policy):
    """Runs programs on `engine`, an SGLang server's `/generate`. Text keeps its stop string.

    Beside the ends of text that the server knows, the token that ends a reply in the chat template
    ends a text: the configuration of many a chat model names only that of its base model.

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
        if self.tokenizer is not None and (end := self.tokenizer.reply_end) is not None:
            sampling["stop_token_ids"] = [*(sampling.get("stop_token_ids") or ()), end]
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
            text, known = settled(request.text, ids, text, output, told, self.tokenizer)
        return read_reply(type(self).__name__, text, told, request, known)

    def known_before(self, known: KnownIds, text: str, chars: int) -> KnownIds | None:  # noqa: ARG002
        """See `Policy`."""
        if self.tokenizer is None:
            return None
        ids, more = self.tokenizer.without_end(known.ids, known.chars - chars)
        return KnownIds(ids, chars - more)


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
    return (*known.ids, *tokenizer.encode_behind(text[known.chars :]))


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
