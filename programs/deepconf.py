"""Deep Think with Confidence, online (DeepConf, Fu et al., arXiv 2508.15260, Algorithm 2).

No PRM: a trace is weighed by how sure the policy was of its tokens (`sal.strategies.confidence`).

1. Warm up: sample some traces to their end. The bar is a percentile of their lowest group
   confidences.
2. Sample a batch of traces. One whose confidence falls under the bar is given up while it runs.
3. Vote among the traces above the bar, warm-up ones too, each weighed by its lowest group
   confidence. Stop when the leading answer has the share `consensus` of all weight, or when N
   traces were begun; else go to 2.

What differs from the paper:
- The bar is looked at where a step ends, over all windows so far. So a trace is given up at most
  a step later than by the authors' engine patch, and it is always the same traces. A request that
  ended after a count of tokens instead could end inside a character or a word, which a stock
  backend, that sends text, would then tokenise otherwise.
- SGLang's logprobs are taken after the temperature is applied, where the authors' are before it,
  unless the server runs with SGLANG_RETURN_ORIGINAL_LOGPROB=1. The bar moves along.
- The authors' code adds the sampled token where it is not among the 20 likeliest; the equation,
  and this, do not.
- A trace that is given up counts against N: it was begun.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sglang.lang.api import function

from sal.programs import checks
from sal.programs.candidate import Candidate, Watch
from sal.programs.caps import Caps
from sal.programs.expand import Search, settle
from sal.programs.params import SamplingParams
from sal.programs.problem import Problem
from sal.programs.trace import SearchResult, Trace
from sal.strategies.answers import last_boxed
from sal.strategies.confidence import bar_over, consensus, falls, lowest_group
from sal.verifiers.interface import Verifier


@dataclass(frozen=True, slots=True)
class DeepConfParams(SamplingParams):
    """`budget` is N, the traces that may be begun; the first `warmup` of them set the bar.

    16 warm-up traces, the 20 likeliest tokens, a consensus of 0.95 and `keep` 0.9 (DeepConf-high;
    0.1 is DeepConf-low) are the paper's. Its `window` is 2048, for traces of tens of thousands of
    tokens; 128 is as large a part of solutions of some thousand. Where N is no more than `warmup`
    all traces run to their end, and the bar only filters the vote. `batch` traces run side by side
    between two looks at the consensus. Temperature 0.8 is that of the other searches here.
    """

    budget: int = 64
    warmup: int = 16
    batch: int = 16
    keep: float = 0.9
    window: int = 128
    top_logprobs: int = 20
    consensus: float = 0.95

    def __post_init__(self) -> None:
        SamplingParams.__post_init__(self)
        for name in ("warmup", "batch", "window", "top_logprobs"):
            checks.whole_number(name, getattr(self, name))
        checks.share("keep", self.keep)
        checks.share("consensus", self.consensus)

    @property
    def live_states(self) -> int:
        """The most threads that a run holds at a time, for admission control."""
        return 1 + min(self.budget, max(self.warmup, self.batch))


@function  # type: ignore[untyped-decorator]  # sglang has no types
def deepconf(
    s: Any,
    problem: str | Problem,
    *,
    params: DeepConfParams,
    verifier: Verifier | None = None,
    answer_key: Callable[[str], str] = last_boxed,
    seed: int = 0,
    trace: Trace | None = None,
    caps: Caps = Caps(),
) -> SearchResult:
    """Search one problem; what is left in the state is that of `best_of_n`.

    A completion's `weight` is its confidence, and one under the bar is `filtered`. With a
    verifier the steps are scored for the record; no decision looks at their scores.
    """
    with Search(s, problem, params, verifier, seed, trace, caps) as search:

        def sample(width: int, gives_up: Callable[..., bool] | None = None) -> list[Candidate]:
            watch = Watch(params.top_logprobs, gives_up)
            begun = params.budget - left
            search.trace.phase = f"{begun} of {params.budget} begun"
            return settle(search.start(search.root, width, whole=True, watch=watch))

        def confidence(candidate: Candidate) -> float:
            return lowest_group(candidate.confidences, params.window)

        def weight(candidate: Candidate) -> float | None:
            return confidence(candidate) if confidence(candidate) >= bar else None

        def agreed() -> bool:
            votes = [
                (answer_key(c.text), w)
                for c in traces
                if c.finish == "eot" and (w := weight(c)) is not None
            ]
            return consensus([k for k, _ in votes], [w for _, w in votes]) >= params.consensus

        # Warm up
        left = params.budget
        width = min(params.warmup, left)
        traces = sample(width)
        left -= width
        bar = bar_over([confidence(c) for c in traces if c.done], params.keep)

        # Sample against the bar
        while left and not agreed():
            width = min(params.batch, left)
            traces += sample(width, partial(falls, window=params.window, bar=bar))
            left -= width
        search.save(left)

        # Vote
        return search.conclude((c for c in traces if c.done), "last", answer_key, weight)
