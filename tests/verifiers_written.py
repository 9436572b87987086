"""A model that writes what a test tells it to, and the tokenizer that it writes with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from test_verifiers import bytes_core

from sal.runtime.tokenizer import Tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROLS = ("<|im_start|>", "<|im_end|>")


def chatml(*tokens: str) -> Tokenizer:
    """A token a byte, control tokens of ChatML, and `tokens`."""
    core = bytes_core(*CONTROLS)
    core.add_tokens(list(tokens))
    return Tokenizer(core, {}, CHATML)


class Writes:
    """An endpoint whose model says `say(prompt, number of the request)`.

    It is sure of a good verdict, and of a bad one, by `margin` nats. A text that ends with `…` was
    cut off there.
    """

    url = "http://verifier"

    def __init__(
        self, tokenizer: Tokenizer, say: Callable[[str, int], str], margin: float = 2.0
    ) -> None:
        self._tokenizer = tokenizer
        self._say = say
        self._margin = margin
        self._lock = threading.Lock()
        self.payloads: list[dict[str, Any]] = []

    def prompt(self, number: int) -> str:
        """What the request of that number held, control tokens included."""
        return self._text(self.payloads[number]["input_ids"])

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            number = len(self.payloads)
            self.payloads.append(payload)
        good, bad = payload["token_ids_logprob"]
        said = self._say(self._text(payload["input_ids"]), number)
        ids = self._tokenizer.encode(said.removesuffix("…"))
        nothing = payload["sampling_params"]["max_new_tokens"] == 0
        pairs = [self._pair(good, bad, token) for token in ids]
        return {
            "text": "",
            "meta_info": {
                "finish_reason": {"type": "length" if said.endswith("…") else "stop"},
                "prompt_tokens": len(payload["input_ids"]),
                "cached_tokens": 3,
                "completion_tokens": 0 if nothing else len(ids),
                "output_token_logprobs": [[-1.0, token, None] for token in ids],
                "output_token_ids_logprobs": pairs[:1] if nothing else pairs,
            },
        }

    def _pair(self, good: int, bad: int, token: int) -> list[list[Any]]:
        lead = self._margin * ((token == good) - (token == bad))
        return [[-3.0 + lead, good, None], [-3.0, bad, None]]

    def _text(self, ids: list[int]) -> str:
        return str(self._tokenizer._core.decode(ids, skip_special_tokens=False))
