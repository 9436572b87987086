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
    """An endpoint whose model says `say(prompt, number of the text)`, and is sure of what it said.

    It prefers a verdict that it wrote to the other one by 2 nats. A text that ends with `…` was cut
    off there. `asked` are the requests for a text, `read` those for log-probabilities.
    """

    url = "http://verifier"

    def __init__(self, tokenizer: Tokenizer, say: Callable[[str, int], str]) -> None:
        self._tokenizer = tokenizer
        self._say = say
        self._lock = threading.Lock()
        self._whole: list[list[int]] = []
        self.asked: list[dict[str, Any]] = []
        self.read: list[dict[str, Any]] = []

    def info(self) -> dict[str, Any]:
        return {"model_path": "verifier"}

    def prompt(self, number: int) -> str:
        """What the text of that number went on from, control tokens included."""
        return self.text(self.asked[number]["input_ids"])

    def text(self, ids: list[int]) -> str:
        return str(self._tokenizer._core.decode(ids, skip_special_tokens=False))

    def generate(self, payload: dict[str, Any]) -> dict[str, Any]:
        prompt = payload["input_ids"]
        if payload["sampling_params"]["max_new_tokens"] == 0:
            return self._read(payload)
        with self._lock:
            number = len(self.asked)
            self.asked.append(payload)
        said = self._say(self.text(prompt), number)
        ids = self._tokenizer.encode(said.removesuffix("…"))
        with self._lock:
            self._whole.append([*prompt, *ids])
        ended = "length" if said.endswith("…") else "stop"
        return {"text": "", "output_ids": ids, "meta_info": self._meta(prompt, ids, ended)}

    def _read(self, payload: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.read.append(payload)
        ids = payload["input_ids"]
        start = payload.get("logprob_start_len", len(ids))
        meta = self._meta(ids, [], "length")
        meta["input_token_ids_logprobs"] = [None] + [
            self._pair(payload, ids[: place + 1]) for place in range(start, len(ids))
        ]
        meta["output_token_ids_logprobs"] = [self._pair(payload, ids)]
        return {"meta_info": meta}

    def _pair(self, payload: dict[str, Any], before: list[int]) -> list[list[Any]]:
        good, bad = payload["token_ids_logprob"]
        end = len(before)
        said = next((w[end] for w in self._whole if w[:end] == before and len(w) > end), None)
        if said is None:
            said = self._tokenizer.encode(self._say(self.text(before), -1))[0]
        lead = 2.0 * ((said == good) - (said == bad))
        return [[-3.0 + lead, good, None], [-3.0, bad, None]]

    def _meta(self, prompt: list[int], ids: list[int], ended: str) -> dict[str, Any]:
        return {
            "finish_reason": {"type": ended},
            "prompt_tokens": len(prompt),
            "cached_tokens": 3,
            "completion_tokens": len(ids),
        }
