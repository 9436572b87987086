r"""Implicit PRMs (Yuan et al., arXiv 2412.01981; EurusPRM): two policies, and no verdict at all.

The reward of step t is q_t = β Σ log π(y_i) / π_ref(y_i) over the tokens y_i of the steps up to it,
each with its separator, in the chat template of the two models:

    user: {question}    assistant: Step 1: {step 1}\n\nStep 2: {step 2}\n\n ...

q_t is the expected outcome reward behind step t (their proposition 3.1), β is 0.001 as in the
authors' script. They rank by rewards as they are; a score here is σ(q_t), which is what their loss
trains as the probability that a solution is right. σ keeps the order of any two paths under "last"
and "min".

Both models are asked for the log-probabilities of the new tokens alone (`logprob_start_len`), so
that all that was scored before comes out of their radix caches. What it summed up to is kept here.

What differs. The authors' script, which has the whole solution, reads a step's sum one or two
tokens into the next one, and that of the last at its end token; here every sum ends with the step's
separator, for a search does not know yet what follows.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Any, Literal, get_args

from sal.runtime.client import Engine
from sal.runtime.endpoint_errors import Misread
from sal.runtime.model_files import is_url
from sal.runtime.tokenizer import Tokenizer
from sal.runtime.usage import Usage, generate_usage
from sal.verifiers.contract import NOTHING_GENERATED, Family, Prm, Serving
from sal.verifiers.dialogue import Dialogue
from sal.verifiers.interface import Scored
from sal.verifiers.numbered import numbered
from sal.verifiers.rendering import check_window
from sal.verifiers.unserved import headed
from sal.verifiers.verdicts import sigmoid

SEPARATOR = "\n\n"

_TIMES = 3
"""How often a damaged reply is asked for again, before it is the endpoint's fault."""

_REMEMBERED = 1 << 16
"""Paths whose sums are kept. One that is not known is summed again from its first token."""

Reward = Literal["cumulative", "step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImplicitOptions:
    """`reference` is the URL of the server of π_ref. `reward` "step" leaves the earlier steps out
    of a step's sum (the authors' "single")."""

    reference: str = ""
    beta: float = 0.001
    reward: Reward = "cumulative"

    def __post_init__(self) -> None:
        if not isinstance(self.reference, str):
            raise ValueError("reference must be a URL")
        if not isinstance(self.beta, int | float) or not 0 < self.beta < math.inf:
            raise ValueError("beta must be a number above 0")
        if self.reward not in get_args(Reward):
            raise ValueError(f"reward must be one of {', '.join(get_args(Reward))}")


class ImplicitVerifier:
    """A `Verifier` on the endpoints of the PRM and of its reference, which share `tokenizer`."""

    prefills = True

    def __init__(
        self,
        engine: Any,
        reference: Any,
        tokenizer: Tokenizer,
        options: ImplicitOptions,
        aggregate: str = "last",
        window: int | None = None,
    ) -> None:
        self.aggregate = aggregate
        self.window = window
        self._engines = (engine, reference)
        self._tokenizer = tokenizer
        self._options = options
        self._dialogue = Dialogue(tokenizer)
        self._sums: OrderedDict[tuple[str, ...], float] = OrderedDict()
        self._lock = Lock()

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """One request to each of the two, whatever the number of steps; see `Verifier`."""
        if not steps:
            return Scored(())
        path = (question, *prefix, *steps)
        ids, ends = self.render(question, path[1:])
        check_window("this solution with its question", len(ids), self.window, self._engines[0])
        known = len(prefix)
        total = 0.0
        if self._options.reward == "cumulative":
            before = self._recall(path[: known + 1]) if known else 0.0
            known, total = (0, 0.0) if before is None else (known, before)
        (model, cost), (reference, other) = (
            self._logprobs(engine, ids, ends[known]) for engine in self._engines
        )
        rewards = []
        for begin, end in pairwise(place - ends[known] for place in ends[known:]):
            ratio = math.fsum(model[begin:end]) - math.fsum(reference[begin:end])
            total = ratio if self._options.reward == "step" else total + ratio
            rewards.append(total)
        if self._options.reward == "cumulative":
            for place, reward in enumerate(rewards, known + 2):
                self._keep(path[:place], reward)
        new = rewards[len(prefix) - known :]
        return Scored(tuple(sigmoid(self._options.beta * r) for r in new), cost + other)

    def check_question(self, question: str) -> None:
        """Raise `Rejected` for a question that leaves no room for a step."""
        ids, _ = self.render(question, [""])
        check_window("this question with an empty step", len(ids), self.window, self._engines[0])

    def render(self, question: str, steps: Sequence[str]) -> tuple[list[int], list[int]]:
        """The ids, and where they stand at: the start of the solution, and behind each step."""
        plain = self._dialogue.plain
        ids = self._dialogue.first(plain(question))
        ends = [len(ids)]
        for step in numbered(steps):
            ids += self._tokenizer.encode(plain(step) + SEPARATOR)
            ends.append(len(ids))
        return ids, ends

    def close(self) -> None:
        """Break off what is asked of the reference; its client is this verifier's own."""
        self._engines[1].close()

    def _logprobs(self, engine: Any, ids: list[int], begin: int) -> tuple[list[float], Usage]:
        """Of the ids from `begin` on, by the model behind `engine`."""
        payload = {
            "input_ids": ids,
            "sampling_params": dict(NOTHING_GENERATED),
            "return_logprob": True,
            "logprob_start_len": begin - 1,  # whose own is not told: nothing was read before it
        }
        for attempt in range(1, _TIMES + 1):
            meta = engine.generate(payload).get("meta_info", {})
            try:
                told = meta["input_token_logprobs"][1:]
                if [token for _, token, *_ in told] != ids[begin:]:
                    raise ValueError("not those of the tokens that were asked about")
                logprobs = [float(logprob) for logprob, *_ in told]
                if not all(map(math.isfinite, logprobs)):
                    raise ValueError("one is not a number")
                return logprobs, generate_usage(meta)
            except (KeyError, TypeError, ValueError) as wrong:
                if attempt == _TIMES:
                    where = getattr(engine, "url", "the PRM")
                    raise Misread(
                        f"{where}: the reply does not hold the log-probabilities of the solution "
                        f"({type(wrong).__name__}: {wrong})",
                        url=where,
                        at_fault=True,
                    ) from wrong
        raise AssertionError("unreachable")

    def _recall(self, path: tuple[str, ...]) -> float | None:
        with self._lock:
            if path in self._sums:
                self._sums.move_to_end(path)
            return self._sums.get(path)

    def _keep(self, path: tuple[str, ...], total: float) -> None:
        with self._lock:
            self._sums[path] = total
            while len(self._sums) > _REMEMBERED:
                self._sums.popitem(last=False)


class ImplicitFamily(Family):
    name = "implicit"
    authors = "EurusPRM-Stage2"  # Stage1's take the minimum
    aggregate = "last"
    pattern = r"EurusPRM"
    Options = ImplicitOptions

    def unfit(self, config: Mapping[str, Any]) -> str:
        """A model with a head has no tokens to give log-probabilities of."""
        return headed(config)

    def serve(self, prm: Prm) -> Serving:
        _check_reference(prm)
        return Serving(prm.model)

    def build(self, prm: Prm) -> ImplicitVerifier:
        """Raises ValueError for a reference that reads other tokens; EndpointError."""
        from sal.verifiers.family import served_model  # which knows all families

        _check_reference(prm)
        reference = Engine(prm.options.reference)
        other = Tokenizer.load(served_model(reference.info()))
        if other is not None and not _alike(prm.tokenizer, other):
            raise ValueError(
                f"{prm.options.reference}: the reference has another tokenizer than {prm.model}, "
                "so their log-probabilities are not of the same tokens"
            )
        tokenizer, options = prm.tokenizer, prm.options
        return ImplicitVerifier(
            prm.engine, reference, tokenizer, options, prm.aggregate, prm.window
        )


def _check_reference(prm: Prm) -> None:
    if not is_url(prm.options.reference):
        raise ValueError(
            f"{prm.model} is an implicit PRM, read beside its reference model: serve that one too "
            "(sal up --prm MODEL), and say where: --prm-family implicit:reference=URL"
        )


def _alike(one: Tokenizer, other: Tokenizer) -> bool:
    probe = "Step 1: 2x + 3 = 7, so x = 2.\n\nÉtape 2 : ∑ 1/n² ≈ 1.64"
    return one.size == other.size and one.encode(probe) == other.encode(probe)


IMPLICIT = ImplicitFamily()
