"""A verifier's model writes: token ids in, token ids out, and how sure it was of its verdict.

What it writes is never given back as text: a critique that goes on (GenPRM's) is the prefix that
the radix cache holds.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sal.runtime.endpoint_errors import Misread
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.usage import Usage, generate_usage
from sal.verifiers.votes import check_sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How critiques are sampled: `votes` of them, `max_tokens` each. Families have defaults of
    their own."""

    votes: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = -1
    max_tokens: int = 4096

    def __post_init__(self) -> None:
        check_sampling(self.votes, self.max_tokens, self.temperature)

    def sampling(self, stop: Sequence[str], seed: int) -> dict[str, Any]:
        """SGLang's sampling parameters; a stop string stays in the text."""
        return {
            "max_new_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop": list(stop),
            "no_stop_trim": True,
            "sampling_seed": seed,
        }


@dataclass(frozen=True, slots=True)
class Critique:
    """What was written: `margins` has log p(good) - log p(bad) at each of the `ids`.

    `text` is the ids decoded, without control tokens; `whole` unless the limit cut it off.
    """

    text: str
    ids: tuple[int, ...]
    margins: tuple[float, ...]
    whole: bool
    usage: Usage


class Critic:
    """Has the model behind `engine` write. `good` and `bad` are the texts of its two verdicts, of
    each of which the first token counts."""

    def __init__(self, engine: Any, tokenizer: Tokenizer, good: str, bad: str) -> None:
        self.tokenizer = tokenizer
        self._engine = engine
        self.good, self.bad = (_first(tokenizer, text) for text in (good, bad))
        if self.good == self.bad:
            raise ValueError(
                f"{good!r} and {bad!r} begin with the same token in the PRM's tokenizer: "
                "its verdicts cannot be told apart"
            )

    @property
    def where(self) -> str:
        """The endpoint, as messages name it."""
        return getattr(self._engine, "url", "the PRM")

    def write(
        self, ids: Sequence[int], writing: Writing, stop: Sequence[str], vote: int
    ) -> Critique:
        """One continuation of `ids`. Its seed follows from them and the number of the `vote`.

        Raises an `EndpointError`.
        """
        seed = hashlib.blake2b(repr((vote, list(ids))).encode(), digest_size=4).digest()
        reply = self._ask(ids, writing.sampling(stop, int.from_bytes(seed, "big") >> 1))
        meta = reply["meta_info"]
        try:
            written = tuple(int(token) for _, token, *_ in meta["output_token_logprobs"])
            margins = tuple(map(self._margin, meta["output_token_ids_logprobs"]))
            if len(written) != len(margins):
                raise ValueError(f"{len(margins)} of {len(written)} tokens have them")
        except (KeyError, TypeError, ValueError) as wrong:
            raise self._misread(wrong) from wrong
        whole = meta["finish_reason"]["type"] != "length"
        text = self.tokenizer.decode(written)
        return Critique(text, written, margins, whole, generate_usage(meta))

    def next(self, ids: Sequence[int]) -> tuple[float, Usage]:
        """p(good) / (p(good) + p(bad)) of the token that would follow `ids`; nothing is written."""
        meta = self._ask(ids, {"max_new_tokens": 0, "temperature": 0})["meta_info"]
        try:
            return sigmoid(self._margin(meta["output_token_ids_logprobs"][0])), generate_usage(meta)
        except (KeyError, IndexError, TypeError, ValueError) as wrong:
            raise self._misread(wrong) from wrong

    def visible(self, critique: Critique) -> tuple[int, ...]:
        """The ids without a control token at their end: what goes on must not hold it."""
        ids = critique.ids
        return ids[:-1] if ids and not self.tokenizer.decode(ids[-1:]) else ids

    def probability(self, critique: Critique, start: int, *, said: bool) -> float:
        """p(good) / (p(good) + p(bad)) where the verdict at the character `start` begins.

        Where that token is neither of the two, all there is is what was `said`: 1 or 0.
        """
        at = self._token_at(critique, start)
        if critique.ids[at] not in (self.good, self.bad):
            return float(said)
        return sigmoid(critique.margins[at])

    def _token_at(self, critique: Critique, start: int) -> int:
        """The index of the token that holds a character of the text, by bisection."""
        low, high = 0, len(critique.ids) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if len(self.tokenizer.decode(critique.ids[:middle])) <= start:
                low = middle
            else:
                high = middle - 1
        return low

    def _ask(self, ids: Sequence[int], sampling: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self._engine.generate(
            {
                "input_ids": list(ids),
                "sampling_params": sampling,
                "return_logprob": True,
                "token_ids_logprob": [self.good, self.bad],
            }
        )
        return reply

    def _margin(self, pair: Sequence[Sequence[Any]]) -> float:
        logprobs = {int(token): float(logprob) for logprob, token, *_ in pair}
        margin = logprobs[self.good] - logprobs[self.bad]
        if math.isnan(margin):
            raise ValueError("a verdict's log-probability is not a number")
        return margin

    def _misread(self, wrong: Exception) -> Misread:
        return Misread(
            f"{self.where}: the reply does not hold the log-probabilities of the verdicts "
            f"({type(wrong).__name__}: {wrong})",
            url=self.where,
            at_fault=True,
        )


def sigmoid(margin: float) -> float:
    """1 / (1 + exp(-margin)), for any margin."""
    return 0.5 * (1.0 + math.tanh(margin / 2))


def _first(tokenizer: Tokenizer, text: str) -> int:
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"the PRM's tokenizer has no token for the verdict {text!r}")
    return ids[0]
