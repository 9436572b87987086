"""Deep Think with Confidence (DeepConf, Fu et al., arXiv 2508.15260), online: Algorithm 2.

No PRM: a trace is weighed by how sure the policy was of its tokens (`sal.strategies.confidence`).

1. Warm up: sample some traces to their end. The bar is a percentile of their lowest group
   confidences.
2. Sample a batch of traces. One whose confidence falls under the bar is given up while it runs.
3. Vote among the traces above the bar, warm-up ones too, each weighed by its lowest group
   confidence. Stop when the leading answer has the share `consensus` of all weight, or when N
   traces were begun; else go to 2.

Offline (`mode="offline"`, section 3.2): sample N traces to their end, and vote among the share
`keep` of those with an answer of which the policy was surest, each weighed by that confidence.

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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sal.programs import checks
from sal.programs.candidate import Candidate
from sal.programs.extension import Watch
from sal.programs.params import SamplingParams
from sal.programs.search import Search, join
from sal.programs.strategy import strategy
from sal.programs.vote import Vote
from sal.runtime.policy import Reply
from sal.strategies.confidence import (
    KINDS,
    Kind,
    bar_over,
    consensus,
    falls,
    token_confidence,
    trace_confidence,
)

Mode = Literal["online", "offline"]


@dataclass(frozen=True, slots=True)
class DeepConfParams(SamplingParams):
    """`budget` is N, the traces that may be begun; the first `warmup` of them set the bar.

    16 warm-up traces, the 20 likeliest tokens, a consensus of 0.95 and `keep` 0.9 (DeepConf-high;
    0.1 is DeepConf-low) are the paper's. Its `window` is 2048, for traces of tens of thousands of
    tokens; 128 is as large a part of solutions of some thousand. Where N is no more than `warmup`
    all traces run to their end, and the bar only filters the vote. `batch` traces run side by side
    between two looks at the consensus. Temperature 0.8 is that of the other searches here.

    Offline neither `warmup` nor `batch` nor `consensus` means anything, and `confidence` is one of
    the paper's kinds ("tail" and "bottom", each with `keep` 0.1, are what the authors' code
    reports; with `keep` 1 all vote). Online it is the "lowest" group's.
    """

    budget: int = 64
    warmup: int = 16
    batch: int = 16
    keep: float = 0.9
    window: int = 128
    top_logprobs: int = 20
    consensus: float = 0.95
    mode: Mode = "online"
    confidence: Kind = "lowest"

    def __post_init__(self) -> None:
        SamplingParams.__post_init__(self)
        for name in ("warmup", "batch", "window", "top_logprobs"):
            checks.whole_number(name, getattr(self, name))
        checks.share("keep", self.keep)
        checks.share("consensus", self.consensus)
        checks.one_of("mode", self.mode, get_args(Mode))
        checks.one_of("confidence", self.confidence, KINDS if self.mode == "offline" else KINDS[:1])


@strategy(DeepConfParams, prm="for the record")
def deepconf(search: Search, params: DeepConfParams) -> Vote:
    """A completion's weight is its confidence; one under the bar has no vote.

    A candidate's data are its confidences, one per token. With a verifier the steps are scored
    for the record; no decision looks at their scores.
    """

    def sample(
        begun: int, width: int, gives_up: Callable[[Sequence[float]], bool] | None
    ) -> Traces:
        search.trace.phase = f"{begun} of {params.budget} begun"
        watch = Watch(read_confidences, gives_up, params.top_logprobs)
        return join(search.start(search.root, width, whole=True, watch=watch))

    def confidence(candidate: Candidate) -> float:
        return trace_confidence(candidate.data or (), params.confidence, params.window)

    if params.mode == "offline":
        traces = sample(0, params.budget, None)
        keys = search.answer_keys([c.text for c in traces])
        answers = [c for c, key in zip(traces, keys, strict=True) if key and c.finish == "eot"]
        bar = bar_over([confidence(c) for c in answers], params.keep)
        return vote(traces, confidence, bar)

    # Warm up
    begun = min(params.warmup, params.budget)
    traces = sample(0, begun, lambda _: False)
    bar = bar_over([confidence(c) for c in traces if c.done], params.keep)

    # Sample against the bar
    while begun < params.budget:
        if agreement(search, vote(traces, confidence, bar)) >= params.consensus:
            break
        width = min(params.batch, params.budget - begun)
        traces += sample(begun, width, lambda seen: falls(seen, params.window, bar))
        begun += width
    search.leave_unspent(params.budget - begun)

    # Vote
    return vote(traces, confidence, bar)


Traces = list[Candidate]


def read_confidences(data: tuple[float, ...] | None, reply: Reply) -> tuple[float, ...]:
    """The confidences so far and those of one more reply."""
    return (data or ()) + tuple(token_confidence(top) for top in reply.top_logprobs)


def vote(traces: Traces, confidence: Callable[[Candidate], float], bar: float) -> Vote:
    """Those that reach the bar, each weighed by its confidence."""
    done = [c for c in traces if c.done]
    weights = [confidence(c) for c in done]
    return Vote(done, [w if w >= bar else None for w in weights])


def agreement(search: Search, so_far: Vote) -> float:
    """The leading answer's share of all weight."""
    completions, _ = so_far.count(search.answer_keys)
    votes = [(c.key, c.weight) for c in completions if c.weight is not None]
    return consensus([key for key, _ in votes], [weight for _, weight in votes])
