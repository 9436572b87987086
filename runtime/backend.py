"""SGLang's frontend on the pooled client: the same programs, without a connection per request.

What `gen` cannot say is read from the state's variables, which forks copy: "sampling_seed", "rid"
and "token_ids". Token ids go both ways, so generated text is never tokenised again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sglang.lang.backend.base_backend import BaseBackend
from sglang.lang.global_config import global_config
from sglang.lang.interpreter import StreamExecutor
from sglang.lang.ir import SglSamplingParams

from sal.runtime.client import Engine
from sal.runtime.tokenizer import Tokenizer

_PASSED_ON = (
    "return_logprob",
    "logprob_start_len",
    "top_logprobs_num",
    "return_text_in_logprobs",
)


class Covered(NamedTuple):
    """The variable "token_ids": the ids of the first `chars` characters of the state's text."""

    ids: tuple[int, ...]
    chars: int


class PooledBackend(BaseBackend):  # type: ignore[misc]  # sglang is untyped
    """Runs programs on `engine`. Text keeps the stop string that ended it.

    Without `tokenizer`, the endpoint's own is looked for; where none can be had, text is sent in
    place of ids. Raises `EndpointError` when the endpoint cannot be asked for its model.
    """

    def __init__(self, engine: Engine, tokenizer: Tokenizer | None = None) -> None:
        super().__init__()
        self.engine = engine
        self.model_info = engine.info()
        self.tokenizer = tokenizer or find_tokenizer(self.model_info)

    def get_model_name(self) -> str:
        return str(self.model_info.get("model_path", ""))

    def generate(
        self, s: StreamExecutor, sampling_params: SglSamplingParams
    ) -> tuple[str, dict[str, Any]]:
        """The generated text and the reply's `meta_info`, plus the reply's "output_ids".

        Raises `EndpointError`; the program layer makes it that candidate's error.
        """
        variables = s.variables
        payload: dict[str, Any] = {
            "sampling_params": _sampling(sampling_params, variables.get("sampling_seed"))
        }
        for name in _PASSED_ON:
            if (value := getattr(sampling_params, name, None)) is not None:
                payload[name] = value
        if (rid := variables.get("rid")) is not None:
            payload["rid"] = rid

        ids: tuple[int, ...] = ()
        if self.tokenizer is None:
            payload["text"] = s.text_
        else:
            ids = _input_ids(s.text_, variables.get("token_ids"), self.tokenizer)
            payload["input_ids"] = ids
        reply = self.engine.generate(payload)

        text: str = reply["text"]
        meta: dict[str, Any] = reply["meta_info"]
        output: list[int] = reply.get("output_ids") or []
        meta["output_ids"] = output
        if self.tokenizer is not None:
            # The text that runs past a stop string inside its last token is trimmed by the server;
            # the ids stay as the model made them, for that is what its cache holds.
            kept = _visible(output, meta, self.tokenizer)
            variables["token_ids"] = Covered((*ids, *kept), len(s.text_) + len(text))
        return text, meta


def find_tokenizer(model_info: dict[str, Any]) -> Tokenizer | None:
    """The tokenizer of a served model, if its files are here or on the Hub."""
    path = model_info.get("tokenizer_path") or model_info.get("model_path")
    return Tokenizer.load(str(path)) if path else None


def _input_ids(text: str, covered: Any, tokenizer: Tokenizer) -> tuple[int, ...]:
    """The known ids, and those of the text that was appended since."""
    if covered is None or covered[1] > len(text):
        return tuple(tokenizer.encode(text, special=True))
    ids, chars = covered
    return (*ids, *tokenizer.encode(text[chars:])) if chars < len(text) else tuple(ids)


def _visible(output: list[int], meta: dict[str, Any], tokenizer: Tokenizer) -> list[int]:
    """The ids without an end token that the text does not show: what goes on must not hold it."""
    finish = meta.get("finish_reason") or {}
    ended = finish.get("type") == "stop" and output and output[-1] == finish.get("matched")
    return output[:-1] if ended and not tokenizer.decode(output[-1:]) else output


def _sampling(params: SglSamplingParams, seed: int | None) -> dict[str, Any]:
    """SGLang's sampling parameters: with the stop kept in the text, and a stop list of its own."""
    if params.n != 1:
        raise ValueError("n samples are n forks of the state; gen takes n=1")
    if params.dtype is not None:
        raise ValueError("gen(dtype=...) is not supported here; pass regex=...")
    options: dict[str, Any] = params.to_srt_kwargs()
    stop = options["stop"]
    options["stop"] = [stop] if isinstance(stop, str) else list(stop or ())
    options["stop_token_ids"] = list(options["stop_token_ids"] or ())
    options["no_stop_trim"] = True
    options["skip_special_tokens"] = global_config.skip_special_tokens_in_output
    options["spaces_between_special_tokens"] = global_config.spaces_between_special_tokens_in_out
    if seed is not None:
        options["sampling_seed"] = seed
    return options
