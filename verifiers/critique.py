"""A verifier's model writes: token ids in, token ids out, and how sure it is of its verdict.

What it writes is never given back as text: a critique that goes on (GenPRM's) is the prefix that
the radix cache holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sal.runtime.endpoint_errors import Misread
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.usage import Usage, generate_usage
from sal.verifiers.contract import Family, PrmEndpoint
from sal.verifiers.rendering import check_window
from sal.verifiers.unserved import headed
from sal.verifiers.verdicts import Verdicts
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
    """What was written: `text` is the `ids` decoded, without control tokens; `whole` unless the
    limit cut it off."""

    text: str
    ids: tuple[int, ...]
    whole: bool
    usage: Usage


class Critic:
    """Has the model behind `engine` write. `good` and `bad` are the texts of its two verdicts, of
    each of which the first token counts; `window` is how many tokens it reads, where known."""

    def __init__(
        self,
        engine: PrmEndpoint,
        tokenizer: Tokenizer,
        good: str,
        bad: str,
        window: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self._window = window
        self.verdicts = Verdicts(engine, _first(tokenizer, good), _first(tokenizer, bad))
        """Reads how sure the model is of a verdict."""
        self._engine = engine
        if self.verdicts.good == self.verdicts.bad:
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
        """One continuation of `ids`, within the window. Its seed follows from them and the number
        of the `vote`.

        Raises an `EndpointError`.
        """
        check_window("what it is shown", len(ids) + 1, self._window, self._engine)
        seed = hashlib.blake2b(repr((vote, list(ids))).encode(), digest_size=4).digest()
        sampling = writing.sampling(stop, int.from_bytes(seed, "big") >> 1)
        if self._window is not None:
            room = self._window - len(ids)
            sampling["max_new_tokens"] = min(room, sampling["max_new_tokens"])
        reply = self._engine.generate({"input_ids": list(ids), "sampling_params": sampling})
        meta = reply["meta_info"]
        try:
            written = tuple(map(int, reply["output_ids"]))
        except (KeyError, TypeError, ValueError) as wrong:
            raise Misread(
                f"{self.where}: the reply does not hold the ids of what was written",
                url=self.where,
                at_fault=True,
            ) from wrong
        whole = meta["finish_reason"]["type"] != "length"
        return Critique(self.tokenizer.decode(written), written, whole, generate_usage(meta))

    def visible(self, critique: Critique) -> tuple[int, ...]:
        """The ids without a control token at their end: what goes on must not hold it."""
        ids = critique.ids
        return ids[:-1] if ids and not self.tokenizer.decode(ids[-1:]) else ids

    def sure(
        self, prompt: Sequence[int], critique: Critique, said: Mapping[int, bool]
    ) -> tuple[list[float], Usage]:
        """p(good) / (p(good) + p(bad)) where verdicts begin, in one more request.

        `said` has, by the character of the text at which each begins, whether it is the good one.
        The model is asked as it is, whatever temperature the critique was sampled at. Where the
        verdict's first token is neither of the two, its word is taken: 1 or 0.
        """
        at = [self._token_at(critique, start) for start in said]
        known = (self.verdicts.good, self.verdicts.bad)
        places = sorted({place for place in at if critique.ids[place] in known})
        read = dict[int, float]()
        usage = Usage()
        if places:
            whole = [*prompt, *critique.ids[: places[-1]]]
            scored = self.verdicts.read(whole, [len(prompt) + place - 1 for place in places])
            read, usage = dict(zip(places, scored.scores, strict=True)), scored.usage
        scores = [read.get(a, float(good)) for a, good in zip(at, said.values(), strict=True)]
        return scores, usage

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


class WritingFamily(Family):
    """Families whose models write their verdicts, in their vocabulary."""

    writes = True

    def unfit(self, config: Mapping[str, Any]) -> str:
        """A model with a head writes nothing."""
        return headed(config)


def _first(tokenizer: Tokenizer, text: str) -> int:
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"the PRM's tokenizer has no token for the verdict {text!r}")
    return ids[0]
