"""Scores read from a causal PRM behind SGLang's `/generate`, nothing being generated.

The endpoint is asked for the log-probabilities of the two verdicts only. For one new step they
are those of the token that would follow the input (`output_token_ids_logprobs`), and all that was
scored before comes out of the radix cache. For several, `logprob_start_len` is the first new tag:
entry j of `input_token_ids_logprobs` is the distribution of the token at start + j, that is, what
follows position start + j - 1. The cache serves at most the tokens before the start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sal.runtime.endpoint_errors import Misread
from sal.verifiers.contract import NOTHING_GENERATED, Family, PrmEndpoint
from sal.verifiers.interface import Scored, Usage
from sal.verifiers.rendering import CausalFormat
from sal.verifiers.unserved import headed

_TIMES = 3
"""How often a reply without verdicts is asked for again, before it is the endpoint's fault."""


class CausalFamily(Family):
    """Families of causal PRMs, whose verdicts are two of the vocabulary's tokens."""

    def unfit(self, config: Mapping[str, Any]) -> str:
        """A model with a head has no vocabulary to take verdicts from."""
        return headed(config)


class CausalVerifier:
    """A `Verifier` on a causal PRM. Stateless, so any number of threads may share it.

    `aggregate` is the reduction that this PRM's authors rank with.
    """

    def __init__(self, engine: PrmEndpoint, format: CausalFormat, aggregate: str = "last") -> None:
        self.format = format
        self.aggregate = aggregate
        self._engine = engine

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """One request, whatever the number of steps; see `Verifier`."""
        if not steps:
            return Scored(())
        rendered = self.format.render(question, [*prefix, *steps])
        tags = rendered.tags[len(prefix) :]
        payload: dict[str, Any] = {
            "input_ids": list(rendered.ids),
            "sampling_params": dict(NOTHING_GENERATED),
            "return_logprob": True,
            "token_ids_logprob": [self.format.good, self.format.bad],
        }
        if len(tags) > 1:
            payload["logprob_start_len"] = tags[0]
        for attempt in range(1, _TIMES + 1):  # one damaged reply among good ones is no fault
            meta = self._engine.generate(payload).get("meta_info", {})
            try:
                pairs = [meta["input_token_ids_logprobs"][tag - tags[0] + 1] for tag in tags[:-1]]
                pairs.append(meta["output_token_ids_logprobs"][0])
                return Scored(tuple(map(self.verdict, pairs)), _usage(meta))
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
        good, bad = logprobs[self.format.good], logprobs[self.format.bad]
        margin = good - bad
        if math.isnan(margin) or math.inf in (good, bad):
            raise ValueError("a verdict's log-probability is not a number")
        return 0.5 * (1.0 + math.tanh(margin / 2))


def _usage(meta: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=meta.get("prompt_tokens"),
        cached_tokens=meta.get("cached_tokens"),
        completion_tokens=meta.get("completion_tokens"),
        requests=1,
    )
