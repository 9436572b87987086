"""Verdicts that are two of the vocabulary's tokens, read from SGLang's `/generate`.

Nothing is generated. The endpoint is asked for the log-probabilities of the two only. For one
verdict they are those of the token that would follow the input (`output_token_ids_logprobs`), and
all that was read before comes out of the radix cache. For several, `logprob_start_len` is the first
new place: entry j of `input_token_ids_logprobs` is the distribution of the token at start + j, that
is, what follows position start + j - 1. The cache serves at most the tokens before the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sal.runtime.endpoint_errors import Misread
from sal.runtime.usage import generate_usage
from sal.verifiers.contract import NOTHING_GENERATED, PrmEndpoint
from sal.verifiers.interface import Scored

_TIMES = 3
"""How often a reply without verdicts is asked for again, before it is the endpoint's fault."""


class Verdicts:
    """Reads p(good) / (p(good) + p(bad)) of the next token; `good` and `bad` are token ids."""

    def __init__(self, engine: PrmEndpoint, good: int, bad: int) -> None:
        self.good = good
        self.bad = bad
        self._engine = engine

    def read(self, ids: Sequence[int], tags: Sequence[int]) -> Scored:
        """Behind each of `ids[tags[k]]`, in one request; the last tag ends the ids.

        Raises an `EndpointError`.
        """
        payload: dict[str, Any] = {
            "input_ids": list(ids),
            "sampling_params": dict(NOTHING_GENERATED),
            "return_logprob": True,
            "token_ids_logprob": [self.good, self.bad],
        }
        if len(tags) > 1:
            payload["logprob_start_len"] = tags[0]
        for attempt in range(1, _TIMES + 1):  # one damaged reply among good ones is no fault
            meta = self._engine.generate(payload).get("meta_info", {})
            try:
                pairs = [meta["input_token_ids_logprobs"][tag - tags[0] + 1] for tag in tags[:-1]]
                pairs.append(meta["output_token_ids_logprobs"][0])
                return Scored(tuple(map(self.verdict, pairs)), generate_usage(meta))
            except (KeyError, IndexError, TypeError, ValueError) as wrong:
                if attempt == _TIMES:
                    where = getattr(self._engine, "url", "the PRM")
                    raise Misread(
                        f"{where}: the PRM's reply does not hold its verdicts "
                        f"({type(wrong).__name__}: {wrong}); "
                        f"it ended with {meta.get('finish_reason')}",
                        url=where,
                        at_fault=True,
                    ) from wrong
        raise AssertionError("unreachable")

    def verdict(self, pair: Sequence[Sequence[Any]]) -> float:
        """The score in a reply's log-probabilities: softmax over the two verdicts.

        `pair` is `[[logprob, token id, text], ...]`; raises ValueError or KeyError for another.
        """
        logprobs = {int(token): float(logprob) for logprob, token, *_ in pair}
        good, bad = logprobs[self.good], logprobs[self.bad]
        margin = good - bad
        if math.isnan(margin) or math.inf in (good, bad):
            raise ValueError("a verdict's log-probability is not a number")
        return sigmoid(margin)


def sigmoid(margin: float) -> float:
    """1 / (1 + exp(-margin)), for any margin."""
    return 0.5 * (1.0 + math.tanh(margin / 2))
